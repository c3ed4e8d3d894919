"""Tables whose files we clustered, from which we erased rows, and which we cloned: read, and written on, by others.

usage: rewritten_tables.py PATH/TO/sluice PATH/TO/sluice_table_driver [--spark]

After each step every engine that can read the table holds what a plain list holds; the driver's own reading goes by
the log, theirs prove that the log is as others understand it. What deltalake refuses, and why, is listed in REFUSALS.
"""

import json
import os
import random
import subprocess
import sys
import tempfile

import packages

packages.use_deltalake()
if "--spark" in sys.argv:
    packages.use_spark()

import pyarrow as pa  # noqa: E402

import engines  # noqa: E402

TYPES = pa.schema([("id", pa.int64()), ("amount", pa.int64()), ("name", pa.string())])
ROWS = 4096

# By case and what deltalake is asked for: part of its answer.
REFUSALS = {
    # A writer must know the feature `clustering`, which a table with columns of its own to cluster by needs.
    ("clustered by its own columns", "append"): "ClusteredTable",
    # The same of row tracking.
    ("rows tracked, marked and clustered", "append"): "RowTracking",
}


def scattered(first, count):
    """Rows whose columns have nothing to do with each other."""
    chosen = random.Random(count)
    ids, amounts = ([*range(count)] for _ in range(2))
    chosen.shuffle(ids)
    chosen.shuffle(amounts)
    return [{"id": first + i, "amount": None if n % 97 == 0 else amounts[n], "name": f"person {first + i:05}"}
            for n, i in enumerate(ids)]


