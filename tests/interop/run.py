"""Runs the checks against other engines and writes their dated result to results.json, which is committed.

usage: run.py BUILD_FOLDER [NAME]..   with names only those; the results of the others stay, with their dates
"""

import datetime
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from packages import ROOT, use_deltalake, use_spark
from results_are_fresh import RESULTS, SUBJECT, git

use_deltalake()
use_spark()

HERE = ROOT / "tests/interop"


def checks(build):
    driver = f"{build}/tests/sluice_table_driver"
    return {  # The longest first.
        "50 histories with Spark": ["differential.py", driver, "--sequences", "50", "--seed", "5001", "--spark"],
        "formats by deltalake": ["deltalake_reads.py", f"{build}/modules/lake/sluice_lake_test"],
        "1,000 histories with deltalake": ["differential.py", driver, "--sequences", "1000", "--seed", "1"],
        "schema changes with Spark": ["evolution.py", f"{build}/sluice", "--spark"],
        "altered tables with Spark": ["altered_tables.py", driver, "--spark"],
        "converted tables with Spark": ["converted_tables.py", f"{build}/sluice", "--spark"],
        "rewritten tables with Spark": ["rewritten_tables.py", f"{build}/sluice", driver, "--spark"],
        "590 random schemas with deltalake": ["random_schemas.py", f"{build}/modules/decode/sluice_decode_test", driver,
                                              "--tables", "590"],
        "flights with deltalake": ["flights_table.py", f"{build}/sluice", "--real"],
        "flights with Spark": ["flights_table.py", f"{build}/sluice", "--real", "--spark"],
    }


def run(name, words):
    """Runs one check and returns its result; the summary is the last line that it printed."""
    start = time.monotonic()
    last = ""
    with subprocess.Popen([sys.executable, "-B", str(HERE / words[0]), *words[1:]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout:
            print(f"[{name}] {line.rstrip()}", flush=True)
            last = line.strip() or last
    outcome = "ok" if process.returncode == 0 else "failed"
    seconds = round(time.monotonic() - start, 1)
    print(f"[{name}] {outcome}, {seconds} s", flush=True)
    # The last commit to what is checked: it stays in the history when later ones are rebased.
    commit = git("log", "-1", "--format=%H", "--", *SUBJECT).stdout.strip()
    changed = bool(git("status", "--porcelain", "--", "sluice").stdout.strip())
    return {"name": name, "outcome": outcome, "seconds": seconds, "summary": last,
            "date": datetime.date.today().isoformat(), "commit": commit, "uncommitted_changes": changed}


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
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: run(name, all_checks[name]), names or all_checks))
    written = {result["name"]: result for result in json.loads(RESULTS.read_text())["checks"]}
    written.update((result["name"], result) for result in results)
    RESULTS.write_text(json.dumps({
        "versions": versions(), "checks": [written[name] for name in all_checks if name in written]},
        indent=1, ensure_ascii=False) + "\n")
    print(f"written: {RESULTS.relative_to(ROOT)}")
    failed = [result["name"] for result in results if result["outcome"] != "ok"]
    print(f"{len(results)} checks, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
