"""Events that could not be taken: kept, shown, corrected, replayed with the same identity; from the command line."""

import json
import threading

from server import Project, Server, equal, event, run, until

TOPIC = "shop.user-events"
TABLE = "bronze.shop_user_events"
LATE = ('@0x8a41c6de07b35f19;\nusing Sl = import "sluice.capnp";\n'
        'struct Late $Sl.event("late.topic") { key @0 :Text $Sl.id; n @1 :Int32; }\n')


PLAIN = ('@0x8a41c6de07b35f20;\nusing Sl = import "sluice.capnp";\n'
         'struct Plain $Sl.event("plain.topic") { n @0 :Int32; }\n')


class Commands:
    def __init__(self, project, server):
        self.project, self.address = project, f"127.0.0.1:{server.port}"

    def __call__(self, *arguments, stdin=None, code=0):
        found, out, err = self.project.command("--server", self.address, *arguments, stdin=stdin)
        equal(found, code, f"exit code of {' '.join(arguments)}: {out}{err}")
        return out

    def json(self, *arguments, **more):
        return json.loads(self("-o", "json", *arguments, **more))

    def open(self, *filters):
        """The open errors: (id, topic, code) in the order of their ids."""
        return sorted((row[0], row[2], row[3]) for row in self.json("errors", "list", *filters)["rows"])


def one_command_repairs_the_events_of_a_missing_schema():
    with Project("land: {every: 100ms}\n") as project:
        with Server(project) as server:
            command = Commands(project, server)
            rows = [{"key": f"k{i}", "n": i} for i in range(500)]
            receipt = server.send("late.topic", rows)
            equal((receipt["accepted"], receipt["error"], len(receipt["errors"])), (0, 500, 100))
            equal({e["code"] for e in receipt["errors"]}, {"SL3011"})
            server.send("", [{"event": "late.topic", "content": {"key": "k500", "n": 500}},
                             {"event": "other.topic", "content": {"n": 1}}])
            with open(project.folder + "/late.capnp", "w") as file:
                file.write(LATE)
            command("schema", "add", project.folder + "/late.capnp")
            would = command.json("errors", "replay", "--topic", "late.topic", "--dry-run")
            equal([would[name] for name in ("found", "accepted", "duplicate", "error")], [501, 501, 0, 0])
            equal(server.sql("select count(*) from bronze.late_topic"), [[0]])
            answer = command.json("errors", "replay", "--topic", "late.topic")
            equal((answer["found"], answer["accepted"], answer["error"]), (501, 501, 0), answer)
            equal([row[1:] for row in command.open()], [("other.topic", "SL3011")])
            equal(server.sql("select count(*), sum(n) from bronze.late_topic"), [[501, 501 * 250]])
            # The identity is the event's own: the senders' retries are known, and a second replay finds nothing.
            equal(server.send("late.topic", rows)["duplicate"], 500)
            equal(command.json("errors", "replay", "--topic", "late.topic")["found"], 0)
            server.kill()
        with Server(project) as server:
            equal([row[1:] for row in Commands(project, server).open()], [("other.topic", "SL3011")])
            equal(server.send("late.topic", rows)["duplicate"], 500)


def a_dry_run_says_what_a_replay_would_do():
    with Project("land: {every: 100ms}\n") as project, Server(project) as server:
        command = Commands(project, server)
        rows = [{"key": f"k{i}", "n": i} for i in range(5)]
        # The same once more, the same identity with other content, and one that will not fit either.
        server.send("late.topic", [*rows, rows[0], {"key": "k1", "n": 7}, {"key": "k9", "n": "nine"}])
        server.send("", [{"event": "other.topic", "content": {"n": 1}}])

        def counts(*more):
            answer = command.json("errors", "replay", *more)
            return [answer[name] for name in ("found", "accepted", "duplicate", "error")]

        equal(counts("--dry-run"), [9, 0, 0, 9], "there is no schema yet")
        with open(project.folder + "/late.capnp", "w") as file:
            file.write(LATE)
        command("schema", "add", project.folder + "/late.capnp")
        before = command.open()
        for _ in range(2):  # Looking changes nothing.
            equal(counts("--dry-run"), [9, 5, 1, 3])
            equal(counts("--topic", "late.topic", "--dry-run"), [8, 5, 1, 2])
        equal(server.sql("select count(*) from bronze.late_topic"), [[0]])
        equal(command.open(), before)
        equal(counts("--topic", "late.topic"), [8, 5, 1, 2])


