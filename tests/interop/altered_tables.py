"""Tables that sluice/lake has altered, read and appended to by the other engines.

usage: altered_tables.py PATH/TO/sluice_table_driver [--spark]

In each case we create a table and append to it, alter it, and append again; then every engine that can
appends a row, and after each step all that can read it hold what a plain list holds. Where deltalake
refuses a table, it must refuse: the list of it here is the one in docs/reference/delta-support.md.
"""

import datetime
import decimal
import os
import sys
import tempfile

import packages

packages.use_deltalake()
if "--spark" in sys.argv:
    packages.use_spark()

import pyarrow as pa  # noqa: E402

import engines  # noqa: E402

PLACE = pa.struct([pa.field("city", pa.string()), pa.field("zip", pa.int32())])
START = pa.schema([pa.field("id", pa.int32()), pa.field("name", pa.string()), pa.field("place", PLACE)])
FIRST = [{"id": 1, "name": "a", "place": {"city": "x", "zip": 7}}, {"id": 2, "name": None, "place": None}]


def schema(**fields):
    return pa.schema([pa.field(name, type) for name, type in fields.items()])


class Case:
    """`before`, the rows of the first append as they read after `changes`; each engine then appends a copy of
    `row` with another id. `reads`, `writes`: whether deltalake does."""

    def __init__(self, name, changes, before, row, types, reads=True, writes=True, start=(START, FIRST, ()),
                 properties=None):
        self.name, self.changes, self.before, self.row, self.types = name, changes, before, row, types
        self.reads, self.writes, self.start, self.properties = reads, writes, start, properties or {}


def cases():
    simple = schema(id=pa.int32(), name=pa.string(), place=PLACE)
    row = {"id": 0, "name": "new", "place": {"city": "y", "zip": 8}}
    part = schema(id=pa.int32(), name=pa.string(), day=pa.string())
    part_rows = [{"id": 1, "name": "a", "day": "mon"}, {"id": 2, "name": "b", "day": None}]
    yield Case("columns added", [("add", "more", pa.field("x", pa.int64())), ("add", "place.street", pa.field("x", pa.string()))],
               [{"id": 1, "name": "a", "place": {"city": "x", "zip": 7, "street": None}, "more": None},
                {"id": 2, "name": None, "place": None, "more": None}],
               {"id": 0, "name": "n", "place": {"city": "y", "zip": 8, "street": "s"}, "more": 5},
               schema(id=pa.int32(), name=pa.string(), place=pa.struct(
                   [*PLACE, pa.field("street", pa.string())]), more=pa.int64()))
    yield Case("columns mapped, renamed and dropped",
               [("set", "delta.columnMapping.mode", "name"), ("rename", "name", "the title"), ("rename", "day", "weekday"),
                ("add", "new one", pa.field("x", pa.int64()))],
               [{"id": 1, "the title": "a", "weekday": "mon", "new one": None},
                {"id": 2, "the title": "b", "weekday": None, "new one": None}],
               {"id": 0, "the title": "c", "weekday": "tue", "new one": 9},
               schema(id=pa.int32(), **{"the title": pa.string(), "weekday": pa.string(), "new one": pa.int64()}),
               start=(part, part_rows, ("day",)))
    yield Case("columns of a new table mapped, then dropped", [("drop", "name", ""), ("drop", "place.zip", "")],
               [{"id": 1, "place": {"city": "x"}}, {"id": 2, "place": None}], {"id": 0, "place": {"city": "y"}},
               schema(id=pa.int32(), place=pa.struct([pa.field("city", pa.string())])),
               properties={"delta.columnMapping.mode": "name"})
    narrow = schema(id=pa.int32(), i=pa.int8(), f=pa.float32(), d=pa.decimal128(5, 2), day=pa.date32())
    yield Case("types widened",
               [("set", "delta.enableTypeWidening", "true"), ("widen", "i", pa.field("x", pa.int64())),
                ("widen", "f", pa.field("x", pa.float64())), ("widen", "d", pa.field("x", pa.decimal128(9, 4))),
                ("widen", "day", pa.field("x", pa.timestamp("us")))],
               [{"id": 1, "i": 100, "f": 1.5, "d": decimal.Decimal("123.4500"),
                 "day": datetime.datetime(2024, 1, 2, tzinfo=engines.UTC)}],
               {"id": 0, "i": 5_000_000_000, "f": 0.1, "d": decimal.Decimal("12345.6789"),
                "day": datetime.datetime(2024, 1, 2, 3, 4, tzinfo=engines.UTC)},
               schema(id=pa.int32(), i=pa.int64(), f=pa.float64(), d=pa.decimal128(9, 4), day=pa.timestamp("us")),
               reads=False, writes=False,
               start=(narrow, [{"id": 1, "i": 100, "f": 1.5, "d": decimal.Decimal("123.45"),
                                "day": datetime.date(2024, 1, 2)}], ()))
    yield Case("NOT NULL and a constraint", [("not_null", "id", ""), ("constraint", "positive", "id > 0")],
               FIRST, row, simple)
    yield Case("a default", [("default", "name", "'none'")], FIRST, row, simple, writes=False)
    yield Case("deletion vectors", [("set", "delta.enableDeletionVectors", "true")], FIRST, row, simple)
    yield Case("a change feed, appends only",
               [("set", "delta.enableChangeDataFeed", "true"), ("set", "delta.appendOnly", "true")], FIRST, row, simple)
    yield Case("rows tracked", [("set", "delta.enableRowTracking", "true")], FIRST, row, simple, writes=False)
    yield Case("in-commit timestamps", [("set", "delta.enableInCommitTimestamps", "true")], FIRST, row, simple,
               writes=False)
    yield Case("V2 checkpoints", [("set", "delta.checkpointPolicy", "v2")], FIRST, row, simple)
    yield Case("clustered", [("cluster", "id", "")], FIRST, row, simple, writes=False)
    yield Case("restored to before its columns were mapped and renamed",
               [("set", "delta.columnMapping.mode", "name"), ("rename", "name", "title"), ("drop", "place", ""),
                ("set", "delta.enableDeletionVectors", "true"), ("restore", 1, "")], FIRST, row, simple)
    yield Case("all at once",
               [("set", "delta.enableDeletionVectors", "true"), ("set", "delta.enableRowTracking", "true"),
                ("set", "delta.enableInCommitTimestamps", "true"), ("set", "delta.columnMapping.mode", "name"),
                ("set", "delta.enableChangeDataFeed", "true"), ("cluster", "name", ""), ("rename", "id", "key")],
               [{"key": r["id"], "name": r["name"], "place": r["place"]} for r in FIRST],
               {"key": 0, "name": "n", "place": {"city": "y", "zip": 8}},
               schema(key=pa.int32(), name=pa.string(), place=PLACE), writes=False)


