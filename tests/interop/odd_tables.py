"""Tables that are odd, but legal: written by hand as the specification allows, read by us, and by deltalake where it can.

usage: odd_tables.py PATH/TO/sluice [NAME]..
Each case says the rows that there must be, or how the table is refused; a case that deltalake reads in another way says why.
"""

import datetime
import decimal
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import packages

packages.use_deltalake()

import deltalake  # noqa: E402
import pyarrow  # noqa: E402
import pyarrow.parquet  # noqa: E402

UTC = datetime.timezone.utc
WIDE = decimal.Context(prec=60)
PROTOCOL = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}


def field(name, kind, **metadata):
    return {"name": name, "type": kind, "nullable": True, "metadata": metadata}


def struct(*fields):
    return {"type": "struct", "fields": list(fields)}


def metadata(fields, partitions=(), **more):
    return {"metaData": {"id": "11111111-2222-3333-4444-555555555555", "format": {"provider": "parquet", "options": {}},
                         "schemaString": json.dumps(struct(*fields)), "partitionColumns": list(partitions),
                         "configuration": {}, "createdTime": 1, **more}}


def remove(path, **more):
    return {"remove": {"path": path, "deletionTimestamp": 1, "dataChange": True, **more}}


class Table:
    """A folder with a log, written commit by commit."""

    def __init__(self, folder, fields, partitions=(), protocol=PROTOCOL, **more):
        self.path, self.version = folder, -1
        self.log = folder / "_delta_log"
        self.log.mkdir(parents=True)
        self.head = [protocol, metadata(fields, partitions, **more)]
        self.commit(*self.head)

    def commit(self, *actions, text=None):
        self.version += 1
        (self.log / f"{self.version:020}.json").write_text(
            text if text is not None else "".join(json.dumps(action) + "\n" for action in actions))

    def file(self, name, rows, uri=None, partition=None, stats="", **more):
        """Writes a data file and returns its add; `rows` is an Arrow table, or columns of 64-bit integers."""
        if isinstance(rows, dict):
            rows = pyarrow.table({key: pyarrow.array(value, pyarrow.int64()) for key, value in rows.items()})
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(rows, target, **more.pop("write", {}))
        action = {"path": uri or name, "partitionValues": partition or {}, "size": target.stat().st_size,
                  "modificationTime": 1, "dataChange": True, **more}
        if stats == "":
            action["stats"] = json.dumps({"numRecords": rows.num_rows})
        elif stats is not None:
            action["stats"] = stats if isinstance(stats, str) else json.dumps(stats)
        return {"add": action}

    def checkpoint(self, name, *actions):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(actions), CHECKPOINT), self.log / name)


TEXTS = pyarrow.map_(pyarrow.string(), pyarrow.string())
ADD = pyarrow.struct([("path", pyarrow.string()), ("partitionValues", TEXTS), ("size", pyarrow.int64()),
                      ("modificationTime", pyarrow.int64()), ("dataChange", pyarrow.bool_()), ("stats", pyarrow.string())])
CHECKPOINT = pyarrow.schema([
    ("add", ADD),
    ("remove", pyarrow.struct([("path", pyarrow.string()), ("deletionTimestamp", pyarrow.int64()),
                               ("dataChange", pyarrow.bool_())])),
    ("metaData", pyarrow.struct([
        ("id", pyarrow.string()), ("format", pyarrow.struct([("provider", pyarrow.string()), ("options", TEXTS)])),
        ("schemaString", pyarrow.string()), ("partitionColumns", pyarrow.list_(pyarrow.string())),
        ("configuration", TEXTS), ("createdTime", pyarrow.int64())])),
    ("protocol", pyarrow.struct([("minReaderVersion", pyarrow.int32()), ("minWriterVersion", pyarrow.int32()),
                                 ("readerFeatures", pyarrow.list_(pyarrow.string())),
                                 ("writerFeatures", pyarrow.list_(pyarrow.string()))])),
    ("checkpointMetadata", pyarrow.struct([("version", pyarrow.int64())])),
    ("sidecar", pyarrow.struct([("path", pyarrow.string()), ("sizeInBytes", pyarrow.int64()),
                                ("modificationTime", pyarrow.int64())])),
])
ID = [field("id", "long")]


