"""sluice/lake beside deltalake 1.6.6: each line in a process of its own, wall time, CPU time and peak memory.

Usage: ./dev bench lake [--files N] [--rows N] [--repeats N]. Tables are made fresh under a temporary folder; the two take turns.
Writes results/lake-DATE.json and .md.
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


def peer(code):
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(PEER / 'deltalake')!r}); "
            f"sys.path.insert(0, {str(PEER / 'arro3-core')!r}); from deltalake import DeltaTable\n{code}"]


def timed(setup, code):
    """deltalake with pyarrow, printing how long `code` takes."""
    folders = [PEER.parent / "pyarrow", *(PEER / name for name in ("deltalake", "arro3-core", "deprecated", "wrapt",
                                                                   "typing-extensions"))]
    return [sys.executable, "-c", f"import sys, time\nsys.path[:0] = {[str(folder) for folder in folders]!r}\n"
            "from deltalake import DeltaTable, QueryBuilder, write_deltalake\nimport pyarrow\n"
            f"{setup}\nbegin = time.perf_counter()\n{code}\nprint(time.perf_counter() - begin)"]


def median(runs):
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def compare(name, ours, theirs, idle, repeats, prepare=None):
    """Both in turn, after a warm-up; without the start of Python and its modules, which `idle` measures. Without `idle`
    both say themselves how long they took."""
    runs = {"ours": [], "theirs": [], "idle": [(0, 0, 0)]}
    commands = [("ours", ours), ("theirs", theirs)] + ([("idle", idle)] if idle else [])
    for turn in range(repeats + 1):
        for who, command in commands:
            run = measure(command, prepare)
            if turn > 0:
                runs[who].append(run)
    mine, other, empty = (median(runs[who]) for who in ("ours", "theirs", "idle"))
    net = [max(other[i] - empty[i], 0.001) for i in (0, 1)]
    print(f"{name}: sluice {mine[0]:.3f} s; deltalake {net[0]:.3f} s", flush=True)
    return {"name": name, "sluice": mine, "deltalake": [*net, other[2]], "runs": runs}


def report(results):
    lines = [f"# Tables beside deltalake 1.6.6, {results['date']}", "",
             f"Commit {results['commit']}, {results['machine']}, load {results['load_before']} before. "
             f"{results['files']:,} files; medians of {results['repeats']} runs each, in turn, after a warm-up; each run "
             "is a process. deltalake's times are without the start of Python and the import; its memory is with them. From the "
             "writing of a checkpoint on, both measure the operation alone; CPU time and memory are the whole process's, "
             "for appends with the rows. We sync what we write before we say so; deltalake does not.",
             "", "| | sluice s | deltalake s | time | CPU s | its CPU s | MiB | its MiB | memory |", "|---|---|---|---|---|---|---|---|---|"]
    for line in results["lines"]:
        ours, theirs = line["sluice"], line["deltalake"]
        lines.append(f"| {line['name']} | {ours[0]:.3f} | {theirs[0]:.3f} | {ours[0] / theirs[0]:.2f} x | {ours[1]:.3f} "
                     f"| {theirs[1]:.3f} | {ours[2]:.0f} | {theirs[2]:.0f} | {ours[2] / theirs[2]:.2f} x |")
    return "\n".join([*lines, "", "Bar: at most 0.5 x its time to open, no line above 1.0 x.", ""])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=300_000)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--operations", default=str(ROOT / "build" / "release" / "bench" / "lake_operations"))
    arguments.add_argument("--sluice", default=str(ROOT / "build" / "release" / "sluice"))
    given = arguments.parse_args()
    if not PEER.exists():
        sys.exit("deltalake is not there; `./dev test` fetches it")
    folder = Path(tempfile.mkdtemp(prefix="bench-lake-"))
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    results = {"date": datetime.date.today().isoformat(), "commit": commit.stdout.strip(),
               "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}",
               "load_before": round(os.getloadavg()[0], 1), "files": given.files, "repeats": given.repeats, "lines": []}

    def line(name, ours, theirs):
        results["lines"].append(compare(name, ours, theirs, peer("pass"), given.repeats))

    def operation(name, ours, theirs, prepare=None):
        results["lines"].append(compare(name, [given.operations, *map(str, ours)], theirs, None, given.repeats, prepare))

    try:
        table = folder / "log"
        make_log(table, given.files, 300)
        describe, load = [given.sluice, "table", "describe", str(table)], peer(f"DeltaTable({str(table)!r})")
        line("open from 301 commits", describe, load)
        listing = [given.sluice, "table", "files", str(table)]
        line("list all files", listing, peer(f"DeltaTable({str(table)!r}).file_uris()"))

        def forget():
            for file in [*(table / "_delta_log").glob("*checkpoint*"), *(table / "_delta_log").glob("*.crc")]:
                file.unlink()

        operation("open and write a checkpoint", ["checkpoint", table],
                  timed("", f"DeltaTable({str(table)!r}).create_checkpoint()"), forget)
        forget()
        subprocess.run(peer(f"DeltaTable({str(table)!r}).create_checkpoint()"), check=True)
        line("open from a checkpoint", describe, load)
        shutil.rmtree(table)

        new, rows = folder / "new", folder / "rows.arrow"
        subprocess.run([given.operations, "rows", rows, str(given.rows)], check=True, stdout=subprocess.DEVNULL)
        read = f"table = pyarrow.ipc.open_file(pyarrow.OSFile({str(rows)!r})).read_all()"

        def fresh():
            shutil.rmtree(new, ignore_errors=True)

        small = ("path = %r\nrows = pyarrow.table({'id': [1, 2, 3], 'value': [.1, .2, .3], 'name': ['a', 'b', 'c']})"
                 % str(new))
        operation("1,000 commits of 3 rows", ["commits", new, 1000],
                  timed(small, "for _ in range(1000): write_deltalake(path, rows, mode='append')"), fresh)
        operation(f"append {given.rows:,} rows x 5 columns", ["append", new, rows],
                  timed(read, f"write_deltalake({str(new)!r}, table)"), fresh)
        fresh()
        rows.unlink(missing_ok=True)
        subprocess.run([given.operations, "spread", new, "10000"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([given.operations, "checkpoint", new], check=True, stdout=subprocess.DEVNULL)

        def question(sql):
            return timed("", f"QueryBuilder().register('t', DeltaTable({str(new)!r})).execute({sql!r}).read_all()")

        one = "select count(*), max(name) from t where id between 500000 and 500099"
        operation("1 of 10,000 files by a condition", ["query", new, one], question(one))
        fresh()
        subprocess.run([given.operations, "rows", rows, str(given.rows)], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([given.operations, "append", new, rows], check=True, stdout=subprocess.DEVNULL)
        delete_every(new, 20)
        everything = "select count(*), sum(id), sum(value), count(distinct city) from t"
        operation(f"scan of {given.rows:,} rows, 5 % deleted by vectors", ["query", new, everything],
                  question(everything))
    finally:
        shutil.rmtree(folder)
    target = ROOT / "bench" / "results" / f"lake-{results['date']}"
    target.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    target.with_suffix(".md").write_text(report(results))
    print(report(results))


main()
