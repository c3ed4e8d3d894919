"""A topic lands, and beside it others merge, compact and vacuum its table, while three kinds of readers read it. The
server and the commands are killed with -9 again and again: no acknowledged event is lost or there twice, each merge is
there in whole or not at all, no reader fails, and `sluice verify` balances. On a disk, and in a bucket that fails.

SLUICE_HANDS_SECONDS=600 is the full form (each case); SLUICE_SEED repeats the choices of a run.
"""

import http.client
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import packages

packages.use_deltalake()

import deltalake  # noqa: E402
import pyarrow  # noqa: E402
import pyarrow.parquet  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))

import bucket  # noqa: E402
from server import Project, Server, binary, equal, event, run, until  # noqa: E402

SECONDS = float(os.environ.get("SLUICE_HANDS_SECONDS", "12"))
SEED = int(os.environ.get("SLUICE_SEED", str(random.randrange(1 << 32))))
BATCH = 10  # Events that are sent, and merged, together.
TOPIC = "shop.user-events"
# A reader holds a version for as long as it reads; files of that version must not be vacuumed meanwhile.
RETAINED = 30


class Hands:
    """Threads that do something again and again, until the time is over or one of them fails."""

    def __init__(self, table, variables):
        self.table, self.environment = table, {**os.environ, **variables}
        self.end = time.monotonic() + SECONDS
        self.threads, self.failed, self.counts, self.running = [], [], {}, {}
        self.lock = threading.Lock()

    def over(self):
        return bool(self.failed) or time.monotonic() > self.end

    def begin(self, name, step):
        def work():
            try:
                while not self.over():
                    step()
                    self.counts[name] = self.counts.get(name, 0) + 1
            except Exception as error:  # Told by the main thread.
                self.failed.append(f"{name}: {type(error).__name__}: {error}")

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()

    def command(self, *arguments):
        """Returns (exit code, output) of a `sluice table` command; -9 where it was killed. A merge may give way to others
        more often than it tries again, where they land five times a second; it has changed nothing then."""
        process = subprocess.Popen([binary(), "table", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment)
        with self.lock:
            self.running[process.pid] = process
        out, errors = process.communicate(timeout=300)
        with self.lock:
            del self.running[process.pid]
        gave_way = arguments[0] == "merge" and process.returncode > 0 and b"(conflict)" in errors
        if gave_way:
            self.counts["gave way"] = self.counts.get("gave way", 0) + 1
        elif process.returncode not in (0, -9):
            raise AssertionError(f"{' '.join(arguments)}: {errors.decode()}")
        return process.returncode, out

    def kill_one(self, chosen):
        with self.lock:
            victims = [process for process in self.running.values() if "read" not in process.args]
            if victims:
                chosen.choice(victims).kill()
                self.counts["killed"] = self.counts.get("killed", 0) + 1


class Batches:
    """What was sent, and what may stand in it: of each batch the page of the last merge that said it was done, and those
    of later ones that were killed."""

    def __init__(self):
        self.lock = threading.Lock()
        self.pages, self.sent, self.acknowledged, self.merges = [], 0, set(), 0

    def merged(self, batch, page, done):
        with self.lock:
            self.pages[batch] = {page} if done else self.pages[batch] | {page}

    def check(self, rows, final=False):
        """`rows`: (user_id, page). At any time, a batch shows one page."""
        found = {}
        for user, page in rows:
            found.setdefault(user // BATCH, []).append(page)
        for batch, pages in found.items():
            assert len(set(pages)) == 1, f"half a merge in batch {batch}: {sorted(set(pages))}"
            assert len(pages) <= BATCH, f"batch {batch} has {len(pages)} rows"
        if final:
            with self.lock:
                for batch in self.acknowledged:
                    assert len(found.get(batch, [])) == BATCH, f"batch {batch} has {len(found.get(batch, []))} rows"
                    assert found[batch][0] in self.pages[batch], (batch, found[batch][0], self.pages[batch])


def change_and_check(project, place, variables):
    chosen = random.Random(SEED)
    batches = Batches()
    hands = Hands(place or project.table_folder(), variables)
    servers, killed = [Server(project)], []

    def send():
        with batches.lock:
            batch = batches.sent
            batches.sent += 1
            batches.pages.append({"/new"})
        rows = [event(batch * BATCH + n, "/new") for n in range(BATCH)]
        while not hands.over():
            try:  # Sent again until it is known to be kept, as a client does.
                servers[-1].another().send(TOPIC, rows)
                with batches.lock:
                    batches.acknowledged.add(batch)
                time.sleep(0.01)
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)

    def merge():
        with batches.lock:
            known = sorted(batches.acknowledged)
            batches.merges += 1
            page = f"/merge-{batches.merges}"
        if not known:
            time.sleep(0.05)
            return
        some = random.Random(batches.merges ^ SEED).sample(known, min(len(known), 3))
        source = f"{project.folder}/source.parquet"
        names = [str(batch * BATCH + n) for batch in some for n in range(BATCH)]
        names = [event(int(name))["eventId"] for name in names]
        pyarrow.parquet.write_table(pyarrow.table({"event_id": names, "page": [page] * len(names)}), source)
        code, out = hands.command("merge", hands.table, "--source", source, "--key", "event_id", "--not-matched", "ignore",
                                  "-o", "json")
        for batch in some:
            # What has not landed yet is not reached: then nothing of the batch is.
            batches.merged(batch, page, done=False)
        if code == 0 and json.loads(out)["rows_updated"] == len(names):
            for batch in some:
                batches.merged(batch, page, done=True)

    def read(final=False):
        code, out = hands.command("read", hands.table, "--columns", "user_id,page", "-o", "arrow")
        equal(code, 0)
        table = pyarrow.ipc.open_stream(io.BytesIO(out)).read_all()
        batches.check(zip(table["user_id"].to_pylist(), table["page"].to_pylist()), final)

    def read_by_another():
        try:
            table = deltalake.DeltaTable(hands.table).to_pyarrow_table(columns=["user_id", "page"])
        except deltalake.exceptions.DeltaError as error:
            # It lists the log once. A folder that is listed while commits come may have a later one without the one
            # before, which it takes for a gap; that none is there for long the other readers show.
            if "found gap" not in str(error):
                raise
            return
        batches.check(zip(table["user_id"].to_pylist(), table["page"].to_pylist()))

    def ask():
        server = servers[-1]
        with batches.lock:
            acknowledged = len(batches.acknowledged)
        try:
            rows = server.another().sql("select user_id, page from bronze.shop_user_events")
        except (OSError, http.client.HTTPException):
            if server not in killed:
                raise
            time.sleep(0.05)
            return
        batches.check(rows)
        assert len(rows) >= acknowledged * BATCH, f"{len(rows)} rows, but {acknowledged * BATCH} acknowledged"

    hands.begin("sent", send)
    until(lambda: hands.failed or os.path.isdir(f"{hands.table}/_delta_log") or place, "the table is there")
    until(lambda: hands.failed or servers[-1].tables()[TOPIC]["landed_offset"] >= 0, "something has landed", seconds=60)
    hands.begin("merged", merge)
    hands.begin("compacted", lambda: hands.command("compact", hands.table))
    hands.begin("vacuumed", lambda: hands.command("vacuum", hands.table, "--retain", f"{RETAINED}s", "--force"))
    hands.begin("read", read)
    hands.begin("asked", ask)
    if not place:
        hands.begin("read by deltalake", read_by_another)
    while not hands.over():
        time.sleep(chosen.uniform(0.2, 0.6))
        hands.kill_one(chosen)
        if chosen.random() < 0.15:
            killed.append(servers[-1])
            servers[-1].process.send_signal(signal.SIGKILL)
            servers[-1].process.wait()
            servers.append(Server(project))
    for thread in hands.threads:
        thread.join()
    assert not hands.failed, f"seed {SEED}: {hands.failed}"
    server = servers[-1]
    server.land()
    read(final=True)

    def server_sees_it():  # What others changed it looks for now and then.
        try:
            batches.check(server.sql("select user_id, page from bronze.shop_user_events"), final=True)
        except AssertionError as error:
            return str(error)
        return ""

    until(lambda: not server_sees_it(), "the server sees all merges")
    code, out, errors = project.command("verify", "--full", "--server", f"127.0.0.1:{server.port}")
    equal(code, 0, f"seed {SEED}: {out}{errors}")
    server.stop()
    print(f"     {len(batches.acknowledged)} batches, {len(servers)} starts of the server, "
          f"{', '.join(f'{count} {name}' for name, count in sorted(hands.counts.items()))}; seed {SEED}")


def on_a_disk():
    with Project("land: {every: 200ms}\nmaintenance: {enabled: true}\n") as project:
        change_and_check(project, None, {})


def in_a_bucket_that_fails():
    place = f"s3://{bucket.BUCKET}/shop"
    faults = bucket.Faults(SEED, busy=0.02, late=0.02, lost=0.02, lied=0.02)
    with bucket.front(bucket.MemoryBucket(), faults) as endpoint:
        os.environ.update(bucket.environment(endpoint))
        with Project(f"storage: {{path: {place}}}\nland: {{every: 200ms}}\nmaintenance: {{enabled: true}}\n") as project:
            change_and_check(project, f"{place}/tables/default/bronze/shop_user_events", bucket.environment(endpoint))
        print(f"     {faults.met} requests failed on purpose")


run(on_a_disk, in_a_bucket_that_fails)
