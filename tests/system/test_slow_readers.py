"""Readers that ask for much and take none of it: senders do not notice, what waits for them is bounded, readers beyond
what the server holds are told when to come back, and a query is answered again when their time is over.
SLUICE_SLOW_READERS=100 is the long form."""

import contextlib
import json
import os
import socket
import threading
import time

from server import Project, Server, equal, event, percentile, run, until
from test_connections import pss

TOPIC = "shop.user-events"
READERS = int(os.environ.get("SLUICE_SLOW_READERS", "80"))
WORKERS = 4
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


def ask_and_take_nothing(port, seconds, buffer=4096):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.connect(("127.0.0.1", port))
    body = json.dumps({"sql": ENDLESS, "limits": {"time_ms": seconds * 1000}}).encode()
    connection.sendall(b"POST /v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/x-ndjson\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    return connection


def held(server):
    """How many queries have answers that more than begun, and are not over."""
    queries = json.loads(server.ask("GET", "/v1/queries")[1])["queries"]
    return sum(query["state"] == "running" and query["bytes"] > 1 << 20 for query in queries)


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


def cut_answers(server):
    text = server.ask("GET", "/metrics")[1].decode()
    return next(int(float(line.split()[1])) for line in text.splitlines() if line.startswith("sluice_query_answers_cut_total "))


def workers_are_not_held_by_who_takes_nothing():
    with Project("serve: {reader_idle: 1s}\n") as project, Server(project) as server:
        readers = [ask_and_take_nothing(server.port, 60) for _ in range(WORKERS)]
        until(lambda: held(server) == WORKERS, "all workers are held")
        time.sleep(3)
        equal(held(server), WORKERS, "while nobody waits they may take their time")
        equal(cut_answers(server), 0)
        begun = time.monotonic()
        equal(server.another().sql("select 1"), [[1]])
        passed = time.monotonic() - begun
        print(f"     {WORKERS} readers hold all workers; a query is answered after {passed:.2f} s", flush=True)
        assert passed < 10, passed
        until(lambda: cut_answers(server) >= 1, "it is counted")
        codes = [query["code"] for query in json.loads(server.ask("GET", "/v1/queries")[1])["queries"]]
        assert "SL2211" in codes, codes
        # What arrived before is there; that it ends without the last chunk tells the reader.
        incomplete = 0
        for reader in readers:
            reader.settimeout(1)
            last = b""
            try:
                while piece := reader.recv(1 << 20):
                    last = (last + piece)[-16:]
                incomplete += not last.endswith(b"0\r\n\r\n")
            except ConnectionResetError:
                incomplete += 1
            except TimeoutError:
                pass  # One of those that still run.
            reader.close()
        assert incomplete >= 1, incomplete
        server.stop()


def who_may_take_nothing_for_longer_is_not_cut():
    """Longer than by default: a query that waits all that time gets no worker."""
    with Project("serve: {reader_idle: 10m}\n") as project, Server(project) as server:
        readers = [ask_and_take_nothing(server.port, 60) for _ in range(WORKERS)]
        until(lambda: held(server) == WORKERS, "all workers are held")
        body = json.dumps({"sql": "select 1", "limits": {"time_ms": 7000}})
        status, answer = server.another().ask("POST", "/v1/sql", body, {"Content-Type": "application/json"})
        equal((status, json.loads(answer)["code"]), (429, "SL2207"), answer)
        equal(cut_answers(server), 0)
        for reader in readers:
            reader.close()
        server.stop()


def who_takes_a_little_is_not_cut():
    with Project("serve: {reader_idle: 1s}\n") as project, Server(project) as server:
        # With less the kernel itself waits for seconds before it sends on.
        readers = [ask_and_take_nothing(server.port, 15, 1 << 18) for _ in range(WORKERS)]
        until(lambda: held(server) == WORKERS, "all workers are held")
        stop = threading.Event()

        def take():
            while not stop.wait(0.1):
                for reader in readers:
                    with contextlib.suppress(BlockingIOError):  # None must wait for another one's bytes.
                        reader.recv(1 << 18, socket.MSG_DONTWAIT)

        taker = threading.Thread(target=take)
        taker.start()
        time.sleep(1)  # Until now they had taken nothing.
        try:  # It waits for its turn until those have had their time.
            equal(server.another().sql("select 1"), [[1]])
        finally:
            stop.set()
            taker.join()
        equal(cut_answers(server), 0)
        for reader in readers:
            reader.close()
        server.stop()


if __name__ == "__main__":
    run(senders_do_not_notice, workers_are_not_held_by_who_takes_nothing,
        who_may_take_nothing_for_longer_is_not_cut, who_takes_a_little_is_not_cut)
