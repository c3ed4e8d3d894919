#!/usr/bin/env python3
"""Fails the n-th system calls of two kinds in a real server, and looks at what is left.

usage: io_errors.py PROGRAM [--runs N] [--minutes M] [--seed S] [--jobs J] [--faults CALL:ERROR:WHEN,..]

In every other run a server before it was killed, so that recovery's calls fail, too. The server may refuse, answer late,
not start, or end at once where a sync failed; it may not crash in another way. The next start, without faults, must have
all that was acknowledged, once (`sluice verify` after every third run). What has failed least so far is drawn next.
Prints how many calls of each kind were failed, and in how many runs.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import random
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

from server import Project, Server  # noqa: E402
from workload import SETTINGS, Sender, examine  # noqa: E402

SITES = [(call, error) for call, errors in {
    "pwritev": ("EIO", "ENOSPC", "EINTR"), "fdatasync": ("EIO", "ENOSPC", "EINTR"), "fsync": ("EIO",),
    "openat": ("EIO", "EMFILE", "ENOSPC"), "rename": ("EIO", "ENOSPC"), "renameat2": ("EIO",), "unlink": ("EIO",),
    "ftruncate": ("EIO",), "fallocate": ("EIO", "ENOSPC"), "mkdir": ("ENOSPC",), "pread64": ("EIO",)}.items()
    for error in errors]
# Which calls are meant. The loader's own come first; without them there is no server at all.
COUNTS = {"openat": (60, 110), "pread64": (5, 12), "fallocate": (1, 2), "ftruncate": (1, 2), "renameat2": (1, 3),
          "unlink": (1, 6), "rename": (1, 10), "mkdir": (1, 17), "fsync": (1, 25), "pwritev": (1, 80), "fdatasync": (1, 80)}
RECOVERY_COUNTS = {"mkdir": (1, 2)}  # A server that finds its folders makes few.
ORDERLY = {None, 0, 1, 69, 75, 78, 127, -signal.SIGABRT}  # 127: its libraries could not be opened.


# Made while the server starts, too: of these a few failures in a row leave no server to look at.
AT_START = {"openat", "pread64", "fsync", "mkdir", "fallocate"}


def draw(chance, fired, recovers):
    """Draws faults of two calls, of which one at most keeps the server from starting, of the sites that fired least.

    recovers: whether the server finds what an earlier one left."""
    drawn = {}
    rarest = sorted(SITES, key=lambda site: (fired[" ".join(site)], chance.random()))
    chance.shuffle(few := rarest[:6])
    for call, error in few + rarest[6:]:
        if drawn and (call in AT_START or call in drawn):
            continue
        first = chance.randint(*(RECOVERY_COUNTS if recovers and call in RECOVERY_COUNTS else COUNTS)[call])
        if call in AT_START:
            more = ("", "", "+")
        else:  # Interrupted for ever is not interrupted.
            more = ("", "+3") if error == "EINTR" else ("", f"..{first + 7}", "+")
        drawn[call] = (call, error, f"{first}{chance.choice(more)}")
        if len(drawn) == 2:
            return list(drawn.values())


def serve(server, senders, requests):
    """Sends so much, and returns how the server ended; None: it has not."""
    threads = [sender.again(server, requests) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = server.process.poll()
    server.kill()
    return ended


def one(seed, drawn):
    """Returns (calls failed by site, how the server ended, requests answered)."""
    chance = random.Random(seed)
    senders = [Sender(i, random.Random(chance.random()), patient=True) for i in range(2)]
    # Only writes through the page cache are synced by a call of their own.
    cached = seed // 2 % 2 == 0 or any(call == "fdatasync" for call, _, _ in drawn)
    with Project(SETTINGS + f"journal: {{writes: {'cached' if cached else 'direct'}}}\n") as project:
        if seed % 2 == 1:
            with Server(project) as server:
                serve(server, senders, 10)
        log = f"{project.folder}/strace"
        prefix = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-e", "trace=" + ",".join(call for call, _, _ in drawn)]
        for call, error, when in drawn:
            prefix += ["-e", f"inject={call}:error={error}:when={when}"]
        try:
            with Server(project, [*prefix, "-o", log]) as server:
                ended = serve(server, senders, 40)
        except RuntimeError as failure:  # It did not start.
            found = re.search(r"the server ended with (-?\d+)", str(failure))
            ended = int(found[1]) if found else "hangs"
        for sender in senders:
            if sender.failure:
                raise sender.failure
        assert ended in ORDERLY, f"{drawn}: the server ended with {ended}"
        with open(log) as file:
            lines = [line for line in file if "(INJECTED)" in line]
        failed = {f"{call} {error}": sum(f" {call}" in line for line in lines) for call, error, _ in drawn}
        with Server(project) as server:
            examine(project, server, set.union(*(s.answered for s in senders)), set.union(*(s.asked() for s in senders)),
                    prove=seed % 3 == 0)
            server.kill()
    return failed, ended, sum(len(sender.answered) for sender in senders)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=0, help="0: as many runs as given")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--faults", help="these instead of drawn ones")
    arguments = parser.parse_args()
    sys.argv[1:] = [os.path.abspath(arguments.program)]
    if not shutil.which("strace"):
        print("strace is not installed")
        return 77
    print(f"seed {arguments.seed}", flush=True)
    begun, runs, answered, failure = time.monotonic(), 0, 0, None
    fired, in_runs, ends = collections.Counter(), collections.Counter(), collections.Counter()
    chance, lock = random.Random(arguments.seed), threading.Lock()

    def work():
        nonlocal runs, answered, failure
        while True:
            with lock:
                over = time.monotonic() - begun > arguments.minutes * 60 if arguments.minutes else runs >= arguments.runs
                if over or failure:
                    return
                seed = arguments.seed + runs
                runs += 1
                drawn = [tuple(fault.split(":")) for fault in arguments.faults.split(",")] if arguments.faults \
                    else draw(chance, fired, recovers=seed % 2 == 1)
            try:
                failed, ended, events = one(seed, drawn)
            except Exception as error:
                failure = f"run {seed}: {type(error).__name__}: {error}\nagain: io_errors.py PROGRAM --runs 1 " \
                    f"--seed {seed} --faults {','.join(map(':'.join, drawn))}"
                return
            with lock:
                fired.update(failed)
                in_runs.update(site for site, calls in failed.items() if calls)
                ends["alive" if ended is None else "aborted" if ended == -signal.SIGABRT else "did not start"] += 1
                answered += events

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for done in [pool.submit(work) for _ in range(arguments.jobs)]:
            done.result()
    if failure:
        print(failure)
        return 1
    print(json.dumps({"runs": runs, "events": answered, "faults": dict(sorted(fired.items())),
                      "runs_by_fault": dict(sorted(in_runs.items())), "servers": dict(ends),
                      "seconds": round(seconds := time.monotonic() - begun, 1), "per_second": round(runs / seconds, 2),
                      "violations": 0}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
