"""Sluice and deltalake in turn, each run in a process of its own: wall time, CPU time, peak memory."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PEER = Path(os.environ["SLUICE_DEPS"]) / "unpacked" / "interop"


def peer(code, with_pyarrow=False):
    """A process that runs `code` with deltalake."""
    folders = [*([PEER.parent / "pyarrow"] if with_pyarrow else []),
               *(PEER / name for name in ("deltalake", "arro3-core", "deprecated", "wrapt", "typing-extensions"))]
    return [sys.executable, "-c", f"import sys, time\nsys.path[:0] = {[str(folder) for folder in folders]!r}\n"
            f"from deltalake import DeltaTable, QueryBuilder, write_deltalake\n{code}"]


def timed(setup, code):
    """The same, printing how long `code` takes behind `setup`; with pyarrow where the operation needs rows."""
    return peer(f"{setup}\nbegin = time.perf_counter()\n{code}\nprint(time.perf_counter() - begin)", "pyarrow" in setup)


def ask(table, sql):
    """What deltalake answers to `sql` over `t`, as text."""
    asked = subprocess.run(peer(f"rows = QueryBuilder().register('t', DeltaTable({str(table)!r})).execute({sql!r}).read_all()\n"
                                "print([[str(value) for value in column] for column in rows.columns])"),
                           stdout=subprocess.PIPE, check=True)
    return asked.stdout.decode().strip()


def measure(command):
    """Wall seconds, CPU seconds and peak memory in MiB of a process. What a process prints is the time of the operation
    alone, and counts instead."""
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    printed, errors = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{command} failed: {errors.decode()}")
    lines = printed.decode(errors="replace").split()
    if len(lines) == 1:
        seconds = float(lines[0])
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def median(runs):
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def compare(name, commands, repeats, prepare=None, result=None):
    """Both in turn, after a warm-up; `commands` by who. Both say themselves how long they took. `prepare` is called with
    who before each run; what `result` tells behind the warm-up must be the same for both."""
    runs, results = {who: [] for who in commands}, {}
    for turn in range(repeats + 1):
        for who, command in commands.items():
            if prepare:
                prepare(who)
            run = measure(command)
            if turn > 0:
                runs[who].append(run)
            elif result:
                results[who] = result()
    if len(set(results.values())) > 1:
        sys.exit(f"{name}: the results differ: {results}")
    mine, other = (median(runs[who]) for who in ("sluice", "deltalake"))
    print(f"{name}: sluice {mine[0]:.3f} s, {mine[2]:.0f} MiB; deltalake {other[0]:.3f} s, {other[2]:.0f} MiB; "
          f"{mine[0] / other[0]:.2f} x time, {mine[2] / other[2]:.2f} x memory", flush=True)
    return {"name": name, "sluice": mine, "deltalake": other, "runs": runs}
