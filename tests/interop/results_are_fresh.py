"""Fails when a committed result of `./dev test --interop` is bad, or too old for what it speaks of."""

import json
import subprocess
import sys

from packages import ROOT, skip

COMMITS_MAX = 20
# Tests beside the code change nothing of what other engines read.
SUBJECT = ("sluice/lake", "sluice/land", ":(exclude)*_test.cc")
RESULTS = ROOT / "tests/interop/results.json"


def git(*words):
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)


def in_history(commit):
    """What the age of a result counts from. A branch that was rebased after its run has its commits under
    other names: then it is the commit before the one that brought the result, the state it was put upon."""
    if git("merge-base", "--is-ancestor", commit, "HEAD").returncode == 0:
        return commit
    brought = git("log", "--format=%H", f"-S{commit}", "--", str(RESULTS.relative_to(ROOT))).stdout.split()
    return f"{brought[-1]}^" if brought else None


def main():
    checks = json.loads(RESULTS.read_text())["checks"]
    bad = [check["name"] for check in checks if check["outcome"] != "ok"]
    if bad:
        sys.exit(f"the results have failures: {', '.join(bad)}")
    shallow = git("rev-parse", "--is-shallow-repository")
    if shallow.returncode != 0 or shallow.stdout.strip() == "true":
        skip("the age of the results cannot be told without the history of this clone")
    for check in checks:
        name = f"'{check['name']}' of {check['date']}"
        commit = in_history(check["commit"])
        if commit is None:
            sys.exit(f"{name}: commit {check['commit']} is not in the history; run `./dev test --interop`")
        commits = int(git("rev-list", "--count", f"{commit}..HEAD", "--", *SUBJECT).stdout)
        print(f"{name}: {commits} commits to sluice/lake and sluice/land since, but for tests")
        if commits > COMMITS_MAX:
            sys.exit(f"more than {COMMITS_MAX}: run `./dev test --interop` and commit {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
