#!/usr/bin/env python3
"""Records a real server, rebuilds what crashes could leave of its disk, and starts the server on each.

usage: crash_states.py PROGRAM [--states N] [--minutes M] [--seed S] [--jobs J] [--doctored]

Two runs of the server are recorded, the second one after a kill -9: journal, landing, retention and recovery. On each
state the server must start, have each acknowledged event once with its bytes, none that nobody sent, dense offsets,
balance (`sluice verify`, on every third state), know what it has seen and take what is new. Prints the rate and what was lost; exits 1 at the
first violation, and keeps the recording and the state then. The same recording and seed make the same states.
"""

import argparse
import concurrent.futures
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

from recording import STRACE, CrashState, Recording  # noqa: E402
from server import Project, Server, equal  # noqa: E402
from workload import IDENTITY, SETTINGS, Sender, examine  # noqa: E402

def record(folder, seed, requests=120):
    """Records two runs, of odd seeds with writes around the page cache; returns the recording and the project's folder, which stands for what never changes."""
    chance = random.Random(seed)
    project = Project(SETTINGS + f"journal: {{writes: {'direct' if seed % 2 else 'cached'}}}\n")
    senders = [Sender(i, random.Random(chance.random())) for i in range(3)]
    recording = Recording(os.path.realpath(project.folder))
    for last in (False, True):
        trace = f"{folder}/trace-{int(last)}"
        with Server(project, [*STRACE, trace]) as server:
            threads = [sender.again(server, requests) for sender in senders]
            for thread in threads:
                thread.start()
            if last:
                for thread in threads:
                    thread.join()
                server.land()
                server.stop()
            else:
                time.sleep(chance.uniform(0.5, 1.0))
                server.kill()
                for thread in threads:
                    thread.join()
        for sender in senders:
            if sender.failure:
                raise sender.failure
        recording.add(trace, IDENTITY)
    equal(os.path.realpath(project.folder), project.folder, "a temporary folder behind a link")
    return recording, project


class Rebuilt(Project):
    """A project folder as a crash has left it."""

    def __init__(self, origin, state):
        self.folder = tempfile.mkdtemp(prefix="sluice-crash-")
        for name in ("sluice.yaml", "schemas"):
            source = f"{origin.folder}/{name}"
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, f"{self.folder}/{name}")
        state.build(self.folder)


def check(origin, state, again, prove):
    """Starts the server on a state; raises what is wrong."""
    answered = {name.decode() for name in state.answered}
    asked = {name.decode() for name in state.asked}
    project = Rebuilt(origin, state)
    try:
        for _ in range(2 if again else 1):  # A second start finds what the first one has made of it.
            with Server(project) as server:
                answered = examine(project, server, answered, asked, prove)
                asked |= answered
                server.kill()
    except Exception as error:
        raise CrashFailure(project.folder) from error
    shutil.rmtree(project.folder, ignore_errors=True)


class CrashFailure(Exception):
    """A state that broke a promise; its folder is kept."""


def try_states(recording, origin, seeds, jobs, minutes=0, stop_at=1):
    """Checks states until time or seeds are over; returns (checked, what was lost, failures)."""
    deadline = time.monotonic() + minutes * 60 if minutes else None
    checked, lost, kinds, failures = 0, 0, {}, []
    lock = threading.Lock()
    numbers = iter(seeds)

    def work():
        nonlocal checked, lost
        while True:
            with lock:
                seed = next(numbers, None)
                if seed is None or len(failures) >= stop_at or (deadline and time.monotonic() > deadline):
                    return
            state = CrashState(recording, seed)
            try:
                check(origin, state, again=seed % 10 == 0, prove=seed % 3 == 0)
            except CrashFailure as failure:
                with lock:
                    failures.append((seed, failure))
            with lock:
                checked += 1
                lost += state.lost > 0
                kinds[state.kind] = kinds.get(state.kind, 0) + 1

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(work) for _ in range(jobs)]:
            done.result()
    return checked, lost, kinds, failures


def doctored(recording):
    """Recordings of servers that would be wrong: what finds nothing in them finds nothing at all."""
    return {
        "never syncs the journal": recording.without_file_syncs("/data/journal/0"),
        "never syncs the manifest": recording.without_file_syncs("/data/journal/manifest"),
        "never syncs the journal's folder": recording.without_folder_syncs("/data/journal"),
        "never syncs the tables' files": recording.without_file_syncs("/data/tables/"),
        "never syncs the tables' folders": recording.without_folder_syncs("/data/tables"),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--states", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=0, help="0: as many states as given")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--doctored", action="store_true", help="also show that wrong servers are found")
    arguments = parser.parse_args()
    sys.argv[1:] = [os.path.abspath(arguments.program)]
    if not shutil.which("strace"):
        print("strace is not installed")
        return 77
    folder = tempfile.mkdtemp(prefix="sluice-recording-")
    print(f"seed {arguments.seed}", flush=True)
    recording, origin = record(folder, arguments.seed)
    print(f"recorded: {len(recording.changes)} changes, {sum(map(len, recording.file_syncs.values()))} syncs of files, "
          f"{sum(map(len, recording.folder_syncs.values()))} of folders, {len({name for _, name in recording.answered})} events acknowledged", flush=True)
    seeds = range(arguments.seed, arguments.seed + (1 << 40 if arguments.minutes else arguments.states))
    begun = time.monotonic()
    checked, lost, kinds, failures = try_states(recording, origin, seeds, arguments.jobs, arguments.minutes)
    seconds = time.monotonic() - begun
    print(json.dumps({"states": checked, "with_losses": lost, "kinds": kinds, "seconds": round(seconds, 1),
                      "per_second": round(checked / seconds, 1), "violations": len(failures)}), flush=True)
    for seed, failure in failures:
        print(f"state {seed}: {failure.__cause__ or failure}\n  its folder: {failure}, the recording: {folder}")
    for wrong, changed in doctored(recording).items() if arguments.doctored else ():
        begun = time.monotonic()
        checked, _, _, found = try_states(changed, origin, range(arguments.seed, arguments.seed + 500), arguments.jobs)
        for _, failure in found:
            shutil.rmtree(str(failure), ignore_errors=True)
        print(f"a server that {wrong}: {'found' if found else 'NOT FOUND'} after {checked} states, "
              f"{time.monotonic() - begun:.1f} s{': ' + str(found[0][1].__cause__)[:100] if found else ''}", flush=True)
        if not found:
            failures.append((arguments.seed, CrashFailure("none")))
    if not failures:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(origin.folder, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
