"""More than the server can land, for a while: it refuses early with Retry-After, keeps what it took, stays within its
memory, and is as it was soon after. Senders that offer twice what it takes, and 16 that send without end.

SLUICE_OVERLOAD_SECONDS=60 is the long form, which also asserts how fast: 2 processors for it alone, please."""

import http.client
import json
import os
import threading
import time

from server import Project, Server, event, percentile, run, until
from test_connections import pss

TOPIC = "shop.user-events"
SECONDS = float(os.environ.get("SLUICE_OVERLOAD_SECONDS", "5"))
LONG = SECONDS >= 60  # Only then is what others do on this machine small beside it.
MEMORY = 64 << 20
BASE = 64 << 20  # Program and allocator: docs/explanation/guarantees.md.
ROWS = 500
MARK = "@@@@@@@@@@"  # Where the number of a batch goes, in each of its identities.


class Sender(threading.Thread):
    """Sends batches. Without `every` as fast as it can, and at once again when it is refused: the worst of clients.
    Else a new one that often (seconds), whatever became of the one before: what is refused is not sent again."""

    BODY = "".join(json.dumps(event(f"{MARK}-{i}", page="p" * 500) | {"userId": i}) + "\n" for i in range(ROWS)).encode()

    def __init__(self, port, number, every=None):
        super().__init__()
        self.port, self.number, self.every = port, number, every
        self.stop = threading.Event()
        self.taken, self.refused, self.times, self.slow, self.failure = 0, 0, [], [], None

    def run(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            batch, due = 0, time.monotonic()
            while not self.stop.is_set():
                body = self.BODY.replace(MARK.encode(), b"%010d" % (self.number * 10_000_000 + batch))
                while not self.stop.is_set() and not self.send(connection, body) and self.every is None:
                    pass
                batch += 1
                if self.every is not None:
                    due += self.every
                    self.stop.wait(max(0, due - time.monotonic()))
        except Exception as error:
            self.failure = error

    def send(self, connection, body):
        """Returns whether it was taken."""
        begun = time.monotonic()
        connection.request("POST", f"/v1/events/{TOPIC}", body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        text = answer.read()
        passed = time.monotonic() - begun
        if answer.status == 200:
            self.taken += ROWS
            self.times.append(passed)
            return True
        assert answer.status in (429, 503), (answer.status, text)
        assert answer.getheader("Retry-After"), "a refusal says when to come back"
        self.refused += 1
        self.slow.append(passed)
        return False


class Load:
    """What senders got done: rows taken, in all and a second, and how many were offered a second; refusals; times of
    answers; the most memory."""

    def __init__(self, server, threads, seconds):
        for thread in threads:
            thread.start()
        begun, self.memory = time.monotonic(), 0
        while time.monotonic() < begun + seconds:
            self.memory = max(self.memory, pss(server.process))
            time.sleep(0.05)
        for thread in threads:
            thread.stop.set()
        for thread in threads:
            thread.join()
            if thread.failure:
                raise thread.failure
        seconds = time.monotonic() - begun
        self.taken = sum(thread.taken for thread in threads)
        self.refused = sum(thread.refused for thread in threads)
        self.rate = self.taken / seconds
        self.offered = (self.taken + self.refused * ROWS) / seconds
        self.times = [took for thread in threads for took in thread.times]
        self.refusals = [took for thread in threads for took in thread.slow]


def time_to_normal(server):
    """Until an event is taken; and the client that sent it. (1 or 0 rows are new: it may have been taken unknown.)"""
    client = server.another()  # The connection may have idled for too long meanwhile.
    begun = time.monotonic()

    def taken():
        status, answer = client.post(f"/v1/events/{TOPIC}", json.dumps(event(5)), {"Content-Type": "application/json"})
        assert status in (200, 429, 503), answer
        return status == 200

    until(taken, "normal again", 10 if LONG else 60)
    return time.monotonic() - begun, client


def overload(name, senders_for):
    """`senders_for` makes the senders of the overload from the port and the rows a second that one greedy sender gets
    taken."""
    # It lands seldom, so that what waits fills its share of the memory again and again.
    settings = f"land: {{every: 1s}}\nlimits: {{memory: {MEMORY}}}\n"
    with Project(settings) as project, Server(project) as server:
        at_rest = pss(server.process)
        alone = Load(server, [Sender(server.port, 0)], SECONDS / 2)
        until(lambda: server.tables()[TOPIC]["pending"] == 0, "it lands what waits", 120)
        over = Load(server, senders_for(server.port, alone.rate), SECONDS)
        normal, client = time_to_normal(server)
        print(f"     {name}: alone {alone.rate:.0f} rows/s; {over.offered / alone.rate:.1f} x offered, {over.rate:.0f} rows/s "
              f"taken, {over.refused} refusals; answers p99 {percentile(over.times, 0.99) * 1e3:.0f} ms, refusals p99 "
              f"{percentile(over.refusals or [0], 0.99) * 1e3:.0f} ms; memory {at_rest >> 20} -> {over.memory >> 20} MiB of "
              f"{MEMORY >> 20} x 1.1 + {BASE >> 20}; taken again after {normal:.2f} s", flush=True)
        assert over.memory < MEMORY * 1.1 + BASE, over.memory
        if LONG:
            assert over.rate >= alone.rate * 0.9, "overload costs goodput"
        client.land()
        [[rows]] = client.sql("select count(*) from bronze.shop_user_events")
        known = alone.taken + over.taken + 1
        assert rows >= known, (rows, known)
        # Each offset stands once, so no row is there twice, unless its identity was taken twice.
        code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify")
        assert code == 0, out + err
        if rows < 5_000_000:
            [[distinct]] = client.sql("select count(distinct event_id) from bronze.shop_user_events")
            assert rows == distinct, (rows, distinct)
        server.stop()


def twice_what_it_takes():
    def senders(port, rate):
        count = 8
        every = ROWS * count / (2 * rate)
        return [Sender(port, number, every) for number in range(1, count + 1)]

    overload("twice", senders)


def sixteen_that_send_without_end():
    overload("16 senders", lambda port, rate: [Sender(port, number) for number in range(1, 17)])


if __name__ == "__main__":
    run(twice_what_it_takes, sixteen_that_send_without_end)
