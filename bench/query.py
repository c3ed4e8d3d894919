#!/usr/bin/env python3
"""Questions to three months of events, beside DuckDB on the bare files. bench/README.md says what is measured.

    query.py [--rows N] [--repeats N] [--keep] [--sluice PROGRAM] [--no-save]
"""

import argparse
import atexit
import http.client
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ingest import DEPS, ROOT, Server, landed_files, machine, quantile, say

DUCKDB = DEPS / "unpacked/flights/duckdb"  # The version that the program is linked with.
SCHEMA = """@0x9a41c6de07b35f24;
using Sl = import "sluice.capnp";
struct DomainEvent $Sl.event("domain.events") {
  userId @0 :Int64;  channel @1 :Text;  country @2 :Text;  amount @3 :Float64;  ok @4 :Bool;
}
"""
EVENTS = "bronze.domain_events"
# What the users of seed 000 ask: by domain, entity and day; one user's history; the most; how many different; the newest.
QUESTIONS = {
    "events a day": "SELECT event_date, count(*) AS n FROM {t} GROUP BY 1 ORDER BY 1",
    "by domain and entity": "SELECT _domain, _entity, count(*) AS n FROM {t} GROUP BY 1, 2 ORDER BY 1, 2",
    "a domain by day, last week": "SELECT event_date, _entity, count(*) AS n FROM {t} WHERE event_date >= DATE '2026-10-25' "
                                  "AND _domain = 'order' GROUP BY 1, 2 ORDER BY 1, 2",
    "one user's history": "SELECT event_time::TIMESTAMP AS moment, _domain, _entity, _name, amount FROM {t} WHERE user_id = 1234567 ORDER BY moment, _sequence",
    "one user's last week": "SELECT event_time::TIMESTAMP AS moment, _domain, _name FROM {t} WHERE user_id = 1234 AND event_date >= DATE '2026-10-25' "
                            "ORDER BY moment, _sequence",
    "busiest users of a week": "SELECT user_id, count(*) AS n FROM {t} WHERE event_date BETWEEN DATE '2026-09-07' AND DATE '2026-09-13' "
                               "GROUP BY 1 ORDER BY n DESC, user_id LIMIT 10",
    "revenue of a month by country": "SELECT country, round(sum(amount), 2) AS revenue FROM {t} WHERE event_date >= DATE '2026-09-01' "
                                     "AND event_date < DATE '2026-10-01' AND _domain = 'payment' GROUP BY 1 ORDER BY 1",
    "different users a day, last week": "SELECT event_date, count(DISTINCT user_id) AS n FROM {t} WHERE event_date >= DATE '2026-10-25' "
                                        "GROUP BY 1 ORDER BY 1",
    "newest 100": "SELECT event_time::TIMESTAMP AS moment, _sequence, _domain, _entity, _name FROM {t} WHERE event_date >= DATE '2026-10-31' "
                  "ORDER BY moment DESC, _sequence DESC LIMIT 100",
    "failures of a day": "SELECT _entity, avg(CASE WHEN ok THEN 0 ELSE 1 END) AS failed FROM {t} WHERE event_date = DATE '2026-10-15' "
                         "GROUP BY 1 ORDER BY 1",
    "p95 of a month by channel": "SELECT channel, quantile_disc(amount, 0.95) AS p95 FROM {t} WHERE event_date >= DATE '2026-08-01' "
                                 "AND event_date < DATE '2026-09-01' GROUP BY 1 ORDER BY 1",
    "hours of the day, three months": "SELECT hour(event_time::TIMESTAMP) AS hour, count(*) AS n FROM {t} WHERE _domain = 'iot' GROUP BY 1 ORDER BY 1",
}
PEER = """
import duckdb, json, sys, time
db = duckdb.connect()
db.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
for line in sys.stdin:
    begin = time.monotonic()
    rows = db.sql(line).fetchall()
    print(json.dumps([time.monotonic() - begin, json.loads(json.dumps(rows, default=str))]), flush=True)
"""


