"""Folders of Parquet files that became tables, by `sluice table convert`: the rows that pyarrow wrote, as others read them.

usage: converted_tables.py PATH/TO/sluice [--spark]

Each case writes files and says the rows of the table. We, deltalake and, if asked, Spark read them, also after deltalake
has appended a row; statistics must leave files out, and never one that has a row.
"""

import datetime
import decimal
import json
import math
import os
import subprocess
import sys
import tempfile

import packages

packages.use_deltalake()
if "--spark" in sys.argv:
    packages.use_spark()

import deltalake  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.ipc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import engines  # noqa: E402

UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 45, 123456, UTC)
OLD = datetime.datetime(1901, 2, 3, 4, 5, 6, 7, UTC)


def write(folder, name, columns, **options):
    """Writes a file; `columns` are arrays by name, or an Arrow table."""
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, path, **options)
    return table.to_pylist()


# Each case writes files below `folder` and returns what there must be: `rows`; `where`, conditions with the number of
# files that may be read at most and of the rows that they have; `answer`, parts of what `convert` prints; `words` for it; `peer`, why deltalake is not asked;
# `spark`, why Spark is not.

def primitive_types(folder):
    kinds = {
        "i8": (pa.int8(), [-128, 127, None]), "i16": (pa.int16(), [-32768, 32767, None]),
        "i32": (pa.int32(), [-2**31, 2**31 - 1, None]), "i64": (pa.int64(), [-2**63, 2**63 - 1, None]),
        "f": (pa.float32(), [1.5, math.nan, None]), "d": (pa.float64(), [-0.0, 1e300, None]),
        "flag": (pa.bool_(), [True, False, None]), "text": (pa.string(), ["", "é" * 100, None]),
        "bytes": (pa.binary(), [b"", b"\xff\x00", None]), "day": (pa.date32(), [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None]),
        "us": (pa.timestamp("us", "UTC"), [OLD, MOMENT, None]),
        "ms": (pa.timestamp("ms", "UTC"), [MOMENT.replace(microsecond=0), OLD.replace(microsecond=0), None]),
        "ntz": (pa.timestamp("us"), [MOMENT.replace(tzinfo=None), None, None]),
        "d9": (pa.decimal128(9, 2), [decimal.Decimal("-1234567.89"), decimal.Decimal("0.01"), None]),
        "d18": (pa.decimal128(18, 0), [decimal.Decimal(10**17), None, None]),
        "d38": (pa.decimal128(38, 18), [decimal.Decimal("-12345678901234567890.000000000000000001"), None, None])}
    rows = []
    for part, options in enumerate(({}, {"version": "1.0", "coerce_timestamps": "us", "use_dictionary": False},
                                    {"store_decimal_as_integer": True, "data_page_version": "2.0", "compression": "zstd"})):
        rows += write(folder, f"{part}.parquet", {
            "id": pa.array([3 * part, 3 * part + 1, 3 * part + 2]),
            **{name: pa.array(values, kind) for name, (kind, values) in kinds.items()}}, **options)
    return {"rows": rows, "where": {"id = 4": (1, 1), "i64 = 7": (3, 0), "day < DATE '0001-01-02'": (3, 3), "text is null": (3, 3),
                                    "d9 > 1": (0, 0), "i8 = 127": (3, 3), "d38 < -12345678901234567889.5": (3, 3)},
            "answer": {"files": 3, "widened": []}}


def unsigned_and_odd_encodings(folder):
    rows = write(folder, "a", {  # Hive gives files no ending.
        "id": pa.array([1, 2]), "u8": pa.array([255, 0], pa.uint8()), "u16": pa.array([65535, 0], pa.uint16()),
        "u32": pa.array([2**32 - 1, 0], pa.uint32()), "name": pa.array(["x", None]).dictionary_encode(),
        "large": pa.array(["y", ""], pa.large_string()), "fixed": pa.array([b"abcd", None], pa.binary(4))})
    return {"rows": rows, "where": {"u32 > 4000000000": (1, 1), "u32 > 4294967295": (0, 0), "u8 = 255": (1, 1)}}


