"""sluice/lake beside deltalake 1.6.6: each line in a process of its own, wall time, CPU time and peak memory.

Usage: ./dev bench lake [--files N] [--repeats N]. Tables are made fresh under a temporary folder; the two take turns.
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


def measure(command):
    """Wall seconds, CPU seconds and peak memory in MiB of a process."""
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{command} failed: {errors.decode()}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def peer(code):
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(PEER / 'deltalake')!r}); "
            f"sys.path.insert(0, {str(PEER / 'arro3-core')!r}); from deltalake import DeltaTable\n{code}"]


def median(runs):
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def compare(name, ours, theirs, idle, repeats):
    """Both in turn, after a warm-up; without the start of Python and its modules, which `idle` measures."""
    runs = {"ours": [], "theirs": [], "idle": []}
    for turn in range(repeats + 1):
        for who, command in (("ours", ours), ("theirs", theirs), ("idle", idle)):
            run = measure(command)
            if turn > 0:
                runs[who].append(run)
    mine, other, empty = (median(runs[who]) for who in ("ours", "theirs", "idle"))
    net = [max(other[i] - empty[i], 0.001) for i in (0, 1)]
    print(f"{name}: sluice {mine[0]:.3f} s; deltalake {net[0]:.3f} s", flush=True)
    return {"name": name, "sluice": mine, "deltalake": [*net, other[2]], "runs": runs}


def report(results):
    lines = [f"# Opening tables beside deltalake 1.6.6, {results['date']}", "",
             f"Commit {results['commit']}, {results['machine']}, load {results['load_before']} before. "
             f"{results['files']:,} files; medians of {results['repeats']} runs each, in turn, after a warm-up; each run "
             "is a process. deltalake's times are without the start of Python and the import; its memory is with them.",
             "", "| | sluice s | deltalake s | time | CPU s | its CPU s | MiB | its MiB | memory |", "|---|---|---|---|---|---|---|---|---|"]
    for line in results["lines"]:
        ours, theirs = line["sluice"], line["deltalake"]
        lines.append(f"| {line['name']} | {ours[0]:.3f} | {theirs[0]:.3f} | {ours[0] / theirs[0]:.2f} x | {ours[1]:.3f} "
                     f"| {theirs[1]:.3f} | {ours[2]:.0f} | {theirs[2]:.0f} | {ours[2] / theirs[2]:.2f} x |")
    return "\n".join([*lines, "", "Bar: at most 0.5 x its time to open.", ""])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=300_000)
    arguments.add_argument("--repeats", type=int, default=5)
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

    try:
        table = folder / "log"
        make_log(table, given.files, 300)
        describe, load = [given.sluice, "table", "describe", str(table)], peer(f"DeltaTable({str(table)!r})")
        line("open from 301 commits", describe, load)
        listing = [given.sluice, "table", "files", str(table)]
        line("list all files", listing, peer(f"DeltaTable({str(table)!r}).file_uris()"))
        subprocess.run(peer(f"DeltaTable({str(table)!r}).create_checkpoint()"), check=True)
        line("open from a checkpoint", describe, load)
    finally:
        shutil.rmtree(folder)
    target = ROOT / "bench" / "results" / f"lake-{results['date']}"
    target.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    target.with_suffix(".md").write_text(report(results))
    print(report(results))


main()