def an_error_is_shown_corrected_and_dropped():
    with Project() as project, Server(project) as server:
        command = Commands(project, server)
        bad = [dict(event(i), userId="seven") for i in range(3)]
        server.send(TOPIC, [*bad, "{broken\n"])
        errors = command.open()
        equal([row[1:] for row in errors], [(TOPIC, "SL3012")] * 3 + [(TOPIC, "SL3001")])
        equal(len(command.open("--code", "SL3012")), 3)
        equal(len(command.open("--topic", "other")), 0)
        shown = command.json("errors", "show", str(errors[0][0]))
        equal((json.loads(shown["payload"]), shown["code"], shown["path"]), (bad[0], "SL3012", "userId"))
        # As it is it fails again: one error is closed, the other opened.
        again = command.json("errors", "retry", str(errors[0][0]))
        equal((again["accepted"], again["error"]), (0, 1))
        equal(len(command.open()), 4)
        assert errors[0] not in command.open()
        fixed = command.json("errors", "retry", str(errors[1][0]), "--edit", "-", stdin=json.dumps(event(1)))
        equal((fixed["accepted"], fixed["error"]), (1, 0))
        # A correction that is no JSON, or several events, is refused, and the error stays open.
        command("errors", "retry", str(errors[2][0]), "--edit", "-", stdin="{broken", code=1)
        command("errors", "retry", str(errors[2][0]), "--edit", "-", stdin=json.dumps([event(7), event(8)]), code=1)
        equal(len(command.open()), 3)
        command("errors", "drop", str(errors[3][0]))
        command("errors", "drop", str(errors[3][0]), code=1)
        command("errors", "show", "999999", code=1)
        equal(len(command.open()), 2)
        equal(server.sql(f"select event_id from {TABLE} order by 1"), [["e1"]])
        equal(server.sql("select state, count(*) from system.errors group by 1 order by 1"),
              [["dropped", 1], ["fixed", 2], ["open", 5]])


def a_good_row_supersedes_its_own_error():
    with Project("land: {every: 1h}\n") as project:
        with Server(project) as server:
            command = Commands(project, server)
            bad = [dict(event(i), userId="seven") for i in range(4)]
            server.send(TOPIC, bad)
            server.send("", [{"event": TOPIC, "event_id": "mine", "content": {"userId": 1}},
                             {"event": "late.topic", "event_id": "late", "content": {}}])
            equal(len(command.open()), 6)
            equal(server.send(TOPIC, [event(0)])["accepted"], 1)
            equal(len(command.open()), 5)
            server.land()
            equal(server.send(TOPIC, [event(1)])["accepted"], 1)
            equal(len(command.open()), 4)
            server.send("", [{"event": TOPIC, "event_id": "mine",
                              "content": {"userId": 1, "timestamp": "2026-01-05T10:00:00Z"}}])
            equal(len(command.open()), 3)
            server.kill()
        with Server(project) as server:  # Known from the table and from the journal.
            command = Commands(project, server)
            equal(len(command.open()), 3)
            equal(server.send(TOPIC, [event(2), event(0)])["accepted"], 1)
            equal(len(command.open()), 2)
            server.land()
            server.stop()
        with Server(project) as server:
            command = Commands(project, server)
            equal(server.send(TOPIC, [event(3), dict(event(5), userId="x")])["accepted"], 1)
            equal([row[1:] for row in command.open()], [("late.topic", "SL3011"), (TOPIC, "SL3012")])
            equal(server.sql(f"select count(*) from {TABLE}"), [[5]])


def replay_beyond_the_horizon_looks_into_the_table():
    with Project("dedup: {horizon: 800ms}\nland: {every: 1h}\n") as project, Server(project) as server:
        server.send("late.topic", [{"key": f"k{i}", "n": i} for i in range(3)])
        server.send("", [{"event": "plain.topic", "content": {"n": 1}}])
        server.post("/v1/admin/schemas?name=late.capnp", LATE)
        server.post("/v1/admin/schemas?name=plain.capnp", PLAIN)
        # The sender tried two of them again, long ago: one is in the table, one in the tail.
        equal(server.send("late.topic", [{"key": "k0", "n": 0}])["accepted"], 1)
        server.land()
        equal(server.send("late.topic", [{"key": "k1", "n": 1}, {"key": "probe", "n": 0}])["accepted"], 2)
        probe = [{"key": "probe", "n": 0}]
        until(lambda: server.send("late.topic", probe)["accepted"] == 1, "the horizon is past")
        answer = server.post("/v1/admin/errors/replay?topic=late.topic")[1]
        equal((answer["found"], answer["accepted"], answer["duplicate"]), (3, 1, 2), answer)
        equal(server.sql("select key, count(*) from bronze.late_topic where key <> 'probe' group by 1 order by 1"),
              [["k0", 1], ["k1", 1], ["k2", 1]])
        equal(server.post("/v1/admin/errors/replay?topic=late.topic")[1]["found"], 0)
        error = json.loads(server.ask("GET", "/v1/admin/errors")[1])["rows"][0][0]
        equal(server.post(f"/v1/admin/errors/{error}/retry")[1]["accepted"], 1)
        equal(server.sql("select count(*) from bronze.plain_topic"), [[1]])