def nested_types(folder):
    place = pa.struct([("city", pa.string()), ("at", pa.struct([("x", pa.float64())]))])
    columns = {"id": pa.array([1, 2, 3]),
               "place": pa.array([{"city": "a", "at": {"x": 1.0}}, None, {"city": None, "at": None}], place),
               "list": pa.array([[1, None], [], None], pa.list_(pa.int64())),
               "deep": pa.array([[{"city": "b", "at": None}], None, [None]], pa.list_(place)),
               "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int32()))}
    rows = write(folder, "new.parquet", columns)
    # Lists of three levels, the inner one under another name, as older writers called it.
    columns["id"] = pa.array([4, 5, 6])
    rows += write(folder, "old.parquet", columns, use_compliant_nested_type=False)
    return {"rows": rows, "where": {"id = 5": (1, 1), "place.city = 'a'": (2, 2)}}


def old_timestamps(folder):
    rows = write(folder, "a.parquet", {"id": pa.array([1, 2]), "at": pa.array([MOMENT, OLD], pa.timestamp("us", "UTC"))},
                 use_deprecated_int96_timestamps=True)
    rows += write(folder, "b.parquet", {"id": pa.array([3]), "at": pa.array([MOMENT], pa.timestamp("us", "UTC"))})
    return {"rows": rows, "where": {"at = TIMESTAMP '1901-02-03 04:05:06.000007Z'": (1, 1)}}


def field_ids(folder):
    def field(name, number):
        return pa.field(name, pa.int64(), metadata={"PARQUET:field_id": str(number)})
    rows = write(folder, "a.parquet", pa.table([[1], [2]], schema=pa.schema([field("id", 1), field("n", 2)])))
    # Names count, not ids.
    rows += write(folder, "b.parquet", pa.table([[3], [4]], schema=pa.schema([field("n", 1), field("id", 2)])))
    return {"rows": rows}


def columns_that_come_and_go(folder):
    rows = write(folder, "a.parquet", {"id": pa.array([1]), "x": pa.array(["a"])})
    rows += write(folder, "b.parquet", {"y": pa.array([1.5]), "id": pa.array([2])})
    rows += write(folder, "c.parquet", {"id": pa.array([3]), "x": pa.array(["b"]), "no": pa.array([None], pa.null())})
    return {"rows": [{"id": row["id"], "x": row.get("x"), "y": row.get("y")} for row in rows],
            "answer": {"columns_left_out": ["no"]}, "where": {"x = 'b'": (2, 1), "id = 2": (1, 1)}}


def types_that_widen(folder):
    rows = write(folder, "a.parquet", {"id": pa.array([1], pa.int32()), "f": pa.array([1.5], pa.float32()),
                                       "d": pa.array([decimal.Decimal("1.5")], pa.decimal128(3, 1)),
                                       "s": pa.array([{"n": 7}], pa.struct([("n", pa.int16())])),
                                       "l": pa.array([[5]], pa.list_(pa.int32()))})
    rows += write(folder, "b.parquet", {"id": pa.array([2**40], pa.int64()), "f": pa.array([1e300], pa.float64()),
                                        "d": pa.array([decimal.Decimal("12345.678")], pa.decimal128(9, 3)),
                                        "s": pa.array([{"n": 2**40}], pa.struct([("n", pa.int64())])),
                                        "l": pa.array([[2**40]], pa.list_(pa.int64()))})
    return {"rows": rows, "answer": {"widened": ["id", "f", "d", "s.n", "l.element"]},
            "where": {"id = 1": (1, 1), "id = 1099511627776": (1, 1), "d < 2": (1, 1)}, "peer": "does not know the feature typeWidening"}


def partitions_as_text(folder):
    rows = []
    for number, (day, country) in enumerate([("2024-01-01", "de"), ("2024-01-02", "US/East %"), ("2024-01-02", None)]):
        name = "__HIVE_DEFAULT_PARTITION__" if country is None else country.replace("%", "%25").replace("/", "%2F")
        written = write(folder, f"day={day}/country={name}/part 0.parquet", {"id": pa.array([2 * number, 2 * number + 1])})
        rows += [{**row, "day": day, "country": country} for row in written]
    os.makedirs(f"{folder}/_temporary")
    for name in ("_SUCCESS", ".hidden.parquet", "day=2024-01-01/.part.crc", "_temporary/half.parquet"):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write("no data")
    return {"rows": rows, "answer": {"files_left_out": 4, "partition_columns": ["day", "country"]},
            "where": {"country = 'US/East %'": (1, 2), "country is null": (1, 2), "day = '2024-01-02'": (2, 4)}}


def partitions_with_types(folder):
    rows = []
    for number in range(4):
        month = f"{number + 1:02}"
        written = write(folder, f"day=2024-{month}-01/n={month}/a.parquet",
                        {"id": pa.array([number]), "n": pa.array([77])})  # The folder's counts.
        rows += [{"id": row["id"], "day": datetime.date(2024, number + 1, 1), "n": number + 1} for row in written]
    return {"rows": rows, "words": ["--partitioned-by", "day date, n int"],
            "answer": {"partition_columns": ["day", "n"]}, "where": {"n = 3": (1, 1), "day > DATE '2024-03-15'": (1, 1)}}


REFUSED = {
    "a type that does not fit": (lambda folder: (
        write(folder, "a.parquet", {"s": pa.array([{"x": 1}], pa.struct([("x", pa.int64())]))}),
        write(folder, "b.parquet", {"s": pa.array([{"x": "1"}], pa.struct([("x", pa.string())]))})),
        [], ("'b.parquet'", "'s.x' is string", "'a.parquet' it is long")),
    "names that differ by case": (lambda folder: (
        write(folder, "a.parquet", {"id": pa.array([1])}), write(folder, "b.parquet", {"ID": pa.array([1])})),
        [], ("'b.parquet'", "'ID'", "case")),
    "nanoseconds": (lambda folder: write(folder, "a.parquet", {"at": pa.array([1000], pa.timestamp("ns"))}),
                    [], ("'a.parquet'", "'at'", "nanoseconds")),
    "a time of day": (lambda folder: write(folder, "a.parquet", {"at": pa.array([1], pa.time64("us"))}),
                      [], ("'a.parquet'", "'at'", "time64")),
    "a file that is none": (lambda folder: (write(folder, "a.parquet", {"id": pa.array([1])}), junk(f"{folder}/b.csv")),
                            [], ("'b.csv'", "no Parquet file")),
    "an empty folder": (lambda folder: os.makedirs(folder), [], ("there are no files",)),
    "folders that differ": (lambda folder: (write(folder, "a=1/x.parquet", {"id": pa.array([1])}),
                                            write(folder, "b=1/x.parquet", {"id": pa.array([1])})),
                            [], ("'b=1/x.parquet'", "a=VALUE")),
    "a partition value of another type": (lambda folder: write(folder, "n=x/a.parquet", {"id": pa.array([1])}),
                                          ["--partitioned-by", "n int"], ("'n=x/a.parquet'", "'n'")),
    "a table already": (lambda folder: (write(folder, "a.parquet", {"id": pa.array([1])}), junk(f"{folder}/_delta_log/0.json")),
                        [], ("there is a table already",)),
    "a table inside": (lambda folder: (write(folder, "a.parquet", {"id": pa.array([1])}), junk(f"{folder}/b/_delta_log/0.json")),
                       [], ("folder 'b'", "a table of its own")),
}

CASES = (primitive_types, unsigned_and_odd_encodings, nested_types, old_timestamps, field_ids, columns_that_come_and_go,
         types_that_widen, partitions_as_text, partitions_with_types)


def junk(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("id,name\n1,x\n")


def one_form(value):
    """Decimals and maps as all engines have them."""
    if isinstance(value, decimal.Decimal):
        return value.normalize(decimal.Context(prec=60))
    if isinstance(value, list):
        pairs = [item for item in value if isinstance(item, tuple)]
        return {key: one_form(item) for key, item in pairs} if pairs else [one_form(item) for item in value]
    if isinstance(value, dict):
        return {key: one_form(item) for key, item in value.items()}
    return value


def ordered(rows):
    rows = [{name: {} if name == "map" and value == [] else one_form(value) for name, value in row.items()}
            for row in engines.plain_rows(rows)]
    return sorted(str(sorted(row.items())) for row in rows)


class Program:
    def __init__(self, path):
        self.path = os.path.abspath(path)

    def table(self, command, path, *words):
        return subprocess.run([self.path, "table", command, path, *words], capture_output=True, check=False)

    def read(self, path):
        done = self.table("read", path, "-o", "arrow")
        assert done.returncode == 0, done.stderr.decode()
        with pyarrow.ipc.open_stream(done.stdout) as stream:
            return stream.read_all().to_pylist()

    def files_for(self, path, condition):
        done = self.table("files", path, "--where", condition, "-o", "json")
        assert done.returncode == 0, done.stderr.decode()
        return len(done.stdout.splitlines())

    def count(self, path, condition):
        done = self.table("read", path, "--where", condition, "-o", "arrow")
        assert done.returncode == 0, done.stderr.decode()
        with pyarrow.ipc.open_stream(done.stdout) as stream:
            return stream.read_all().num_rows


def check(program, others, case, path):
    said = case(path)
    rows, words = said["rows"], said.get("words", [])
    planned = program.table("convert", path, *words, "--dry-run", "-o", "json")
    assert planned.returncode == 0, planned.stderr.decode()
    assert not os.path.exists(f"{path}/_delta_log"), "a dry run wrote"
    done = program.table("convert", path, *words, "-o", "json")
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert json.loads(planned.stdout) == {**answer, "version": None, "dry_run": True}, planned.stdout
    assert answer["rows"] == len(rows), answer
    for name, value in said.get("answer", {}).items():
        assert answer[name] == value, (name, answer)
    readings = 0

    def read_by_all():
        nonlocal readings
        for name, engine in (("sluice", program), *others.items()):
            if (name == "deltalake" and "peer" in said) or (name == "spark" and "spark" in said):
                continue
            found = engine.read(path)
            assert ordered(found) == ordered(rows), f"{name} reads\n{ordered(found)}\nnot\n{ordered(rows)}"
            readings += 1

    read_by_all()
    for condition, (files, count) in said.get("where", {}).items():
        found = program.files_for(path, condition), program.count(path, condition)
        assert found[0] <= files and found[1] == count, f"{condition}: (files, rows) {found}, expected {(files, count)}"
    faults = program.table("check", path, "-o", "json")
    assert faults.returncode == 0, faults.stdout.decode() + faults.stderr.decode()
    if "peer" not in said:
        first = deltalake.DeltaTable(path).to_pyarrow_table().slice(0, 1)
        deltalake.write_deltalake(path, first, mode="append")
        rows = rows + first.to_pylist()
        read_by_all()
    again = program.table("convert", path, *words)
    assert again.returncode != 0 and b"there is a table already" in again.stderr, again.stderr
    return readings


def refuse(program, name, path):
    make, words, parts = REFUSED[name]
    make(path)
    done = program.table("convert", path, *words)
    text = done.stderr.decode()
    assert done.returncode not in (0, -6, -11), text
    for part in parts:
        assert part in text, f"'{part}' is not in: {text}"


def main(path):
    with tempfile.TemporaryDirectory() as folder:
        program = Program(path)
        others = {"deltalake": engines.Deltalake()}
        if "--spark" in sys.argv:
            others["spark"] = engines.Spark(folder)
        readings, failed = 0, []
        for number, case in enumerate(CASES):
            try:
                readings += check(program, others, case, f"{folder}/t{number}")
            except Exception as error:  # The other cases are told, too.
                failed.append(case.__name__)
                print(f"FAILED {case.__name__}: {type(error).__name__}: {str(error)[:2500]}")
        for number, name in enumerate(REFUSED):
            try:
                refuse(program, name, f"{folder}/r{number}")
            except Exception as error:
                failed.append(name)
                print(f"FAILED {name}: {type(error).__name__}: {str(error)[:1500]}")
        for engine in others.values():
            engine.close()
        print(f"{len(CASES)} folders converted, {len(REFUSED)} refused, {readings} readings by sluice, "
              f"{' and '.join(others)}, {len(failed)} failed")
        sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1])
