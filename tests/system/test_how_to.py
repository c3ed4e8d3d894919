"""The programs of docs/how-to/send-events.md, run as they stand, each in its language where the machine has it."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from server import SCHEMA, Project, Server, equal, run

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/how-to/send-events.md"
# Go takes long to build a first program: its text is only looked at by gofmt, where that is.
RUN = {"sh": ["bash", "-c"], "python": [sys.executable, "-c"], "js": ["node", "--input-type=module", "-e"]}


def each_program_sends_its_event():
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), re.S | re.M)
    equal(sorted(language for language, _ in blocks), ["go", "js", "python", "sh", "sh", "sh"])
    sent = 0
    with Project() as project, Server(project) as server:
        for language, text in blocks:
            if language == "go":
                if shutil.which("gofmt"):
                    done = subprocess.run(["gofmt", "-l"], input=text, capture_output=True, text=True, timeout=60)
                    equal((done.returncode, done.stdout), (0, ""), done.stderr)
                continue
            tools = [tool for tool in ("capnp", "curl") if re.search(rf"\b{tool} ", text)] or [RUN[language][0]]
            missing = [tool for tool in tools if not shutil.which(tool)]
            if missing:
                print(f"     no {missing[0]} here: {language} is left out")
                continue
            text = text.replace("127.0.0.1:7117", f"127.0.0.1:{server.port}")
            with tempfile.TemporaryDirectory() as folder:
                pathlib.Path(folder, "sluice.capnp").write_text(project.command("schema", "show", "--builtin")[1])
                pathlib.Path(folder, "user_event.capnp").write_text(SCHEMA)
                done = subprocess.run([*RUN[language], text], capture_output=True, text=True, timeout=60, cwd=folder)
            equal(done.returncode, 0, f"{language}: {done.stdout}{done.stderr}")
            equal(json.loads(done.stdout)["accepted"], 1, f"{language}: {done.stdout}")
            sent += 1
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[sent]])
    assert sent >= 1


run(each_program_sends_its_event)
