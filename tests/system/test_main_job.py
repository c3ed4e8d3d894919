"""The main job: events in over HTTP, SQL sees them at once, a Delta table, over restarts."""

import json
import os
import time

from server import Project, Server, equal, event, run


def events_are_seen_at_once_and_once():
    with Project() as project, Server(project) as server:
        receipt = server.send("shop.user-events", [event(i) for i in range(1000)])
        equal(receipt["accepted"], 1000)
        equal(receipt["offsets"], [{"topic": "shop.user-events", "partition": 2, "first": 0, "last": 999}])
        equal(server.sql("select count(*), sum(user_id) from bronze.shop_user_events"), [[1000, 499500]])
        equal(server.send("shop.user-events", [event(i) for i in range(500, 1500)])["duplicate"], 500)
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[1500]])
        equal(server.sql("select event_id, user_id, page, event_time, event_date, _partition, _offset, _tenant "
                         "from bronze.shop_user_events where event_id = 'e7'"),
              [["e7", 7, "/p", "2026-01-05T10:00:00Z", "2026-01-05", 2, 7, "default"]])


def bodies_of_all_forms():
    with Project() as project, Server(project) as server:
        as_json = {"Content-Type": "application/json"}
        equal(server.post("/v1/events/shop.user-events", json.dumps(event(1)), as_json)[1]["accepted"], 1)
        equal(server.post("/v1/events/shop.user-events", json.dumps([event(2), event(3)]), as_json)[1]["accepted"], 2)
        envelope = {"event": "shop.user-events", "producer": "p", "sequence": 1,
                    "metadata": {"published": "2026-01-05T10:00:01Z", "domain": "shop", "entity": "user",
                                 "name": "clicked", "more": [1, 2]}, "content": event(4)}
        equal(server.post("/v1/events", json.dumps(envelope), as_json)[1]["accepted"], 1)
        rows = server.sql("select _domain, _entity, _name, _published_at, _producer, _sequence, _metadata "
                          "from bronze.shop_user_events where event_id = 'e4'")
        equal(rows[0][:6], ["shop", "user", "clicked", "2026-01-05T10:00:01Z", "p", 1])
        equal(json.loads(rows[0][6])["more"], [1, 2])
        status, problem = server.post("/v1/events/shop.user-events", '{"eventId": ', as_json)
        equal(status, 400)
        equal(problem["status"], 400)
        equal(server.post("/v1/events/shop.user-events", "x", {"Content-Type": "text/xml"})[0], 415)
        equal(server.post("/v1/events/shop.user-events?wait=maybe", "{}", as_json)[0], 400)
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[4]])


def errors_are_kept_shown_and_mended():
    with Project() as project, Server(project) as server:
        rows = [event(1), {"eventId": "e2", "userId": "seven", "timestamp": "2026-01-05T10:00:00Z"},
                "not json\n", dict(event(3), timestamp="2026-01-05T10:00:00"), event(4)]
        receipt = server.send("shop.user-events", rows)
        equal((receipt["received"], receipt["accepted"], receipt["error"]), (5, 2, 3))
        equal([(e["row"], e["code"]) for e in receipt["errors"]], [(1, "SL3012"), (2, "SL3001"), (3, "SL3020")])
        listed = json.loads(server.ask("GET", "/v1/admin/errors")[1])["rows"]
        equal(len(listed), 3)
        wrong = [row for row in listed if row[3] == "SL3012"][0]
        assert "seven" not in json.dumps(listed)
        shown = json.loads(server.ask("GET", f"/v1/admin/errors/{wrong[0]}")[1])
        equal(json.loads(shown["payload"]), rows[1])
        status, mended = server.post(f"/v1/admin/errors/{wrong[0]}/retry", json.dumps(event(2)))
        equal((status, mended["accepted"]), (200, 1))
        equal(server.post(f"/v1/admin/errors/{wrong[0]}/retry")[0], 404)
        equal(len(json.loads(server.ask("GET", "/v1/admin/errors")[1])["rows"]), 2)
        other = dict(event(4), page="/other")
        equal(server.send("shop.user-events", [other])["errors"][0]["code"], "SL3040")
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[3]])


