"""The queries of tests/acceptance/sandbox, as its README.md says, and somebody who sends events meanwhile."""

import http.client
import json
import pathlib
import re
import threading
import time

from server import equal, event

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "acceptance/sandbox"
OK = "ok"
SPENT = {"SL2201", "SL2202", "SL2206"}


def load(name):
    """Returns {name of the case: (text, codes)} of one file."""
    cases = {}
    for part in re.split(r"^== ", (FOLDER / name).read_text(), flags=re.M)[1:]:
        head, text = part.split("\n", 1)
        case, codes = head.split(": ")
        assert case not in cases, f"{name}: {case} is there twice"
        cases[case] = expand(text.strip("\n")), set().union(*(SPENT if c == "spent" else {c} for c in codes.split()))
    return cases


def expand(text):
    def repeat(match):
        count, piece, between = match.groups()
        return (between or "").join(
            re.sub(r"<i(?:\+(\d+))?>", lambda more: str(number + int(more[1] or 0)), piece)
            for number in range(int(count)))

    text = text.replace("\\n", "\n").replace("\\0", "\0")
    text = re.sub(r'\{repeat (\d+) "([^"]*)"(?: by "([^"]*)")?\}', repeat, text)
    if until := re.search(r'\{until (\d+) "([^"]*)"\}', text):
        left = int(until[1]) - (len(text) - len(until[0]))
        text = text.replace(until[0], until[2] * (left // len(until[2])))
    return text


class Sender(threading.Thread):
    """Sends small batches without a pause and keeps how long each acknowledgement took."""

    def __init__(self, port, prefix):
        super().__init__()
        self.port, self.prefix = port, prefix
        self.stopping = threading.Event()
        self.seconds, self.sent, self.failure = [], 0, None

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            while not self.stopping.is_set():
                rows = [dict(event(self.sent + i), eventId=f"{self.prefix}-{self.sent + i}") for i in range(20)]
                body = "".join(json.dumps(row) + "\n" for row in rows)
                start = time.monotonic()
                connection.request("POST", "/v1/events/shop.user-events", body,
                                   {"Content-Type": "application/x-ndjson"})
                answer = connection.getresponse()
                receipt = json.loads(answer.read())
                self.seconds.append(time.monotonic() - start)
                equal((answer.status, receipt["accepted"]), (200, 20))
                self.sent += 20
        except Exception as error:  # Told by the main thread.
            self.failure = error

    def end(self):
        self.stopping.set()
        self.join()
        if self.failure:
            raise AssertionError(f"sending failed: {self.failure!r}")


def ask(port, sql, time_ms, rows=1_000_000, size=64 << 20):
    """Returns the code (or OK) and how long it took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"sql": sql, "limits": {"time_ms": time_ms, "rows": rows, "bytes": size}})
    start = time.monotonic()
    connection.request("POST", "/v1/sql", body, {"Content-Type": "application/json",
                                                  "Accept": "application/x-ndjson"})
    answer = connection.getresponse()
    last = b""
    while piece := answer.read(1 << 20):
        last = (last + piece)[-4000:]
    took = time.monotonic() - start
    connection.close()
    if answer.status != 200:
        return json.loads(last)["code"], took
    end = json.loads(last.splitlines()[-1])
    return OK if end["complete"] else end["error"]["code"], took
