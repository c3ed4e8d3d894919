"""The commands of README and tutorial, as they stand there: run in a new folder, compared with what they show, timed.

A block marked `console` has commands behind `$ ` and lines of what they print below; `…` stands for anything. Lines of
`./dev` and `export` are left out: the program is built already.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from server import binary, equal, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS_MAX = 60


def commands(text):
    """Yields (command, [lines that it should print])."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.S | re.M):
        until = None
        for line in block.splitlines():
            if until:
                found[-1][0] += "\n" + line
                until = None if line == until else until
            elif line.startswith("$ "):
                found.append([line[2:], []])
                here = re.search(r"<<'(\w+)'", line)
                until = here and here[1]
            elif line.strip() != "…":
                found[-1][1].append(line)
    return found


class Shell:
    """One shell, as somebody would have it open; what it prints comes into a file."""

    def __init__(self, folder, port):
        self.out = open(f"{folder}/.printed", "w+")
        os.mkdir(f"{folder}/.bin")
        os.symlink(os.path.abspath(binary()), f"{folder}/.bin/sluice")
        self.process = subprocess.Popen(
            ["bash", "-s"], cwd=folder, stdin=subprocess.PIPE, stdout=self.out, stderr=self.out, text=True,
            start_new_session=True,
            # In place of 7117, which somebody may use.
            env={**os.environ, "PATH": f"{folder}/.bin:{os.environ['PATH']}", "SLUICE_SERVE_HTTP": f"127.0.0.1:{port}"})
        self.count = 0

    def printed(self, begin):
        with open(self.out.name) as file:
            file.seek(begin)
            return file.read()

    def type(self, command, expected):
        """Runs the command, until it has ended and has printed what is expected."""
        begin = os.path.getsize(self.out.name)
        self.count += 1
        mark = f"--done-{self.count}-"
        self.process.stdin.write(f"{command}\necho {mark}$?\n")
        self.process.stdin.flush()
        deadline = time.monotonic() + 30
        while True:
            text = self.printed(begin)
            ended = re.search(re.escape(mark) + r"(\d+)", text)
            missing = first_missing(expected, text)
            background = command.rstrip().endswith("&")
            if ended and (missing is None or not background):
                break
            assert time.monotonic() < deadline, f"$ {command}\n{text}\nhas not printed: {missing!r}"
            assert self.process.poll() is None, text
            time.sleep(0.02)
        assert missing is None, f"$ {command}\n{text}\nhas not printed: {missing!r}"
        return int(ended[1])

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def first_missing(expected, text):
    """The first line that is not there, in their order; None if all are."""
    lines = iter(text.splitlines())
    for wanted in expected:
        pattern = ".*".join(re.escape(part) for part in wanted.split("…"))
        if not any(re.fullmatch(pattern, line) for line in lines):
            return wanted
    return None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def follow(file, port=None):
    folder = tempfile.mkdtemp(prefix="sluice-test-")
    shell = Shell(folder, port or free_port())
    start = time.monotonic()
    first_query = None
    try:
        for command, expected in commands((ROOT / file).read_text()):
            if command.startswith(("./dev", "export ")):
                continue
            code = shell.type(command, expected)
            # What is wrong on purpose ends with 65: data that was refused.
            assert code in (0, 65) and (code == 0 or " send " in command), f"$ {command}\nended with {code}"
            if first_query is None and re.search(r"\bsql -c", command):
                first_query = time.monotonic() - start
        seconds = time.monotonic() - start
    finally:
        shell.close()
        shutil.rmtree(folder, ignore_errors=True)
    assert first_query is not None and shell.count > 5, f"{file} has no commands; the test would see nothing"
    print(f"     {file}: {shell.count} commands, first query after {first_query:.1f} s, all in {seconds:.1f} s")
    assert first_query < SECONDS_MAX, first_query


def the_readme_works_as_it_stands():
    follow("README.md")


def the_tutorial_works_as_it_stands():
    follow("docs/tutorial/first-minute.md")


def the_tutorial_works_beside_a_demo():
    port = free_port()
    demo = subprocess.Popen([binary(), "demo", "--port", str(port), "--no-open"], stderr=subprocess.PIPE, text=True)
    try:
        for line in demo.stderr:
            if "on purpose" in line:
                break
        follow("docs/tutorial/first-minute.md", port)
        equal(demo.poll(), None, "the demo runs on")
    finally:
        demo.send_signal(signal.SIGINT)
        demo.stderr.read()
        equal(demo.wait(timeout=60), 0, "the demo")


def what_is_not_printed_is_noticed():
    equal(first_missing(["a…c", "d"], "x\nabc\nd\n"), None)
    equal(first_missing(["d", "a…c"], "x\nabc\nd\n"), "a…c")
    equal(first_missing(["abc"], "abcd"), "abc")
    equal(commands("```console\n$ a\nb\n…\n$ cat <<'E'\nx\nE\n$ c &\n```\n"), [["a", ["b"]], ["cat <<'E'\nx\nE", []], ["c &", []]])


if __name__ == "__main__":
    run(what_is_not_printed_is_noticed, the_readme_works_as_it_stands, the_tutorial_works_as_it_stands,
        the_tutorial_works_beside_a_demo)
