"""What users see of each code: the cases of tests/acceptance/diagnostics, word for word."""

import json
import os
import pathlib
import re
import socket
import subprocess

from hostile_queries import expand
from server import Project, Server, binary, equal, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = ROOT / "tests/acceptance/diagnostics"
SCHEMA = """@0x8f1a2b3c4d5e6f70;
using Sl = import "sluice.capnp";
struct Golden $Sl.event("golden") {
  id @0 :Text $Sl.id;           at @1 :Text $Sl.eventTime;
  number @2 :Int8;              price @3 :Text $Sl.decimal(precision = 6, scale = 2);
  trace @4 :Text $Sl.uuid;      kind @5 :Kind;
  bytes @6 :Data;               payment :union { card @7 :Text; cash @8 :Bool; }
  name @9 :Text $Sl.required;   values @10 :List(Int8);
  enum Kind { new @0; used @1; }
}
struct Closed $Sl.event("closed") {
  person @0 :Text $Sl.subject;  secret @1 :Text $Sl.encrypt;  born @2 :Text $Sl.generalise("month");
}
struct Batch $Sl.event("batches") { id @0 :Text; }
"""
SETTINGS = ("land: {every: 1h}\nlimits: {query_memory: 128MiB, row: 4MiB}\n"
            "topics: {closed: {unknown: error}, batches: {dedup: {by: batch}}}\n")
# Codes without a case, each with the reason.
ELSEWHERE = {
    "SL1004": "two files: server.ConfigTest, system.test_schemas",
    "SL1006": "a project, not its file alone: system.test_command_line",
    "SL2112": "another writer at each try: system.test_sql_changes",
    "SL2205": "a query that is stopped: system.test_sql",
    "SL2206": "a worker that dies: worker.PoolTest, system.test_query_sandbox",
    "SL2207": "more queries than may wait: system.test_query_sandbox",
    "SL2208": "no room on the disk: worker.PoolTest",
    "SL2210": "a file that is gone: duck.RelationFilesTest",
    "SL2211": "a reader that takes nothing: system.test_slow_readers",
    "SL2999": "a bug",
    "SL3008": "messages of Cap'n Proto: decode.MessageTest, system.test_http_forms",
    "SL3009": "messages of Cap'n Proto: decode.MessageTest, system.test_http_forms",
    "SL3052": "a destroyed key: system.test_privacy",
    "SL4005": "what is not text: system.test_http_forms",
    "SL4006": "CloudEvents: api.CloudEventsTest, system.test_http_forms",
    "SL4032": "keys of pages: system.test_http_forms",
    "SL4030": "values of other keys: system.test_privacy",
    "SL4031": "tokens: system.test_tokens, system.test_sql_changes",
    "SL4080": "a slow request: system.test_door",
    "SL4090": "a stored state: system.test_schemas, system.test_errors",
    "SL4152": "messages of Cap'n Proto: decode.MessageTest, system.test_http_forms",
    "SL4220": "what a later schema does to stored errors: system.test_errors",
    "SL4221": "too many topics: system.test_schemas",
    "SL4290": "a full queue: system.test_door",
    "SL4291": "a quota that is used up: system.test_errors",
    "SL5000": "a bug",
    "SL5001": "damaged files: journal.*, system.test_table",
    "SL5030": "a missing part: system.test_bucket",
    "SL5031": "a full queue of requests: system.test_door",
    "SL5032": "a server that stops: system.test_door",
    "SL5033": "too many connections: system.test_door",
    "SL5070": "a full disk: system.test_door",
}


class Case:
    def __init__(self, text):
        head, rest = text.split("\n", 1)
        words = head.split()
        self.head, self.code, self.options = head, words[0], words[1:]
        self.given, self.expected = re.fullmatch(r"(.*?)^----\n?(.*)", rest, re.S | re.M).groups()


def cases(name):
    text = (CASES / name).read_text()
    assert text.startswith("== "), name
    return [Case(part) for part in ("\n" + text).split("\n== ")[1:]]


def compare(name, answer):
    """Asks for each case's answer, and compares; or writes what was answered."""
    found = [(case, answer(case)) for case in cases(name)]
    if os.environ.get("SLUICE_UPDATE") == "1":
        (CASES / name).write_text("".join(f"== {case.head}\n{case.given}----\n{text}" for case, text in found))
    for case, text in found:
        assert case.code in text, f"{case.head}: the answer has not this code:\n{text}"
        if os.environ.get("SLUICE_UPDATE") != "1":
            equal(text.rstrip("\n"), case.expected.rstrip("\n"), f"{name}, {case.head}")


