"""Rows of random schemas, decoded by us and landed in Delta tables by us, read by deltalake as they were.

usage: random_schemas.py PATH/TO/sluice_decode_test PATH/TO/sluice_table_driver [--tables N] [--seed N]
The rows come from sluice/decode/schema_property_test.cc, which holds them against a plain decoder first.
"""

import argparse
import os
import pathlib
import random
import subprocess
import tempfile

import packages

packages.use_deltalake()

import engines  # noqa: E402
import pyarrow  # noqa: E402


def rows_of(path):
    with pyarrow.OSFile(str(path)) as file:
        return pyarrow.ipc.open_file(file).read_all()


def differences(wanted, found):
    """Where two lists of rows differ, in words; compared as texts, so that 0.0 and -0.0 differ."""
    if len(wanted) != len(found):
        yield f"{len(found)} rows, expected {len(wanted)}"
    for number, (one, other) in enumerate(zip(wanted, found)):
        for column, value in one.items():
            if repr(value) != repr(other.get(column, "no such column")):
                yield f"row {number}, column {column}: {other.get(column)!r}, expected {value!r}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("decode_test")
    parser.add_argument("driver")
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, SLUICE_SCHEMAS_FOLDER=folder, SLUICE_SEED=str(arguments.seed))
        subprocess.run([arguments.decode_test, "--gtest_filter=SchemaPropertyTest.*"], env=environment, check=True,
                       stdout=subprocess.DEVNULL)
        files = sorted(pathlib.Path(folder).glob("*.arrow"), key=lambda path: int(path.stem))[:arguments.tables]
        assert len(files) >= arguments.tables, f"seed {arguments.seed}: rows of {len(files)} schemas only"
        sluice, deltalake = engines.Sluice(arguments.driver, folder), engines.Deltalake()
        columns = rows = 0
        for file in files:
            table = rows_of(file)
            path = str(file.with_suffix(""))
            wanted = engines.plain_rows(table.to_pylist())
            sluice.create(path, table.schema, (), {})
            sluice.append_file(path, file)
            wrong = list(differences(wanted, deltalake.read(path)))
            assert not wrong, f"--seed {arguments.seed}, schema {file.stem}: {wrong[:3]}\n{table.schema}"
            columns += len(table.schema)
            rows += len(wanted)
        sluice.close()
    print(f"{len(files)} random schemas, {columns} columns, {rows} rows, equal; seed {arguments.seed}")


if __name__ == "__main__":
    main()
