"""sluice/lake beside deltalake 1.6.6: each line in a process of its own, wall time and peak memory.

Usage: ./dev bench lake [--files N] [--repeats N]. Tables are made fresh under a temporary folder.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEER = Path(os.environ["SLUICE_DEPS"]) / "unpacked" / "interop"
SCHEMA = json.dumps({"type": "struct", "fields": [
    {"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in
    (("id", "long"), ("v", "double"))]})


def make_log(table, files, commits):
    """A log of adds whose data files do not exist: opening a table reads none of them."""
    log = table / "_delta_log"
    log.mkdir(parents=True)
    generator = random.Random(1)
    head = ('{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}\n'
            '{"metaData":' + json.dumps({"id": "x", "format": {"provider": "parquet", "options": {}},
                                         "schemaString": SCHEMA, "partitionColumns": [], "configuration": {},
                                         "createdTime": 1}) + "}\n")
    (log / f"{0:020}.json").write_text(head)
    for commit in range(commits):
        lines = []
        for i in range(files // commits):
            first = (commit * (files // commits) + i) * 100
            stats = json.dumps({"numRecords": 100, "minValues": {"id": first}, "maxValues": {"id": first + 99},
                                "nullCount": {"id": 0}}, separators=(",", ":"))
            lines.append(json.dumps({"add": {
                "path": f"part-{generator.getrandbits(128):032x}.parquet", "partitionValues": {}, "size": 12345,
                "modificationTime": 1700000000000, "dataChange": True, "stats": stats}}, separators=(",", ":")))
        (log / f"{commit + 1:020}.json").write_text("\n".join(lines) + "\n")


def measure(command, repeats):
    """Median wall seconds and peak memory in MiB of a process."""
    seconds, peaks = [], []
    for _ in range(repeats):
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        seconds.append(time.perf_counter() - begin)
        peaks.append(usage.ru_maxrss / 1024)
        if status != 0:
            sys.exit(f"{command} failed: {errors.decode()}")
    return statistics.median(seconds), statistics.median(peaks)


def peer(code):
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(PEER / 'deltalake')!r}); "
            f"sys.path.insert(0, {str(PEER / 'arro3-core')!r}); from deltalake import DeltaTable\n{code}"]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=300_000)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--sluice", default=str(ROOT / "build" / "dev" / "sluice"))
    given = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-lake-"))
    idle = measure(peer("pass"), given.repeats)
    lines = []

    def compare(name, ours, theirs):
        mine, other = measure(ours, given.repeats), measure(theirs, given.repeats)
        net = max(other[0] - idle[0], 0.001)  # Without the start of Python.
        lines.append((name, mine, (net, other[1])))
        print(f"{name}: sluice {mine[0]:.3f} s {mine[1]:.0f} MiB; deltalake {net:.3f} s {other[1]:.0f} MiB; "
              f"{mine[0] / net:.2f} x time, {mine[1] / other[1]:.2f} x memory", flush=True)

    try:
        table = folder / "log"
        make_log(table, given.files, 300)
        compare(f"open {given.files:,} files from JSON", [given.sluice, "table", "describe", str(table)],
                peer(f"DeltaTable({str(table)!r})"))
        where = "id between 1000000 and 1000100"
        compare("list the files that may match", [given.sluice, "table", "files", str(table), "--where", where],
                peer(f"DeltaTable({str(table)!r}).file_uris()"))
        subprocess.run(peer(f"DeltaTable({str(table)!r}).create_checkpoint()"), check=True)
        compare("open from the checkpoint", [given.sluice, "table", "describe", str(table)],
                peer(f"DeltaTable({str(table)!r})"))
    finally:
        shutil.rmtree(folder)


main()
