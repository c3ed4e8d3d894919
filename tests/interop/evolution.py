"""A topic's schema changes again and again while events come; after each landing other engines read the right rows.

usage: evolution.py PATH/TO/sluice [--spark]

Makes the legal changes of tests/system/schema_changes.py one by one, with events under each version, and lands
under every second, so that one commit has rows of two. On the way deltalake adds fields of its own inside our structs.
Then it tries the illegal ones, which must change nothing.
What each row has to say is worked out here from what was sent and which fields its version had.
"""

import argparse
import base64
import datetime
import decimal
import sys
import tempfile

import packages

packages.use_deltalake()
sys.path.append(str(packages.ROOT / "tests/system"))

import deltalake  # noqa: E402
import pyarrow  # noqa: E402

from engines import UTC, Deltalake, Spark  # noqa: E402
from schema_changes import ILLEGAL, LEGAL, START, changed, evolving  # noqa: E402
from server import Project, Server, equal  # noqa: E402

UUID = "0b0c7a52-6d0e-4b52-9a41-0d7b7a1f6a11"


def event(number):
    """Every field that any version has; those that a version does not know go to _extra."""
    return {"id": f"e{number}", "a": number, "k": "two", "u": 200, "t": "t", "f5": -number, "f7": ["x", None],
            "f8": {"x": number, "y": "y"}, "f9": [{"x": 1, "y": "z", "p": [{"x": 3}, None]}, None], "f10": number % 2 == 0,
            "f11": "1.250", "f12": 1767571200, "f13": UUID, "f14": 2**63, "f15": "AQID", "f16": {"x": "t"}, "f18": 0.5,
            "f19": {"x": "g", "w": {"y": "deep"}}, "f20": "three", "f21": 7}


def stored(number, fields):
    """What the table says of event(number), sent under a version with these fields; null is left out."""
    sent = event(number)
    values = dict(sent, f11=decimal.Decimal("1.250"), f12=datetime.datetime(2026, 1, 5, tzinfo=UTC),
                  f14=decimal.Decimal(2**63), f15=base64.b64decode(sent["f15"]), f16={"x": "t", "which": "x"})
    # "P" has x alone, "Q" y too, "R" also p.
    if "P" in fields.get("f8", ""):
        values["f8"] = {"x": number}
    members = {"P": ["x"], "Q": ["x", "y"], "R": ["x", "y", "p"]}[fields.get("f9", ":List(P)").split("(")[1][0]]
    values["f9"] = [{name: sent["f9"][0][name] for name in members}, None]
    if ":Q" not in fields.get("f19 ", "") and "w @22" not in fields.get("f19 ", ""):
        values["f19"] = {"x": "g"}
    row = {name: values[name] for name in (field.strip() for field in fields) if name in values}
    if "f6" in fields:  # Never sent: its default.
        row["f6"] = fields["f6"].split('"')[1]
    return row


def says(found, wanted):
    """Whether a value read is the one wanted, where members that are not wanted are null."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return set(wanted) <= set(found) and all(
            says(value, wanted[name]) if name in wanted else value is None for name, value in found.items())
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(says, found, wanted))
    return type(found) is type(wanted) and found == wanted


def check(engine, path, wanted):
    """All rows, by the number in `a`; `wanted` has (version, row) of each."""
    rows = sorted(engine.read(path), key=lambda row: row["a"])
    equal([row["a"] for row in rows], list(range(len(wanted))), engine.name)
    for number, (row, (version, values)) in enumerate(zip(rows, wanted)):
        equal(row["_schema_version"], version, f"{engine.name}: version of row {number}")
        own = {name: value for name, value in row.items() if not name.startswith(("_", "event_"))}
        wrong = {name: (value, values.get(name)) for name, value in own.items()
                 if not (says(value, values[name]) if name in values else value is None)}
        assert not wrong and set(values) <= set(own), f"{engine.name}: row {number} of version {version}: {wrong}"


def add_foreign_fields(path):
    """Fields that only another writer knows, inside a struct and one in a list: null in all our rows."""
    theirs = pyarrow.struct([("theirs", pyarrow.string())])
    fields = pyarrow.schema([("f8", theirs), ("f9", pyarrow.list_(theirs))])
    table = deltalake.DeltaTable(path)
    table.alter.add_columns(deltalake.Schema.from_arrow(fields).fields)
    equal(deltalake.DeltaTable(path).schema().to_json().count("theirs"), 2, "fields added by deltalake")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--spark", action="store_true")
    arguments = parser.parse_args()
    if arguments.spark:
        packages.use_spark()
    sys.argv = [sys.argv[0], arguments.program]
    fields = dict(START)
    wanted = []
    checks = 0
    with tempfile.TemporaryDirectory() as folder, \
            Project("land: {every: 1h}\n", schemas={"evolving.capnp": evolving(fields)}) as project:
        engines = [Deltalake(), *([Spark(folder)] if arguments.spark else [])]
        path = project.table_folder("evolving")

        def send(version):
            for _ in range(3):
                receipt = server.send("evolving", [event(len(wanted))])
                equal(receipt["accepted"], 1, f"version {version}: {receipt['errors']}")
                wanted.append((version, stored(len(wanted), fields)))

        def land_and_check():
            nonlocal checks
            status, answer = server.post("/v1/admin/land")
            equal(status, 200, answer)
            for engine in engines:
                check(engine, path, wanted)
                checks += 1

        server = Server(project)
        send(1)
        for number, step in enumerate(LEGAL):
            version = number + 2
            fields = changed(fields, step)
            status, answer = server.post("/v1/admin/schemas?name=evolving.capnp", evolving(fields))
            equal(status, 200, f"{step}: {answer}")
            send(version)
            if number == len(LEGAL) // 3:
                add_foreign_fields(path)
            if number == len(LEGAL) // 2:  # What waits is landed by another run.
                server.kill()
                server = Server(project)
            if number % 2 == 0:
                land_and_check()
        for step in ILLEGAL:
            status, answer = server.post("/v1/admin/schemas?name=evolving.capnp", evolving(changed(fields, step)))
            equal(status, 409, f"{step}: {answer}")
        send(len(LEGAL) + 1)
        land_and_check()
        server.stop()
        for engine in engines:
            engine.close()
    names = " and ".join(engine.name for engine in engines)
    print(f"{len(LEGAL)} legal and {len(ILLEGAL)} illegal changes, {len(wanted)} rows, {checks} readings by {names}, equal")


if __name__ == "__main__":
    main()
