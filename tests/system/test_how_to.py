"""The programs of docs/how-to/send-events.md, run as they stand, each in its language where the machine has it."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from server import Project, Server, equal, run

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/how-to/send-events.md"
# Go takes long to build a first program: its text is only looked at by gofmt, where that is.
RUN = {"sh": ["bash", "-c"], "python": [sys.executable, "-c"], "js": ["node", "--input-type=module", "-e"]}


def each_program_sends_its_event():
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), re.S | re.M)
    equal(sorted(language for language, _ in blocks), ["go", "js", "python", "sh", "sh"])
    sent = 0
    with Project() as project, Server(project) as server:
        for language, text in blocks:
            if language == "go":
                if shutil.which("gofmt"):
                    done = subprocess.run(["gofmt", "-l"], input=text, capture_output=True, text=True, timeout=60)
                    equal((done.returncode, done.stdout), (0, ""), done.stderr)
                continue
            tool = "curl" if re.search(r"\bcurl\b", text) else RUN[language][0]
            if not shutil.which(tool):
                print(f"     no {tool} here: {language} is left out")
                continue
            text = text.replace("127.0.0.1:7117", f"127.0.0.1:{server.port}")
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run([*RUN[language], text], capture_output=True, text=True, timeout=60, cwd=folder)
            equal(done.returncode, 0, f"{language}: {done.stdout}{done.stderr}")
            equal(json.loads(done.stdout)["accepted"], 1, f"{language}: {done.stdout}")
            sent += 1
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[sent]])
    assert sent >= 1


run(each_program_sends_its_event)
