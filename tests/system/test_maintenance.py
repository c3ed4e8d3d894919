"""Landed tables are kept healthy while the server runs (docs/how-to/maintenance.md): files, rows, receipts, kills."""

import base64
import glob
import itertools
import json
import os
import random
import re
import subprocess
import sys
import threading
import time

from server import Project, Server, binary, equal, event, run, until
from test_connections import pss

TOPIC = "shop.user-events"
OFTEN = ("land: {every: 100ms}\n"
         "maintenance: {every: 200ms, cpu: 100%, bytes_per_second: 1GiB, compact: {files_min: 4}}\n")
SECONDS = float(os.environ.get("SLUICE_MAINTENANCE_SECONDS", "8"))
SLACK_S = 180  # Of a machine that runs other tests.
# Three that are too few to be joined, and behind them each larger than half of all smaller ones together: from some 20 KB to
# some MB of a day that are not quiet yet.
FEW = 3 + 14
COUNT = "select count(*), count(distinct event_id), sum(user_id) from bronze.shop_user_events"


def verify(project, *words):
    code, out, err = project.command("-o", "json", "verify", "--tables", f"{project.folder}/data/tables", *words)
    equal(code, 0, out + err)
    return [json.loads(line) for line in out.splitlines()]


def runs(server, action="compact"):
    return server.sql(f"select files_before, files_after, outcome, reason from system.maintenance where topic = '{TOPIC}' "
                      f"and action = '{action}' order by started")


def files_of(server):
    return server.tables()[TOPIC]["files"]


