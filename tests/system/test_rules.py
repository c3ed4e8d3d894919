"""The rules of identity, offsets and landing, one by one.

SLUICE_FAR_DATES=10000 is the full form of the test of far dates.
"""

import datetime
import json
import os
import shutil
import time

import foreign_writer
from server import SCHEMA, SLOW, Project, Server, equal, event, run, until

TOPIC = "shop.user-events"
TABLE = "bronze.shop_user_events"
FAR_DATES = int(os.environ.get("SLUICE_FAR_DATES", "1600"))


def count(server, what="count(*), count(distinct event_id), count(distinct _offset)"):
    return server.sql(f"select {what} from {TABLE}")[0]


def txn(project):
    """The last landed offset, by the Delta log."""
    return max(a["txn"]["version"] for commit in project.commits() for a in commit if "txn" in a)


def a_wiped_journal_uses_no_offset_again():
    with Project(SLOW) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100)] + ["bad\n"])
            server.stop()
        shutil.rmtree(f"{project.folder}/data/journal")
        with Server(project) as server:
            status = server.tables()[TOPIC]
            assert "another journal" in status["stopped"], status
            assert f"sluice table adopt {TOPIC}" in status["stopped"], status
            # The door stays open, and SQL sees all; landing waits for a decision.
            receipt = server.send(TOPIC, [event(i) for i in range(90, 110)])
            equal((receipt["accepted"], receipt["duplicate"]), (10, 10), "known from the table")
            equal(receipt["offsets"][0]["first"], 100)
            equal(count(server), [110, 110, 110])
            server.land()
            equal(server.tables()[TOPIC]["landed_offset"], 99)
            equal(txn(project), 99)
            server.kill()
        with Server(project) as server:  # Nothing of it is lost meanwhile.
            equal(count(server), [110, 110, 110])
            code, _, err = project.command("--server", f"127.0.0.1:{server.port}", "table", "adopt", TOPIC)
            equal(code, 0, err)
            equal(server.tables()[TOPIC]["stopped"], "")
            server.land()
            equal(server.tables()[TOPIC]["landed_offset"], 109)
            server.stop()
        with Server(project) as server:
            equal(count(server), [110, 110, 110])
            equal(server.send(TOPIC, [event(i) for i in range(110)])["duplicate"], 110)
            server.stop()


def who_waits_for_the_table_is_told_that_it_does_not_have_the_row():
    with Project("land: {every: 1h, wait_max: 300ms}\n") as project:
        with Server(project) as server:
            server.send(TOPIC, [event(1)])
            server.stop()
        shutil.rmtree(f"{project.folder}/data/journal")
        with Server(project) as server:  # Landing waits for a decision.
            for number, wait, expected in ((2, "table", 202), (3, "log", 200)):
                status, receipt = server.post(f"/v1/events/{TOPIC}?wait={wait}", json.dumps(event(number)))
                equal((status, receipt["accepted"]), (expected, 1), wait)
            server.kill()


def a_table_put_back_is_filled_again_from_the_journal():
    with Project(SLOW) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100)])
            server.land()
            server.stop()
        shutil.copytree(project.table_folder(), project.folder + "/copy")
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100, 200)])
            server.land()
            server.send(TOPIC, [event(i) for i in range(200, 250)])
            server.kill()
        shutil.rmtree(project.table_folder())
        shutil.copytree(project.folder + "/copy", project.table_folder())
        with Server(project) as server:
            equal(count(server), [250, 250, 250])
            equal(server.send(TOPIC, [event(250)])["offsets"][0]["first"], 250)
            server.land()
            equal(txn(project), 250)
            server.stop()
        with Server(project) as server:
            equal(count(server), [251, 251, 251])
            equal(server.send(TOPIC, [event(i) for i in range(251)])["duplicate"], 251)