def ids(*numbers):
    return [{"id": number} for number in numbers]


# Each case: what is there. A `where` names rows that a condition must find; `peer` why deltalake does not say the same.

def percent_in_paths(folder):
    table = Table(folder, [*ID, field("part", "string")], ["part"])
    table.commit(
        table.file("a b.parquet", {"id": [1]}, "a%20b.parquet", {"part": "x"}),
        table.file("50%.parquet", {"id": [2]}, "50%25.parquet", {"part": "50%"}),
        table.file("x%20y.parquet", {"id": [3]}, "x%2520y.parquet", {"part": "%41"}),
        table.file("é.parquet", {"id": [4]}, "é.parquet", {"part": "é"}),
        table.file("ü.parquet", {"id": [5]}, "%C3%BC.parquet", {"part": "=/:"}),
        table.file("part=US%2FEast/f.parquet", {"id": [6]}, "part=US%252FEast/f.parquet", {"part": "US/East"}),
        table.file("a+b&c.parquet", {"id": [7]}, "a+b&c.parquet", {"part": "a+b"}),
        table.file("at=10:30/f.parquet", {"id": [8]}, "at=10:30/f.parquet", {"part": "10:30"}))
    parts = ["x", "50%", "%41", "é", "=/:", "US/East", "a+b", "10:30"]
    return {"rows": [{"id": i + 1, "part": part} for i, part in enumerate(parts)],
            "where": {"part = 'US/East'": [6], "part = '%41'": [3], "part > 'x'": [4]}}


def one_file_spelled_in_two_ways(folder):
    table = Table(folder, ID)
    table.commit(table.file("a b.parquet", {"id": [1]}, "a%20b.parquet"), table.file("c.parquet", {"id": [2]}))
    table.commit(remove("a b.parquet"))
    return {"rows": ids(2), "peer": "compares the texts of paths"}


def huge_numbers(folder):
    table = Table(folder, [*ID, field("n", "long")])
    low, high = -2**63, 2**63 - 1
    table.commit(
        table.file("a.parquet", {"id": [1, 2], "n": [low, high]}, stats={
            "numRecords": 2, "minValues": {"n": low}, "maxValues": {"n": high}, "nullCount": {"n": 0}}),
        table.file("b.parquet", {"id": [3], "n": [2**53 + 1]}, stats={
            "numRecords": 1, "minValues": {"n": 2**53 + 1}, "maxValues": {"n": 2**53 + 1}, "nullCount": {"n": 0}}),
        # Of numbers that fit into nothing nothing is known.
        table.file("c.parquet", {"id": [4], "n": [5]}, stats=
                   '{"numRecords":1,"minValues":{"n":-1e400},"maxValues":{"n":99999999999999999999999},"nullCount":{"n":0}}'))
    return {"rows": [{"id": 1, "n": low}, {"id": 2, "n": high}, {"id": 3, "n": 2**53 + 1}, {"id": 4, "n": 5}],
            "where": {"n = 9223372036854775807": [2], "n = 9007199254740993": [3], "n = 5": [4], "n < -1": [1]}}


def sizes_and_times_at_their_ends(folder):
    table = Table(folder, ID)
    first = table.file("a.parquet", {"id": [1]})
    first["add"] |= {"modificationTime": -1}
    table.commit(first)
    table.commit(table.file("b.parquet", {"id": [2]}, tags=None, deletionVector=None, baseRowId=None,
                            clusteringProvider=None))
    return {"rows": ids(1, 2)}


