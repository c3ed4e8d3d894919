"""CloudEvents over HTTP, by the cases of tests/acceptance/cloudevents."""

import json
import pathlib
import re

from server import Project, Server, equal, run

CASES = pathlib.Path(__file__).resolve().parents[1] / "acceptance/cloudevents/http.txt"
SCHEMA = """@0x8f1a2b3c4d5e6f73;
using Sl = import "sluice.capnp";
struct Made $Sl.event("made") { n @0 :Int64; }
"""


def expand(text):
    return re.sub(r'\{repeat (\d+) "([^"]*)"\}', lambda found: found[2] * int(found[1]), text)


class Case:
    def __init__(self, text):
        self.rule, _, rest = text.partition("\n")
        given, wanted = expand(rest).split("\n----\n")
        head, _, self.body = given.partition("\n\n")
        first, *fields = head.splitlines()
        self.method, self.target = first.split(" ")
        self.headers = dict(field.split(": ", 1) for field in fields)
        status, *lines = wanted.strip().splitlines()
        self.status, _, self.code = status.partition(" ")
        self.rows = [json.loads(line) for line in lines if line.startswith("{")]
        self.errors = [line[2:] for line in lines if line.startswith("! ")]
        self.fields = [line.partition(":") for line in lines if not line.startswith(("{", "!"))]


def every_case_is_answered_as_the_specification_says():
    cases = [Case(text) for text in re.split(r"^== ", CASES.read_text(), flags=re.M)[1:]]
    assert len(cases) > 25, len(cases)
    seen = 0
    with Project(schemas={"made.capnp": SCHEMA}) as project, Server(project) as server:
        for case in cases:
            status, headers, text = server.ask_whole(case.method, case.target, case.body.encode() or None, case.headers)
            answer = json.loads(text) if text else {}
            equal((status, answer.get("code", "")), (int(case.status), case.code), f"{case.rule}: {answer}")
            for name, _, value in case.fields:
                equal(headers.get(name, ""), value.strip(), case.rule)
            equal([f"{error['code']} {error['path']}" for error in answer.get("errors", [])], case.errors, case.rule)
            rows = server.sql("select strftime(_published_at, '%Y-%m-%d %H:%M:%S'), _metadata, n from bronze.made "
                              f"where _offset >= {seen} order by _offset")
            seen += len(rows)
            equal([{"published": published, "metadata": json.loads(metadata), "n": n} for published, metadata, n in rows],
                  case.rows, case.rule)


run(every_case_is_answered_as_the_specification_says)
