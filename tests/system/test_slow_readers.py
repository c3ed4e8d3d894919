"""Readers that ask for much and take none of it: senders do not notice, what waits for them is bounded, readers beyond
what the server holds are told when to come back, and a query is answered again when their time is over.
SLUICE_SLOW_READERS=100 is the long form."""

import json
import os
import socket
import threading

from server import Project, Server, equal, event, percentile, run, until
from test_connections import pss

TOPIC = "shop.user-events"
READERS = int(os.environ.get("SLUICE_SLOW_READERS", "80"))
HELD = 64  # Queries that run, or wait for their turn.
ENDLESS = "select repeat('x', 1000) as x from range(100000000)"


class Sending(threading.Thread):
    """Sends one event after the other, and keeps how long each answer took."""

    def __init__(self, server, first):
        super().__init__()
        self.server, self.next, self.times = server.another(), first, []
        self.stop, self.failure = threading.Event(), None

    def run(self):
        try:
            while not self.stop.is_set():
                equal(self.server.send(TOPIC, [event(self.next)])["accepted"], 1)
                self.next += 1
        except Exception as error:
            self.failure = error


def ask_and_take_nothing(port, seconds):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    body = json.dumps({"sql": ENDLESS, "limits": {"time_ms": seconds * 1000}}).encode()
    connection.sendall(b"POST /v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/x-ndjson\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    return connection


def refusal(connection):
    """The head of an answer that is a refusal, or nothing."""
    try:
        head = connection.recv(1024, socket.MSG_DONTWAIT | socket.MSG_PEEK)
    except (BlockingIOError, ConnectionResetError):
        return None
    return head if head.startswith((b"HTTP/1.1 429", b"HTTP/1.1 503")) else None


def senders_do_not_notice():
    with Project("land: {every: 1h}\n") as project:
        with Server(project) as server:
            server.send(TOPIC, [event(0)])
            sending = Sending(server, 1)
            sending.start()
            before = pss(server.process)
            readers = [ask_and_take_nothing(server.port, 6) for _ in range(READERS)]
            until(lambda: sum(refusal(reader) is not None for reader in readers) >= READERS - HELD, "refusals")
            refused = [head for reader in readers if (head := refusal(reader))]
            assert all(b"Retry-After:" in head for head in refused), refused[0]
            running = len(json.loads(server.ask("GET", "/v1/queries")[1])["queries"])
            # While they all take nothing events are taken, and what needs no query is answered.
            sent = sending.next
            until(lambda: sending.next >= sent + 200 or sending.failure, "200 events")
            equal(server.ask("GET", "/readyz")[0], 200)
            most = pss(server.process)
            for reader in readers[: READERS // 2]:
                reader.close()  # Half go away, the others stay until their time is over.
            until(lambda: server.ask("POST", "/v1/sql", "select 1", {"Content-Type": "text/plain"})[0] == 200, "a query", 120)
            sending.stop.set()
            sending.join()
            if sending.failure:
                raise sending.failure
            print(f"     {READERS} readers, {running} queries run, {len(refused)} refused; meanwhile {sending.next - 1} events; "
                  f"PSS {before >> 20} -> {most >> 20} MiB", flush=True)
            assert most < before + READERS * (1 << 20) + (64 << 20), (before, most)
            equal(server.another().sql("select count(*) from bronze.shop_user_events"), [[sending.next]])
            for reader in readers:
                reader.close()
            server.stop()


if __name__ == "__main__":
    run(senders_do_not_notice)