def times_before_1970(folder):
    moments = [datetime.datetime(1, 1, 1, tzinfo=UTC), datetime.datetime(1582, 10, 15, tzinfo=UTC),
               datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), datetime.datetime(1970, 1, 1, tzinfo=UTC),
               datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)]
    table = Table(folder, [*ID, field("at", "timestamp"), field("day", "date")])
    rows = pyarrow.table({"id": pyarrow.array(range(5), pyarrow.int64()),
                          "at": pyarrow.array(moments, pyarrow.timestamp("us", "UTC")),
                          "day": pyarrow.array([moment.date() for moment in moments])})
    table.commit(table.file("a.parquet", rows, stats={
        "numRecords": 5, "minValues": {"at": "0001-01-01T00:00:00.000Z", "day": "0001-01-01"},
        "maxValues": {"at": "9999-12-31T23:59:59.999Z", "day": "9999-12-31"}, "nullCount": {"at": 0, "day": 0}}))
    before = table.file("b.parquet", rows.slice(2, 1).set_column(0, "id", pyarrow.array([9], pyarrow.int64())), stats={
        # Cut to milliseconds, as Spark does.
        "numRecords": 1, "minValues": {"at": "1969-12-31T23:59:59.999Z"}, "maxValues": {"at": "1969-12-31T23:59:59.999Z"},
        "nullCount": {"at": 0}})
    table.commit(before)
    return {"rows": [*({"id": i, "at": moment, "day": moment.date()} for i, moment in enumerate(moments)),
                     {"id": 9, "at": moments[2], "day": moments[2].date()}],
            "where": {"at = TIMESTAMP '1969-12-31 23:59:59.999999Z'": [2, 9], "day < DATE '1582-10-15'": [0],
                      "at > TIMESTAMP '1969-12-31 23:59:59.999500Z' and at < TIMESTAMP '1970-01-01 00:00:00Z'": [2, 9]}}


def nested_nulls(folder):
    inner = struct(field("a", "long"), field("b", struct(field("c", "string"))))
    table = Table(folder, [*ID, field("s", inner),
                           field("list", {"type": "array", "elementType": inner, "containsNull": True}),
                           field("map", {"type": "map", "keyType": "string", "valueType": "long",
                                         "valueContainsNull": True})])
    kind = pyarrow.struct([("a", pyarrow.int64()), ("b", pyarrow.struct([("c", pyarrow.string())]))])
    structs = [None, {"a": None, "b": None}, {"a": 1, "b": {"c": None}}, {"a": None, "b": {"c": "x"}}]
    lists = [None, [], [None], [None, {"a": 1, "b": None}, {"a": 2, "b": {"c": None}}]]
    maps = [None, [], [("k", None)], [("k", 1), ("l", None)]]
    rows = pyarrow.table({"id": pyarrow.array(range(4), pyarrow.int64()), "s": pyarrow.array(structs, kind),
                          "list": pyarrow.array(lists, pyarrow.list_(kind)),
                          "map": pyarrow.array(maps, pyarrow.map_(pyarrow.string(), pyarrow.int64()))})
    table.commit(table.file("a.parquet", rows, stats={"numRecords": 4, "nullCount": {"s": {"a": 3, "b": {"c": 3}}}}))
    return {"rows": [{"id": i, "s": structs[i], "list": lists[i], "map": None if maps[i] is None else dict(maps[i])}
                     for i in range(4)],
            "where": {"s.a is null": [0, 1, 3], "s.b.c = 'x'": [3], "s.b.c is not null": [3]}}


def no_files(folder):
    Table(folder, ID)
    return {"rows": []}


def files_without_rows(folder):
    table = Table(folder, ID)
    table.commit(table.file("a.parquet", {"id": []}), table.file("b.parquet", {"id": []}, stats=None),
                 table.file("c.parquet", {"id": [1]}))
    return {"rows": ids(1), "where": {"id = 1": [1]}}


