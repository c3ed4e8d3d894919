"""Runs the checks against other engines and writes their dated result to results.json, which is committed.

usage: run.py BUILD_FOLDER [NAME]..   with names only those, and nothing is written
"""

import datetime
import json
import os
import subprocess
import sys
import time

from packages import ROOT, use_deltalake, use_spark
from results_are_fresh import RESULTS, SUBJECT, git

use_deltalake()
use_spark()

HERE = ROOT / "tests/interop"


def checks(build):
    driver = f"{build}/tests/sluice_table_driver"
    return {
        "formats by deltalake": ["deltalake_reads.py", f"{build}/modules/lake/sluice_lake_test"],
        "500 histories with deltalake": ["differential.py", driver, "--sequences", "500", "--seed", "1"],
        "40 histories with Spark": ["differential.py", driver, "--sequences", "40", "--seed", "5001", "--spark"],
        "flights with deltalake": ["flights_table.py", f"{build}/sluice", "--real"],
        "flights with Spark": ["flights_table.py", f"{build}/sluice", "--real", "--spark"],
    }


def run(words):
    """Returns (outcome, seconds, last line)."""
    start = time.monotonic()
    last = ""
    with subprocess.Popen([sys.executable, "-B", str(HERE / words[0]), *words[1:]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout:
            print("   " + line.rstrip(), flush=True)
            last = line.strip() or last
    return ("ok" if process.returncode == 0 else "failed"), round(time.monotonic() - start, 1), last


def versions():
    import deltalake
    import pyarrow
    import pyspark
    java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr.splitlines()[0]
    return {"deltalake": deltalake.__version__, "pyspark": pyspark.__version__, "delta-spark": "4.0.0",
            "pyarrow": pyarrow.__version__, "java": java, "python": sys.version.split()[0]}


def main():
    build, names = sys.argv[1], sys.argv[2:]
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    all_checks = checks(os.path.abspath(build))
    unknown = [name for name in names if name not in all_checks]
    if unknown:
        sys.exit(f"error: no check '{unknown[0]}'; there are: {', '.join(all_checks)}")
    results = []
    for name in names or all_checks:
        print(f"-> {name}", flush=True)
        outcome, seconds, summary = run(all_checks[name])
        results.append({"name": name, "outcome": outcome, "seconds": seconds, "summary": summary})
        print(f"   {outcome}, {seconds} s", flush=True)
    if not names:
        # The last commit to what is checked: it stays in the history when later ones are rebased.
        commit = git("log", "-1", "--format=%H", "--", *SUBJECT).stdout.strip()
        changed = bool(git("status", "--porcelain", "--", "sluice").stdout.strip())
        RESULTS.write_text(json.dumps({
            "date": datetime.date.today().isoformat(), "commit": commit, "uncommitted_changes": changed,
            "versions": versions(), "checks": results}, indent=1, ensure_ascii=False) + "\n")
        print(f"written: {RESULTS.relative_to(ROOT)}")
    failed = [result["name"] for result in results if result["outcome"] != "ok"]
    print(f"{len(results)} checks, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
