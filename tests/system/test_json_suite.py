"""The 318 cases of JSONTestSuite (https://github.com/nst/JSONTestSuite), each as the value of a field that the schema
does not know, through HTTP and back by SQL."""

import json
import os

from server import Project, Server, equal, run, testdata

TOPIC = "/v1/events/shop.user-events"
FORMS = {"json": "application/json", "array": "application/json", "ndjson": "application/x-ndjson"}


def cases(first):
    folder = testdata("json-test-suite/test_parsing")
    for name in sorted(os.listdir(folder)):
        if name[0] == first:
            with open(f"{folder}/{name}", "rb") as file:
                yield name, file.read()


def event_with(identity, value):
    head = json.dumps({"eventId": identity, "timestamp": "2026-01-05T10:00:00Z"}).encode()
    return head[:-1] + b', "other": ' + value + b', "userId": 1}'


def body(form, identity, value):
    row = event_with(identity, value)
    return b"[" + event_with(f"before {identity}", b"0") + b", " + row + b"]" if form == "array" else row + b"\n"


def value_of(text):
    """A JSON text as a value in which numbers are their text and objects lists of pairs, so that nothing is lost."""
    return json.loads(text, parse_int=lambda s: ("number", s), parse_float=lambda s: ("number", s),
                      object_pairs_hook=lambda pairs: ("object", pairs))


def project():
    return Project("topics: {shop.user-events: {unknown: keep}}\n")


def all_valid_cases_are_kept_and_read_back():
    counts = dict.fromkeys(FORMS, 0)
    broken = 0
    with project() as folder, Server(folder) as server:
        number, expected = 0, {}
        for name, value in cases("y"):
            for form, media in FORMS.items():
                number += 1
                status, receipt = server.post(TOPIC, body(form, f"e{number}", value), {"Content-Type": media})
                equal(status, 200, f"{name} as {form}")
                if form == "ndjson" and b"\n" in value:
                    # A line is a row: an event over several lines is as many bad rows, and none of them is lost.
                    lines = [line for line in body(form, f"e{number}", value).split(b"\n") if line.strip()]
                    equal((receipt["received"], receipt["accepted"], receipt["error"]),
                          (len(lines), 0, len(lines)), f"{name} as {form}")
                    broken += 1
                    continue
                equal((receipt["accepted"], receipt["error"]), (2 if form == "array" else 1, 0), f"{name} as {form}")
                expected[f"e{number}"] = (name, value)
                counts[form] += 1
        for when in ("in the tail", "in the table"):
            found = {row[0]: row[1] for row in server.sql("select event_id, _extra from bronze.shop_user_events")}
            for identity, (name, value) in expected.items():
                equal(value_of(found[identity]), ("object", [("other", value_of(value))]), f"{name} {when}")
            # What a reader gets who asks DuckDB for the member itself.
            texts = dict(server.sql("select event_id, json_extract(_extra, '$.other')::varchar from "
                                    "bronze.shop_user_events"))
            for identity, (name, value) in expected.items():
                if isinstance(value_of(value), (str, bool, type(None))):
                    equal(json.loads(texts[identity]), value_of(value), f"{name} {when}, extracted")
            equal(server.post("/v1/admin/land")[0], 200)
        server.stop()
    equal((counts["json"], counts["array"]), (95, 95), "valid cases in JSON")
    equal(counts["ndjson"] + broken, 95, "valid cases in NDJSON")
    print(f"95 valid cases; {broken} of them span lines, which NDJSON cannot hold: {broken} times all lines were errors")


def all_invalid_cases_are_refused_with_code_and_position():
    seen = 0
    with project() as folder, Server(folder) as server:
        for number, (name, value) in enumerate(cases("n")):
            seen += 1
            for form, media in FORMS.items():
                sent = body(form, f"e{number}", value)
                status, answer = server.post(TOPIC, sent, {"Content-Type": media})
                what = f"{name} as {form}: {answer}"
                if form != "ndjson":
                    equal((status, answer.get("code")), (400, "SL3001"), what)
                    at = answer["detail"].split("not valid JSON at byte ")[1].split(":")[0]
                    assert len(sent.split(b'"other": ')[0]) <= int(at) <= len(sent), what
                    continue
                equal(status, 200, what)
                lines = [line for line in sent.split(b"\n") if line.strip()]
                equal((answer["received"], answer["accepted"], answer["error"]), (len(lines), 0, len(lines)), what)
                equal([e["row"] for e in answer["errors"]], list(range(len(lines))), what)
                first = answer["errors"][0]
                equal(first["code"], "SL3001", what)
                at = first["message"].split("not valid JSON at byte ")[1].split(" ")[0]
                assert 0 <= int(at) <= len(lines[0]), what
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[0]])
        server.stop()
    equal(seen, 188, "invalid cases")


def what_the_standard_leaves_open_harms_nothing():
    seen, accepted = 0, 0
    with project() as folder, Server(folder) as server:
        for number, (name, value) in enumerate(cases("i")):
            seen += 1
            for form, media in FORMS.items():
                status, answer = server.post(TOPIC, body(form, f"e{number} {form}", value),
                                             {"Content-Type": media})
                assert status in (200, 400), f"{name} as {form}: {status} {answer}"
                accepted += answer.get("accepted", 0)
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[accepted]])
        server.stop()
    equal(seen, 35, "open cases")


run(all_valid_cases_are_kept_and_read_back, all_invalid_cases_are_refused_with_code_and_position,
    what_the_standard_leaves_open_harms_nothing)
