#!/usr/bin/env python3
"""Plants each bug of bugs/ in a copy of the sources and shows that the simulation finds it.

usage: run_bugs.py [--deps FOLDER] [--minutes N] [--keep FOLDER] [--check] [NAME ...]

A bug is a patch; the text before its first `---` says what is wrong. Each gets N minutes (default 2) of
runs. Prints a line a bug, and exits 1 if one was not found, or if the sources without bugs fail. --check only shows that
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
SOURCES = ("cmake", "sluice", "tests", "bench", "fuzz", "examples")
MODULES = "base;os;event;columnar;decode;privacy;store;journal;lake;ledger;catalog;land;ingest"


def run(command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def copy_sources(folder):
    for name in ("CMakeLists.txt", *SOURCES):
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.patch", "__pycache__", "fixtures"))
        else:
            shutil.copy(source, target)
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools/tidy.py", folder / "tools")


def build(folder, deps):
    """Configures once, then builds the simulation; returns the output if that fails."""
    environment = dict(os.environ, CCACHE_BASEDIR=str(folder), CCACHE_NOHASHDIR="1",
                       CCACHE_SLOPPINESS="pch_defines,time_macros")
    environment.setdefault("CCACHE_DIR", f"{deps}/ccache")
    if not (folder / "build/build.ninja").exists():
        done = run(["cmake", "-S", folder, "-B", folder / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                    f"-DSLUICE_DEPS={deps}", f"-DSLUICE_MODULES={MODULES}", "--log-level=WARNING"],
                   env=environment)
        if done.returncode:
            return done.stdout
    done = run(["ninja", "-j2", "-C", folder / "build", "sluice_sim", "sluice_journal_test"], env=environment)
    return done.stdout if done.returncode else None


def simulate(folder, minutes, seed):
    """Returns whether a test ended at a violation, what it printed, and the seconds it took.

    First the journal's own, which cuts far more often in the middle of its writes; then the simulation of all.
    """
    start = time.monotonic()
    done = run([folder / "build/modules/journal/sluice_journal_test", "--gtest_filter=JournalCrashTest.*"],
               env=dict(os.environ, SLUICE_SEED=str(seed)))
    if done.returncode:
        return True, "\n".join(line for line in done.stdout.splitlines() if "SLUICE_SEED" in line or "attempt" in line), \
            time.monotonic() - start
    done = run([folder / "build/sluice_sim", "--minutes", str(minutes), "--seed", str(seed)])
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

    broken = build(folder, arguments.deps)
    if broken:
        print(broken, f"the sources do not build in {folder}", sep="\n")
        return 1
    found, output, seconds = simulate(folder, 0.2, arguments.seed)
    if found:
        print(output, "the simulation fails without a bug", sep="\n")
        return 1
    print(f"{'no bug':<36} nothing found in {seconds:.0f} s", flush=True)

    missed = 0
    for patch in patches:
        with open(patch) as file:
            applied = run(["patch", "-p1", "--no-backup-if-mismatch", "-d", folder], stdin=file)
        broken = applied.stdout if applied.returncode else build(folder, arguments.deps)
        if broken:
            print(f"{patch.stem:<36} CANNOT BE PLANTED: {broken[-400:]}", flush=True)
            missed += 1
        else:
            found, output, seconds = simulate(folder, arguments.minutes, arguments.seed)
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