def a_table_put_back_beyond_the_journal_stops_with_a_report():
    with Project(SLOW + "storage: {segment: 64KiB}\n") as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100)])
            server.land()
            server.stop()
        shutil.copytree(project.table_folder(), project.folder + "/copy")
        with Server(project) as server:
            for begin in range(100, 4100, 1000):
                server.send(TOPIC, [event(i) for i in range(begin, begin + 1000)])
                server.land()
            server.send(TOPIC, [event(4100)])
            server.land()
            server.stop()
        shutil.rmtree(project.table_folder())
        shutil.copytree(project.folder + "/copy", project.table_folder())
        with Server(project) as server:
            stopped = server.tables()[TOPIC]["stopped"]
            assert "offsets 100 to " in stopped and "neither in the table nor in the journal" in stopped, stopped
            kept = count(server)[0]
            assert 100 <= kept < 4101, kept
            receipt = server.send(TOPIC, [event(5000)])
            equal(receipt["offsets"][0]["first"], 4101, "offsets are not used again")
            server.land()
            equal(txn(project), 99)
            equal(server.post(f"/v1/admin/tables/{TOPIC}/adopt")[0], 200)
            server.land()
            equal(txn(project), 4101)
            server.stop()
        with Server(project) as server:
            equal(server.tables()[TOPIC]["stopped"], "")
            equal(count(server), [kept + 1] * 3)
            equal(server.send(TOPIC, [event(5000)])["duplicate"], 1)


def a_table_that_lost_its_transactions_stops_with_a_report():
    with Project(SLOW) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100)])
            server.land()
            server.send(TOPIC, [event(i) for i in range(100, 110)])
            server.kill()
        log = project.table_folder() + "/_delta_log"
        for name in os.listdir(log):  # As after a rewrite by an engine that does not keep them.
            with open(f"{log}/{name}") as file:
                actions = [line for line in file if "txn" not in json.loads(line)]
            with open(f"{log}/{name}", "w") as file:
                file.writelines(actions)
        with Server(project) as server:
            stopped = server.tables()[TOPIC]["stopped"]
            assert "up to offset 99" in stopped and "no transaction" in stopped, stopped
            equal(count(server), [110, 110, 110])
            equal(server.send(TOPIC, [event(110)])["offsets"][0]["first"], 110)
            server.land()
            equal(len(project.commits()), 2)
            equal(server.post(f"/v1/admin/tables/{TOPIC}/adopt")[0], 200)
            server.land()
            equal(txn(project), 110)
            server.stop()
        shutil.rmtree(f"{project.folder}/data/journal")
        with Server(project) as server:
            equal(count(server), [111, 111, 111])


def a_foreign_restore_removes_rows_and_landing_goes_on():
    with Project(SLOW) as project, Server(project) as server:
        server.send(TOPIC, [event(i) for i in range(100)])
        server.land()
        version = len(project.commits()) - 1
        server.send(TOPIC, [event(i) for i in range(100, 150)])
        server.land()
        server.send(TOPIC, [event(i) for i in range(150, 170)])  # In the tail.
        foreign_writer.restore(project.table_folder(), version)
        until(lambda: count(server)[0] == 120, "SQL sees what the restore removed")
        until(lambda: '"event":"rows removed by another writer"' in server.output(), "it is reported")
        server.land()
        equal(count(server), [120, 120, 120])
        server.send(TOPIC, [event(i) for i in range(170, 180)])
        server.land()
        equal(txn(project), 179)
        server.stop()
        with Server(project) as again:
            equal(count(again), [130, 130, 130])
            equal(again.send(TOPIC, [event(180)])["offsets"][0]["first"], 180)


def foreign_rows_are_seen_and_landing_goes_on():
    pyarrow = foreign_writer.parquet()
    with Project(SLOW) as project, Server(project) as server:
        server.send(TOPIC, [event(i) for i in range(10)])
        server.land()
        server.send(TOPIC, [event(i) for i in range(10, 20)])
        at = datetime.datetime(2026, 1, 5, tzinfo=datetime.timezone.utc)
        foreign_writer.append(project.table_folder(), "2026-01-05", {
            "event_id": ["foreign"], "user_id": pyarrow.array([7], pyarrow.int64()),
            "event_time": pyarrow.array([at], pyarrow.timestamp("us", "UTC"))})
        until(lambda: count(server)[0] == 21, "SQL sees the foreign row")
        equal(server.sql(f"select event_id, user_id, page, _offset, _partition from {TABLE} where _offset is null"),
              [["foreign", 7, None, None, None]])
        server.land()
        equal(txn(project), 19)
        equal(count(server), [21, 21, 20])
        server.stop()
        with Server(project) as again:
            equal(count(again), [21, 21, 20])
            equal(again.send(TOPIC, [event(i) for i in range(21)])["duplicate"], 20)


