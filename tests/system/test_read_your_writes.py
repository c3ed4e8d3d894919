"""What is acknowledged is seen by the next query, while much else goes in and across landings.

SLUICE_WRITE_ROUNDS=2000 is the full form.
"""

import json
import os
import random
import subprocess
import sys
import time

from server import Project, Server, equal, percentile, run

ROUNDS = int(os.environ.get("SLUICE_WRITE_ROUNDS", "300"))
RATE = 20_000
LAND_EVERY = 1.0
COLUMNS = "event_id, user_id, page, timestamp, event_time, event_date, _offset, _tenant, _extra"


def landings(project):
    """Times of the commits that landed rows, in milliseconds."""
    return [info["timestamp"] for commit in project.commits()
            for info in (a["commitInfo"] for a in commit if "commitInfo" in a) if info["operation"] == "LAND"]


def each_event_is_found_by_its_id_at_once():
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"seed {seed}, {ROUNDS} rounds (SLUICE_WRITE_ROUNDS changes them)")
    with Project(f"land: {{every: {int(LAND_EVERY * 1000)}ms}}\n") as project, Server(project) as server:
        sender = subprocess.Popen(
            [sys.executable, "-B", f"{os.path.dirname(__file__)}/paced_sender.py", str(server.port),
             "shop.user-events", str(RATE), "load-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        queries, misses, began = [], 0, time.monotonic()
        number = -1
        while number < ROUNDS or len(landings(project)) < 3:
            number += 1
            row = {"eventId": f"mine-{number}-{rng.getrandbits(64):x}", "userId": rng.randrange(-(1 << 63), 1 << 63),
                   "page": f"/päge/\"{number}\"", "timestamp": f"2026-01-0{rng.randint(1, 9)}T10:00:00.123456Z",
                   "extra": [number, None]}
            receipt = server.send("shop.user-events", [row])
            equal((receipt["received"], receipt["accepted"]), (1, 1))
            start = time.monotonic()
            found = server.sql(f"select {COLUMNS} from bronze.shop_user_events where event_id = '{row['eventId']}'")
            queries.append(time.monotonic() - start)
            expected = [row["eventId"], row["userId"], row["page"], row["timestamp"], row["timestamp"],
                        row["timestamp"][:10], receipt["offsets"][0]["first"], "default"]
            if len(found) != 1:
                misses += 1
                print(f"round {number}: {len(found)} rows", flush=True)
                continue
            equal(found[0][:-1], expected, f"round {number}")
            equal(json.loads(found[0][-1]), {"extra": [number, None]})
        took = time.monotonic() - began
        output, _ = sender.communicate("")
        equal(sender.returncode, 0, "the sender's exit code")
        load = json.loads(output)
        server.stop()

        landed = landings(project)
        files = 0
        for commit in project.commits():
            dates = [a["add"]["partitionValues"]["event_date"] for a in commit if "add" in a]
            files += len(dates)
            equal(len(dates), len(set(dates)), "files and event dates of a commit")
        # The last one is the stop's.
        closest = min((b - a for a, b in zip(landed, landed[1:-1])), default=None)
        print(f"{number + 1} rounds in {took:.1f} s beside {load['acknowledged'] / load['seconds']:,.0f} events/s: "
              f"{misses} misses; query p50 {percentile(queries, 0.5) * 1e3:.1f} ms, "
              f"p99 {percentile(queries, 0.99) * 1e3:.1f} ms; {len(landed)} landings, {files} files, "
              f"closest landings {closest} ms apart")
        equal(misses, 0, "misses")
        assert closest is None or closest >= LAND_EVERY * 1000, f"landings {closest} ms apart"
        # On a machine that does other things, too, the sender may fall behind its pace.
        assert load["acknowledged"] / load["seconds"] >= RATE * 0.2, f"the load was {load}"


run(each_event_is_found_by_its_id_at_once)