def shortened(text):
    """Long runs of one character are told by their length."""
    return re.sub(r"(.)\1{99,}", lambda run: f"{run[1]} × {len(run[0])}", text)


def project_files():
    with Project(schemas={"golden.capnp": SCHEMA}) as project:
        def answer(case):
            with open(f"{project.folder}/sluice.yaml", "w") as file:
                file.write(case.given)
            done = subprocess.run([os.path.abspath(binary()), "check", "sluice.yaml"], cwd=project.folder, text=True,
                                  capture_output=True, timeout=60)
            assert done.returncode == 78 or "warning" in done.stderr, done
            return done.stderr

        compare("projects.txt", answer)


def queries():
    with Project(SETTINGS, schemas={"golden.capnp": SCHEMA}) as project, Server(project) as server:
        server.send("golden", [json.dumps({"id": "a", "name": "n", "at": "2026-01-05T10:00:00Z"}) + "\n"], wait="table")

        def answer(case):
            with open(f"{project.folder}/query.sql", "w") as file:
                file.write(expand(case.given))
            done = subprocess.run([os.path.abspath(binary()), "--server", f"127.0.0.1:{server.port}", "sql", "-f",
                                   "query.sql", *case.options], cwd=project.folder, text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
            assert done.returncode != 0, f"{case.head} ends well"
            said = re.sub(r"after \d+ rows", "after N rows", done.stderr)  # As many as fit into whole pieces.
            return re.sub(r"\(\S+ MiB/(\S+ MiB) used\)", r"(N/\1 used)", said)

        compare("queries.txt", answer)


def rows():
    with Project(SETTINGS, schemas={"golden.capnp": SCHEMA}) as project, Server(project) as server:
        def answer(case):
            status, answer = server.post("/v1/events", expand(case.given), {"Content-Type": "application/x-ndjson"})
            if status != 200:
                return f"{status} {answer['code']}: {answer['detail']}\n"
            return "".join(f"{error['code']} {shortened(error.get('path') or '-')}: {error['message']}\n"
                           for error in answer["errors"])

        compare("rows.txt", answer)


def requests():
    with Project(SETTINGS, schemas={"golden.capnp": SCHEMA}) as project, Server(project) as server:
        server.post("/v1/events/batches?client=c&batch_id=b", '{"id": "other"}', {"Content-Type": "application/x-ndjson"})

        def answer(case):
            head, body = expand(case.given).split("\n\n", 1)
            line, *fields = head.split("\n")
            if not line.rsplit(" ", 1)[-1].startswith("HTTP/"):
                line += " HTTP/1.1"
            names = {field.split(":")[0].lower() for field in fields}
            if "host" not in names:
                fields.append(f"host: 127.0.0.1:{server.port}")
            if body and not names & {"content-length", "transfer-encoding"}:
                fields.append(f"content-length: {len(body)}")
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
                connection.sendall("\r\n".join([line, *fields, "connection: close", "", body]).encode())
                whole = b""
                while piece := connection.recv(65536):
                    whole += piece
            status = whole.split(b" ", 2)[1].decode()
            problem = json.loads(whole.split(b"\r\n\r\n", 1)[1])
            equal(str(problem["status"]), status)
            text = json.dumps(problem, indent=1, ensure_ascii=False)
            return f"{status}\n{text}\n".replace(str(server.port), "PORT")

        compare("requests.txt", answer)


def every_code_has_a_case_or_a_reason():
    codes = set(re.findall(r"^\| (SL\d+) \|", (ROOT / "docs/reference/errors.md").read_text(), re.M))
    shown = {case.code for name in ("projects.txt", "queries.txt", "rows.txt", "requests.txt") for case in cases(name)}
    shown |= {path.name[:6] for path in (ROOT / "sluice/event/golden").iterdir()}
    equal(sorted(codes - shown - set(ELSEWHERE)), [], "codes without a case")
    equal(sorted((shown | set(ELSEWHERE)) - codes), [], "cases of no code")
    equal(sorted(shown & set(ELSEWHERE)), [], "codes with a case, and a reason to have none")


run(project_files, queries, rows, requests, every_code_has_a_case_or_a_reason)
