"""The door: statuses, limits, receipts, batches, producers, an orderly stop."""

import contextlib
import json
import shutil
import signal
import socket
import threading
import time

from server import Project, Server, Skip, equal, event, percentile, run, until

TOPIC = "shop.user-events"
EVENTS = f"/v1/events/{TOPIC}"
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
PLAIN = ('@0x8a41c6de07b35f20;\nusing Sl = import "sluice.capnp";\n'
         'struct Plain $Sl.event("plain.topic") { n @0 :Int32; }\n')


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def stored(server, table="bronze.shop_user_events"):
    return server.sql(f"select count(*) from {table}")[0][0]


def refused(server, status, code, method, target, body=None, headers=None):
    found, problem = server.post(target, body, headers) if method == "POST" else server.get(target)
    equal((found, problem.get("code"), problem.get("status")), (status, code, status), problem)
    assert set(problem) >= {"type", "title", "status", "code", "detail"} and problem["detail"], problem


def raw(server, data, wait=15):
    """Sends bytes over a connection of its own; returns all that comes back until the server closes it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as connection:
        connection.sendall(data)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def what_cannot_be_taken_is_refused_whole():
    limits = "limits: {body: 64KiB, rows: 100, row: 4KiB, depth: 16}\n"
    with Project(limits) as project, Server(project) as server:
        good = json.dumps(event(1))
        refused(server, 400, "SL3001", "POST", EVENTS, '{"eventId": ', JSON)
        refused(server, 400, "SL3001", "POST", EVENTS, good + good, JSON)
        refused(server, 400, "SL3002", "POST", EVENTS, '"text"', JSON)
        refused(server, 400, "SL3006", "POST", EVENTS, lines(*[event(i) for i in range(101)]), NDJSON)
        refused(server, 400, "SL3006", "POST", EVENTS, json.dumps([event(i) for i in range(101)]), JSON)
        refused(server, 400, "SL4001", "POST", EVENTS + "?wait=maybe", good, JSON)
        refused(server, 404, "SL4040", "POST", "/v1/events/no%20topic", good, JSON)
        refused(server, 404, "SL4041", "POST", "/v1/nothing", good, JSON)
        refused(server, 405, "SL4050", "GET", EVENTS)
        refused(server, 413, "SL4130", "POST", EVENTS, lines(*[event(i) for i in range(99)], *["x" * 4000] * 20), NDJSON)
        refused(server, 415, "SL4150", "POST", EVENTS, good, {"Content-Type": "text/xml"})
        refused(server, 415, "SL4151", "POST", EVENTS, good, JSON | {"Content-Encoding": "br"})
        equal(server.sql("select count(*) from system.errors"), [[0]], "nothing of a refused body is kept")
        equal(stored(server), 0)
        # What fits the frame but not the limits of a row is an error row, and its neighbours are taken.
        deep = '{"eventId": "deep", "timestamp": "2026-01-05T10:00:00Z", "x": ' + "[" * 16 + "]" * 16 + "}\n"
        receipt = server.send(TOPIC, [event(1), event(2, page="x" * 5000), deep, event(3)])
        equal((receipt["received"], receipt["accepted"], receipt["error"]), (4, 2, 2))
        equal([(e["row"], e["code"]) for e in receipt["errors"]], [(1, "SL3003"), (2, "SL3004")])
        equal(server.post(EVENTS, "", NDJSON), (200, {"received": 0, "accepted": 0, "duplicate": 0, "error": 0,
                                                      "offsets": [], "errors": []}))
        equal(server.post(EVENTS, "[]", JSON)[1]["received"], 0)


def receipts_add_up():
    with Project("land: {every: 1h}\n") as project, Server(project) as server:
        rows = [event(i) for i in range(10)] + [event(i) for i in range(5)] + ["bad\n"] * 150
        receipt = server.send(TOPIC, rows)
        equal({k: receipt[k] for k in ("received", "accepted", "duplicate", "error")},
              {"received": 165, "accepted": 10, "duplicate": 5, "error": 150})
        equal(len(receipt["errors"]), 100)
        equal(set(receipt["errors"][0]), {"row", "code", "path", "message"})
        equal(server.sql("select count(*) from system.errors where state = 'open'"), [[150]])
        # All of it durable or none: an answer at each level tells what it promises.
        status, receipt = server.post(EVENTS + "?wait=none", lines(event(20)), NDJSON)
        equal((status, receipt["accepted"], receipt["offsets"]), (202, 1, []))
        status, receipt = server.post(EVENTS + "?wait=table", lines(event(21)), NDJSON)
        equal((status, server.tables()[TOPIC]["landed_offset"] >= receipt["offsets"][0]["last"]), (200, True))
        status, receipt = server.post(EVENTS + "?wait=table", lines(event(21)), NDJSON)
        equal((status, receipt["duplicate"]), (200, 1))
        # A duplicate promises what the original's answer would.
        server.send(TOPIC, [event(22)])
        status, receipt = server.post(EVENTS + "?wait=table", lines(event(22)), NDJSON)
        equal((status, receipt["duplicate"], server.tables()[TOPIC]["pending"]), (200, 1, 0), "a duplicate waits, too")
        metrics = server.ask("GET", "/metrics")[1].decode()
        for outcome, rows in {"received": 170, "accepted": 13, "duplicate": 7, "error": 150}.items():
            line = f'sluice_ingest_events_total{{topic="{TOPIC}",outcome="{outcome}"}} {rows}\n'
            assert line in metrics, line + metrics
        assert 'sluice_error_events_total{code="SL3001"} 150\n' in metrics, metrics
        for name in ("sluice_ingest_ack_seconds_bucket", "sluice_queryable_delay_seconds_bucket",
                     'sluice_query_seconds_bucket{interface="http"', f'sluice_table_files{{table="bronze.shop_user_events"}}',
                     f'sluice_dedupe_ids{{topic="{TOPIC}"}} 13\n', f'sluice_dedupe_held_seconds{{topic="{TOPIC}"}}',
                     "sluice_ingest_refused_total", "sluice_journal_bytes", "sluice_pending_events"):
            assert name in metrics, f"no {name} in\n{metrics}"
        assert "e20" not in metrics


def wait_for_the_table_ends_with_202():
    with Project("land: {every: 1h, wait_max: 300ms}\n") as project:
        with Server(project) as server:
            server.send(TOPIC, [event(1)])
            server.land()
            server.kill()
        # Another journal's table: landing has stopped, the answer must not hang on it.
        shutil.rmtree(project.folder + "/data/journal")
        with Server(project) as server:
            begin = time.monotonic()
            status, receipt = server.post(EVENTS + "?wait=table", lines(event(2)), NDJSON)
            equal((status, receipt["accepted"], receipt["offsets"][0]["first"]), (202, 1, 1))
            assert 0.25 < time.monotonic() - begin < 10
            equal(stored(server), 2)


def a_batch_is_taken_once_and_bound_to_its_content():
    settings = "land: {every: 1h}\ntopics: {plain.topic: {dedup: {by: batch, horizon: 1h}}}\n"
    with Project(settings, {"plain.capnp": PLAIN}) as project:
        batch = lines({"n": 1}, {"n": 1}, {"n": "x"}, {"n": 3})
        target = "/v1/events/plain.topic?client=web&batch_id=b1"

        def known(server):
            status, receipt = server.post(target, batch, NDJSON)
            equal((status, receipt["accepted"], receipt["duplicate"], receipt["error"]), (200, 0, 3, 1), receipt)
            for other in (lines({"n": 1}, {"n": 1}, {"n": "x"}, {"n": 4}), batch + lines({"n": 5}), lines({"n": 1})):
                refused(server, 409, "SL4091", "POST", target, other, NDJSON)
            equal(server.sql("select count(*), sum(n) from bronze.plain_topic where n < 10"), [[3, 5]])

        with Server(project) as server:
            status, receipt = server.post(target, batch, NDJSON)
            equal((status, receipt["accepted"], receipt["error"]), (200, 3, 1), receipt)
            equal(receipt.get("without_identity", 0), 0)
            known(server)
            # Another client's, another batch; the header that other APIs use for it.
            equal(server.post(target.replace("web", "app"), lines({"n": 10}), NDJSON)[1]["accepted"], 1)
            equal(server.post("/v1/events/plain.topic", lines({"n": 11}), NDJSON | {"Idempotency-Key": "b2"})[1]["accepted"], 1)
            equal(server.post("/v1/events/plain.topic", lines({"n": 11}), NDJSON | {"Idempotency-Key": "b2"})[1]["duplicate"], 1)
            refused(server, 400, "SL4001", "POST", target + "x" * 300, batch, NDJSON)
            # Without a batch nothing identifies the rows, and the answer says so.
            receipt = server.post("/v1/events/plain.topic", lines({"n": 12}), NDJSON)[1]
            equal((receipt["accepted"], receipt["without_identity"]), (1, 1))
            server.kill()
        with Server(project) as server:  # From the journal.
            known(server)
            server.land()
            server.stop()
        shutil.rmtree(project.folder + "/data/journal")
        with Server(project) as server:  # From the table.
            known(server)
            # The bad row of the batch keeps its place: corrected, it is the batch's row.
            error = json.loads(server.ask("GET", "/v1/admin/errors")[1])["rows"][-1][0]
            equal(server.post(f"/v1/admin/errors/{error}/retry", '{"n": 2}')[1]["accepted"], 1)
            equal(server.post(target, batch, NDJSON)[1]["duplicate"], 3, "the batch is still the same")
            equal(server.post(f"/v1/admin/errors/{error}/retry", '{"n": 2}')[0], 404)


def a_producer_counts_where_the_topic_says_so():
    envelope = lambda sequence, **more: {"event": "plain.topic", "producer": "p", "sequence": sequence,
                                         "content": {"n": sequence}} | more
    with Project("topics: {plain.topic: {dedup: {by: producer}}}\n", {"plain.capnp": PLAIN}) as project:
        with Server(project) as server:
            equal(server.send("", [envelope(2), envelope(1), envelope(2)])["duplicate"], 1)
            # Membership decides, not order; an epoch and another producer begin anew.
            receipt = server.send("", [envelope(0), envelope(1, epoch=2), envelope(1, producer="q")])
            equal((receipt["accepted"], receipt.get("without_identity", 0)), (3, 0), receipt)
            equal(server.send("", [envelope(1, content={"n": 9})])["errors"][0]["code"], "SL3040")
            equal(server.send("", [envelope(3, event_id="x"), envelope(4, event_id="x", content={"n": 3})])["duplicate"], 1,
                  "an event id comes first")
            server.kill()
        with Server(project) as server:
            equal(server.send("", [envelope(i) for i in range(3)])["duplicate"], 3)
    with Project("", {"plain.capnp": PLAIN}) as project, Server(project) as server:
        receipt = server.send("", [envelope(1), envelope(1)])
        equal((receipt["accepted"], receipt["without_identity"]), (2, 2), "not declared, so it identifies nothing")


def too_much_at_once_is_told_to_come_back():
    # Every sync takes 300 ms: what waits meanwhile soon fills the queue.
    prefix = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync",
              "-e", "inject=fdatasync:delay_enter=300000"]
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    with Project("land: {every: 1h}\nlimits: {queue: 1MiB}\n") as project, Server(project, prefix) as server:
        answers = []

        def work(client):
            sender = server.another()
            for number in range(6):
                rows = [event(client * 1_000_000 + number * 1000 + i, page="x" * 1000) for i in range(200)]
                status, headers, body = sender.ask_whole("POST", EVENTS, lines(*rows), NDJSON)
                answers.append((status, headers, body, rows))

        threads = [threading.Thread(target=work, args=(client,)) for client in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = {status: sum(1 for a in answers if a[0] == status) for status in {a[0] for a in answers}}
        print(f"answers {counts}")
        equal(set(counts), {200, 429})
        for status, headers, body, rows in answers:
            if status == 429:
                assert headers.get("Retry-After"), headers
                equal(json.loads(body)["code"], "SL4290")
        equal(stored(server), 200 * counts[200], "what was told to come back left nothing behind")
        for status, _, _, rows in answers:
            if status == 429:
                equal(server.send(TOPIC, rows)["accepted"], 200)
                break


def a_full_disk_refuses_and_reads_go_on():
    with Project() as project:
        with Server(project) as server:
            server.send(TOPIC, [event(1)])
            server.stop()
        with open(project.folder + "/sluice.yaml", "a") as file:
            file.write("storage: {free_min: 1000000GiB}\n")
        with Server(project) as server:
            refused(server, 507, "SL5070", "POST", EVENTS, lines(event(2)), NDJSON)
            equal(stored(server), 1)
            equal(server.ask("GET", "/healthz")[0], 200)


def slow_and_lying_clients_are_cut_off():
    settings = "serve: {http: 127.0.0.1:0, connections: 8, header_time: 2s, body_time: 700ms}\n"
    with Project(settings) as project, Server(project) as server:
        begin = time.monotonic()
        assert b" 408 " in raw(server, b"POST /v1/events/x HTTP/1.1\r\nHost: x\r\n").split(b"\r\n")[0]
        assert time.monotonic() - begin < 10
        answer = raw(server, f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
        assert b" 408 " in answer.split(b"\r\n")[0], answer
        assert b"SL4080" in answer, answer
        answer = raw(server, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40000 + b"\r\n\r\n")
        assert b" 431 " in answer.split(b"\r\n")[0], answer[:200]
        answer = raw(server, f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n".encode())
        assert b" 413 " in answer.split(b"\r\n")[0] and b"SL4130" in answer, answer
        # Connections that say nothing give their places to new ones.
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
        until(lambda: server.another().ask("GET", "/healthz")[0] == 200, "those that idle give their places", 5)


def requests_under_way_keep_their_places():
    settings = "serve: {http: 127.0.0.1:0, connections: 8, body_time: 60s}\n"
    with Project(settings) as project, Server(project) as server:
        body = json.dumps(event(1)).encode()
        head = f"POST {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        busy = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(8)]
        for connection in busy:
            connection.sendall(head + body[:5])
        until(lambda: is_turned_away(server), "the server turns connections away")
        for connection in busy:  # Not one of them was given up for those that came later.
            connection.sendall(body[5:])
            answer = connection.makefile("rb").readline()
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            connection.close()
        until(lambda: server.another().ask("GET", "/healthz")[0] == 200, "it takes them again")
        equal(stored(server), 1)


def is_turned_away(server):
    answer = raw(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return b" 503 " in answer.split(b"\r\n")[0] and b"Retry-After" in answer and b"SL5033" in answer


def while_it_stops_it_is_not_ready():
    with Project() as project, Server(project) as server:
        def begin(request):
            """A request of which the server has all but the last byte: it says so before the body comes."""
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            connection.sendall(f"{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                               "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100 "), request
            return connection

        def is_refused():
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", server.port)).close()
                return False
            return True

        asked = {request: begin(request) for request in ("GET /readyz", f"POST {EVENTS}", "GET /healthz")}
        server.process.send_signal(signal.SIGTERM)
        until(is_refused, "it takes no more connections")
        answers = {}
        for request, connection in asked.items():
            connection.sendall(b"{}")
            with contextlib.closing(connection):
                answers[request] = b"".join(iter(lambda: connection.recv(4096), b""))
        for request in ("GET /readyz", f"POST {EVENTS}"):
            assert answers[request].startswith(b"HTTP/1.1 503 ") and b"SL5032" in answers[request], answers[request]
        assert answers["GET /healthz"].startswith(b"HTTP/1.1 200 "), answers["GET /healthz"]
        equal(server.process.wait(timeout=60), 0, "exit code")


def a_stop_drains_and_lands():
    with Project("land: {every: 1h}\n") as project:
        stops, starts = [], []
        known = 0
        for number in range(3):
            begin = time.monotonic()
            server = Server(project)
            starts.append(time.monotonic() - begin)
            with server:
                acknowledged = [0]

                def work(client):
                    sender = server.another()
                    try:
                        for i in range(100_000):
                            name = f"{number}-{client}-{i}"
                            status, answer = sender.ask("POST", EVENTS, lines(event(name) | {"userId": i}), NDJSON)
                            if status == 503:
                                return
                            equal(status, 200, answer)
                            acknowledged[0] += 1
                    except OSError:
                        pass  # No more connections, or ours was closed between two requests.

                threads = [threading.Thread(target=work, args=(client,)) for client in range(4)]
                for thread in threads:
                    thread.start()
                while acknowledged[0] < 200:
                    time.sleep(0.01)
                begin = time.monotonic()
                server.process.send_signal(signal.SIGTERM)
                equal(server.process.wait(timeout=60), 0, "exit code")
                stops.append(time.monotonic() - begin)
                for thread in threads:
                    thread.join()
                known += acknowledged[0]
        landed = sum(json.loads(a["add"]["stats"])["numRecords"] for c in project.commits() for a in c if "add" in a)
        assert landed >= known, f"{landed} landed, {known} acknowledged"
        last = [json.loads(line) for line in open(project.folder + "/log") if '"event"' in line]
        assert {"stopping", "stopped", "serving"} <= {line["event"] for line in last}
        assert all({"time", "level", "event"} <= set(line) for line in last)
        print(f"{known} acknowledged, {landed} landed; stop max {max(stops) * 1e3:.0f} ms, "
              f"start to ready p50 {percentile(starts, 0.5) * 1e3:.0f} ms")


run(what_cannot_be_taken_is_refused_whole, receipts_add_up, wait_for_the_table_ends_with_202,
    a_batch_is_taken_once_and_bound_to_its_content, a_producer_counts_where_the_topic_says_so,
    too_much_at_once_is_told_to_come_back, a_full_disk_refuses_and_reads_go_on,
    slow_and_lying_clients_are_cut_off, requests_under_way_keep_their_places, while_it_stops_it_is_not_ready,
    a_stop_drains_and_lands)
