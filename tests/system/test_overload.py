"""More than the server can land, for a while: it refuses early with Retry-After, keeps what it took, stays within its
memory, and is as it was soon after. SLUICE_OVERLOAD_SECONDS=600 is the long form."""

import http.client
import json
import os
import threading
import time

from server import Project, Server, event, percentile, run, until
from test_connections import pss

TOPIC = "shop.user-events"
SECONDS = float(os.environ.get("SLUICE_OVERLOAD_SECONDS", "5"))
MEMORY = 64 << 20
ROWS = 500


class Sender(threading.Thread):
    """Sends as fast as it can, and at once again when it is refused: the worst of clients."""

    def __init__(self, port, number):
        super().__init__()
        self.port, self.number = port, number
        self.stop = threading.Event()
        self.taken, self.refused, self.times, self.slow, self.failure = 0, 0, [], [], None

    def run(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            batch = 0
            while not self.stop.is_set():
                base = self.number * 10_000_000 + batch * ROWS
                body = "".join(json.dumps(event(base + i, page="p" * 500)) + "\n" for i in range(ROWS))
                while not self.stop.is_set():
                    begun = time.monotonic()
                    connection.request("POST", f"/v1/events/{TOPIC}", body, {"Content-Type": "application/x-ndjson"})
                    answer = connection.getresponse()
                    text = answer.read()
                    passed = time.monotonic() - begun
                    if answer.status == 200:
                        self.taken += ROWS
                        self.times.append(passed)
                        break
                    assert answer.status in (429, 503), (answer.status, text)
                    assert answer.getheader("Retry-After"), "a refusal says when to come back"
                    self.refused += 1
                    self.slow.append(passed)
                batch += 1
        except Exception as error:
            self.failure = error


def load(server, senders, seconds):
    """Returns (rows taken a second, refusals, times of answers, times of refusals, most memory, rows taken)."""
    threads = [Sender(server.port, number) for number in senders]
    for thread in threads:
        thread.start()
    deadline, most = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        most = max(most, pss(server.process))
        time.sleep(0.05)
    for thread in threads:
        thread.stop.set()
    for thread in threads:
        thread.join()
        if thread.failure:
            raise thread.failure
    taken = sum(thread.taken for thread in threads)
    return (taken / seconds, sum(thread.refused for thread in threads), [t for s in threads for t in s.times],
            [t for s in threads for t in s.slow], most, taken)


def it_refuses_early_and_keeps_what_it_took():
    # It lands seldom, so that what waits fills its share of the memory again and again.
    settings = f"land: {{every: 1s}}\nlimits: {{memory: {MEMORY}}}\n"
    with Project(settings) as project, Server(project) as server:
        at_rest = pss(server.process)
        alone, _, _, _, _, first = load(server, range(1), SECONDS / 2)
        until(lambda: server.tables()[TOPIC]["pending"] == 0, "it lands what waits")
        rate, refused, times, refusals, most, second = load(server, range(10, 26), SECONDS)
        client = server.another()  # The connection may have idled for too long meanwhile.
        begun = time.monotonic()
        status, answer = client.post(f"/v1/events/{TOPIC}", json.dumps(event(5)), {"Content-Type": "application/json"})
        while status != 200:
            assert status in (429, 503), answer
            assert time.monotonic() - begun < 10, "normal again within 10 s"
            time.sleep(0.1)
            status, answer = client.post(f"/v1/events/{TOPIC}", json.dumps(event(5)), {"Content-Type": "application/json"})
        normal = time.monotonic() - begun
        print(f"     alone {alone:.0f} rows/s, 16 senders {rate:.0f} rows/s and {refused} refusals; answers p99 "
              f"{percentile(times, 0.99) * 1e3:.0f} ms, refusals p99 {percentile(refusals or [0], 0.99) * 1e3:.0f} ms; memory "
              f"{at_rest >> 20} -> {most >> 20} MiB of {MEMORY >> 20} + 128; taken again after {normal:.2f} s", flush=True)
        assert most < (MEMORY + (128 << 20)) * 1.1, most
        assert rate > alone * 0.5, "overload costs what it gains"
        client.land()
        [[rows, distinct]] = client.sql("select count(*), count(distinct event_id) from bronze.shop_user_events")
        known = first + second + (1 if answer["accepted"] else 0)
        assert rows == distinct and rows >= known, (rows, distinct, known)
        code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify")
        assert code == 0, out + err
        server.stop()


if __name__ == "__main__":
    run(it_refuses_early_and_keeps_what_it_took)
