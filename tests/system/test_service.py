"""deploy/sluice.service: its command serves, ends as it says, and may make the calls that query workers need."""

import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile

from server import Project, Server, Skip, binary, equal, event, run

UNIT = pathlib.Path(__file__).resolve().parents[2] / "deploy/sluice.service"
STATE = "/var/lib/sluice"


def settings():
    """The unit's settings, each with all values that it was given."""
    found = {}
    for line in UNIT.read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def command(project):
    words = shlex.split(settings()["ExecStart"][0])
    equal(words[0], "/usr/local/bin/sluice")
    return [binary(), *(project.folder if word == STATE else word for word in words[1:])]


def its_command_serves_and_ends_at_sigterm():
    with Project() as project:
        class FromUnit(Server):
            """A server whose command line is the unit's."""
            def __init__(self):
                self.project, self.connection = project, None
                self.log = open(f"{project.folder}/log", "a+")
                self.process = subprocess.Popen(command(project), stderr=self.log, stdout=self.log, cwd=project.folder)
                self.port = self._wait_for_port(0)

        with FromUnit() as server:
            equal(server.send("shop.user-events", [event(1)])["accepted"], 1)
            equal(server.sql("select count(*) from bronze.shop_user_events"), [[1]])
            server.process.send_signal(signal.SIGTERM)
            equal(server.process.wait(timeout=60), 0)


def mistakes_that_stay_are_not_tried_again():
    kept_down = settings()["RestartPreventExitStatus"][0].split()
    with Project("land: {evry: 1h}\n") as project:
        done = subprocess.run(command(project), capture_output=True, text=True)
        assert str(done.returncode) in kept_down, (done.returncode, done.stderr)
        done = subprocess.run([*command(project), "--no-such-flag"], capture_output=True, text=True)
        assert str(done.returncode) in kept_down, (done.returncode, done.stderr)


def systemd_takes_it():
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd is not installed")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/sluice.service"
        with open(path, "w") as file:
            file.write(UNIT.read_text().replace("/usr/local/bin/sluice", os.path.abspath(binary())))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path],
                              capture_output=True, text=True)
        about = [line for line in (done.stdout + done.stderr).splitlines() if "sluice.service" in line]
        equal((done.returncode, about), (0, []), done.stderr)


def query_workers_may_confine_themselves():
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd is not installed")

    def calls(group):
        listed = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
        lines = (line.split("#")[0].strip() for line in listed.stdout.splitlines()[1:])
        return {call for line in lines if line for call in (calls(line) if line[0] == "@" else [line])}

    allowed = set()
    for words in settings()["SystemCallFilter"]:
        for word in words.split():
            allowed |= calls(word) if word[0] == "@" else {word}
    needed = {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp", "prctl", "setrlimit",
              "prlimit64", "execve", "clone", "socketpair", "memfd_create", "setpriority", "ioprio_set", "fallocate", "fdatasync"}
    equal(needed - allowed, set())


if __name__ == "__main__":
    run(its_command_serves_and_ends_at_sigterm, mistakes_that_stay_are_not_tried_again, systemd_takes_it,
        query_workers_may_confine_themselves)