class Tables:
    """The engines over tables of one folder, and our program."""

    def __init__(self, program, driver, folder, spark):
        self.program, self.folder, self.readings = os.path.abspath(program), folder, 0
        self.ours = engines.Sluice(os.path.abspath(driver), folder)
        self.deltalake = engines.Deltalake()
        self.spark = engines.Spark(folder) if spark else None
        self.engines = [engine for engine in (self.ours, self.deltalake, self.spark) if engine]

    def close(self):
        for engine in self.engines:
            engine.close()

    def table(self, command, path, *words):
        """Runs `sluice table COMMAND` and returns its answer."""
        done = subprocess.run([self.program, "table", command, path, *words, "-o", "json"], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    def files_for(self, path, condition):
        """How many files a question has to read."""
        done = subprocess.run([self.program, "table", "files", path, "--where", condition, "-o", "json"],
                              capture_output=True, text=True, check=True)
        return len(done.stdout.splitlines())

    def make(self, path, rows, partition=(), properties=None, files=4):
        self.ours.create(path, TYPES, partition, properties or {})
        for part in range(files):
            self.ours.append(path, rows[part::files], TYPES, partition)

    def check(self, case, path, expected, moment):
        wanted = sorted(json.dumps(row) for row in expected)
        for engine in self.engines:
            found = sorted(json.dumps(row) for row in engine.read(path))
            assert found == wanted, (f"{case}, {moment}: {engine.name} reads {len(found)} rows, not these "
                                     f"{len(wanted)}: {found[:3]} for {wanted[:3]}")
            self.readings += 1

    def refused(self, case, what, ask):
        """deltalake must refuse what it is said to."""
        try:
            ask()
        except Exception as error:  # Whatever it calls a refusal.
            text = str(error)
            assert REFUSALS[case, what] in text, f"{case}: deltalake refuses to {what} for another reason: {text}"
            print(f"{case}: deltalake refuses to {what}: {text.splitlines()[0][:150]}")
        else:
            raise AssertionError(f"{case}: deltalake does {what} what it was said to refuse")

    def append_by_others(self, case, path, expected):
        """A row of each engine that can write the table."""
        for number, engine in enumerate(self.engines[1:]):
            row = {"id": 100_000 + len(expected) + number, "amount": number, "name": engine.name}
            if engine is self.deltalake and (case, "append") in REFUSALS:
                self.refused(case, "append", lambda by=engine, new=row: by.append(path, [new], TYPES))
                continue
            engine.append(path, [row], TYPES)
            expected.append(row)
            self.check(case, path, expected, f"with a row of {engine.name}")


def clustered(tables, path, case, *, properties=None, changes=(), by="id,amount", mark=False):
    rows = scattered(0, ROWS)
    tables.make(path, rows, properties=properties)
    for kind, column, value in changes:
        tables.ours.alter(path, kind, column, value)
    if mark:
        tables.table("delete", path, "--where", "id % 50 = 7")
        rows = [row for row in rows if row["id"] % 50 != 7]
    asked = {"id": "id = 1234", "amount": "amount = 1234"}
    before = {column: tables.files_for(path, condition) for column, condition in asked.items()}
    words = [*(("--by", by) if by else ()), "--file-size", "2KiB"]
    first = tables.table("cluster", path, *words)
    after = {column: tables.files_for(path, condition) for column, condition in asked.items()}
    print(f"{case}: of {first['files_added']} files a question about id needs {after['id']}, about amount {after['amount']}; "
          f"before {before['id']} and {before['amount']} of {first['files_removed']}")
    assert first["files_added"] >= 10 and first["files_skipped"] == 0, first
    for column in by.split(",") if by else ("id",):
        assert after[column] * 2 <= first["files_added"], (case, column, after, first)
    tables.check(case, path, rows, "clustered")
    again = tables.table("cluster", path, *words)
    assert (again["files_removed"], again["files_skipped"]) == (0, first["files_added"]), again
    tables.ours.checkpoint(path)
    tables.check(case, path, rows, "with a checkpoint")
    again = tables.table("cluster", path, *words)
    assert (again["files_removed"], again["files_skipped"]) == (0, first["files_added"]), again
    tables.append_by_others(case, path, rows)
    if tables.spark and by is None:
        # Its own clustering reads our marks, and we read those that it writes.
        tables.spark.compact(path)
        tables.check(case, path, rows, "clustered by Spark")
        again = tables.table("cluster", path)
        assert again["files_removed"] == 0, again
    tables.table("cluster", path, *words, "--full")
    tables.check(case, path, rows, "clustered anew")


def erased(tables, path, case, *, properties=None):
    rows = scattered(0, ROWS)
    tables.make(path, rows, properties=properties)
    gone = random.Random(7).sample(rows, 20)
    values, planted = f"{tables.folder}/values", f"{tables.folder}/planted"
    with open(values, "w", encoding="utf-8") as file:
        file.writelines(f"{row['id']}\n" for row in gone)
    with open(planted, "w", encoding="utf-8") as file:
        file.writelines(f"{row['name']}\n" for row in gone)
    report = tables.table("erase", path, "--key", "id", "--values", values, "--prove", planted, "--alone")
    assert report["rows_erased"] == len(gone) and report["proof"]["found"] == 0, report
    rows = [row for row in rows if row not in gone]
    tables.check(case, path, rows, "erased")
    tables.append_by_others(case, path, rows)


def cloned(tables, path, case, *, kind):
    source = path + "-source"
    rows = scattered(0, 500)
    tables.make(source, rows, ["name"] if kind == "deep, partitioned" else (),
                {"delta.enableDeletionVectors": "true"}, files=2 if kind != "deep, partitioned" else 1)
    tables.table("delete", source, "--where", "id < 20")
    rows = [row for row in rows if row["id"] >= 20]
    tables.table("clone", source, path, *(["--shallow"] if kind == "shallow" else []))
    tables.check(case, path, rows, "cloned")
    tables.append_by_others(case, path, rows)
    # The clone goes its own way.
    tables.table("delete", path, "--where", "id >= 400")
    tables.check(case, path, [row for row in rows if row["id"] < 400], "with rows deleted")
    tables.check(case + ", its source", source, [row for row in rows if row["id"] < 100_000], "after all that")


CASES = {
    "clustered": lambda *a: clustered(*a),
    "clustered by its own columns": lambda *a: clustered(*a, changes=[("cluster", "id", "")], by=None),
    "columns mapped, then clustered": lambda *a: clustered(*a, properties={"delta.columnMapping.mode": "name"}),
    "rows marked, then clustered": lambda *a: clustered(
        *a, properties={"delta.enableDeletionVectors": "true"}, mark=True),
    "rows tracked, marked and clustered": lambda *a: clustered(
        *a, properties={"delta.enableDeletionVectors": "true", "delta.enableRowTracking": "true"}, mark=True),
    "erased": lambda *a: erased(*a),
    "erased where vectors mark rows": lambda *a: erased(*a, properties={"delta.enableDeletionVectors": "true"}),
    "erased with a change feed": lambda *a: erased(*a, properties={"delta.enableChangeDataFeed": "true"}),
    "cloned, deep": lambda *a: cloned(*a, kind="deep"),
    "cloned, deep, partitioned": lambda *a: cloned(*a, kind="deep, partitioned"),
    "cloned, shallow": lambda *a: cloned(*a, kind="shallow"),
}


def main(program, driver):
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables(program, driver, folder, "--spark" in sys.argv)
        failed = []
        for number, (case, run) in enumerate(CASES.items()):
            try:
                run(tables, f"{folder}/t{number}", case)
            except Exception as error:  # The other cases are told, too.
                failed.append(case)
                print(f"FAILED {case}: {type(error).__name__}: {str(error)[:1500]}")
        by = " and ".join(engine.name for engine in tables.engines[1:])
        tables.close()
        print(f"{len(CASES)} kinds of rewriting, {tables.readings} readings by sluice, {by}, {len(failed)} failed")
        sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(*sys.argv[1:3])
