"""More than the server can land, for a while: it refuses early with Retry-After, keeps what it took, stays within its
memory, and is as it was soon after. First what it takes at most; then twice of that, as many times as this machine can
offer, and 16 that send without end.

SLUICE_OVERLOAD_SECONDS=600 is the long form (of which only the first overload takes more than 60 s); from 60 on it also
asserts how fast: 2 processors for it alone, please."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from server import Project, Server, event, percentile, run, until
from test_connections import pss

TOPIC = "shop.user-events"
SECONDS = float(os.environ.get("SLUICE_OVERLOAD_SECONDS", "5"))
LONG = SECONDS >= 60  # Only then is what others do on this machine small beside it.
MEMORY = 64 << 20
BASE = 64 << 20  # Program and allocator: docs/explanation/guarantees.md.
ROWS = 500  # Of a batch: overload_sender.py.
TIMES_MAX = 10  # So many times what it takes are offered, if the machine can.


class Load:
    """What senders got done in so many seconds: rows taken, in all and a second, and how many were offered a second;
    refusals; times of answers; the processors that server and senders took; the most memory."""

    numbers = iter(range(0, 10_000_000, 100))  # No two senders send the same identities.

    def __init__(self, server, connections, seconds, rate=0, processes=1, asks=False):
        """`rate`: rows a second that all together offer; 0: each as fast as it can."""
        every = ROWS * connections / rate if rate else 0
        senders = [subprocess.Popen(
            [sys.executable, "-B", str(Path(__file__).with_name("overload_sender.py")), str(server.port), TOPIC,
             str(next(self.numbers)), str(connections // processes), str(every), "asks" if asks else "sends"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        begun, self.memory = time.monotonic(), 0
        used = processor_seconds(server.process)
        while time.monotonic() < begun + seconds:
            self.memory = max(self.memory, pss(server.process))
            time.sleep(0.05)
        told = []
        for sender in senders:
            sender.stdin.close()
        for sender in senders:
            told.append(json.loads(sender.stdout.read()))
            sender.wait()
        passed = time.monotonic() - begun
        failures = [failure for sender in told for failure in sender["failures"]]
        assert not failures, failures
        self.taken = sum(sender["taken"] for sender in told)
        self.refused = sum(sender["refused"] for sender in told)
        self.rate = sum(sender["taken"] / sender["seconds"] for sender in told)
        self.offered = self.rate + sum(sender["refused"] * ROWS / sender["seconds"] for sender in told)
        self.times = [took for sender in told for took in sender["times"]]
        self.refusals = [took for sender in told for took in sender["refusals"]]
        self.server = (processor_seconds(server.process) - used) / passed
        self.senders = sum(sender["processor"] for sender in told) / passed


def processor_seconds(process):
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(server, at):
    """What greedy senders get taken a second, one alone and the best number of them; and the rows that they all did. What
    waits has landed before each, and after."""
    loads = {}
    for connections in (1, 2, 4, 8):
        loads[connections] = Load(server, connections, max(1, min(10, SECONDS / 5)))
        until(lambda: server.another().tables()[TOPIC]["pending"] == 0, "it lands what waits", 120)
    best = max(loads, key=lambda connections: loads[connections].rate)
    print(f"     peak {at}: {loads[best].rate:.0f} rows/s, taken from {best} greedy senders ({loads[1].rate:.0f} from one); "
          f"{loads[best].server:.2f} processors, {loads[best].senders:.2f} for the senders", flush=True)
    return loads[1].rate, loads[best].rate, sum(load.taken for load in loads.values())


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


def overload(name, load_for, goodput_min):
    """`load_for` makes the load of the overload from the server and the rows a second that it takes at most;
    `goodput_min` tells how many it must still take, of that from one greedy sender and of that at most."""
    # It lands seldom, so that what waits fills its share of the memory again and again.
    settings = f"land: {{every: 1s}}\nlimits: {{memory: {MEMORY}}}\n"
    with Project(settings) as project, Server(project) as server:
        at_rest = pss(server.process)
        alone, before, known = peak(server, "before")
        over = load_for(server, before)
        normal, client = time_to_normal(server)
        print(f"     {name}: {over.offered / before:.1f} x of it offered, {over.rate:.0f} rows/s taken ({over.rate / before:.2f} of "
              f"it), {over.refused} refusals; answers p99 {percentile(over.times, 0.99) * 1e3:.0f} ms, refusals p99 "
              f"{percentile(over.refusals or [0], 0.99) * 1e3:.0f} ms; {over.server:.2f} processors, {over.senders:.2f} for the "
              f"senders; memory {at_rest >> 20} -> {over.memory >> 20} MiB of {MEMORY >> 20} x 1.1 + {BASE >> 20}; taken again "
              f"after {normal:.2f} s", flush=True)
        known += over.taken + 1
        if LONG:
            client.land()
            alone_after, after, sent = peak(client, "after")
            known += sent
        assert over.memory < MEMORY * 1.1 + BASE, over.memory
        client.land()
        # Tens of thousands of files are opened for it.
        [[rows]] = client.sql("select count(*) from bronze.shop_user_events", time_ms=300_000)
        assert rows >= known, (rows, known)
        # Each offset stands once, so no row is there twice, unless its identity was taken twice.
        code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify")
        assert code == 0, out + err
        if rows < 5_000_000:
            [[distinct]] = client.sql("select count(distinct event_id) from bronze.shop_user_events")
            assert rows == distinct, (rows, distinct)
        server.stop()
        if LONG:
            # A table that grows by tens of millions of rows, and all their identities, take more by themselves: as much
            # as the peak falls meanwhile.
            expected = goodput_min((alone + alone_after) / 2, (before + after) / 2)
            assert over.rate >= expected, f"overload costs goodput: {over.rate:.0f} of {expected:.0f} rows/s"


def twice_what_it_takes():
    overload("twice", lambda server, rate: Load(server, 8, SECONDS, rate=2 * rate), lambda alone, best: best * 0.9)


def as_many_times_as_can_be_offered():
    # They ask before they send. The processors that they take are no longer the server's, and on a machine of two that is
    # much: what is left of the peak is printed, beside those.
    overload(f"{TIMES_MAX} times", lambda server, rate: Load(server, 32, min(SECONDS, 60), rate=TIMES_MAX * rate, processes=2,
                                                            asks=True), lambda alone, best: alone * 0.9)


def sixteen_that_send_without_end():
    overload("16 senders", lambda server, rate: Load(server, 16, min(SECONDS, 60), processes=2),
             lambda alone, best: alone * 0.9)


if __name__ == "__main__":
    run(twice_what_it_takes, as_many_times_as_can_be_offered, sixteen_that_send_without_end)