def ordered(rows):
    return sorted((str(sorted(row.items(), key=lambda item: item[0])) for row in rows))


def run(case, path, ours, others):
    start, rows, partition = case.start
    ours.create(path, start, partition, case.properties)
    ours.append(path, rows, start, partition)
    for kind, column, more in case.changes:
        if kind == "restore":
            ours.restore(path, column)
        else:
            ours.alter(path, kind, column, more)
    expected = list(case.before)
    partition = ["weekday" if name == "day" else name for name in partition]
    readings = 0

    def check(moment):
        nonlocal readings
        for engine in [ours, *others]:
            if engine.name == "deltalake" and not case.reads:
                continue
            found = ordered(engine.read(path))
            wanted = ordered(engines.plain_rows(expected))
            assert found == wanted, f"{case.name}, {moment}: {engine.name} reads\n{found}\nnot\n{wanted}"
            readings += 1

    def append(engine, number):
        key = "key" if "key" in case.row else "id"
        row = {**case.row, key: number}
        engine.append(path, [row], case.types, partition)
        expected.append(row)

    check("altered")
    append(ours, 10)
    check("with a row of ours")
    ours.checkpoint(path)
    for number, engine in enumerate(others):
        if engine.name == "deltalake" and not case.writes:
            try:
                append(engine, 20)
            except Exception as error:  # Whatever it calls a refusal.
                print(f"{case.name}: deltalake refuses: {str(error).splitlines()[0][:100]}")
                continue
            raise AssertionError(f"{case.name}: deltalake appends to what it was said to refuse")
        append(engine, 30 + number)
        check(f"with a row of {engine.name}")
    if not case.reads:
        try:
            engines.Deltalake().read(path)
        except Exception as error:
            print(f"{case.name}: deltalake refuses to read: {str(error).splitlines()[0][:100]}")
        else:
            raise AssertionError(f"{case.name}: deltalake reads what it was said to refuse")
    append(ours, 40)
    check("with a last row of ours")
    return readings


def main(driver):
    with tempfile.TemporaryDirectory() as folder:
        ours = engines.Sluice(os.path.abspath(driver), folder)
        others = [engines.Deltalake()]
        if "--spark" in sys.argv:
            others.append(engines.Spark(folder))
        readings = 0
        names = []
        failed = []
        for number, case in enumerate(cases()):
            names.append(case.name)
            try:
                readings += run(case, f"{folder}/t{number}", ours, others)
            except Exception as error:  # The other cases are told, too.
                failed.append(case.name)
                print(f"FAILED {case.name}: {type(error).__name__}: {str(error)[:1500]}")
        for engine in [ours, *others]:
            engine.close()
        by = " and ".join(engine.name for engine in others)
        print(f"{len(names)} kinds of change, {readings} readings by sluice, {by}, {len(failed)} failed")
        sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1])
