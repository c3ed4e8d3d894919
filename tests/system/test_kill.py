"""kill -9 during ingest: what was acknowledged is there once, nothing is there twice, errors are kept.

After each kill the journal and the tables that it left behind are counted, from where the last count ended, and all of
them after every hundred.

SLUICE_KILL_ROUNDS=50 is the full form; SLUICE_SEED repeats a run.
"""

import http.client
import json
import os
import random
import subprocess
import threading
import time

from server import Project, Server, binary, equal, event, percentile, run

ROUNDS = int(os.environ.get("SLUICE_KILL_ROUNDS", "12"))
OPENED_MAX = 5_000  # Of 40,000 one took 0.15 s, among the files of 1,000 short lives.
SEED = int(os.environ.get("SLUICE_SEED", str(random.randrange(1 << 32))))


class Client:
    """Sends requests one after the other, and again those that were not answered. A request is a list of rows,
    planted with bad rows and with repetitions."""

    def __init__(self, name, rng):
        self.name, self.rng = name, rng
        self.next_good = self.next_bad = 0
        self.unanswered = None
        self.good, self.bad = set(), set()  # Acknowledged.
        self.sent_bad = {}  # How often each bad row went out.
        self.duplicates = 0  # Acknowledged as such.

    def request(self):
        rows = []
        for _ in range(self.rng.randint(1, 50)):
            kind = self.rng.random()
            if kind < 0.01:
                rows.append(("bad", self.next_bad))
                self.next_bad += 1
            elif kind < 0.06 and self.next_good > 0:
                rows.append(("good", self.rng.randrange(self.next_good)))  # Sent before, or just now.
            else:
                rows.append(("good", self.next_good))
                self.next_good += 1
        return rows

    def row(self, kind, number):
        # A bad row has no identity that could be read, so each is known by its user only.
        return event(f"{self.name}-{number}") | {"userId": number if kind == "good" else f"{self.name}-{number}"} | (
            {} if kind == "good" else {"eventId": None})

    def work(self, server):
        """Sends until the server is gone. Anything else that goes wrong is kept in `failure`."""
        self.failure = None
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            while True:
                rows = self.unanswered or self.request()
                self.unanswered = rows
                for kind, number in rows:
                    if kind == "bad":
                        self.sent_bad[number] = self.sent_bad.get(number, 0) + 1
                body = "".join(json.dumps(self.row(*row)) + "\n" for row in rows)
                connection.request("POST", "/v1/events/shop.user-events", body,
                                   {"Content-Type": "application/x-ndjson"})
                answer = connection.getresponse()
                receipt = json.loads(answer.read())
                if answer.status == 503:  # It has begun to stop.
                    continue
                equal(answer.status, 200, receipt)
                bad = {number for kind, number in rows if kind == "bad"}
                equal(receipt["error"], len(bad), receipt)
                equal(receipt["accepted"] + receipt["duplicate"], len(rows) - len(bad), receipt)
                self.bad |= bad
                self.duplicates += receipt["duplicate"]
                self.good |= {number for kind, number in rows if kind == "good"}
                self.unanswered = None
        except (OSError, http.client.HTTPException):
            pass
        except Exception as error:
            self.failure = error


def all_of(server, columns, table, rows=200_000):
    """All rows by their offsets, part by part: one answer does not hold millions."""
    found, begin = [], 0
    end = server.sql(f"select coalesce(max(_offset) + 1, 0) from {table}")[0][0]
    while begin < end:
        found += server.sql(f"select {columns} from {table} where _offset >= {begin} and _offset < {begin + rows} order by _offset")
        begin += rows
    return found


def killed_at_start(project, seconds):
    """A kill during recovery, so that the next start recovers from that."""
    process = subprocess.Popen([binary(), "-C", project.folder, "serve"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        pass
    process.kill()
    process.wait()


def killed_again_and_again():
    print(f"seed {SEED}, {ROUNDS} rounds (SLUICE_SEED and SLUICE_KILL_ROUNDS change them)")
    rng = random.Random(SEED)
    clients = [Client(f"c{i}", random.Random(rng.random())) for i in range(4)]
    starts, nested = [], 0
    with Project("land: {every: 200ms}\nstorage: {segment: 1MiB}\n") as project:
        for done in range(1, ROUNDS + 1):
            while rng.random() < 0.3:
                nested += 1
                killed_at_start(project, rng.uniform(0.005, 0.15))
            begin = time.monotonic()
            with Server(project) as server:
                starts.append(time.monotonic() - begin)
                timer = threading.Timer(rng.uniform(0.02, 0.6), server.kill)
                timer.start()
                threads = [threading.Thread(target=client.work, args=(server,)) for client in clients]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                timer.join()
            for client in clients:
                if client.failure:
                    raise client.failure
            for words in (["journal", "verify"], ["verify", "--full"] if done % 100 == 0 else ["verify"]):
                code, out, err = project.command(*words)
                equal(code, 0, out + err)
            if done % 100 == 0:
                print(f"{done} rounds, {sum(len(client.good) for client in clients)} rows acknowledged", flush=True)
        with Server(project) as server:
            rows = all_of(server, "event_id, _offset", "bronze.shop_user_events")
            ids = [row[0] for row in rows]
            equal(len(ids), len(set(ids)), "rows that are there twice")
            good = {f"e{c.name}-{i}" for c in clients for i in c.good}
            equal(good - set(ids), set(), "acknowledged rows that are lost")
            equal([row[1] for row in rows], list(range(len(rows))), "offsets are dense")
            sent = {f"e{c.name}-{i}" for c in clients for i in range(c.next_good)}
            equal(set(ids) - sent, set(), "invented rows")

            errors = all_of(server, "_offset, code, path", "system.errors")
            equal([row[0] for row in errors], list(range(len(errors))), "offsets of errors are dense")
            equal({(row[1], row[2]) for row in errors}, {("SL3012", "userId")}, "codes of errors")
            # Each is opened for itself; of very many, some.
            opened = errors[::len(errors) // OPENED_MAX + 1]
            stored = {}
            for offset, _, _ in opened:
                payload = json.loads(json.loads(server.ask("GET", f"/v1/admin/errors/{offset}")[1])["payload"])
                stored[payload["userId"]] = stored.get(payload["userId"], 0) + 1
            bad = {f"{c.name}-{i}" for c in clients for i in c.bad}
            assert len(errors) >= len(bad), ("acknowledged errors that are lost", len(errors), len(bad))
            if len(opened) == len(errors):
                equal(bad - set(stored), set(), "acknowledged errors that are lost")
            # Without an identity an error is kept once for each time it was sent, at most.
            often = {f"{c.name}-{i}": n for c in clients for i, n in c.sent_bad.items()}
            equal({k: n for k, n in stored.items() if n > often.get(k, 0)}, {}, "errors more often than sent")
            code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify", "--full")
            equal(code, 0, out + err)
            counted = server.sql("select sum(duplicate)::bigint from system.ledger where topic = 'shop.user-events'")
            told = sum(client.duplicates for client in clients)
            # Of what was not answered, a request a client and round, some may be counted, too.
            assert told <= counted[0][0] <= told + ROUNDS * len(clients) * 50, (told, counted)
            server.stop()
        code, out, err = project.command("verify", "--full")  # With the journal that it left.
        equal(code, 0, out + err)
        print(f"{len(good)} rows and {len(bad)} errors acknowledged; {len(ids)} and {len(errors)} stored; "
              f"{nested} more kills during the start; "
              f"start p50 {percentile(starts, 0.5) * 1e3:.0f} ms, max {max(starts) * 1e3:.0f} ms")


run(killed_again_and_again)
