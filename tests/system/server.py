"""A real server in a folder of its own, for tests."""

import contextlib
import copy
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

SLOW = "land: {every: 1h}\n"  # Settings of a server that lands when told to.
SCHEMA = """@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct UserEvent $Sl.event("shop.user-events") {
  eventId   @0 :Text $Sl.id;
  userId    @1 :Int64;
  page      @2 :Text;
  timestamp @3 :Text $Sl.eventTime;
}
"""


def binary():
    return sys.argv[1]


class Skip(Exception):
    """This machine lacks what a test needs; the text says what."""


def testdata(name):
    """A folder of the shared test data; skips where it is absent."""
    root = os.environ.get("SLUICE_TESTDATA", f"{os.path.dirname(__file__)}/../../../shared/testdata")
    folder = f"{root}/{name}"
    if not os.path.isdir(folder):
        raise Skip(f"there is no {folder}; set SLUICE_TESTDATA")
    return folder


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


class Project:
    """A project folder; `settings` are more lines of its sluice.yaml."""

    def __init__(self, settings="", schemas=None):
        self.folder = tempfile.mkdtemp(prefix="sluice-test-")
        os.mkdir(f"{self.folder}/schemas")
        with open(f"{self.folder}/sluice.yaml", "w") as file:
            file.write("version: 1\nserve: {http: 127.0.0.1:0}\n" + settings)
        for name, text in ({"user_event.capnp": SCHEMA} if schemas is None else schemas).items():
            with open(f"{self.folder}/schemas/{name}", "w") as file:
                file.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def table_folder(self, name="shop_user_events", schema="bronze"):
        return f"{self.folder}/data/tables/default/{schema}/{name}"

    def commits(self, name="shop_user_events", schema="bronze"):
        """The table's commits in order, each a list of actions."""
        folder = self.table_folder(name, schema) + "/_delta_log"
        return [[json.loads(line) for line in open(f"{folder}/{file}")]
                for file in sorted(os.listdir(folder)) if file.endswith(".json") and file[0].isdigit()]

    def command(self, *arguments, stdin=None):
        """Runs a command of the program; returns (exit code, standard output, standard error)."""
        done = subprocess.run([binary(), "-C", self.folder, *arguments], input=stdin, text=True,
                              errors="replace", capture_output=True, timeout=300)
        return done.returncode, done.stdout, done.stderr


class Server:
    """One run of the program over a project."""

    def __init__(self, project, prefix=()):
        self.project = project
        self.log = open(f"{project.folder}/log", "a+")
        self.log.seek(0, os.SEEK_END)
        begin = self.log.tell()
        environment = dict(os.environ)
        with open(f"{project.folder}/sluice.yaml") as settings:
            if "maintenance" not in settings.read():
                # Tests count files and versions: only what they do themselves may change those.
                environment["SLUICE_MAINTENANCE_ENABLED"] = "false"
        self.process = subprocess.Popen(
            [*prefix, binary(), "-C", project.folder, "--log-format", "json", "serve"],
            stderr=self.log, stdout=self.log, env=environment)
        self.port = self._wait_for_port(begin)
        self.connection = None

    def another(self):
        """A second client of the same server, with a connection of its own, for another thread."""
        client = copy.copy(self)
        client.connection = None
        return client

    def _wait_for_port(self, begin):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with open(self.log.name, errors="replace") as log:
                log.seek(begin)
                for line in log:
                    if '"event":"serving"' in line and line.endswith("\n"):
                        return int(json.loads(line)["port"])
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n" + self.output())
            time.sleep(0.01)
        raise RuntimeError("the server did not start:\n" + self.output())

    def output(self):
        with open(self.log.name, errors="replace") as log:  # Damaged files may end in messages.
            return log.read()

    def ask(self, method, target, body=None, headers=None, timeout=120):
        """Returns (status, body). Raises OSError when the server is gone."""
        for attempt in (0, 1):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
            try:
                self.connection.request(method, target, body, headers or {})
                answer = self.connection.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError):
                self.connection.close()
                self.connection = None
                if attempt == 1 or method != "GET":
                    raise

    def ask_whole(self, method, target, body=None, headers=None):
        """Returns (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        with contextlib.closing(connection):
            return answer.status, dict(answer.getheaders()), answer.read()

    def get(self, target):
        status, answer = self.ask("GET", target)
        return status, json.loads(answer)

    def send(self, topic, rows, wait="log"):
        """Sends rows as NDJSON; returns the receipt."""
        body = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
        target = f"/v1/events/{topic}?wait={wait}" if topic else f"/v1/events?wait={wait}"
        status, answer = self.ask("POST", target, body, {"Content-Type": "application/x-ndjson"})
        if status not in (200, 202):
            raise AssertionError(f"{status}: {answer.decode()}")
        return json.loads(answer)

    def sql(self, text, **limits):
        """Returns the rows as lists; `limits` as in the request."""
        body, form = (json.dumps({"sql": text, "limits": limits}), "application/json") if limits else (text, "text/plain")
        status, answer = self.ask("POST", "/v1/sql", body, {"Content-Type": form})
        if status != 200:
            raise AssertionError(f"{status}: {answer.decode()}")
        result = json.loads(answer)
        assert result["complete"] is True, f"cut after {len(result['rows'])} rows: {text}"
        return result["rows"]

    def post(self, target, body=None, headers=None):
        status, answer = self.ask("POST", target, body, headers)
        return status, json.loads(answer)

    def land(self):
        """Lands what waits, now."""
        status, answer = self.post("/v1/admin/land")
        equal(status, 200, answer)

    def tables(self):
        return {t["topic"]: t for t in json.loads(self.ask("GET", "/v1/admin/tables")[1])["tables"]}

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        assert code == 0, f"exit code {code}:\n" + self.output()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.kill()
        if kind is not None:
            sys.stderr.write(self.output()[-5000:])


def event(number, page="/p", time_text="2026-01-05T10:00:00Z"):
    return {"eventId": f"e{number}", "userId": number, "page": page, "timestamp": time_text}


def equal(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}")


def until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def run(*tests):
    """Runs the tests in order; prints a line each and ends the program."""
    failed, skipped = 0, 0
    only = sys.argv[2:]  # Names, to run some of them.
    for test in tests:
        if only and test.__name__ not in only:
            continue
        start = time.monotonic()
        try:
            test()
            print(f"ok   {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"skip {test.__name__}: {reason}", flush=True)
        except Exception as error:  # The next test may still tell something.
            failed += 1
            print(f"FAIL {test.__name__}: {type(error).__name__}: {error}", flush=True)
    sys.exit(1 if failed else 77 if skipped == len(tests) else 0)