def partitions_of_each_type(folder):
    kinds = {"byte": ("byte", ["-128", "127", None]), "short": ("short", ["-32768", "32767", None]),
             "int": ("integer", ["-2147483648", "2147483647", None]), "long": ("long", [str(-2**63), str(2**63 - 1), None]),
             "float": ("float", ["1.5", "-0.0", None]), "double": ("double", ["1.0E7", "NaN", None]),
             "decimal": ("decimal(38,10)", ["-1234567890123456789012345678.0123456789", "0E-10", None]),
             "flag": ("boolean", ["true", "false", None]), "day": ("date", ["1582-10-14", "9999-12-31", None]),
             "at": ("timestamp", ["1969-12-31T23:59:59.999999Z", "1969-12-31 23:59:59.999999", None]),
             "text": ("string", [" a/b=c%é\"'\\\n", "__HIVE_DEFAULT_PARTITION__", None]), "bytes": ("binary", ["é", "a", None])}
    table = Table(folder, [*ID, *(field(name, kind) for name, (kind, _) in kinds.items())], list(kinds))
    for i in range(3):
        table.commit(table.file(f"{i}.parquet", {"id": [i]}, partition={name: texts[i] for name, (_, texts) in kinds.items()}))
    # The empty text is null, whatever the type.
    table.commit(table.file("3.parquet", {"id": [3]}, partition=dict.fromkeys(kinds, "")))
    moment = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)
    values = [
        {"byte": -128, "short": -32768, "int": -2**31, "long": -2**63, "float": 1.5, "double": 1e7,
         "decimal": decimal.Decimal("-1234567890123456789012345678.0123456789"), "flag": True,
         "day": datetime.date(1582, 10, 14), "at": moment, "text": " a/b=c%é\"'\\\n", "bytes": "é".encode()},
        {"byte": 127, "short": 32767, "int": 2**31 - 1, "long": 2**63 - 1, "float": -0.0, "double": math.nan,
         "decimal": decimal.Decimal(0), "flag": False, "day": datetime.date(9999, 12, 31), "at": moment,
         "text": "__HIVE_DEFAULT_PARTITION__", "bytes": b"a"}, dict.fromkeys(kinds), dict.fromkeys(kinds)]
    return {"rows": [{"id": i, **row} for i, row in enumerate(values)],
            "where": {"byte = 127": [1], "long < 0": [0], "decimal < 0": [0], "day < DATE '1600-01-01'": [0], "flag": [0],
                      "at = TIMESTAMP '1969-12-31 23:59:59.999999Z'": [0, 1], "text is null": [2, 3], "float = 0": [1],
                      "double > 1": [0]},
            "peer": "keeps the empty text as such, which the specification makes null"}


def statistics_that_are_wrong_in_form(folder):
    table = Table(folder, [*ID, field("s", "string")])
    rows = pyarrow.table({"id": pyarrow.array([1], pyarrow.int64()), "s": ["x"]})

    def with_id(number):
        return rows.set_column(0, "id", pyarrow.array([number], pyarrow.int64()))
    texts = [None, "", "{", "[]", "null", "7", '{"numRecords":"1"}', '{"numRecords":-1}', '{"numRecords":1.0}',
             '{"numRecords":1,"minValues":{"id":"a"},"maxValues":{"id":{}},"nullCount":{"id":"x"}}',
             '{"numRecords":1,"minValues":[],"maxValues":7,"nullCount":null}',
             '{"numRecords":1,"minValues":{"id":12,"s":7},"maxValues":{"id":12,"s":null},"nullCount":{"id":0.0}}']
    for i, text in enumerate(texts):
        action = table.file(f"{i}.parquet", with_id(i + 1), stats=None)
        if text is not None:
            action["add"]["stats"] = text
        table.commit(action)
    return {"rows": [{"id": i + 1, "s": "x"} for i in range(len(texts))],
            "where": {**{f"id = {i + 1}": [i + 1] for i in range(len(texts))}, "s is null": [],
                      "s = 'x'": [i + 1 for i in range(len(texts))]},
            "peer": "refuses statistics that are no JSON"}


