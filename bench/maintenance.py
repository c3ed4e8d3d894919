"""What maintenance costs ingest, and what it keeps small: a steady stream of events with it and without it.

    bench/maintenance.py [BINARY] [--seconds N] [--rate EVENTS_A_SECOND]

Prints a line of JSON for each: acknowledgement times, files of the table, files and bytes of its folder and of its log.
The bar (--seconds 1200): files and log bounded, p99 with it at most 1.5 x p99 without.
"""

import argparse
import http.client
import json
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/system"))
from server import Project, Server, percentile  # noqa: E402

ROWS = 500
TOPIC = "shop.user-events"


def folder_size(folder):
    sizes = [os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(folder) for name in names]
    return {"files": len(sizes), "bytes": sum(sizes)}


def body(first):
    return "".join(f'{{"eventId":"e{number}","userId":{number % 5000},"page":"/a/{number % 97}",'
                   '"timestamp":"2026-01-05T10:00:00Z"}\n' for number in range(first, first + ROWS))


def measure(enabled, seconds, rate):
    settings = f"land: {{every: 1s}}\nmaintenance: {{enabled: {str(enabled).lower()}, every: 5s}}\n"
    with Project(settings) as project, Server(project) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        times, sent, files_most, begin = [], 0, 0, time.monotonic()
        while time.monotonic() - begin < seconds:
            time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
            text = body(sent)
            start = time.monotonic()
            connection.request("POST", f"/v1/events/{TOPIC}", text, {"Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            times.append(time.monotonic() - start)
            sent += ROWS
            if len(times) % 200 == 0:
                files_most = max(files_most, server.tables()[TOPIC]["files"])
        took = time.monotonic() - begin
        server.land()
        runs = server.sql("select count(*), sum(cpu_ms), sum(bytes_after) from system.maintenance") if enabled else [[0, 0, 0]]
        table = project.table_folder()
        result = {
            "maintenance": enabled, "seconds": round(took, 1), "events_per_second": round(sent / took),
            "ack_ms": {name: round(percentile(times, share) * 1000, 2)
                       for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))},
            "files": server.tables()[TOPIC]["files"], "files_most": files_most, "runs": runs[0][0],
            "cpu_ms": runs[0][1], "rewritten_bytes": runs[0][2], "folder": folder_size(table),
            "log": folder_size(table + "/_delta_log"),
        }
        server.stop()
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", nargs="?", default=str(ROOT / "build/release/sluice"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=20_000, help="events a second")
    arguments = parser.parse_args()
    sys.argv[1:] = [arguments.binary]  # Where Server looks for it.
    results = [measure(enabled, arguments.seconds, arguments.rate) for enabled in (False, True)]
    for result in results:
        print(json.dumps(result), flush=True)
    without, with_it = (result["ack_ms"]["p99"] for result in results)
    print(json.dumps({"p99_ratio": round(with_it / without, 2)}))


if __name__ == "__main__":
    main()
