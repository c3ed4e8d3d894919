"""What `./dev torture` expects of a long run."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "torture"))

import run as torture  # noqa: E402
from server import equal, run  # noqa: E402


def proof(name, *lines):
    made = torture.Proof(name, 1, None)
    made.lines = list(lines)
    return made


def a_long_run_has_enough_of_everything():
    every = [
        proof("simulation", "6000 runs in 900.0 s: 1 power losses", "  disk: sync fails                 60",
              "  store: head fails                 0", "  lost: landing                    101"),
        proof("simulation, more", "4000 runs in 500.0 s: 1 power losses", "  disk: sync fails                 40",
              "  store: head fails                99"),
        proof("crash states", '{"states": 3000, "with_losses": 2, "violations": 0}'),
        proof("I/O errors", '{"runs": 7, "faults": {"fsync EIO": 100, "write ENOSPC": 7}}'),
    ]
    found, sites = torture.amounts(every)
    equal(found, {"simulated runs": 10_000, "crash states": 3000})
    equal(torture.too_little(found, sites),
          ["real: write ENOSPC: 7, expected 100 at least", "store: head fails: 99, expected 100 at least"])
    equal(torture.too_little({"simulated runs": 9_999, "crash states": 2_999}, {}),
          ["simulated runs: 9999, expected 10000 at least", "crash states: 2999, expected 3000 at least"])
    equal(torture.too_little({}, {}), [], "proofs that were not asked for")


if __name__ == "__main__":
    run(a_long_run_has_enough_of_everything)