def far_dates_in_one_body_land_in_bounded_commits():
    day = datetime.timedelta(days=1)
    first = datetime.date(1990, 1, 1)
    rows = [event(i, time_text=f"{first + i * day}T12:00:00Z") for i in range(FAR_DATES)]
    with Project("land: {every: 50ms}\n") as project, Server(project) as server:
        begin = time.monotonic()
        equal(server.send(TOPIC, rows)["accepted"], FAR_DATES)
        equal(count(server), [FAR_DATES] * 3)
        until(lambda: server.tables()[TOPIC]["landed_offset"] == FAR_DATES - 1, "all dates landed", 300)
        took = time.monotonic() - begin
        adds = [[a["add"]["partitionValues"]["event_date"] for a in commit if "add" in a]
                for commit in project.commits()]
        widest = max(len(dates) for dates in adds)
        assert all(len(dates) == len(set(dates)) for dates in adds), "a date has two files in one commit"
        assert widest <= 512, f"{widest} partitions in one commit"
        equal(len({d for dates in adds for d in dates}), FAR_DATES, "event dates")
        equal(count(server), [FAR_DATES] * 3)
        one = FAR_DATES - 77
        equal(server.sql(f"select event_id, event_date from {TABLE} where event_date = date '{first + one * day}'"),
              [[f"e{one}", str(first + one * day)]])
        print(f"{FAR_DATES} dates in {sum(1 for d in adds if d)} commits of at most {widest} files, {took:.1f} s")
        far = server.send(TOPIC, [event(-1, time_text="1969-12-31T23:59:59Z"),
                                  event(-2, time_text="2999-01-01T00:00:00Z")])
        equal([e["code"] for e in far["errors"]], ["SL3021", "SL3021"])


def one_identity_has_one_content():
    other = lambda number: dict(event(number), page="/other")

    def refused(receipt):
        equal((receipt["accepted"], receipt["duplicate"], receipt["error"]), (0, 0, 1), receipt)
        equal(receipt["errors"][0]["code"], "SL3040")

    with Project(SLOW) as project:
        with Server(project) as server:
            receipt = server.send(TOPIC, [event(1), other(1), event(1)])
            equal((receipt["accepted"], receipt["duplicate"], receipt["error"]), (1, 1, 1), "in one request")
            equal((receipt["errors"][0]["row"], receipt["errors"][0]["code"]), (1, "SL3040"))
            server.send(TOPIC, [event(2)])
            refused(server.send(TOPIC, [other(2)]))
            server.kill()
        with Server(project) as server:  # Known from the journal.
            refused(server.send(TOPIC, [other(1)]))
            refused(server.send(TOPIC, [other(2)]))
            equal(server.send(TOPIC, [event(1), event(2)])["duplicate"], 2)
            server.land()
            server.stop()
        shutil.rmtree(f"{project.folder}/data/journal")
        with Server(project) as server:  # Known from the table.
            refused(server.send(TOPIC, [other(1)]))
            refused(server.send(TOPIC, [other(2)]))
            equal(server.send(TOPIC, [event(1), event(2)])["duplicate"], 2)
            equal(count(server), [2, 2, 2])
            equal(server.sql("select count(*) from system.errors where code = 'SL3040'"), [[6]])


def a_row_is_known_after_its_schema_got_a_field():
    with Project(SLOW) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(1)])
            server.land()
            server.send(TOPIC, [event(2)])
            wider = SCHEMA.replace("@3 :Text $Sl.eventTime;", "@3 :Text $Sl.eventTime;\n  source @4 :Text;")
            status, answer = server.post("/v1/admin/schemas?name=user_event.capnp", wider)
            equal((status, answer["topics"][0]["version"]), (200, 2))
            equal(server.send(TOPIC, [event(1), event(2)])["duplicate"], 2, "in the same run")
            equal(server.send(TOPIC, [event(3) | {"source": "web"}])["accepted"], 1)
            server.kill()
        for _ in range(2):
            with Server(project) as server:
                receipt = server.send(TOPIC, [event(1), event(2), event(3) | {"source": "web"}, event(3)])
                equal((receipt["duplicate"], receipt["error"]), (3, 1), receipt)
                equal(server.sql(f"select event_id, source from {TABLE} order by 1"),
                      [["e1", None], ["e2", None], ["e3", "web"]])
                server.stop()


