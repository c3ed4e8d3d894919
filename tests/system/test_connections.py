"""Thousands of connections that idle, or send and read slowly: a valid request is answered within a second all the
while, and memory stays small. SLUICE_CONNECTIONS=10000 is the long form (that many idle, a fifth as many slow)."""

import json
import os
import resource
import socket
import threading
import time

from server import Project, Server, equal, event, percentile, run

TOPIC = "shop.user-events"
IDLE = int(os.environ.get("SLUICE_CONNECTIONS", "1500"))
PLACES = 256 if IDLE < 5000 else 1024
SECONDS = 4 if IDLE < 5000 else 30
SLOW_HEAD = b"POST /v1/events/shop.user-events HTTP/1.1\r\nHost: x\r\n"


def pss(process):
    with open(f"/proc/{process.pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) << 10


BEGIN = {"idle": b"", "head": SLOW_HEAD, "body": SLOW_HEAD + b"Content-Length: 10000000\r\n\r\n",
         "read": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20}  # Whose answers nobody takes.
DRIP = {"idle": b"", "head": b"X", "body": b"x", "read": b""}  # A second.


class Abuse(threading.Thread):
    """Keeps so many connections of each kind open, and opens those again that the server closes."""

    def __init__(self, port, idle, slow):
        super().__init__()
        self.port, self.stop, self.opened, self.lost = port, threading.Event(), 0, 0
        self.wanted = {"idle": idle, "head": slow // 3, "body": slow // 3, "read": slow - slow // 3 * 2}
        self.held = {kind: [] for kind in self.wanted}

    def connect(self, kind):
        connection = socket.socket()
        if kind == "read":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", self.port))
        connection.setblocking(False)
        if BEGIN[kind]:
            connection.send(BEGIN[kind])
        self.opened += 1
        return connection

    def is_open(self, connection, kind):
        try:
            if DRIP[kind]:
                connection.send(DRIP[kind])
            return connection.recv(64) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def sweep(self):
        for kind, held in self.held.items():
            kept = []
            for connection in held:
                if self.is_open(connection, kind):
                    kept.append(connection)
                else:
                    connection.close()
                    self.lost += 1
            held[:] = kept

    def run(self):
        swept = time.monotonic()
        while not self.stop.is_set():
            for kind, held in self.held.items():
                # New ones at a pace that leaves each its time to begin.
                for _ in range(min(PLACES // 100, self.wanted[kind] - len(held))):
                    try:
                        held.append(self.connect(kind))
                    except OSError:
                        self.lost += 1
            if time.monotonic() - swept > 1:
                self.sweep()
                swept = time.monotonic()
            self.stop.wait(0.02)
        for held in self.held.values():
            for connection in held:
                connection.close()


def valid_requests_are_answered_all_the_while():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert hard > IDLE * 1.3, f"{hard} descriptors are too few for {IDLE} connections"
    with Project(f"serve: {{http: 127.0.0.1:0, connections: {PLACES}}}\nland: {{every: 1h}}\n") as project:
        with Server(project) as server:
            server.send(TOPIC, [event(0)])
            before = pss(server.process)
            abuse = Abuse(server.port, IDLE, IDLE // 5)
            abuse.start()
            times, number = [], 1
            try:
                deadline = time.monotonic() + 5 * SECONDS
                while (abuse.opened < IDLE * 1.2 or number < 50) and time.monotonic() < deadline:
                    begun = time.monotonic()
                    # Each on a connection of its own, as a sender that has just come.
                    status, _, body = server.ask_whole("POST", f"/v1/events/{TOPIC}", json.dumps(event(number)),
                                                       {"Content-Type": "application/json"})
                    equal(status, 200, body)
                    times.append(time.monotonic() - begun)
                    number += 1
                after = pss(server.process)
                descriptors = len(os.listdir(f"/proc/{server.process.pid}/fd"))
            finally:
                abuse.stop.set()
                abuse.join()
            print(f"     {abuse.opened} connections opened, {abuse.lost} closed by the server; {len(times)} valid requests, "
                  f"p50 {percentile(times, 0.5) * 1e3:.1f}, p99 {percentile(times, 0.99) * 1e3:.0f}, max {max(times) * 1e3:.0f} ms; "
                  f"PSS {before >> 20} -> {after >> 20} MiB; {descriptors} descriptors", flush=True)
            assert abuse.opened >= IDLE, abuse.opened
            assert percentile(times, 0.99) < 1 and max(times) < 3, sorted(times)[-5:]
            assert descriptors < PLACES + 300, descriptors
            assert after < before + (64 << 20) + PLACES * (96 << 10), (before, after)
            equal(server.another().sql("select count(*) from bronze.shop_user_events"), [[number]])
            server.stop()


if __name__ == "__main__":
    run(valid_requests_are_answered_all_the_while)
