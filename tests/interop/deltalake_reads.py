"""Another engine reads the tables that sluice/lake writes, appends to them, and is read in turn.

usage: deltalake_reads.py PATH/TO/sluice_lake_test
The half in C++ is sluice/lake/interop_test.cc.
"""

import datetime
import decimal
import os
import pathlib
import subprocess
import sys
import tempfile

import packages

packages.use_deltalake()

from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake  # noqa: E402


def run(program, folder, test):
    environment = dict(os.environ, SLUICE_INTEROP_FOLDER=folder)
    subprocess.run([program, f"--gtest_filter=InteropTest.{test}"], env=environment, check=True,
                   stdout=subprocess.DEVNULL)


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        run(program, folder, "WritesATable")
        path = str(pathlib.Path(folder) / "table")
        table = DeltaTable(path)
        rows = sorted(table.to_pyarrow_table().to_pylist(), key=lambda row: row["i64"])
        assert [row["i64"] for row in rows] == list(range(8)), rows
        countries = ["NL", "US/East %é {x}=:", None, "a b"]
        assert [row["country"] for row in rows] == [c for c in countries for _ in range(2)], rows
        first = dict(rows[0])
        expected = {
            "id": b"abcd", "flag": True, "i8": -1, "u16": 65535,
            "u64": decimal.Decimal(2**64 - 1), "i64": 0, "real": 0.1,
            "price": decimal.Decimal("-1.50"), "name": "é\x01\"",
            "at": datetime.datetime(2023, 11, 14, 22, 13, 20, 1, tzinfo=datetime.timezone.utc),
            "day": datetime.date(2022, 1, 8), "list": [1, None], "country": "NL",
            "event_date": datetime.date(2024, 1, 31), "late": None,
        }
        for name, value in expected.items():
            assert first[name] == value, (name, first[name], value)
        assert all(rows[1][name] is None for name in ("id", "flag", "u64", "at", "list")), rows[1]
        assert table.transaction_version("app") == 6

        # Statistics must not prune what is there.
        for filters, count in [([("name", "=", "z" * 100)], 4), ([("real", ">=", 0.1)], 4),
                               ([("country", "=", "US/East %é {x}=:")], 2),
                               ([("at", "=", expected["at"])], 4), ([("i64", "=", 5)], 1)]:
            found = table.to_pyarrow_table(filters=filters).num_rows
            assert found == count, (filters, found)

        added = table.to_pyarrow_table(filters=[("country", "=", "NL")])
        write_deltalake(path, added, mode="append", commit_properties=CommitProperties(
            app_transactions=[Transaction("python", 1)]))
        run(program, folder, "LoadsWhatOthersAppended")
        assert DeltaTable(path).to_pyarrow_table().num_rows == 12
        history = [entry["operation"] for entry in DeltaTable(path).history()]
        assert len(history) == 8, history

        # From the checkpoint alone.
        for commit in pathlib.Path(path, "_delta_log").glob("0000000000000000000[0-4].json"):
            commit.unlink()
        assert DeltaTable(path).to_pyarrow_table().num_rows == 12
        assert DeltaTable(path).transaction_version("app") == 6
    print("ok")


if __name__ == "__main__":
    main(sys.argv[1])
