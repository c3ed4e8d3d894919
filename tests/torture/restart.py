#!/usr/bin/env python3
"""How long a server is away that is killed with much in its journal that has not landed.

usage: restart.py PROGRAM [--mib N] [--restarts N] [--page BYTES]

Sends events until the journal has N MiB (default 1,024), then kills the server with -9 and starts it again, a number of
times (default 20). Prints the time from the start of the process until it serves, and exits 1 if the 99th percentile is
beyond 2 s, or if an acknowledged event is missing at the end.
"""

import argparse
import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))
from server import Project, Server, percentile  # noqa: E402

TOPIC = "shop.user-events"
ROWS = 10_000
SETTINGS = "land: {every: 24h, bytes: 64GiB}\nlimits: {memory: 8GiB}\n"


def fill(server, mib, page):
    """Sends events until the journal has so many MiB; returns how many rows were taken."""
    rows = 0
    folder = Path(server.project.folder) / "data/journal"
    while sum(f.stat().st_blocks * 512 for f in folder.iterdir()) < mib << 20:
        body = "".join(
            f'{{"eventId":"e{i:012d}","userId":{i % 100_000},"page":"/p/{i % 1000}{page}",'
            f'"timestamp":"2026-01-{i % 28 + 1:02d}T10:00:00Z"}}\n' for i in range(rows, rows + ROWS))
        status, answer = server.post(f"/v1/events/{TOPIC}", body, {"Content-Type": "application/x-ndjson"})
        assert status == 200 and answer["accepted"] == ROWS, (status, answer)
        rows += ROWS
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--page", type=int, default=120, help="bytes more of text in each event")
    arguments = parser.parse_args()
    with Project(SETTINGS) as project:
        server = Server(project)
        rows = fill(server, arguments.mib, "x" * arguments.page)
        times = []
        for _ in range(arguments.restarts):
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            begun = time.monotonic()
            server = Server(project)
            times.append(time.monotonic() - begun)
        counted = server.tables()[TOPIC]["pending"]
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        if counted != rows:
            print(f"{rows} rows were acknowledged, {counted} wait after the restarts")
            return 1
    p99 = percentile(times, 0.99)
    print(json.dumps({"journal_mib": arguments.mib, "rows": rows, "restarts": len(times),
                      "p50_s": round(percentile(times, 0.5), 3), "p99_s": round(p99, 3)}))
    return 0 if p99 <= 2 else 1


if __name__ == "__main__":
    sys.exit(main())
