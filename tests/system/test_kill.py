"""kill -9 during ingest: what was acknowledged is there once, nothing is there twice."""

import http.client
import json
import os
import random
import sys
import threading

from server import Project, Server, equal, event, run

ROUNDS = int(os.environ.get("SLUICE_KILL_ROUNDS", "12"))
SEED = int(os.environ.get("SLUICE_SEED", str(random.randrange(1 << 32))))


def killed_again_and_again():
    print(f"seed {SEED}, {ROUNDS} rounds (SLUICE_SEED and SLUICE_KILL_ROUNDS change them)")
    rng = random.Random(SEED)
    acknowledged, unsure, errors = set(), [], 0
    next_number = 0
    with Project("land: {every: 200ms}\nstorage: {segment: 1MiB}\n") as project:
        for _ in range(ROUNDS):
            with Server(project) as server:
                timer = threading.Timer(rng.uniform(0.05, 0.6), server.kill)
                timer.start()
                try:
                    while True:
                        # What was not acknowledged is sent again, as a client would.
                        batch, bad = (unsure.pop(0) if unsure else
                                      (list(range(next_number, next_number + rng.randint(1, 50))), 0))
                        next_number = max(next_number, batch[-1] + 1)
                        pending = (batch, bad)
                        receipt = server.send("shop.user-events", [event(i) for i in batch])
                        equal(receipt["accepted"] + receipt["duplicate"], len(batch))
                        acknowledged.update(batch)
                        pending = None
                except (OSError, http.client.HTTPException):
                    if pending:
                        unsure.append(pending)
                timer.join()
        with Server(project) as server:
            rows = server.sql("select event_id, _offset from bronze.shop_user_events order by _offset")
            ids = [row[0] for row in rows]
            equal(len(ids), len(set(ids)), "rows that are there twice")
            lost = {f"e{i}" for i in acknowledged} - set(ids)
            equal(lost, set(), "acknowledged rows that are lost")
            equal([row[1] for row in rows], list(range(len(rows))), "offsets are dense")
            invented = set(ids) - {f"e{i}" for i in range(next_number)}
            equal(invented, set(), "invented rows")
            server.stop()
        print(f"{len(acknowledged)} acknowledged, {len(ids)} stored")


run(killed_again_and_again)