def files_stay_few_and_nothing_else_changes():
    with Project(OFTEN) as project:
        with Server(project) as server:
            sender = subprocess.Popen([sys.executable, "-B", f"{os.path.dirname(__file__)}/paced_sender.py",
                                       str(server.port), TOPIC, "5000", "p"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            until(lambda: len(runs(server)) >= 2, "two compactions beside landing", SLACK_S)
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                server.sql(COUNT)
                found = server.sql("select count(*) from bronze.shop_user_events where user_id = 77")
                equal(found, [[1]], "one row")
                time.sleep(0.05)
            answer, _ = sender.communicate(timeout=120)
            sent = json.loads(answer)["acknowledged"]
            equal(server.sql(COUNT), [[sent, sent, sent * (sent - 1) // 2]])
            server.land()
            until(lambda: files_of(server) <= FEW, f"{FEW} files", SLACK_S)
            assert all(run[2] == "done" for run in runs(server)), runs(server)
            for number in (0, sent // 2, sent - 1):
                status, receipt = server.get(f"/v1/receipts/{TOPIC}/p{number}")
                equal((status, receipt["state"] if "state" in receipt else receipt), (200, "landed"))
            again = server.send(TOPIC, [event(number) | {"eventId": f"p{number}", "page": f"/a/{number % 97}"}
                                        for number in range(100)])
            equal(again["duplicate"], 100)
            code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify")
            equal(code, 0, out + err)
            metrics = server.ask("GET", "/metrics")[1].decode()
            assert 'sluice_maintenance_runs_total{action="compact",outcome="done"}' in metrics, metrics
            assert server.tables()[TOPIC]["maintenance"].startswith("compact"), server.tables()
            assert '"event":"table maintenance"' in server.output()
            # From what was counted before: only what changed since is read.
            server.send(TOPIC, [event(10_000_000 + number) for number in range(100)], wait="table")
            code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify")
            equal(code, 0, out + err)
            server.stop()
        verify(project, "--full")
        # After a restart what was sent is still known, by files that compaction wrote.
        with Server(project) as server:
            again = server.send(TOPIC, [event(number) | {"eventId": f"p{number}", "page": f"/a/{number % 97}"}
                                        for number in range(100)])
            equal(again["duplicate"], 100)


class RandomSender(threading.Thread):
    """Sends rows of random text, which nothing makes smaller, of two days: now and then a few large ones."""

    def __init__(self, server):
        super().__init__()
        self.client, self.sent, self.failure, self.stop = server.another(), 0, None, threading.Event()

    def run(self):
        try:
            for batch in itertools.count():
                if self.stop.is_set():
                    return
                large = batch % 10 == 0
                count, size = (8, 300_000) if large else (500, 1_500)
                rows = [event(self.sent + n, page=base64.b64encode(os.urandom(size)).decode(),
                              time_text=f"2026-01-0{5 + n % 2}T10:00:00Z") for n in range(count)]
                body = "".join(json.dumps(row) + "\n" for row in rows)
                status = 0
                while status != 200 and not self.stop.is_set():
                    status, answer = self.client.post(f"/v1/events/{TOPIC}", body, {"Content-Type": "application/x-ndjson"})
                    assert status in (200, 429), answer
                self.sent += count if status == 200 else 0
                self.stop.wait(0.1)  # What a greedy sender takes is system.test_overload's.
        except Exception as error:
            self.failure = error


def memory_stays_within_its_limit():
    memory = 64 << 20
    bound = int(memory * 1.1) + (64 << 20)  # docs/explanation/guarantees.md
    settings = OFTEN.replace("files_min: 4", "files_min: 3").replace("100ms", "300ms")
    with Project(settings + f"limits: {{memory: {memory}}}\ntopics: {{{TOPIC}: {{cluster_by: [user_id, page]}}}}\n") as project, \
            Server(project) as server:
        sender = RandomSender(server)
        sender.start()
        most, taken, end = 0, 0, time.monotonic() + max(SECONDS, 10)
        while time.monotonic() < end or not (runs(server) and runs(server, "cluster")):
            most = max(most, pss(server.process))
            metrics = server.ask("GET", "/metrics")[1].decode()
            taken = max(taken, float(re.search(r'sluice_memory_bytes\{part="maintenance"\} (\S+)', metrics)[1]))
            assert time.monotonic() < end + SLACK_S, "nothing is joined and clustered"
        sender.stop.set()
        sender.join()
        if sender.failure:
            raise sender.failure
        done = [len([run for run in runs(server, action) if run[2] == "done"]) for action in ("compact", "cluster")]
        print(f"     {sender.sent} rows, {done[0]} compactions, {done[1]} clusterings; memory {most >> 20} of {bound >> 20} MiB, "
              f"maintenance {int(taken) >> 10} KiB of {memory >> 13}", flush=True)
        assert most < bound, (most, bound)
        assert 0 < taken <= memory / 8, taken
        assert all(run[2] == "done" for action in ("compact", "cluster") for run in runs(server, action)), runs(server)
        server.land()
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[sender.sent]])
        server.stop()


def killed_at_any_time_it_has_changed_nothing():
    seed = int(os.environ.get("SLUICE_SEED", random.randrange(1 << 32)))
    print(f"     seed {seed}", flush=True)
    chance = random.Random(seed)
    slow = OFTEN.replace("cpu: 100%", "cpu: 5%")  # So that much of the time it is under way.
    sent = 0
    with Project(slow) as project:
        for _ in range(5):
            with Server(project) as server:
                for _ in range(6):
                    server.send(TOPIC, [event(sent + n) for n in range(200)], wait="table")
                    sent += 200
                if chance.random() < 0.5:
                    until(lambda: runs(server), "a compaction")
                files = set(glob.glob(f"{project.table_folder()}/event_date=*/*.parquet"))
                until(lambda known=files: set(glob.glob(f"{project.table_folder()}/event_date=*/*.parquet")) - known or
                      len(known) <= 4 or chance.random() < 0.05, "something is written")
                server.kill()
            verify(project)
        with Server(project) as server:
            equal(server.sql(COUNT), [[sent, sent, sent * (sent - 1) // 2]])
            until(lambda: files_of(server) <= FEW, f"{FEW} files", SLACK_S)
            equal(server.sql(COUNT), [[sent, sent, sent * (sent - 1) // 2]])
            server.stop()
        verify(project, "--full")


def a_topic_may_be_left_alone():
    with Project(OFTEN + f"topics: {{{TOPIC}: {{maintenance: off}}}}\n") as project, Server(project) as server:
        for batch in range(10):
            server.send(TOPIC, [event(batch)], wait="table")
        until(lambda: runs(server, "none"), "it is said")
        equal(runs(server, "none")[0][2:], ["off", "maintenance of the topic is off"])
        equal(files_of(server), 10)
        equal(server.tables()[TOPIC]["maintenance"], "off: maintenance of the topic is off")


def what_cannot_be_clustered_is_said():
    with Project(OFTEN + f"topics: {{{TOPIC}: {{cluster_by: [user_id, pages]}}}}\n") as project, Server(project) as server:
        server.send(TOPIC, [event(0)], wait="table")
        until(lambda: runs(server, "none"), "it is said")
        equal(runs(server, "none")[0][2:], ["off", "not clustered: table 'default/bronze/shop_user_events': there is no column 'pages'"])


def the_page_is_true():
    """The questions of docs/how-to/maintenance.md, and its settings."""
    page = open(f"{os.path.dirname(os.path.abspath(__file__))}/../../docs/how-to/maintenance.md").read()
    settings = page.split("```yaml\n")[1].split("```")[0]
    with Project(settings) as project, Server(project) as server:
        program = f"{os.path.abspath(binary())} --server 127.0.0.1:{server.port} "
        commands = page.split("```sh\n")[1].split("```")[0].replace("sluice ", program)
        done = subprocess.run(["bash", "-euc", commands], cwd=project.folder, capture_output=True, text=True, timeout=60)
        equal(done.returncode, 0, done.stdout + done.stderr)


run(files_stay_few_and_nothing_else_changes, memory_stays_within_its_limit, killed_at_any_time_it_has_changed_nothing, a_topic_may_be_left_alone,
    what_cannot_be_clustered_is_said, the_page_is_true)
