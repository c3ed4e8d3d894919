#!/usr/bin/env python3
"""Plants each bug of bugs/ in a copy of the sources and shows that it is found.

usage: run_bugs.py [--deps FOLDER] [--minutes N] [--keep FOLDER] [--check] [NAME ...]

A bug is a patch; the text before its first `---` says what is wrong. Each gets N minutes (default 2) of
runs: of the journal's own random tests, then of the simulation; or, where that text has a line `Test: PROGRAM ARGUMENTS`,
of that program of the build folder, for what the simulation does not reach. Prints a line a bug, and exits 1 if one was not found, or if the sources without bugs fail. --check only shows that
each can be planted in the sources as they are: when one cannot, its patch must follow the code.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCES = ("cmake", "sluice", "tests", "bench", "fuzz", "examples", "docs", "web/dist")
BUILD = "build/test"  # As far down as in the sources themselves: so the compiler's cache knows all but the bugs.
JOURNAL_TEST = ("modules/journal/sluice_journal_test", "--gtest_filter=JournalCrashTest.*")


def run(command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def copy_sources(folder):
    for name in ("CMakeLists.txt", *SOURCES):
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("*.patch", "__pycache__", "fixtures"))
        else:
            shutil.copy(source, target)
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools/tidy.py", folder / "tools")


def test_of(patch):
    """The program that finds a bug, and its arguments; None: the journal's tests and the simulation."""
    for line in patch.read_text().split("---")[0].splitlines():
        if line.startswith("Test: "):
            return tuple(line.split()[1:])
    return None


def build(folder, deps, test=None):
    """Configures once, then builds what finds a bug; returns the output if that fails."""
    environment = dict(os.environ, CCACHE_BASEDIR=str(folder), CCACHE_NOHASHDIR="1",
                       CCACHE_SLOPPINESS="pch_defines,time_macros")
    environment.setdefault("CCACHE_DIR", f"{deps}/ccache")
    if not (folder / BUILD / "build.ninja").exists():
        # A bug that the compiler warns of would be none, so warnings are errors as everywhere.
        done = run(["cmake", "-S", folder, "-B", folder / BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                    f"-DSLUICE_DEPS={folder}/.deps", "-DSLUICE_WERROR=ON", "--log-level=WARNING"], env=environment)
        if done.returncode:
            return done.stdout
    targets = [Path(test[0]).name] if test else ["sluice_sim", "sluice_journal_test"]
    done = run(["ninja", "-j2", "-C", folder / BUILD, *targets], env=environment)
    return done.stdout if done.returncode else None


def look(folder, test, minutes, seed):
    """Returns whether a test ended at a violation, what it printed, and the seconds it took.

    First the journal's own, which cuts far more often in the middle of its writes; then the simulation of all.
    """
    start = time.monotonic()
    program, *arguments = test or JOURNAL_TEST
    done = run([folder / BUILD / program, *arguments], env=dict(os.environ, SLUICE_SEED=str(seed)), cwd=folder)
    if done.returncode:
        told = [line for line in done.stdout.splitlines() if "SLUICE_SEED" in line or "attempt" in line or "FAILED" in line]
        return True, "\n".join(told[:1] or [f"ended with {done.returncode}"]), time.monotonic() - start
    if test:
        return False, done.stdout, time.monotonic() - start
    done = run([folder / BUILD / "sluice_sim", "--minutes", str(minutes), "--seed", str(seed)])
    found = done.returncode not in (0, 2)
    return found, done.stdout, time.monotonic() - start


def reason(output):
    """The first line that tells what was found."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for at, line in enumerate(lines):
        if line.startswith("seed "):
            more = lines[at + 1] if at + 1 < len(lines) else ""
            return f"{line.split(':')[0]}: {more}"
    return lines[-1] if lines else "no output"


def check(patches):
    """Returns 1 if a patch does not fit the sources, 77 where that cannot be told."""
    if not shutil.which("patch"):
        print("patch is not installed")
        return 77
    bad = 0
    for patch in patches:
        with open(patch) as file:
            done = run(["patch", "-p1", "--dry-run", "--force", "-d", ROOT], stdin=file)
        if done.returncode:
            print(f"{patch.name} does not fit the sources any more; plant the same bug in them as they are:\n{done.stdout}")
            bad += 1
    print(f"{len(patches)} bugs, {bad} cannot be planted")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--deps", default=os.environ.get("SLUICE_DEPS", str(ROOT / ".deps")))
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder for the copy, kept for the next time")
    parser.add_argument("--check", action="store_true", help="only whether the patches fit")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    patches = sorted((HERE / "bugs").glob("*.patch"))
    if arguments.names:
        patches = [patch for patch in patches if patch.stem in arguments.names]
    if arguments.check:
        return check(patches)

    folder = Path(arguments.keep or tempfile.mkdtemp(prefix="sluice-bugs-"))
    for name in (*SOURCES, "tools"):
        shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    copy_sources(folder)
    if not (folder / ".deps").exists():
        os.symlink(Path(arguments.deps).resolve(), folder / ".deps")

    for test in sorted({test_of(patch) for patch in patches}, key=str):
        broken = build(folder, arguments.deps, test)
        if broken:
            print(broken[-4000:], f"the sources do not build in {folder}", sep="\n")
            return 1
        found, output, seconds = look(folder, test, 0.2, arguments.seed)
        if found:
            print(output, "a test fails without a bug", sep="\n")
            return 1
        print(f"{'no bug':<36} nothing found in {seconds:.0f} s", flush=True)

    missed = 0
    for patch in patches:
        with open(patch) as file:
            applied = run(["patch", "-p1", "--no-backup-if-mismatch", "-d", folder], stdin=file)
        test = test_of(patch)
        broken = applied.stdout if applied.returncode else build(folder, arguments.deps, test)
        if broken:
            print(f"{patch.stem:<36} CANNOT BE PLANTED: {broken[-400:]}", flush=True)
            missed += 1
        else:
            found, output, seconds = look(folder, test, arguments.minutes, arguments.seed)
            missed += not found
            print(f"{patch.stem:<36} {'found in %5.1f s' % seconds if found else 'NOT FOUND'}  {reason(output)}",
                  flush=True)
        with open(patch) as file:
            run(["patch", "-p1", "-R", "--no-backup-if-mismatch", "-d", folder], stdin=file)
    print(f"{len(patches)} bugs, {missed} not found")
    if not arguments.keep:
        shutil.rmtree(folder)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
