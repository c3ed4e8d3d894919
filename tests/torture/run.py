#!/usr/bin/env python3
"""All proofs that a kept event is kept, for long: `./dev torture [--minutes N] [--seed S]`.

usage: run.py PROGRAM SIMULATION JOURNAL_TEST [--minutes N] [--seed S] [--only NAME ..]

Two lanes share the time. One is the simulation (tests/sim). The other one goes through the proofs with the real
program: states that crashes could leave, kill -9, the n-th I/O error, bit flips, a full disk, damage to the journal,
and ends with more of the simulation. Prints what each did, and exits 1 if one of them found a violation, 2 if too little
happened: of half an hour or more 10,000 simulated runs, 3,000 crash states and 100 faults at each site are expected; of a
shorter run it prints what half an hour of the same would be.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SYSTEM = HERE.parent / "system"
LONG_MINUTES = 30
RUNS_MIN, STATES_MIN, FIRED_MIN = 10_000, 3_000, 100  # Of a long run.


class Proof:
    """One of the proofs: its command for so many seconds, and what it printed."""

    def __init__(self, name, share, command, environment=None, again=False):
        self.name, self.share, self.command = name, share, command
        self.environment = environment or (lambda seconds, seed: {})
        self.again = again  # Does a fixed amount each time: begun anew until its time is over.
        self.lines, self.codes, self.seconds = [], [], 0.0

    def run(self, seconds, seed):
        begun = time.monotonic()
        while True:
            done = subprocess.run(self.command(seconds, seed), text=True, capture_output=True,
                                  env=os.environ | self.environment(seconds, seed))
            self.codes.append(done.returncode)
            lines = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith('{"time"')]
            self.lines += lines if done.returncode in (0, 2) else lines + done.stderr.splitlines()[-20:]
            seed += 1
            self.seconds = time.monotonic() - begun
            if not self.again or self.codes[-1] not in (0,) or self.seconds > seconds * 0.8:
                return

    @property
    def verdict(self):
        if any(code not in (0, 2, 77) for code in self.codes):
            return "VIOLATION"
        return "too little" if 2 in self.codes else "skipped" if 77 in self.codes else "kept"


def proofs(program, simulation, journal_test):
    def python(name, *more):
        return lambda seconds, seed: [sys.executable, "-B", str(name), program, *more,
                                      "--minutes", f"{seconds / 60:.3f}", "--seed", str(seed)]

    def simulated(seconds, seed):
        return [simulation, "--minutes", f"{seconds / 60:.3f}", "--seed", str(seed)]

    def test(name):
        return lambda seconds, seed: [sys.executable, "-B", str(SYSTEM / name), program]

    first = [Proof("simulation", 1.0, simulated)]
    second = [
        Proof("crash states", 0.42, python(HERE / "crash_states.py", "--jobs", "2", "--doctored")),
        # So many kills as must be shown are a run of their own: SLUICE_KILL_ROUNDS=1000 test_kill.py.
        Proof("kill -9", 0.05, test("test_kill.py"), again=True,
              environment=lambda seconds, seed: {"SLUICE_SEED": str(seed), "SLUICE_KILL_ROUNDS": "100" if seconds > 150 else "12"}),
        Proof("I/O errors", 0.30, python(HERE / "io_errors.py")),
        Proof("bit flips", 0.04, python(HERE / "bit_flips.py")),
        Proof("full disk", 0.03, test("test_disk_full.py"), again=True),
        Proof("damaged journals", 0.03, lambda seconds, seed: [
            journal_test, "--gtest_filter=RepairTest.LosesNoMoreThanItSays:JournalCrashTest.*", "--gtest_brief=1"], again=True,
            environment=lambda seconds, seed: {"SLUICE_SEED": str(seed), "SLUICE_SEEDS": "2000" if seconds > 30 else "300"}),
        Proof("simulation, more", 0.13, lambda seconds, seed: simulated(seconds, seed + 1_000_000_000)),
    ]
    return first, second


def faults(lines):
    """Fault sites of the simulation and of the I/O errors, with how often they fired."""
    found = {}
    for line in lines:
        if match := re.match(r"  ((?:disk|store|lost): .*?)\s+(\d+)$", line):
            found[match[1]] = int(match[2])
        elif line.startswith('{"runs"'):
            found |= {f"real: {site}": count for site, count in json.loads(line)["faults"].items()}
    return found


def amounts(every):
    """What happened in proofs that ran, by name: simulated runs, crash states, faults at each site."""
    found, sites = {}, {}
    for proof in every:
        if proof.name.startswith("simulation"):
            runs = sum(int(match[1]) for line in proof.lines if (match := re.match(r"(\d+) runs in ", line)))
            found["simulated runs"] = found.get("simulated runs", 0) + runs
        elif proof.name == "crash states":
            found["crash states"] = sum(json.loads(line)["states"] for line in proof.lines if line.startswith('{"states"'))
        for site, count in faults(proof.lines).items():
            sites[site] = sites.get(site, 0) + count
    return found, sites


def too_little(found, sites):
    """A line for each of the amounts that is less than a long run must show."""
    bars = {"simulated runs": RUNS_MIN, "crash states": STATES_MIN}
    lines = [f"{name}: {found[name]:.0f}, expected {least} at least" for name, least in bars.items()
             if found.get(name, least) < least]
    return lines + [f"{site}: {count:.0f}, expected {FIRED_MIN} at least" for site, count in sorted(sites.items())
                    if count < FIRED_MIN]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("simulation")
    parser.add_argument("journal_test")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    lanes = proofs(*(os.path.abspath(path) for path in (arguments.program, arguments.simulation, arguments.journal_test)))
    if arguments.only:
        lanes = [[proof for proof in lane if proof.name in arguments.only] for lane in lanes]
    total = arguments.minutes * 60
    print(f"seed {arguments.seed}, {arguments.minutes:g} minutes, load {os.getloadavg()[0]:.1f}", flush=True)

    def follow(lane):
        left = total / (sum(proof.share for proof in lane) or 1)
        for proof in lane:
            proof.run(proof.share * left, arguments.seed)
            print(f"{proof.name}: {proof.verdict} ({proof.seconds:.0f} s)", flush=True)
            if proof.verdict == "VIOLATION":  # All of it again at the end; but who waits for that need not.
                print("\n".join(proof.lines[-20:]), flush=True)

    threads = [threading.Thread(target=follow, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    every = [proof for lane in lanes for proof in lane]
    for proof in every:
        print(f"\n## {proof.name}: {proof.verdict}, {proof.seconds:.0f} s")
        print("\n".join(line for line in proof.lines if not re.match(r"  (disk|store|lost): ", line)))
    found, sites = amounts(every)
    print("\n## faults fired, by site")
    print("\n".join(f"{site:<44}{count:>8}" for site, count in sorted(sites.items())))
    print(f"\n{sum(sites.values())} faults at {len(sites)} sites, the rarest {min(sites.values(), default=0)} times; "
          f"{sum(proof.verdict == 'VIOLATION' for proof in every)} proofs with violations; seed {arguments.seed}")
    missing = []
    if arguments.minutes >= LONG_MINUTES:
        missing = too_little(found, sites)
        print("".join(f"too little: {line}\n" for line in missing), end="")
    else:
        longer = LONG_MINUTES / arguments.minutes
        scaled = [{name: count * longer for name, count in counts.items()} for counts in (found, sites)]
        print(f"in {LONG_MINUTES} minutes: " + ", ".join(f"{count:.0f} {name}" for name, count in scaled[0].items()))
        print("".join(f"would be too little: {line}\n" for line in too_little(*scaled)), end="")
    return 1 if any(proof.verdict == "VIOLATION" for proof in every) else \
        2 if missing or any(proof.verdict == "too little" for proof in every) else 0


if __name__ == "__main__":
    sys.exit(main())