def unknown_fields_and_actions(folder):
    table = Table(folder, ID, protocol={"protocol": {"minReaderVersion": 1, "minWriterVersion": 2, "future": [1, {"a": None}]}},
                  future={"deep": [[[]]]})
    action = table.file("a.parquet", {"id": [1]}, future={"x": 1}, another=None)
    table.commit(text="\r\n" + json.dumps({"commitInfo": {"deep": {"x": [1, 2, {"y": None}]}, "timestamp": 5}}) + "\r\n\n"
                 + json.dumps({"inventedAction": {"add": {"path": "nothing.parquet"}}}) + "\n" + json.dumps({"add": None}) + "\n"
                 + json.dumps({**action, "remove": None, "txn": None}))  # No line end.
    for name in (".00000000000000000001.json.crc", "00000000000000000001.json.tmp", "00000000000000000002.checkpoint.tmp",
                 "_something", "00000000000000000009.future", "1.json", "00000000000000000009.json.gz"):
        (table.log / name).write_text("no log")
    (table.log / "_commits").mkdir()
    (table.log / "_commits" / "00000000000000000007.json").write_text("no log")
    return {"rows": ids(1)}


def actions_of_few_words(folder):
    table = Table(folder, ID)
    table.file("a.parquet", {"id": [1]})
    size = (folder / "a.parquet").stat().st_size
    table.commit({"add": {"path": "a.parquet", "partitionValues": {}, "size": size, "modificationTime": 1,
                          "dataChange": True}})
    table.commit({"remove": {"path": "never.parquet", "dataChange": False}}, {"txn": {"appId": "a", "version": 0}})
    return {"rows": ids(1)}


def added_again(folder):
    table = Table(folder, ID)
    table.commit(table.file("a.parquet", {"id": [1]}))
    table.commit(table.file("a.parquet", {"id": [1]}, stats={"numRecords": 1, "minValues": {"id": 1}}))
    table.commit(remove("a.parquet"))
    table.commit(table.file("a.parquet", {"id": [1]}), table.file("b.parquet", {"id": [2]}))
    table.commit(remove("b.parquet"), table.file("c.parquet", {"id": [3]}))
    return {"rows": ids(1, 3)}


def odd_names_of_columns(folder):
    names = ["a.b", "`", "with space", "Ünï", "select", "x'y", 'q"q', "[0]", "a"]
    table = Table(folder, [*ID, *(field(name, "long") for name in names)])
    table.commit(table.file("a.parquet", {"id": [1], **{name: [i] for i, name in enumerate(names)}}, stats={
        "numRecords": 1, "minValues": {"a.b": 0, "a": 8}, "maxValues": {"a.b": 0, "a": 8}, "nullCount": {"a.b": 0}}))
    return {"rows": [{"id": 1, **{name: i for i, name in enumerate(names)}}],
            "where": {"`a.b` = 0": [1], "a = 8": [1], "`with space` = 2": [1], "`Ünï` = 3": [1], "`a.b` = 1": []}}


def columns_that_files_have_otherwise(folder):
    table = Table(folder, [*ID, field("b", "string"), field("late", "double")])
    table.commit(table.file("a.parquet", pyarrow.table({
        "extra": [7], "B": pyarrow.array(["x"], pyarrow.large_string()), "ID": pyarrow.array([1], pyarrow.int64())})))
    table.commit(table.file("b.parquet", pyarrow.table({"b": pyarrow.array(["y"]).dictionary_encode(),
                                                        "id": pyarrow.array([2], pyarrow.int32())})))
    return {"rows": [{"id": 1, "b": "x", "late": None}, {"id": 2, "b": "y", "late": None}],
            "peer": "tells names in files apart by their case"}


