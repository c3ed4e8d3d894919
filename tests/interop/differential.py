"""Random histories of one table, written in turn by sluice/lake, deltalake and Spark.

After each step every engine must read exactly the rows that a plain list in this program holds, and the same
progress of our transaction. A failure prints the seed of its sequence and the steps that led to it.

usage: differential.py PATH/TO/sluice_table_driver [--sequences N] [--seed S] [--steps N] [--spark]
                       [--seconds AT_MOST] [--keep]
"""

import argparse
import collections
import datetime
import decimal
import os
import random
import shutil
import sys
import tempfile
import time
import traceback

import packages

packages.use_deltalake()

import pyarrow  # noqa: E402

from engines import Deltalake, Refused, Sluice, Spark, UTC, plain_rows  # noqa: E402

TEXTS = ["", "a", "é\x01\"\\", "x" * 31 + "\U0001F600tail", "\U0010FFFF" * 33, "z" * 100, "tab\tand\nline", "'%20'"]
PARTITION_TEXTS = ["NL", "US/East", "a b", "%41=é{}:", "x" * 50, "ß?&#+", None]
ASCII_TEXTS = [text for text in PARTITION_TEXTS if text is None or text.isascii()]
COLUMNS = {  # Type, then a function that makes a value.
    "flag": (pyarrow.bool_(), lambda r: r.random() < 0.5),
    "tiny": (pyarrow.int8(), lambda r: r.choice([-128, 0, 127])),
    "small": (pyarrow.int16(), lambda r: r.choice([-2**15, 7, 2**15 - 1])),
    "whole": (pyarrow.int32(), lambda r: r.choice([-2**31, r.randrange(1000), 2**31 - 1])),
    "long": (pyarrow.int64(), lambda r: r.choice([-2**63, r.randrange(10**12), 2**63 - 1])),
    "single": (pyarrow.float32(), lambda r: r.choice([0.5, -0.0, float("nan"), float("-inf"), 1.5])),
    "real": (pyarrow.float64(), lambda r: r.choice([0.1, -0.0, float("nan"), float("inf"), r.random() * 1e300])),
    "price": (pyarrow.decimal128(10, 2), lambda r: decimal.Decimal(r.randrange(-10**10 + 1, 10**10)).scaleb(-2)),
    "wide": (pyarrow.decimal128(38, 10), lambda r: decimal.Decimal(r.choice([-1, 1]) * r.randrange(10**20)).scaleb(-10)),
    "text": (pyarrow.string(), lambda r: r.choice(TEXTS)),
    "bytes": (pyarrow.binary(), lambda r: r.randbytes(r.randrange(20))),
    "day": (pyarrow.date32(), lambda r: datetime.date(1900, 1, 1) + datetime.timedelta(r.randrange(150000))),
    "at": (pyarrow.timestamp("us", "UTC"), lambda r: datetime.datetime(1900, 1, 1, tzinfo=UTC)
           + datetime.timedelta(r.randrange(100000), r.randrange(86400), r.randrange(10**6))),
    "list": (pyarrow.list_(pyarrow.int32()), lambda r: [r.choice([None, 1, -5]) for _ in range(r.randrange(4))]),
    "nested": (pyarrow.struct([("a", pyarrow.int32()), ("b", pyarrow.string())]),
               lambda r: {"a": r.choice([None, r.randrange(9)]), "b": r.choice(TEXTS)}),
}
# A zone-less time makes a table feature of its own, so that it can only be there from the beginning.
AT_CREATION = {"local": (pyarrow.timestamp("us"), lambda r: datetime.datetime(1969, 12, 31, 23, 59, 59, r.randrange(10**6))
                         + datetime.timedelta(r.choice([-9000, 0, 9000])))}
PARTITIONS = {
    "country": (pyarrow.string(), lambda r: r.choice(PARTITION_TEXTS)),
    "event_date": (pyarrow.date32(), lambda r: r.choice([None, datetime.date(2024, 2, 29), datetime.date(1969, 7, 20)])),
    "bucket": (pyarrow.int32(), lambda r: r.choice([-1, 0, 12])),
}
PROPERTIES = [{}, {}, {"delta.checkpointInterval": "2"}, {"delta.dataSkippingNumIndexedCols": "2"},
              {"delta.checkpoint.writeStatsAsStruct": "true", "delta.checkpoint.writeStatsAsJson": "false"}]
WITH_VECTORS = [{"delta.enableDeletionVectors": "true"},
                {"delta.enableDeletionVectors": "true", "delta.enableChangeDataFeed": "true"}]
