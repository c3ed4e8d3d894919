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
import subprocess
import sys
import tempfile
from pathlib import Path

from beside_deltalake.bench import Bench
from beside_deltalake.changing import measure_changes, measure_maintenance
from beside_deltalake.processes import PEER
from beside_deltalake.reading import measure_log, measure_rows

ROOT = Path(__file__).resolve().parent.parent


def report(results):
    lines = [f"# Tables beside deltalake 1.6.6, {results['date']}", "",
             f"Commit {results['commit']}, {results['machine']}, load {results['load_before']} before. "
             f"{results['files']:,} files; medians of {results['repeats']} runs each, in turn, after a warm-up; each run "
             "is a process. The time is that of the operation alone; CPU time and memory are the whole process's: with the "
             "start of Python and its modules there, of our libraries (Arrow; DuckDB for queries) here, and for appends with the "
             "rows. We sync what we write before we say so; deltalake does not.",
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
    arguments.add_argument("--only")
    arguments.add_argument("--operations", default=str(ROOT / "build" / "release" / "bench" / "lake_operations"))
    given = arguments.parse_args()
    if not PEER.exists():
        sys.exit("deltalake is not there; `./dev test` fetches it")
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    results = {"date": datetime.date.today().isoformat(), "commit": commit.stdout.strip(),
               "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}",
               "load_before": round(os.getloadavg()[0], 1), "files": given.files, "repeats": given.repeats}
    with tempfile.TemporaryDirectory(prefix="bench-lake-") as folder:
        bench = Bench(given, folder)
        for measure in (measure_log, measure_rows, measure_changes, measure_maintenance):
            measure(bench)
    if given.only:
        return
    results["lines"] = bench.lines
    target = ROOT / "bench" / "results" / f"lake-{results['date']}"
    target.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    target.with_suffix(".md").write_text(report(results))
    print(report(results))


main()
