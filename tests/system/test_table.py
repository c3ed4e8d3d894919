"""`sluice table` on tables of other engines: no server, no project."""

import json
import os
import subprocess
import tempfile

from server import binary, run, testdata


def golden(name):
    return f"{testdata('delta-golden')}/{name}"


def table(*arguments, expect=0):
    with tempfile.TemporaryDirectory() as empty:
        answer = subprocess.run([os.path.abspath(binary()), "table", *map(str, arguments)], capture_output=True, cwd=empty)
        assert not os.listdir(empty), "a read must leave nothing behind"
    assert answer.returncode == expect, (arguments, answer.returncode, answer.stderr.decode())
    return answer


def rows(*arguments):
    return [json.loads(line) for line in table(*arguments).stdout.splitlines()]


def reads_rows_with_deletion_vectors_and_mapped_columns():
    path = golden("dv-with-columnmapping/delta")
    all_rows = rows("read", path)
    described = rows("describe", path)[0]
    assert len(all_rows) == described["rows"] > 0
    assert "deletionVectors" in described["reader_features"]
    names = [field["name"] for field in described["schema"]["fields"]]
    assert list(all_rows[0]) == names
    some = rows("read", path, "--columns", names[0].upper(), "--where", f"{names[0]} is not null")
    assert [list(row) for row in some[:1]] == [[names[0]]]
    assert len(table("read", path, "-o", "csv").stdout.splitlines()) == len(all_rows) + 1
    assert table("read", path, "-o", "parquet").stdout[:4] == b"PAR1"
    assert table("read", path, "-o", "arrow").stdout[:4] == b"\xff\xff\xff\xff"
    assert len(rows("read", path, "--limit", "2")) == 2


def travels_and_tells_history():
    path = golden("time-travel-start-start20-start40/delta")
    counts = [len(rows("read", path, "--version", version)) for version in (0, 1, 2)]
    assert counts == sorted(counts) and counts[0] < counts[2], counts
    assert [record["version"] for record in rows("history", path)] == [2, 1, 0]
    assert len(rows("files", path)) == rows("describe", path)[0]["files"]
    assert b"does not exist" in table("read", path, "--version", "9", expect=1).stderr


def checks_whole_tables():
    table("check", golden("dv-partitioned-with-checkpoint/delta"))
    broken = table("check", golden("deltalog-getChanges/delta"))
    assert b"0 faults" in broken.stderr
    answer = table("check", golden("log-replay-special-characters-b/delta"), expect=1)
    assert json.loads(answer.stdout)["fault"] == "it is not there"


def names_what_it_refuses():
    for name, words in (("deltalog-invalid-protocol-version", b"reader version 99"),
                        ("versions-not-contiguous", b"version 1 of 2 is missing"),
                        ("deltalog-state-reconstruction-without-protocol", b"no protocol"),
                        ("no-delta-log-folder", b"there is no table")):
        answer = table("read", golden(name + "/delta"), expect=1)
        assert words in answer.stderr and not answer.stdout, answer.stderr
    assert b"no column 'nope'" in table("read", golden("data-reader-map/delta"), "--columns", "nope",
                                        expect=1).stderr
    assert b"enableChangeDataFeed" in table("changes", golden("data-reader-map/delta"), expect=1).stderr


run(reads_rows_with_deletion_vectors_and_mapped_columns, travels_and_tells_history, checks_whole_tables,
    names_what_it_refuses)
