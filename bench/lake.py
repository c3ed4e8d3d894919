"""sluice/lake beside deltalake 1.6.6: each line in a process of its own, wall time, CPU time and peak memory.

Usage: ./dev bench lake [--files N] [--rows N] [--repeats N] [--only PART]. Tables are made fresh under a temporary folder; the
two take turns. Writes results/lake-DATE.json and .md; with --only, which measures the lines whose names have PART, just
prints them.
"""

import argparse
import datetime
import json
import os
import platform
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import uuid
import zlib
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


Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def delete_every(table, step):
    """Deletes every `step`th row of each file by a deletion vector, as an engine with such would."""
    log = table / "_delta_log"
    lines, last = [], max(int(file.stem) for file in log.glob("*.json"))
    head = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"],
            "writerFeatures": ["deletionVectors"]}
    for commit in sorted(log.glob("*.json")):
        for line in commit.read_text().splitlines():
            add = json.loads(line).get("add")
            if not add:
                continue
            rows = json.loads(add["stats"])["numRecords"]
            deleted = range(0, rows, step)
            blocks = [[row & 0xFFFF for row in deleted if row >> 16 == block] for block in range((rows >> 16) + 1)]
            blocks = [(number, block) for number, block in enumerate(blocks) if block]
            header = b"".join(struct.pack("<HH", number, len(block) - 1) for number, block in blocks)
            offset, offsets = 8 + 8 * len(blocks), b""
            for _, block in blocks:
                assert len(block) <= 4096
                offsets += struct.pack("<I", offset)
                offset += 2 * len(block)
            body = b"".join(struct.pack(f"<{len(block)}H", *block) for _, block in blocks)
            bitmap = struct.pack("<IQIII", 1681511377, 1, 0, 12346, len(blocks)) + header + offsets + body
            name = uuid.uuid4()
            text = ""
            for word in struct.unpack(">4I", name.bytes):
                text += "".join(Z85[word // 85 ** power % 85] for power in (4, 3, 2, 1, 0))
            (table / f"deletion_vector_{name}.bin").write_bytes(
                b"\x01" + struct.pack(">I", len(bitmap)) + bitmap + struct.pack(">I", zlib.crc32(bitmap)))
            lines.append({"remove": {"path": add["path"], "deletionTimestamp": 1, "dataChange": True,
                                     "extendedFileMetadata": True, "partitionValues": {}, "size": add["size"]}})
            add["deletionVector"] = {"storageType": "u", "pathOrInlineDv": text, "offset": 1, "sizeInBytes": len(bitmap),
                                     "cardinality": len(deleted)}
            lines.append({"add": add})
    (log / f"{last + 1:020}.json").write_text(
        "\n".join(json.dumps(line) for line in [{"protocol": head}, *lines]) + "\n")


def measure(command, prepare=None):
    """Wall seconds, CPU seconds and peak memory in MiB of a process. What a process prints is the time of the operation
    alone, and counts instead."""
    if prepare:
        prepare()
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    printed, errors = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{command} failed: {errors.decode()}")
    lines = printed.decode(errors="replace").split()
    if len(lines) == 1:
        seconds = float(lines[0])
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def timed(setup, code):
    """deltalake, printing how long `code` takes; with pyarrow where the operation needs rows."""
    folders = [*([PEER.parent / "pyarrow"] if "pyarrow" in setup else []), *(PEER / name for name in ("deltalake", "arro3-core", "deprecated", "wrapt",
                                                                   "typing-extensions"))]
    return [sys.executable, "-c", f"import sys, time\nsys.path[:0] = {[str(folder) for folder in folders]!r}\n"
            "from deltalake import DeltaTable, QueryBuilder, write_deltalake\n"
            f"{setup}\nbegin = time.perf_counter()\n{code}\nprint(time.perf_counter() - begin)"]


def median(runs):
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def compare(name, ours, theirs, repeats, prepare=None):
    """Both in turn, after a warm-up. Both say themselves how long they took."""
    runs = {"ours": [], "theirs": []}
    for turn in range(repeats + 1):
        for who, command in (("ours", ours), ("theirs", theirs)):
            run = measure(command, prepare)
            if turn > 0:
                runs[who].append(run)
    mine, other = (median(runs[who]) for who in ("ours", "theirs"))
    print(f"{name}: sluice {mine[0]:.3f} s, {mine[2]:.0f} MiB; deltalake {other[0]:.3f} s, {other[2]:.0f} MiB; "
          f"{mine[0] / other[0]:.2f} x time, {mine[2] / other[2]:.2f} x memory", flush=True)
    return {"name": name, "sluice": mine, "deltalake": other, "runs": runs}


def report(results):
    lines = [f"# Tables beside deltalake 1.6.6, {results['date']}", "",
             f"Commit {results['commit']}, {results['machine']}, load {results['load_before']} before. "
             f"{results['files']:,} files; medians of {results['repeats']} runs each, in turn, after a warm-up; each run "
             "is a process. The time is that of the operation alone; CPU time and memory are the whole process's: with the "
             "start of Python and its modules there, of our libraries (DuckDB, Arrow) here, and for appends with the "
             "rows. We sync what we write before we say so; deltalake does not.",
             "", "| | sluice s | deltalake s | time | CPU s | its CPU s | MiB | its MiB | memory |", "|---|---|---|---|---|---|---|---|---|"]
    for line in results["lines"]:
        ours, theirs = line["sluice"], line["deltalake"]
        lines.append(f"| {line['name']} | {ours[0]:.3f} | {theirs[0]:.3f} | {ours[0] / theirs[0]:.2f} x | {ours[1]:.3f} "
                     f"| {theirs[1]:.3f} | {ours[2]:.0f} | {theirs[2]:.0f} | {ours[2] / theirs[2]:.2f} x |")
    return "\n".join([*lines, "", "Bar: at most 0.5 x its time to open, no line above 1.0 x.", ""])


class Bench:
    """The lines, each with the table it needs; a table is made when the first line asks for it."""

    def __init__(self, given, folder):
        self.given, self.folder, self.lines = given, folder, []
        self.log, self.new, self.rows = folder / "log", folder / "new", folder / "rows.arrow"

    def line(self, name, make, ours, theirs, prepare=None):
        if self.given.only and self.given.only not in name:
            return
        if make:
            make()
        self.lines.append(compare(name, [self.given.operations, *map(str, ours)], theirs, self.given.repeats, prepare))

    def operate(self, *words):
        subprocess.run([self.given.operations, *map(str, words)], check=True, stdout=subprocess.DEVNULL)

    def make_log(self):
        if not self.log.exists():
            make_log(self.log, self.given.files, 300)

    def forget_checkpoint(self):
        for file in [*(self.log / "_delta_log").glob("*checkpoint*"), *(self.log / "_delta_log").glob("*.crc")]:
            file.unlink()

    def make_checkpoint(self):
        self.make_log()
        self.forget_checkpoint()
        subprocess.run(timed("", f"DeltaTable({str(self.log)!r}).create_checkpoint()"), check=True,
                       stdout=subprocess.DEVNULL)

    def make_rows(self):
        if not self.rows.exists():
            self.operate("rows", self.rows, self.given.rows)

    def fresh(self):
        shutil.rmtree(self.new, ignore_errors=True)

    def make_spread(self):
        self.fresh()
        self.operate("spread", self.new, 10000)
        self.operate("checkpoint", self.new)

    def make_vectors(self):
        self.fresh()
        self.make_rows()
        self.operate("append", self.new, self.rows)
        delete_every(self.new, 20)

    def question(self, sql):
        return timed("", f"QueryBuilder().register('t', DeltaTable({str(self.new)!r})).execute({sql!r}).read_all()")

    def run(self):
        log, new, rows = str(self.log), str(self.new), self.given.rows
        self.line("open from 301 commits", self.make_log, ["open", log], timed("", f"DeltaTable({log!r})"))
        self.line("list all files", self.make_log, ["list", log], timed("", f"DeltaTable({log!r}).file_uris()"))
        self.line("open and write a checkpoint", self.make_log, ["checkpoint", log],
                  timed("", f"DeltaTable({log!r}).create_checkpoint()"), self.forget_checkpoint)
        self.line("open from a checkpoint", self.make_checkpoint, ["open", log], timed("", f"DeltaTable({log!r})"))
        shutil.rmtree(self.log, ignore_errors=True)
        small = ("import pyarrow\npath = %r\n"
                 "rows = pyarrow.table({'id': [1, 2, 3], 'value': [.1, .2, .3], 'name': ['a', 'b', 'c']})" % new)
        self.line("1,000 commits of 3 rows", None, ["commits", new, 1000],
                  timed(small, "for _ in range(1000): write_deltalake(path, rows, mode='append')"), self.fresh)
        read = f"import pyarrow\ntable = pyarrow.ipc.open_file(pyarrow.OSFile({str(self.rows)!r})).read_all()"
        self.line(f"append {rows:,} rows x 5 columns", self.make_rows, ["append", new, self.rows],
                  timed(read, f"write_deltalake({new!r}, table)"), self.fresh)
        one = "select count(*), max(name) from t where id between 500000 and 500099"
        self.line("1 of 10,000 files by a condition", self.make_spread, ["query", new, one], self.question(one))
        everything = "select count(*), sum(id), sum(value), count(distinct city) from t"
        self.line(f"scan of {rows:,} rows, 5 % deleted by vectors", self.make_vectors, ["query", new, everything],
                  self.question(everything))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=300_000)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--only")
    arguments.add_argument("--operations", default=str(ROOT / "build" / "release" / "bench" / "lake_operations"))
    given = arguments.parse_args()
    if not PEER.exists():
        sys.exit("deltalake is not there; `./dev test` fetches it")
    folder = Path(tempfile.mkdtemp(prefix="bench-lake-"))
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    results = {"date": datetime.date.today().isoformat(), "commit": commit.stdout.strip(),
               "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}",
               "load_before": round(os.getloadavg()[0], 1), "files": given.files, "repeats": given.repeats}
    bench = Bench(given, folder)
    try:
        bench.run()
    finally:
        shutil.rmtree(folder)
    if given.only:
        return
    results["lines"] = bench.lines
    target = ROOT / "bench" / "results" / f"lake-{results['date']}"
    target.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    target.with_suffix(".md").write_text(report(results))
    print(report(results))


main()