def wide_decimals_and_old_timestamps(folder):
    table = Table(folder, [*ID, field("d", "decimal(38,18)"), field("at", "timestamp")])
    number, moment = decimal.Decimal("-" + "9" * 20 + "." + "9" * 18), datetime.datetime(1901, 2, 3, 4, 5, 6, 7, UTC)
    rows = pyarrow.table({"id": pyarrow.array([1], pyarrow.int64()), "d": pyarrow.array([number], pyarrow.decimal128(38, 18)),
                          "at": pyarrow.array([moment], pyarrow.timestamp("us", "UTC"))})
    table.commit(table.file("a.parquet", rows, write={"use_deprecated_int96_timestamps": True}, stats={
        "numRecords": 1, "minValues": {"d": -1e20}, "maxValues": {"d": -1e20}, "nullCount": {"d": 0}}))
    return {"rows": [{"id": 1, "d": number, "at": moment}], "where": {"d < 0": [1], "at < TIMESTAMP '1950-01-01 00:00:00Z'": [1]}}


def checkpoints_of_all_kinds(folder):
    """A whole one of two parts, a newer one that lacks a part, and the newest with sidecars."""
    features = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["v2Checkpoint"],
                             "writerFeatures": ["v2Checkpoint"]}}
    table = Table(folder, ID, protocol=features)
    adds = []
    for i in range(6):
        adds.append(table.file(f"{i}.parquet", {"id": [i]}))
        table.commit(adds[-1])
    table.checkpoint(f"{2:020}.checkpoint.{1:010}.{2:010}.parquet", table.head[0], table.head[1], adds[0])
    table.checkpoint(f"{2:020}.checkpoint.{2:010}.{2:010}.parquet", adds[1])
    table.checkpoint(f"{4:020}.checkpoint.{1:010}.{2:010}.parquet", table.head[0], table.head[1])
    (table.log / "_sidecars").mkdir()
    table.checkpoint("_sidecars/one.parquet", *adds[:3], remove("gone.parquet"))
    table.checkpoint("_sidecars/two.parquet", *adds[3:5])
    sidecars = [{"sidecar": {"path": name, "sizeInBytes": (table.log / "_sidecars" / name).stat().st_size,
                             "modificationTime": 1}} for name in ("one.parquet", "two.parquet")]
    table.checkpoint(f"{5:020}.checkpoint.11111111-2222-3333-4444-555555555555.parquet",
                     {"checkpointMetadata": {"version": 5}}, *table.head, *sidecars)
    for version in range(3):
        (table.log / f"{version:020}.json").unlink()
    (table.log / "_last_checkpoint").write_text('{"version":4,"size":9,"parts":2}')
    return {"rows": ids(*range(6)), "versions": {2: ids(0, 1), 4: ids(*range(4)), 5: ids(*range(5))}}


def a_vector_of_nothing_but_nulls(folder):
    table = Table(folder, ID)
    table.commit(table.file("a.parquet", {"id": [1]}))
    add = table.file("a.parquet", {"id": [1]})["add"] | {"deletionVector": dict.fromkeys(
        ("storageType", "pathOrInlineDv", "offset", "sizeInBytes", "cardinality"))}
    vector = pyarrow.struct([("storageType", pyarrow.string()), ("pathOrInlineDv", pyarrow.string()),
                             ("offset", pyarrow.int32()), ("sizeInBytes", pyarrow.int32()), ("cardinality", pyarrow.int64())])
    schema = CHECKPOINT.set(0, pyarrow.field("add", pyarrow.struct([*ADD, ("deletionVector", vector)])))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([*table.head, {"add": add}], schema),
                                table.log / f"{1:020}.checkpoint.parquet")
    (table.log / f"{0:020}.json").unlink()
    return {"rows": ids(1), "peer": "wants the members of a vector that is none"}


def a_file_that_is_gone(folder):
    table = Table(folder, ID)
    table.commit(table.file("a.parquet", {"id": [1]}))
    (folder / "a.parquet").unlink()
    return {"refused": "a.parquet"}


