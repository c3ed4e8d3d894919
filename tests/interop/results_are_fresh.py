"""Fails when a committed result of `./dev test --interop` is bad, or too old for what it speaks of."""

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
    checks = json.loads(RESULTS.read_text())["checks"]
    bad = [check["name"] for check in checks if check["outcome"] != "ok"]
    if bad:
        sys.exit(f"the results have failures: {', '.join(bad)}")
    shallow = git("rev-parse", "--is-shallow-repository")
    if shallow.returncode != 0 or shallow.stdout.strip() == "true":
        skip("the age of the results cannot be told without the history of this clone")
    for check in checks:
        counted = git("rev-list", "--count", f"{check['commit']}..HEAD", "--", *SUBJECT)
        name = f"'{check['name']}' of {check['date']}"
        if counted.returncode != 0:
            sys.exit(f"{name}: commit {check['commit']} is not in the history; run `./dev test --interop`")
        commits = int(counted.stdout)
        print(f"{name}: {commits} commits to {' and '.join(SUBJECT)} since")
        if commits > COMMITS_MAX:
            sys.exit(f"more than {COMMITS_MAX}: run `./dev test --interop` and commit {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
