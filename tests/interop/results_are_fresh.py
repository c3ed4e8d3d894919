"""Fails when the committed result of `./dev test --interop` is bad, or too old for what it speaks of."""

import json
import subprocess
import sys

from packages import ROOT, skip

COMMITS_MAX = 20
SUBJECT = ("sluice/lake", "sluice/land")
RESULTS = ROOT / "tests/interop/results.json"


def git(*words):
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)


def main():
    results = json.loads(RESULTS.read_text())
    bad = [check["name"] for check in results["checks"] if check["outcome"] != "ok"]
    if bad:
        sys.exit(f"the result of {results['date']} has failures: {', '.join(bad)}")
    shallow = git("rev-parse", "--is-shallow-repository")
    if shallow.returncode != 0 or shallow.stdout.strip() == "true":
        skip("the age of the result cannot be told without the history of this clone")
    counted = git("rev-list", "--count", f"{results['commit']}..HEAD", "--", *SUBJECT)
    if counted.returncode != 0:
        sys.exit(f"commit {results['commit']} of the result is not in the history; run `./dev test --interop`")
    commits = int(counted.stdout)
    print(f"{commits} commits to {' and '.join(SUBJECT)} since the result of {results['date']}")
    if commits > COMMITS_MAX:
        sys.exit(f"more than {COMMITS_MAX}: run `./dev test --interop` and commit {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
