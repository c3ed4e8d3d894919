#!/usr/bin/env python3
"""Sends three million flights through a real server and checks what SQL sees against the source."""

import argparse
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEPS = Path(os.environ.get("SLUICE_DEPS", ROOT / ".deps"))
UNPACKED = DEPS / "unpacked"
SOURCE = UNPACKED / "flights/vega-datasets/package/data/flights-3m.parquet"
ROWS_A_REQUEST = 1000

sys.path[:0] = [str(UNPACKED / "flights/duckdb"), str(UNPACKED / "pyarrow")]

CHECKS = [
    "select count(*), sum(delay), sum(distance), count(distinct origin), count(distinct destination) from {t}",
    "select origin, count(*), sum(delay), sum(distance) from {t} group by 1 order by 1",
    "select destination, count(*), min(delay), max(delay) from {t} group by 1 order by 1",
    "select cast({d} as date)::varchar as day, count(*), sum(delay) from {t} group by 1 order by 1",
    "select extract(hour from {d}) as hour, count(*), sum(distance) from {t} group by 1 order by 1",
]


def write_events(path, rows):
    """Writes the source as NDJSON envelopes, once; takes half a minute."""
    if path.exists():
        return
    import pyarrow.parquet as parquet
    print(f"making events from {SOURCE.name} ...", flush=True)
    part = path.with_suffix(".part")
    number = 0
    with open(part, "w", encoding="ascii") as out:
        for batch in parquet.ParquetFile(SOURCE).iter_batches(65536):
            columns = [column.to_pylist() for column in batch.columns]
            lines = []
            for date, delay, distance, origin, destination in zip(*columns):
                lines.append(f'{{"event":"flights","producer":"flights","sequence":{number},"content":{{'
                             f'"date":"{date.isoformat()}Z","delay":{delay},"distance":{distance},'
                             f'"origin":"{origin}","destination":"{destination}"}}}}\n')
                number += 1
                if number == rows:
                    break
            out.write("".join(lines))
            if number == rows:
                break
    part.rename(path)


class Server:
    def __init__(self, binary, folder):
        self.log = open(f"{folder}/log", "w")
        self.process = subprocess.Popen([binary, "-C", folder, "--log-format", "json", "serve"],
                                        stderr=self.log)
        self.port = None
        while self.port is None:
            if self.process.poll() is not None:
                sys.exit(f"error: the server did not start; see {folder}/log")
            time.sleep(0.02)
            for line in open(f"{folder}/log"):
                if '"event":"serving"' in line and line.endswith("\n"):
                    self.port = int(json.loads(line)["port"])

    def cpu_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def pss_mib(self):
        for line in open(f"/proc/{self.process.pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def sql(self, text):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("POST", "/v1/sql", text, {"Content-Type": "text/plain"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"error: query failed: {body.decode()}")
        return json.loads(body)["rows"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=300) != 0:
            sys.exit("error: the server did not stop cleanly")


def send_all(server, path, rows, connections):
    """Sends every line of the file; returns the totals, the seconds and the largest memory seen."""
    totals = dict.fromkeys(("received", "accepted", "duplicate", "error"), 0)
    lock = threading.Lock()
    source = open(path, "rb")
    failures = []

    def next_body():
        with lock:
            lines = [source.readline() for _ in range(ROWS_A_REQUEST)]
        return b"".join(lines)

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        while body := next_body():
            while True:
                connection.request("POST", "/v1/events", body, {"Content-Type": "application/x-ndjson"})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 429:
                    break
                time.sleep(float(answer.getheader("Retry-After", "1")))
            if answer.status != 200:
                failures.append(f"{answer.status}: {text[:500]!r}")
                return
            receipt = json.loads(text)
            with lock:
                for name in totals:
                    totals[name] += receipt[name]

    start = time.monotonic()
    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    peak = 0.0
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.25)
        peak = max(peak, server.pss_mib())
        if sys.stderr.isatty():
            done = totals["received"]
            rate = done / (time.monotonic() - start)
            print(f"\r{done:>9,} of {rows:,}  {rate:,.0f} events/s", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if failures:
        sys.exit(f"error: the server refused a request: {failures[0]}")
    return totals, time.monotonic() - start, peak


def check(server, rows):
    import duckdb
    source = f"(select * from read_parquet('{SOURCE}') limit {rows})"
    wrong = 0
    for text in CHECKS:
        expected = duckdb.sql(text.format(t=source, d="date")).fetchall()
        found = server.sql(text.format(t="bronze.flights", d="(event_time at time zone 'UTC')"))
        equal = [list(row) for row in expected] == found
        wrong += not equal
        print(f"  {'equal' if equal else 'DIFFERENT'}  {len(found):>4} rows  {text.format(t='flights', d='date')}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(ROOT / "build/release/sluice"))
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--twice", action="store_true", help="send everything a second time")
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--keep", help="keep the project in this folder")
    arguments = parser.parse_args()
    if sys.version_info[:2] != (3, 11):
        print("note: the pinned Python packages are for Python 3.11", file=sys.stderr)

    events = DEPS / f"flights-{arguments.rows}.ndjson"
    write_events(events, arguments.rows)
    folder = arguments.keep or tempfile.mkdtemp(prefix="sluice-flights-")
    os.makedirs(f"{folder}/schemas", exist_ok=True)
    shutil.copy(Path(__file__).parent / "schemas/flights.capnp", f"{folder}/schemas/")
    Path(f"{folder}/sluice.yaml").write_text("version: 1\nproject: flights\nserve: {http: 127.0.0.1:0}\n")
    failed = 0
    try:
        server = Server(arguments.binary, folder)
        for turn in range(2 if arguments.twice else 1):
            cpu = server.cpu_seconds()
            totals, seconds, peak = send_all(server, events, arguments.rows, arguments.connections)
            cpu = server.cpu_seconds() - cpu
            print(f"sent {'again' if turn else 'once'}: " + ", ".join(f"{v:,} {k}" for k, v in totals.items()))
            print(f"  {totals['received'] / seconds:,.0f} events/s, {seconds:.1f} s, server {cpu:.1f} CPU-s "
                  f"({totals['received'] / max(cpu, 0.01):,.0f} events/CPU-s), PSS at most {peak:.0f} MiB")
            expected = "duplicate" if turn else "accepted"
            failed += totals[expected] != arguments.rows
        print("SQL over table and tail, against DuckDB on the source:")
        failed += check(server, arguments.rows)
        cpu = server.cpu_seconds()
        server.stop()
        server = Server(arguments.binary, folder)
        print("after a restart, from the table:")
        failed += check(server, arguments.rows)
        server.stop()
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print("FAILED" if failed else "all equal")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