def a_topic_made_again_begins_anew():
    with Project(SLOW) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100)])
            server.land()
            server.send(TOPIC, [event(i) for i in range(100, 150)])
            partition = server.tables()[TOPIC]["partition"]
            address = ["--server", f"127.0.0.1:{server.port}"]
            equal(project.command(*address, "topic", "delete", TOPIC)[0], 2, "without --yes")
            code, out, err = project.command(*address, "topic", "delete", TOPIC, "--yes")
            equal((code, json.loads(out)["deleted"]["files"]), (0, "default/bronze/shop_user_events"), err)
            equal(txn(project), 149, "what it had is landed")
            equal(server.send(TOPIC, [event(1)])["errors"][0]["code"], "SL3011")
            equal(server.ask("POST", "/v1/sql", f"select * from {TABLE}")[0], 400)
            equal(server.post("/v1/admin/schemas?name=user_event.capnp", SCHEMA)[0], 200)
            # Another partition, another folder, offsets from 0, and identities that nobody has seen.
            assert server.tables()[TOPIC]["partition"] > partition
            receipt = server.send(TOPIC, [event(i) for i in range(10)])
            equal((receipt["accepted"], receipt["offsets"][0]["first"]), (10, 0))
            equal(count(server), [10, 10, 10])
            server.kill()
        for _ in range(2):
            with Server(project) as server:
                equal(count(server), [10, 10, 10])
                equal(server.send(TOPIC, [event(i) for i in range(10)])["duplicate"], 10)
                server.land()
                equal(len(foreign_writer.live_files(project.table_folder("shop_user_events-2"))), 1)
                equal(txn(project), 149)
                server.stop()


def a_topic_without_a_schema_keeps_bytes():
    with Project(SLOW + "topics: {raw.bytes: {schema: none}}\n") as project:
        with Server(project) as server:
            rows = [{"id": "a", "data": "text é"}, {"id": "b", "data": {"x": [1, 2.50]}}, {"id": "c", "data": None},
                    {"id": "a", "data": "text é"}]
            receipt = server.send("raw.bytes", rows)
            equal((receipt["accepted"], receipt["error"]), (4, 0), receipt)
            equal(receipt["without_identity"], 4, "id is a key, not an identity")
            loose = server.send("", [{"topic": "raw.bytes", "id": "d", "data": "loose"},
                                     {"topic": "raw.bytes", "id": "e", "event_id": "once", "data": "x"},
                                     {"topic": "raw.bytes", "id": "e", "event_id": "once", "data": "x"}])
            equal((loose["accepted"], loose["duplicate"]), (5 - 3, 1), loose)
            expected = [["a", "text é"], ["b", '{"x": [1, 2.5]}'], ["c", None], ["a", "text é"], ["d", "loose"], ["e", "x"]]
            query = "select id, decode(data) from bronze.raw_bytes order by _offset"
            found = server.sql(query)
            equal([[i, d and d.replace("2.50", "2.5")] for i, d in found], expected)
            equal(server.sql("select typeof(data) from bronze.raw_bytes limit 1"), [["BLOB"]])
            server.land()
            equal(server.sql(query), found)
            server.stop()
        with Server(project) as server:
            equal(server.sql(query), found)


run(a_wiped_journal_uses_no_offset_again, who_waits_for_the_table_is_told_that_it_does_not_have_the_row,
    a_table_put_back_is_filled_again_from_the_journal,
    a_table_put_back_beyond_the_journal_stops_with_a_report,
    a_table_that_lost_its_transactions_stops_with_a_report, a_foreign_restore_removes_rows_and_landing_goes_on,
    foreign_rows_are_seen_and_landing_goes_on, far_dates_in_one_body_land_in_bounded_commits,
    one_identity_has_one_content, a_topic_made_again_begins_anew, a_row_is_known_after_its_schema_got_a_field, a_topic_without_a_schema_keeps_bytes)