OURS_TOO = [{"delta.checkpointPolicy": "v2"}, {"delta.checkpointPolicy": "v2", "delta.checkpointInterval": "2"}]
OURS_TOO += [{"delta.enableChangeDataFeed": "true"}, *WITH_VECTORS]
OF_SPARK = OURS_TOO
# What a table is made for that deltalake writes only in part, or does not read: the engines that do, the others'
# `can`.
MAPPED = {"delta.columnMapping.mode": "name"}
WIDENING = {"delta.enableTypeWidening": "true"}
WIDER = {"int8": ["small", "whole", "long"], "int16": ["whole", "long"], "int32": ["long"], "float": ["real"]}
WEIGHTS = {"append": 4, "restore": 2, "rename": 2, "drop": 2, "widen": 2}
LITERALS = {"string": [None, "NL", "changed"], "int32": [None, 7], "int64": [None, 7], "bool": [None]}
SUFFIXES = ["", "_2", "_Ünï", "-minus", "_Upper"]
AGE = 40 * 86400  # Logs are kept for 30 days; a cleanup first makes them this much older.


class Difference(Exception):
    pass


def value_of(kind, generator):
    return None if generator.random() < 0.15 else kind[1](generator)


class Sequence:
    """One table and its history."""
    done = collections.Counter()  # Of all sequences: steps by engine and kind.

    def __init__(self, engines, folder, seed, creator):
        self.random = random.Random(seed)
        self.engines = engines
        self.sluice = engines[0]
        self.path = f"{folder}/table-{seed}"
        self.rows = []
        self.ids = 0
        self.names = 0
        self.aged = -1
        self.history = []
        self.kinds = dict(PARTITIONS)  # Column -> (type, generator)
        if len(engines) > 2:
            # Spark keeps letters beyond ASCII in paths, deltalake escapes them in what it removes: where it
            # compacts files of Spark in such a partition it then reads their rows twice (1.6.6).
            self.kinds["country"] = (pyarrow.string(), lambda r: r.choice(ASCII_TEXTS))
        kinds = COLUMNS | AT_CREATION
        names = self.random.sample(sorted(kinds), self.random.randrange(1, 6))
        self.partition = tuple(self.random.sample(sorted(PARTITIONS), self.random.choice([0, 0, 1, 1, 2])))
        fields = [pyarrow.field("id", pyarrow.int64())]
        for name in names:
            self.kinds[name] = kinds[name]
            fields.append(pyarrow.field(name, kinds[name][0]))
        fields += [pyarrow.field(name, PARTITIONS[name][0]) for name in self.partition]
        self.schema = pyarrow.schema(fields)
        os.mkdir(self.path)
        properties = self.random.choice(PROPERTIES + {"spark": OF_SPARK, "sluice": OURS_TOO}.get(creator.name, []))
        self.can = {engine.name: list(engine.can) for engine in engines}
        self.readers = engines
        self.restorable = {}  # Version -> the rows, schema and kinds it has, as long as its files are there.
        if creator.name != "deltalake" and self.random.random() < 0.4:
            self.alters(properties := dict(properties), len(engines) > 2 and self.random.random() < 0.4)
        self.note(creator, "create", self.schema.names, self.partition, properties)
        creator.create(self.path, self.schema, self.partition, properties)

    def alters(self, properties, widens):
        """Makes it a table whose columns are renamed and dropped, or also widened."""
        properties.update(MAPPED | (WIDENING if widens else {}))
        more = ["rename", "drop"] + (["widen"] * 2 if widens else [])
        for engine in self.engines:
            self.can[engine.name] += more
        self.can["deltalake"] = [] if widens else Deltalake.can_mapped
        if widens:  # deltalake refuses to read it.
            self.readers = [engine for engine in self.engines if engine.name != "deltalake"]

    def note(self, engine, what, *details):
        self.done[f"{engine.name} {what}"] += 1
        self.history.append(f"{len(self.history)}: {engine.name} {what} {' '.join(str(d) for d in details)}".rstrip())

    def new_rows(self):
        rows = []
        for _ in range(self.random.choice([1, 3, 20])):
            row = {"id": self.ids}
            self.ids += 1
            for name in self.schema.names[1:]:
                row[name] = value_of(self.kinds[name], self.random)
            rows.append(row)
        return rows

    def new_column(self):
        name = self.random.choice(sorted(COLUMNS))
        column = name + self.random.choice(SUFFIXES) + str(len(self.schema.names))
        self.kinds[column] = COLUMNS[name]
        return pyarrow.field(column, COLUMNS[name][0])

    def grown(self, field):
        self.schema = self.schema.append(field)
        for row in self.rows:
            row[field.name] = None

    def age_log(self):
        """Makes the log look old, as a cleanup finds it after a month."""
        now = time.time()
        folder = f"{self.path}/_delta_log"
        for number, name in enumerate(sorted(os.listdir(folder))):
            if os.path.isfile(f"{folder}/{name}") and os.path.getmtime(f"{folder}/{name}") > now - AGE / 2:
                os.utime(f"{folder}/{name}", (now - AGE + number, now - AGE + number))

    def some_column(self, types=None):
        """A column that may change, neither the id nor one that partitions."""
        names = [name for name in self.schema.names[1:] if name not in self.partition
                 and (types is None or str(self.schema.field(name).type) in types)]
        return self.random.choice(names) if names else None

    def renamed(self, old, new):
        """`new` of None: dropped."""
        place = self.schema.names.index(old)
        if new is None:
            self.schema = self.schema.remove(place)
        else:
            self.schema = self.schema.set(place, self.schema.field(place).with_name(new))
            self.kinds[new] = self.kinds[old]
        self.rows = [{new if name == old else name: value for name, value in row.items() if name != old or new}
                     for row in self.rows]

    def alter(self, engine, what):
        column = self.some_column(WIDER if what == "widen" else None)
        if column is None:
            return
        if what == "widen":
            wider = self.random.choice(WIDER[str(self.schema.field(column).type)])
            field = pyarrow.field(column, COLUMNS[wider][0])
            self.note(engine, what, column, field.type)
            engine.widen(self.path, field)
            self.schema = self.schema.set(self.schema.names.index(column), field)
            self.kinds[column] = COLUMNS[wider]
        elif what == "rename":
            self.names += 1
            new = f"new name {self.names}"
            self.note(engine, what, column, new)
            engine.rename(self.path, column, new)
            self.renamed(column, new)
        else:
            self.note(engine, what, column)
            engine.drop(self.path, column)
            self.renamed(column, None)

    def restore(self, engine):
        now = self.version()
        earlier = sorted(version for version in self.restorable if self.aged < version < now)
        if not earlier:
            return
        version = self.random.choice(earlier)
        self.note(engine, "restore", version)
        engine.restore(self.path, version)
        self.rows, self.schema, self.kinds = self.restorable[version]
        self.rows = [dict(row) for row in self.rows]

    def step(self):
        engine = self.random.choice([engine for engine in self.engines if self.can[engine.name]])
        can = self.can[engine.name]
        what = self.random.choices(can, [WEIGHTS.get(name, 1) for name in can])[0]
        if what == "append":
            rows = self.new_rows()
            self.note(engine, what, len(rows))
            engine.append(self.path, rows, self.schema, self.partition)
            self.rows += rows
        elif what == "grow":
            field = self.new_column()
            self.note(engine, what, field.name, field.type)
            engine.grow(self.path, field)
            self.grown(field)
        elif what == "append_and_grow":
            field = self.new_column()
            self.grown(field)
            rows = self.new_rows()
            self.note(engine, what, field.name, field.type, len(rows))
            engine.append_and_grow(self.path, rows, self.schema)
            self.rows += rows
        elif what == "delete":
            low = self.random.randrange(self.ids + 1)
            high = low + self.random.choice([1, 5, 1000])
            self.note(engine, what, low, high)
            engine.delete(self.path, low, high)
            self.rows = [row for row in self.rows if not low <= row["id"] < high]
        elif what == "update":
            low = self.random.randrange(self.ids + 1)
            high = low + self.random.choice([1, 5, 1000])
            column = self.random.choice(self.schema.names[1:] or ["id"])
            value = self.random.choice(LITERALS.get(str(self.schema.field(column).type), [None]))
            self.note(engine, what, column, value, low, high)
            if column == "id":
                return
            literal = "null" if value is None else f"'{value}'" if isinstance(value, str) else str(value)
            engine.update(self.path, column, literal, low, high)
            for row in self.rows:
                if low <= row["id"] < high:
                    row[column] = value
        elif what == "merge":
            rows = self.new_rows()
            there = [row["id"] for row in self.rows]
            for row, known in zip(rows, self.random.sample(there, min(len(there), len(rows) // 2))):
                row["id"] = known
            self.note(engine, what, *(row["id"] for row in rows))
            engine.merge(self.path, rows, self.schema)
            given = {row["id"] for row in rows}
            self.rows = [row for row in self.rows if row["id"] not in given] + rows
        elif what in ("rename", "drop", "widen"):
            self.alter(engine, what)
        elif what == "restore":
            self.restore(engine)
        else:
            self.note(engine, what)
            if what == "clean":
                self.age_log()
            getattr(engine, what)(self.path)
            if what in ("clean", "vacuum"):
                self.restorable.clear()
            if what == "clean":  # Whoever writes next may remove what it made look old.
                self.aged = self.version()

    def version(self):
        names = os.listdir(f"{self.path}/_delta_log")
        return max(int(name[:20]) for name in names if len(name) == 25 and name.endswith(".json"))

    def check(self):
        expected = sorted(plain_rows(self.rows), key=lambda row: row["id"])
        self.restorable[self.version()] = ([dict(row) for row in self.rows], self.schema, dict(self.kinds))
        names = self.readers[1].columns(self.path)  # A writer may put its new column before others.
        if sorted(names) != sorted(self.schema.names):
            raise Difference(f"the table has the columns {names}, expected {self.schema.names}")
        for engine in self.readers:
            found = sorted(engine.read(self.path), key=lambda row: row["id"])
            compare(engine, found, expected, names)
        low = self.random.randrange(self.ids + 1)
        wanted = [row["id"] for row in expected if low <= row["id"] < low + 3]
        for engine in self.readers[1:]:
            found = engine.read_ids(self.path, low, low + 3)
            if found != wanted:
                raise Difference(f"{engine.name} finds the ids {found} by a filter, expected {wanted}")
        if len(self.engines) > 2:
            found = self.engines[2].bounds(self.path)
            ids = [row["id"] for row in expected]
            if found != (len(ids), min(ids, default=None), max(ids, default=None)):
                raise Difference(f"spark counts {found} from statistics, expected {len(ids)} rows")
        mine = self.sluice.transactions.get(self.path)
        for engine in self.readers[:2]:
            if engine.name != "spark" and engine.transaction(self.path) != mine:
                raise Difference(f"{engine.name}: transaction {engine.transaction(self.path)}, expected {mine}")


def compare(engine, found, expected, names):
    if len(found) != len(expected):
        raise Difference(f"{engine.name} reads {len(found)} rows, expected {len(expected)}")
    for mine, theirs in zip(expected, found):
        if list(theirs) != list(names):
            raise Difference(f"{engine.name} reads the columns {list(theirs)}, expected {list(names)}")
        for name in names:
            if mine[name] != theirs[name]:
                raise Difference(f"{engine.name} reads {theirs[name]!r} in '{name}' of id {mine['id']}, "
                                 f"expected {mine[name]!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("--sequences", type=int, default=500)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--seed", type=int, help="of the first sequence; the others follow")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no sequence after that")
    parser.add_argument("--spark", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the tables")
    arguments = parser.parse_args()
    if arguments.spark:
        packages.use_spark()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="sluice-differential-")
    engines = [Sluice(arguments.driver, folder), Deltalake()] + ([Spark(folder)] if arguments.spark else [])
    failed = steps = sequences = 0
    start = time.monotonic()
    for number in range(seed, seed + arguments.sequences):
        if time.monotonic() - start > arguments.seconds:
            break
        sequence = None
        try:
            sequence = Sequence(engines, folder, number, engines[number % len(engines)])
            sequence.check()
            for _ in range(arguments.steps):
                sequence.step()
                sequence.check()
                steps += 1
            shutil.rmtree(sequence.path)
        except Exception as error:  # Whatever an engine raises: name it with its history, then go on.
            failed += 1
            known = isinstance(error, (Difference, Refused))
            reason = str(error).splitlines()[0] if known else traceback.format_exc(limit=-3)
            print(f"FAIL sequence {number} (--seed {number} --sequences 1): {type(error).__name__}: {reason}")
            for line in sequence.history if sequence else []:
                print(f"  {line}", flush=True)
        sequences += 1
    for engine in engines:
        engine.close()
    seconds = time.monotonic() - start
    print(", ".join(f"{what} {count}" for what, count in sorted(Sequence.done.items())))
    print(f"{sequences} sequences, {steps} steps by {', '.join(e.name for e in engines)}, {failed} failed, {seconds:.0f} s")
    if not arguments.keep:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
