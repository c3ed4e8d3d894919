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
    """Writes the source as NDJSON envelopes, once; takes half a minute. Beside the events lies where
    each request begins, so that the sender only has to read its bytes."""
    if path.exists():
        return
    import pyarrow.parquet as parquet
    print(f"making events from {SOURCE.name} ...", flush=True)
    part = path.with_suffix(".part")
    starts = []
    number = 0
    with open(part, "wb") as out:
        for batch in parquet.ParquetFile(SOURCE).iter_batches(ROWS_A_REQUEST):
            lines = []
            for row in zip(*(column.to_pylist() for column in batch.columns)):
                if number == rows:
                    break
                date, delay, distance, origin, destination = row
                lines.append(f'{{"event":"flights","producer":"flights","sequence":{number},"content":{{'
                             f'"date":"{date.isoformat()}Z","delay":{delay},"distance":{distance},'
                             f'"origin":"{origin}","destination":"{destination}"}}}}\n')
                number += 1
            if not lines:
                break
            starts.append(out.tell())
            out.write("".join(lines).encode())
        starts.append(out.tell())
    path.with_suffix(".starts").write_text(json.dumps(starts))
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

    def wait_landed(self, rows):
        """Waits until the table itself has that many rows; returns the largest memory seen."""
        peak = 0.0
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            peak = max(peak, self.pss_mib())
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            connection.request("GET", "/v1/admin/tables")
            for table in json.loads(connection.getresponse().read())["tables"]:
                if table["topic"] == "flights" and table["landed_offset"] == rows - 1:
                    return peak
            connection.close()
            time.sleep(0.1)
        sys.exit("error: the rows did not land within 5 minutes")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=300) != 0:
            sys.exit("error: the server did not stop cleanly")


def send_all(server, path, rows, connections):
    """Sends every request of the file; returns the totals, the seconds and the largest memory seen."""
    totals = dict.fromkeys(("received", "accepted", "duplicate", "error"), 0)
    lock = threading.Lock()
    source = os.open(path, os.O_RDONLY)
    starts = json.loads(path.with_suffix(".starts").read_text())
    requests = iter(zip(starts, starts[1:]))
    failures = []

    def next_body():
        with lock:
            begin, end = next(requests, (0, 0))
        return os.pread(source, end - begin, begin)

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
    shown = start
    while any(thread.is_alive() for thread in threads):
        threads[0].join(0.1)
        peak = max(peak, server.pss_mib())
        if time.monotonic() - shown >= 1:
            shown = time.monotonic()
            done = totals["received"]
            print(f"  {done:>9,} of {rows:,}  {done / (shown - start):,.0f} events/s", flush=True)
    seconds = time.monotonic() - start
    os.close(source)
    if failures:
        sys.exit(f"error: the server refused a request: {failures[0]}")
    return totals, seconds, peak


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
    Path(f"{folder}/sluice.yaml").write_text(
        "version: 1\nproject: flights\nserve: {http: 127.0.0.1:0}\nland: {every: 10s}\n"
        "topics: {flights: {dedup: {by: producer}}}\n")
    failed = 0
    try:
        server = Server(arguments.binary, folder)
        for turn in range(2 if arguments.twice else 1):
            cpu, client = server.cpu_seconds(), sum(os.times()[:2])
            totals, seconds, peak = send_all(server, events, arguments.rows, arguments.connections)
            acknowledged, client = server.cpu_seconds() - cpu, sum(os.times()[:2]) - client
            start = time.monotonic()
            peak = max(peak, server.wait_landed(arguments.rows))
            landed = time.monotonic() - start
            cpu = server.cpu_seconds() - cpu
            print(f"sent {'again' if turn else 'once'}: " + ", ".join(f"{v:,} {k}" for k, v in totals.items()))
            print(f"  {totals['received'] / seconds:,.0f} events/s, {seconds:.2f} s until acknowledged, "
                  f"{landed:.2f} s more until landed; PSS at most {peak:.0f} MiB")
            print(f"  CPU seconds: server {acknowledged:.2f} until acknowledged, {cpu:.2f} until landed "
                  f"({totals['received'] / max(cpu, 0.01):,.0f} events a CPU second), client {client:.2f}", flush=True)
            expected = "duplicate" if turn else "accepted"
            failed += totals[expected] != arguments.rows
        print("SQL over table and tail, against DuckDB on the source:")
        failed += check(server, arguments.rows)
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