def a_missing_schema_is_added_and_its_events_replayed():
    with Project() as project, Server(project) as server:
        envelopes = [{"event": "late.topic", "event_id": f"p{i}", "content": {"n": i}} for i in range(10)]
        equal(server.send("", envelopes)["error"], 10)
        schema = ('@0x8a41c6de07b35f19;\nusing Sl = import "sluice.capnp";\n'
                  'struct Late $Sl.event("late.topic") { n @0 :Int32; }\n')
        status, added = server.post("/v1/admin/schemas?name=late.capnp", schema)
        equal((status, added.get("topics")), (200, [{"topic": "late.topic", "table": "bronze.late_topic", "version": 1}]))
        equal(server.post("/v1/admin/errors/replay?topic=late.topic&dry_run=true")[1]["found"], 10)
        equal(server.post("/v1/admin/errors/replay?topic=late.topic")[1]["accepted"], 10)
        equal(server.post("/v1/admin/errors/replay?topic=late.topic")[1]["found"], 0)
        equal(server.sql("select count(*), sum(n) from bronze.late_topic"), [[10, 45]])
        equal(server.send("", envelopes)["duplicate"], 10)


def rows_land_and_survive_a_stop_and_a_kill():
    with Project("land: {every: 1h}\n") as project:
        with Server(project) as server:
            server.send("shop.user-events", [event(i) for i in range(100)])
            equal(server.send("shop.user-events", [event(i) for i in range(100, 200)], wait="table")["accepted"], 100)
            equal(server.tables()["shop.user-events"]["landed_offset"], 199)
            server.send("shop.user-events", [event(i) for i in range(200, 300)])
            server.stop()
        log = sorted(n for n in os.listdir(project.table_folder() + "/_delta_log") if n.endswith(".json"))
        equal(len(log), 3)  # The table, then two landings.
        actions = [json.loads(line) for line in open(f"{project.table_folder()}/_delta_log/{log[-1]}")]
        equal([a["txn"]["version"] for a in actions if "txn" in a], [299])
        equal(len([a for a in actions if "add" in a]), 1)
        with Server(project) as server:
            equal(server.sql("select count(*), count(distinct _offset) from bronze.shop_user_events"), [[300, 300]])
            equal(server.send("shop.user-events", [event(i) for i in range(400)])["duplicate"], 300)
            server.kill()
        with Server(project) as server:
            equal(server.sql("select count(*), max(_offset) from bronze.shop_user_events"), [[400, 399]])
            equal(server.send("shop.user-events", [event(i) for i in range(400)])["duplicate"], 400)
            equal(server.send("shop.user-events", [dict(event(5), page="/x")])["error"], 1)
            server.stop()


def operators_see_what_goes_on():
    with Project() as project, Server(project) as server:
        equal(server.ask("GET", "/healthz")[0], 200)
        equal(server.ask("GET", "/readyz")[0], 200)
        server.send("shop.user-events", [event(1), event(1)])
        text = server.ask("GET", "/metrics")[1].decode()
        assert 'sluice_ingest_events_total{topic="shop.user-events",outcome="accepted"} 1\n' in text, text
        assert 'sluice_ingest_events_total{topic="shop.user-events",outcome="duplicate"} 1\n' in text, text
        equal(server.ask("GET", "/nothing")[0], 404)
        equal(server.ask("GET", "/v1/events")[0], 405)
        equal(server.ask("POST", "/v1/sql", "copy (select 1) to '/tmp/x'")[0] in (400, 403), True)
        equal(server.ask("POST", "/v1/sql", "select * from read_csv('/etc/passwd')")[0] in (400, 403), True)


def a_start_removes_what_a_writer_left_that_died_long_ago():
    with Project() as project:
        with Server(project) as server:
            server.send("shop.user-events", [event(1)])
            server.stop()
        # Of another engine's process, or of ours: one that is at it, and one of two days ago.
        begun, left = (f"{project.table_folder()}/.{name}.tmp" for name in ("begun", "left"))
        for path, age in ((begun, 600), (left, 2 * 86400)):
            with open(path, "w") as file:
                file.write("half")
            os.utime(path, (time.time() - age,) * 2)
        with Server(project) as server:
            equal((os.path.exists(begun), os.path.exists(left)), (True, False))
            server.stop()


run(events_are_seen_at_once_and_once, bodies_of_all_forms, errors_are_kept_shown_and_mended,
    a_missing_schema_is_added_and_its_events_replayed, rows_land_and_survive_a_stop_and_a_kill,
    a_start_removes_what_a_writer_left_that_died_long_ago,
    operators_see_what_goes_on)