def a_file_that_leaves_the_table(folder):
    table = Table(folder, ID)
    table.commit(table.file("a.parquet", {"id": [1]}, "../a.parquet"))
    return {"refused": "outside of the table"}


def a_partition_value_of_another_type(folder):
    table = Table(folder, [*ID, field("day", "date")], ["day"])
    table.commit(table.file("a.parquet", {"id": [1]}, partition={"day": "yesterday"}))
    return {"refused": "day"}


CASES = [percent_in_paths, one_file_spelled_in_two_ways, huge_numbers, sizes_and_times_at_their_ends, times_before_1970,
         nested_nulls, no_files, files_without_rows, partitions_of_each_type, statistics_that_are_wrong_in_form,
         unknown_fields_and_actions, actions_of_few_words, added_again, odd_names_of_columns,
         columns_that_files_have_otherwise, wide_decimals_and_old_timestamps, checkpoints_of_all_kinds,
         a_vector_of_nothing_but_nulls, a_file_that_is_gone, a_file_that_leaves_the_table,
         a_partition_value_of_another_type]


def read(sluice, path, *words):
    """Our rows through Arrow, or the error."""
    answer = subprocess.run([sluice, "table", "read", str(path), "-o", "arrow", *words], capture_output=True, timeout=60)
    if answer.returncode != 0:
        return None, answer.stderr.decode()
    return pyarrow.ipc.open_stream(answer.stdout).read_all().to_pylist(maps_as_pydicts="strict"), ""


def plain(row):
    """A row in a form in which what is equal looks equal."""
    return repr({name: "NaN" if isinstance(value, float) and math.isnan(value) else
                 value.astimezone(UTC).isoformat() if isinstance(value, datetime.datetime) else
                 str(WIDE.normalize(value)) if isinstance(value, decimal.Decimal) else value
                 for name, value in row.items()})


def same(found, expected):
    return sorted(map(plain, found)) == sorted(map(plain, expected))


def peer_rows(path):
    try:
        table = deltalake.DeltaTable(str(path))
        return pyarrow.table(deltalake.QueryBuilder().register("t", table).execute("select * from t").read_all()).to_pylist(
            maps_as_pydicts="strict"), ""
    except Exception as error:  # Whatever it has.
        return None, f"{type(error).__name__}: {error}"


def check(sluice, folder, case):
    expected = case(folder)
    rows, error = read(sluice, folder)
    if "refused" in expected:
        if rows is not None or expected["refused"] not in error or "internal" in error:
            return f"should be refused for '{expected['refused']}': {error or rows}"
        return None
    if rows is None:
        return f"not read: {error.strip()}"
    if not same(rows, expected["rows"]):
        return f"read as {rows}"
    for where, numbers in expected.get("where", {}).items():
        found, error = read(sluice, folder, "--where", where)
        if found is None or sorted(row["id"] for row in found) != numbers:
            return f"where {where}: {error.strip() or sorted(row['id'] for row in found)}, expected {numbers}"
    for version, then in expected.get("versions", {}).items():
        found, error = read(sluice, folder, "--version", str(version))
        if found is None or not same(found, then):
            return f"version {version}: {error.strip() or found}"
    theirs, error = peer_rows(folder)
    agrees = theirs is not None and same(theirs, expected["rows"])
    if "peer" in expected and agrees:
        return "deltalake says the same now: its note can go"
    if "peer" not in expected and not agrees:
        return f"deltalake: {error or theirs}"
    if "peer" in expected:
        print(f"     deltalake {expected['peer']}: {(error or str(theirs)).splitlines()[0][:100]}")
    return None


def main(sluice, names):
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if names and case.__name__ not in names:
                continue
            wrong = check(sluice, Path(folder) / case.__name__, case)
            print(f"{'FAIL' if wrong else 'ok  '} {case.__name__}{f': {wrong}' if wrong else ''}", flush=True)
            failed += wrong is not None
    sys.exit(1 if failed else 0)


main(sys.argv[1], sys.argv[2:])
