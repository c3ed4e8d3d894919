"""What crashes can leave of a real server's disk, rebuilt from a recording of its system calls: it starts on each state
with all that was acknowledged. SLUICE_CRASH_STATES=3000 is the long form; tests/torture has more."""

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from server import Skip, equal, run
from sync_trace import parse

sys.path.append(str(Path(__file__).resolve().parents[1] / "torture"))

from crash_states import doctored, record, try_states  # noqa: E402

CLOSED_WHILE_ANOTHER_OPENS = r"""1 openat(AT_FDCWD, "\x61", O_RDWR) = 8
1 close(8 <unfinished ...>
2 openat(AT_FDCWD, "\x62", O_RDWR <unfinished ...>
2 <... openat resumed>) = 8
1 <... close resumed>) = 0
2 fdatasync(8) = 0"""

STATES = int(os.environ.get("SLUICE_CRASH_STATES", "40"))
SEED = int(os.environ.get("SLUICE_SEED", str(random.randrange(1 << 32))))


def a_descriptor_is_free_before_its_close_returns():
    calls = parse(CLOSED_WHILE_ANOTHER_OPENS.splitlines())
    equal([call.name for call in calls], ["openat", "close", "openat", "fdatasync"])


def every_state_keeps_what_was_acknowledged():
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    print(f"seed {SEED}, {STATES} states (SLUICE_SEED and SLUICE_CRASH_STATES change them)", flush=True)
    folder = tempfile.mkdtemp(prefix="sluice-recording-")
    recording, origin = record(folder, SEED, requests=60)
    checked, lost, kinds, failures = try_states(recording, origin, range(SEED, SEED + STATES), jobs=2)
    for seed, failure in failures:
        raise AssertionError(f"state {seed}: {failure.__cause__}; its folder: {failure}, the recording: {folder}")
    print(f"     {checked} states, {lost} of them without something that was written: {kinds}", flush=True)
    assert checked == STATES and lost > STATES / 3
    for wrong, changed in doctored(recording).items():
        tried, _, _, found = try_states(changed, origin, range(SEED, SEED + 200), jobs=2)
        for _, failure in found:
            shutil.rmtree(str(failure), ignore_errors=True)
        assert found, f"a server that {wrong} passes {tried} states"
        print(f"     a server that {wrong}: found after {tried} states", flush=True)
    shutil.rmtree(folder)
    shutil.rmtree(origin.folder)


if __name__ == "__main__":
    run(a_descriptor_is_free_before_its_close_returns, every_state_keeps_what_was_acknowledged)
