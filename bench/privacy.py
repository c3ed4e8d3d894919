#!/usr/bin/env python3
"""What three protected fields cost: the same events into a topic without and with rules, side by side.

usage: privacy.py PATH/TO/sluice [--events N] [--repeats N]
Prints events a server CPU-second for each run, and the ratio of the medians. Bar: 0.85.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/system"))
import server as system  # noqa: E402

SCHEMA = """@0x9a41c6de07b35f%s;
using Sl = import "sluice.capnp";
struct Order%s $Sl.event("%s") {
  orderId @0 :Text $Sl.id;
  email @1 :Text %s;
  name @2 :Text %s;
  card @3 :Text %s;
  page @4 :Text;
  amount @5 :Float64;
  items @6 :Int32;
  country @7 :Text;
  at @8 :Text $Sl.eventTime;
}
"""
SCHEMAS = {
    "clear.capnp": SCHEMA % ("18", "Clear", "clear", "", "", ""),
    "private.capnp": SCHEMA % ("19", "Private", "private", "$Sl.hash(hmacSha256)", "$Sl.tokenize",
                               "$Sl.hash(hmacSha256)"),
}
ROWS = 1000


def bodies(events, people):
    """Bodies of NDJSON; the values of the three fields are of so many people."""
    made = []
    for begin in range(0, events, ROWS):
        rows = []
        for i in range(begin, begin + ROWS):
            person = i * 7919 % people
            rows.append(json.dumps({
                "orderId": f"o-{i:09}", "email": f"person.{person}@mail.example.com", "name": f"Person Nr {person}",
                "card": f"4111-1111-{person:08}", "page": f"/shop/{i % 50}", "amount": i % 10000 / 100, "items": i % 7,
                "country": ("NL", "DE", "FR")[i % 3], "at": "2026-01-05T%02d:%02d:00Z" % (i // 60 % 24, i % 60)}))
        made.append("\n".join(rows) + "\n")
    return made


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(topic, made):
    with system.Project("land: {every: 1h}\n", SCHEMAS) as project, system.Server(project) as server:
        before, start = cpu_seconds(server.process.pid), time.monotonic()
        for body in made:
            status, answer = server.ask("POST", f"/v1/events/{topic}", body, {"Content-Type": "application/x-ndjson"})
            assert status == 200 and json.loads(answer)["accepted"] == ROWS, answer
        server.ask("POST", "/v1/admin/land")
        seconds, cpu = time.monotonic() - start, cpu_seconds(server.process.pid) - before
        events = len(made) * ROWS
        return events / cpu, events / seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", nargs="?", default=str(ROOT / "build/release/sluice"))
    # Fewer than make 128 MiB of protected rows: a landing that these began would run beside the one asked for
    # at the end, and both would write files of the same rows.
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    sys.argv = [sys.argv[0], arguments.binary]
    for people in (10_000, arguments.events):
        made = bodies(arguments.events, people)
        measure("clear", made[:20])
        rates = {"clear": [], "private": []}
        for _ in range(arguments.repeats):
            for topic in rates:
                rates[topic].append(measure(topic, made))
        print(f"{arguments.events} events of {people} people:")
        for topic, found in rates.items():
            print(f"  {topic:8} " + "  ".join(f"{cpu:,.0f}/CPU-s {wall:,.0f}/s" for cpu, wall in found))
        for index, what in enumerate(("a CPU-second", "a second")):
            median = {topic: statistics.median(run[index] for run in found) for topic, found in rates.items()}
            print(f"  with three protected fields: {median['private'] / median['clear']:.2f} of the events {what}")


if __name__ == "__main__":
    main()