class Peer:
    """DuckDB in a process of its own."""

    def __init__(self, files):
        self.process = subprocess.Popen([sys.executable, "-c", PEER], env={**os.environ, "PYTHONPATH": str(DUCKDB)},
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.source = f"read_parquet({files}, hive_partitioning = true)"

    def ask(self, question):
        self.process.stdin.write(question.replace("{t}", self.source) + "\n")
        self.process.stdin.flush()
        seconds, rows = json.loads(self.process.stdout.readline())
        return seconds, rows

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Asker:
    """One keep-alive connection to the server."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def ask(self, question):
        begin = time.monotonic()
        self.connection.request("POST", "/v1/sql", question.replace("{t}", EVENTS), {"Content-Type": "text/plain"})
        answer = self.connection.getresponse()
        body = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{question}: {body}")
        return time.monotonic() - begin, body["rows"]


def same(ours, theirs):
    """Whether the rows are the same, but for how times and the last digit of a sum are written."""
    def plain(value):
        if isinstance(value, (int, float)):
            return f"{value:.10g}" if value == round(value) else f"{value:.6g}"
        return str(value).replace("T", " ").replace("Z", "").replace("+00:00", "").rstrip("0").rstrip(".") \
            if isinstance(value, str) and value[:2] == "20" else value
    return [[plain(v) for v in row] for row in ours] == [[plain(v) for v in row] for row in theirs]


def drop_caches():
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
    except OSError as error:
        raise RuntimeError("cold runs need root, to empty the page cache") from error


def fill(program, generator, folder, rows):
    say(f"== filling: {rows:,} events of 92 days")
    shutil.rmtree(folder, ignore_errors=True)
    server = Server(program, str(folder), {"domain.capnp": SCHEMA})
    begin = time.monotonic()
    done = subprocess.run([generator, "history", str(server.port), str(rows), "4"], stdout=subprocess.PIPE, check=True)
    accepted = json.loads(done.stdout)["accepted"]
    server.ask("POST", "/v1/admin/land")
    if accepted != rows:
        raise RuntimeError(f"{accepted} of {rows} events accepted")
    server.stop()
    say(f"   {time.monotonic() - begin:.0f} s, {rows / (time.monotonic() - begin):,.0f} events/s")


def open_again(program, folder):
    """The server over what is there."""
    server = Server.__new__(Server)
    server.folder = Path(folder)
    server.log = open(server.folder / "log", "w")
    server.process = subprocess.Popen([program, "-C", str(folder), "--log-format", "json", "serve"],
                                      stdout=server.log, stderr=server.log)
    atexit.register(server.process.kill)  # Should the measurement stop short.
    server.port = server._port()
    return server


def measure(program, folder, repeats, cold_too):
    files = list(landed_files(folder / "data/tables/default/bronze/domain_events")[0])
    out = {name: {} for name in QUESTIONS}
    say("== warm")
    server = open_again(program, folder)
    ours, theirs = Asker(server.port), Peer(files)
    for name, question in QUESTIONS.items():
        times = {"sluice": [], "duckdb": []}
        for number in range(repeats + 2):  # In turns, so that both meet the same weather; two to warm up.
            (a, our_rows), (b, their_rows) = ours.ask(question), theirs.ask(question)
            if number == 0 and not same(our_rows, their_rows):
                raise RuntimeError(f"{name}: {our_rows[:3]} and {their_rows[:3]}")
            if number > 1:
                times["sluice"].append(a)
                times["duckdb"].append(b)
        for side, values in times.items():
            out[name] |= {f"{side} p50": statistics.median(values), f"{side} p95": quantile(values, 0.95)}
        out[name]["rows"] = len(our_rows)
        say(f"   {name}: sluice {out[name]['sluice p50'] * 1e3:.0f} ms, duckdb {out[name]['duckdb p50'] * 1e3:.0f} ms")
    theirs.stop()
    server.stop()
    if cold_too:
        say("== cold: page cache empty, each side just started")
        for name, question in QUESTIONS.items():
            for side in ("sluice", "duckdb"):
                server = open_again(program, folder) if side == "sluice" else None
                peer = Asker(server.port) if server else Peer(files)
                peer.ask("SELECT 1")
                drop_caches()
                out[name][f"{side} cold"] = peer.ask(question)[0]
                server.stop() if server else peer.stop()
    return out, len(files), sum(Path(f).stat().st_size for f in files)


def report(results):
    m = results["machine"]
    lines = [f"# Queries, {m['date']}", "",
             f"Commit {m['commit']}; {m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, Linux {m['kernel']}, load {m['load_before']} "
             f"before; DuckDB {results['duckdb']} on the same files, in process. Milliseconds; what is measured stands in bench/README.md.", "",
             f"{results['rows']:,} landed events of 92 days, {results['files']} files, {results['bytes'] / 1e9:.2f} GB; "
             f"{results['repeats']} repeats in turns.", "",
             "| question | rows | p50 | p95 | DuckDB p50 | p95 | over it, ms | allowed | cold | DuckDB cold |", "|---|---|---|---|---|---|---|---|---|---|"]
    missed = []

    def cold(q, side):
        return f"{q[side + ' cold'] * 1e3:.0f}" if side + " cold" in q else ""
    for name, q in results["questions"].items():
        over, allowed = q["sluice p50"] - q["duckdb p50"], q["duckdb p50"] * 0.1 + 0.005
        if over > allowed:
            missed.append(name)
        lines.append(f"| {name} | {q['rows']} | {q['sluice p50'] * 1e3:.1f} | {q['sluice p95'] * 1e3:.1f} | {q['duckdb p50'] * 1e3:.1f} | "
                     f"{q['duckdb p95'] * 1e3:.1f} | {over * 1e3:+.1f} | {allowed * 1e3:.1f} | {cold(q, 'sluice')} | {cold(q, 'duckdb')} |")
    slow = [name for name, q in results["questions"].items() if q["sluice p95"] >= 1]
    lines += ["", f"- p95 of one second or more: {', '.join(slow) or 'none'}.",
              f"- More than 10 % + 5 ms over DuckDB: {', '.join(missed) or 'none'}.", "- Both gave the same rows to each question.", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--fill-only", action="store_true", help="make the events, and keep them")
    parser.add_argument("--no-cold", action="store_true", help="leave out the cold runs, which empty the page cache of the machine")
    parser.add_argument("--keep", action="store_true", help="keep the events for the next run (some 5 GB in the dependencies' folder)")
    parser.add_argument("--sluice", default=ROOT / "build/release/sluice")
    parser.add_argument("--generator", default=ROOT / "build/release/bench/load_generator")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    subprocess.run([sys.executable, str(ROOT / "tools/fetch.py"), str(DEPS), "flights"], check=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    program, generator = str(Path(arguments.sluice).resolve()), str(Path(arguments.generator).resolve())
    folder = DEPS / "bench" / f"query-{arguments.rows}"
    if not (folder / "filled").exists():
        fill(program, generator, folder, arguments.rows)
        (folder / "filled").touch()
    if arguments.fill_only:
        return
    questions, files, size = measure(program, folder, arguments.repeats, not arguments.no_cold)
    version = next(DUCKDB.glob("duckdb-*.dist-info")).name.split("-")[1].removesuffix(".dist")
    results = {"machine": machine(), "duckdb": version, "rows": arguments.rows, "repeats": arguments.repeats, "files": files,
               "bytes": size, "questions": questions}
    text = report(results)
    say("\n" + text)
    if not arguments.no_save:
        target = ROOT / "bench/results" / f"query-{time.strftime('%Y-%m-%d', time.gmtime())}"
        target.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
        target.with_suffix(".md").write_text(text)
        say(f"kept in {target}.json and .md")
    if not arguments.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