def replay_beyond_the_horizon_gives_up_no_other_content():
    with Project("dedup: {horizon: 800ms}\nland: {every: 100ms}\n") as project, Server(project) as server:
        server.post("/v1/admin/schemas?name=late.capnp", LATE)
        equal(server.send("late.topic", [{"key": "k0", "n": 0}, {"key": "k1", "n": "one"}])["accepted"], 1)
        receipt = server.send("late.topic", [{"key": "k0", "n": 7}, {"key": "probe", "n": 0}])
        equal([(e["code"]) for e in receipt["errors"]], ["SL3040"])
        equal(server.send("late.topic", [{"key": "k1", "n": 1}])["accepted"], 1)
        probe = [{"key": "probe", "n": 0}]
        until(lambda: server.send("late.topic", probe)["accepted"] == 1, "the horizon is past")
        command = Commands(project, server)
        [other] = [row[0] for row in command.open("--code", "SL3040")]
        for dry_run in ("true", "false"):
            answer = server.post(f"/v1/admin/errors/replay?code=SL3040&dry_run={dry_run}")[1]
            equal((answer["found"], answer["duplicate"], answer["error"]), (1, 0, 1), answer)
        status, answer = server.ask("POST", f"/v1/admin/errors/{other}/retry")
        equal((status, b"may have other content" in answer), (400, True), answer)
        # What is given instead may be another event than the one that is there.
        body = json.dumps({"key": "k0", "n": 8})
        equal(server.ask("POST", f"/v1/admin/errors/{other}/retry", body)[0], 400)
        equal([row[0] for row in command.open("--code", "SL3040")], [other], "it is still open")
        equal(server.sql("select n from bronze.late_topic where key = 'k0'"), [[0]])
        body = json.dumps({"key": "k7", "n": 7})
        equal(server.post(f"/v1/admin/errors/{other}/retry", body)[1]["accepted"], 1)
        equal(command.open("--code", "SL3040"), [])


def replay_of_events_without_identity_keeps_them_once():
    with Project() as project:
        with Server(project) as server:
            server.send("", [{"event": "plain.topic", "content": {"n": i}} for i in range(20)])
            server.post("/v1/admin/schemas?name=plain.capnp", PLAIN)
            # Two at once: each error is taken by one of them, and only once.
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(
                server.another().post("/v1/admin/errors/replay?topic=plain.topic")[1])) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            equal(sum(a["accepted"] for a in answers), 20, answers)
            equal(sum(a["error"] for a in answers), 0, answers)
            equal(server.sql("select count(*), count(_id) from bronze.plain_topic"), [[20, 20]])
            equal(server.post("/v1/admin/errors/replay")[1]["found"], 0)


def garbage_fills_a_quota_and_no_disk():
    with Project("land: {every: 100ms}\nlimits: {error_bytes: 2KiB}\n") as project, Server(project) as server:
        command = Commands(project, server)
        bad = {"eventId": "b", "userId": "x" * 1000}
        equal("events_not_kept" in server.send(TOPIC, [bad]), False)
        receipt = server.send(TOPIC, [bad, event(1)])
        equal((receipt["accepted"], receipt["error"], receipt["events_not_kept"]), (1, 1, 1))
        for _ in range(20):
            status, headers, answer = server.ask_whole("POST", f"/v1/events/{TOPIC}", json.dumps(bad))
            if status == 429:
                break
        equal((status, json.loads(answer)["code"], headers["Retry-After"]), (429, "SL4291", "60"))
        equal(server.send(TOPIC, [event(2)])["accepted"], 1, "what fits is taken")
        found = command.open()
        equal(len(found) > 2, True, found)
        # An event that was not kept can be given; a replay leaves its error open.
        kept, lost = found[0][0], found[1][0]
        equal(json.loads(server.ask("GET", f"/v1/admin/errors/{lost}")[1])["payload_kept"], False)
        equal(json.loads(server.ask("GET", f"/v1/admin/errors/{kept}")[1])["payload_kept"], True)
        status, answer = server.ask("POST", f"/v1/admin/errors/{lost}/retry")
        equal((status, "was not kept" in answer.decode()), (400, True), answer)
        status, answer = server.ask("POST", f"/v1/admin/errors/{lost}/retry", json.dumps(event(3)))
        equal((status, json.loads(answer)["accepted"]), (200, 1))
        equal(command.json("errors", "replay")["accepted"], 0)
        equal(lost in [row[0] for row in command.open()], False)
        text = server.ask("GET", "/metrics")[1].decode()
        equal(int(text.split("\nsluice_error_events_not_kept_total ")[1].split("\n")[0]) >= 1, True)
        code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify")
        equal(code, 0, out + err)


run(one_command_repairs_the_events_of_a_missing_schema, a_dry_run_says_what_a_replay_would_do, an_error_is_shown_corrected_and_dropped,
    a_good_row_supersedes_its_own_error, replay_beyond_the_horizon_looks_into_the_table, replay_beyond_the_horizon_gives_up_no_other_content,
    replay_of_events_without_identity_keeps_them_once, garbage_fills_a_quota_and_no_disk)
