"""`sluice verify` and `system.ledger`: the balance with a server and without one, what others did, and the gap."""

import datetime
import json
import os
import shutil
import subprocess
import urllib.parse

import foreign_writer
from server import SCHEMA, SLOW, Project, Server, binary, equal, event, run, until

TOPIC = "shop.user-events"
TABLE = "bronze.shop_user_events"


def verify(project, *words, server=None, code=0):
    """The proof's lines by topic."""
    at = ["--server", f"127.0.0.1:{server.port}"] if server else []
    found, out, err = project.command("-o", "json", *at, "verify", *words)
    equal(found, code, out + err)
    return {line["topic"]: line for line in map(json.loads, out.splitlines())}


def ledger(server):
    """Sums over the topic: accepted, landed, removed, foreign, duplicate."""
    return server.sql("select sum(accepted)::bigint, sum(landed)::bigint, sum(removed)::bigint, "
                      "sum(foreign_rows)::bigint, sum(duplicate)::bigint "
                      f"from system.ledger where topic = '{TOPIC}'")[0]


def everything_that_was_answered_is_in_the_balance():
    with Project(SLOW) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100)])
            server.send(TOPIC, [event(i) for i in range(50)] + ["bad\n"])
            server.land()
            server.send(TOPIC, [event(i) for i in range(90, 130)])
            proof = verify(project, server=server)
            line = proof[TOPIC]
            equal([line[k] for k in ("accepted", "landed", "removed", "pending", "duplicate", "balanced")],
                  [130, 100, 0, 30, 50, True])
            equal(proof["system.errors"]["accepted"], 1)
            equal(ledger(server), [130, 100, 0, 0, 60])
            equal(server.sql("select operation, first_offset, last_offset, accepted from system.ledger "
                             f"where topic = '{TOPIC}' order by version nulls last, operation"),
                  [["LAND", 0, 99, 100], ["ERROR", None, None, 0], ["PENDING", 100, 129, 30]])
            equal(server.sql("select error, duplicate from system.ledger where operation in ('ERROR', 'PENDING') "
                             f"and topic = '{TOPIC}' order by operation"), [[1, 0], [0, 10]])
            code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify", TOPIC)
            equal(code, 0, err)
            assert "accepted 130 = landed 100 + removed 0 + pending 30: balanced" in out, out
            server.stop()  # Lands, and keeps the count of duplicates.
        line = verify(project, TOPIC)[TOPIC]
        equal([line[k] for k in ("accepted", "landed", "pending", "duplicate", "balanced")], [130, 130, 0, 60, True])
        # On another machine there are the tables alone.
        shutil.copytree(f"{project.folder}/data/tables", f"{project.folder}/elsewhere")
        with Project() as other:
            lines = verify(other, "--tables", f"{project.folder}/elsewhere")
            line = lines["default/bronze/shop_user_events"]
            equal([line[k] for k in ("accepted", "landed", "pending")], [None, 130, None], "there is no journal")
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(7)])
            server.land()
            equal(verify(project, TOPIC, server=server)[TOPIC]["duplicate"], 67)
            server.stop()


def the_journal_of_a_stopped_server_says_what_is_pending():
    with Project(SLOW) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100)])
            server.land()
            server.send(TOPIC, [event(i) for i in range(100, 130)] + ["bad\n"])
            server.kill()
        journal = f"{project.folder}/data/journal"
        before = {name: open(f"{journal}/{name}", "rb").read() for name in os.listdir(journal)}
        line = verify(project, TOPIC)[TOPIC]
        equal([line[k] for k in ("accepted", "landed", "pending", "balanced")], [130, 100, 30, True])
        equal(verify(project, "system.errors")["system.errors"]["pending"], 1)
        code, out, err = project.command("verify")
        equal(code, 0, err)
        assert "accepted 130 = landed 100 + removed 0 + pending 30: balanced" in out, out
        assert "counting up to the end of the journal" in err, err
        equal({name: open(f"{journal}/{name}", "rb").read() for name in os.listdir(journal)}, before)
        # The tables alone are what they are.
        line = verify(project, "--tables", f"{project.folder}/data/tables")["default/bronze/shop_user_events"]
        equal((line["accepted"], line["pending"]), (None, None))
        # A table that is gone with rows that were accepted is a gap.
        folder = project.table_folder()
        os.rename(folder, f"{project.folder}/away")
        code, _, err = project.command("verify", TOPIC)
        equal(code, 1, err)
        os.rename(f"{project.folder}/away", folder)
        # Damage: its end is not known, and that is said. Nobody who asks by the exit code takes it for a balance.
        [last] = [name for name in os.listdir(journal) if name.isdigit()]
        for lost in (f"{journal}/{last}", journal):
            os.rename(lost, f"{project.folder}/lost")
            code, out, err = project.command("-o", "json", "verify", TOPIC)
            line = json.loads(out)
            equal((code, line["pending"], line["landed"]), (1, None, 100), err)
            assert "the journal is damaged" in err or "there is no journal" in err, err
            assert "counting the tables alone" in err and "may be lost" in err, err
            os.rename(f"{project.folder}/lost", lost)
        with Server(project) as server:  # As a server that hangs: it has the journal open.
            code, out, err = project.command("-o", "json", "--server", "127.0.0.1:1", "verify", TOPIC)
            equal((code, json.loads(out)["pending"]), (0, None), err)
            assert "a process has the journal open" in err, err
            server.stop()


def what_another_engine_did_is_named():
    with Project(SLOW) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100)])
            server.land()
            server.send(TOPIC, [event(i, time_text="2026-02-06T10:00:00Z") for i in range(100, 140)])
            server.land()
            folder = project.table_folder()
            foreign_writer.append(folder, "2026-01-05", {"page": ["x", "y"]})
            gone = [path for path in foreign_writer.live_files(folder) if "2026-02-06" in path]
            version = foreign_writer.commit(folder, [foreign_writer.info("DELETE"), {"remove": {
                "path": gone[0], "deletionTimestamp": 1, "dataChange": True,
                "partitionValues": {"event_date": "2026-02-06"}}}])
            server.send(TOPIC, [event(i) for i in range(140, 145)])
            server.land()
            line = verify(project, TOPIC, server=server)[TOPIC]
            equal([line[k] for k in ("accepted", "landed", "removed", "pending", "foreign_rows", "balanced")],
                  [145, 105, 40, 0, 2, True])
            equal(line["removals"], [{"version": version, "operation": "DELETE", "engine": "foreign-writer",
                                      "rows": 40, "first_offset": 100, "by_statistics": False,
                                      "cause": "removed"}])
            equal(ledger(server), [145, 105, 40, 2, 0])
            os.remove(f"{folder}/{gone[0]}")  # As a vacuum would.
            line = verify(project, TOPIC, "--full", server=server)[TOPIC]
            equal((line["removed"], line["removals"][0]["by_statistics"], line["balanced"]), (40, True, True))
            server.stop()


def what_a_restore_took_away_is_landed_again_by_what_verify_says():
    with Project(SLOW) as project:
        with Server(project) as server:
            for first, day in ((0, "2026-01-05"), (100, "2026-02-06")):
                server.send(TOPIC, [event(i, time_text=day + "T10:00:00Z") for i in range(first, first + 100)])
                server.land()
            folder = project.table_folder()
            foreign_writer.append(folder, "2026-01-05", {"page": ["x", "y"]})
            version = foreign_writer.restore(folder, 1)
            server.send(TOPIC, [event(i) for i in range(200, 210)])
            server.land()

            def report():
                code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify", TOPIC, "--full")
                equal(code, 0, err)
                return out

            out = report()
            assert f"100 removed by version {version}: RESTORE by foreign-writer" in out, out
            said = [line.strip() for line in out.splitlines() if line.startswith("    sluice ")]
            equal(len(said), 2, out)
            for line in said:
                done = subprocess.run(["sh", "-c", line.replace("sluice", os.path.abspath(binary()), 1)], capture_output=True, text=True,
                                      cwd=project.folder)
                equal(done.returncode, 0, line + done.stderr)
            counted = "select count(*), count(distinct _offset), count(distinct event_id) from bronze.shop_user_events"
            until(lambda: server.sql(counted) == [[210, 210, 210]], "they are back, and nothing else is")
            server.send(TOPIC, [event(i) for i in range(190, 220)])
            server.land()
            out = report()
            assert "accepted 220 = landed 220 + removed 0 + pending 0: balanced" in out, out
            server.stop()


def only_what_is_new_is_counted_again():
    with Project(SLOW) as project:
        with Server(project) as server:
            def count(*words, code=0):
                line = verify(project, TOPIC, *words, server=server, code=code)[TOPIC]
                return [line[k] for k in ("counted_from", "files_read", "landed", "pending", "balanced")]

            for day in range(3):
                server.send(TOPIC, [event(100 * day + i, time_text=f"2026-01-0{day + 1}T10:00:00Z")
                                    for i in range(100)])
                server.land()
            equal(count(), [None, 3, 300, 0, True])
            server.send(TOPIC, [event(i) for i in range(300, 340)])
            equal(count(), [3, 0, 300, 40, True])
            server.land()
            equal(count(), [3, 1, 340, 0, True])
            equal(count("--full"), [None, 4, 340, 0, True])
            folder = project.table_folder()
            path = sorted(foreign_writer.live_files(folder))[0]
            foreign_writer.commit(folder, [foreign_writer.info("DELETE"), {"remove": {
                "path": path, "deletionTimestamp": 1, "dataChange": True,
                "partitionValues": {"event_date": "2026-01-01"}}}])
            until(lambda: server.sql("select count(*) from bronze.shop_user_events")[0][0] == 240, "it is seen")
            equal(verify(project, TOPIC, server=server)[TOPIC]["removed"], 100)
            equal(count(), [5, 0, 240, 0, True], "what was explained once is signed off")
            # A file that was counted and has gone since, or was cut off.
            path = f"{folder}/{sorted(foreign_writer.live_files(folder))[0]}"
            os.rename(path, path + ".away")
            code, _, err = project.command("--server", f"127.0.0.1:{server.port}", "verify", TOPIC)
            equal((code, os.path.basename(path) in err), (1, True), err)
            shutil.copy(path + ".away", path)
            os.truncate(path, os.path.getsize(path) // 2)
            code, _, err = project.command("--server", f"127.0.0.1:{server.port}", "verify", TOPIC)
            equal((code, os.path.basename(path) in err), (1, True), err)
            os.replace(path + ".away", path)
            equal(count(), [5, 0, 240, 0, True])
            with open(f"{project.folder}/data/ledger/default.bronze.shop_user_events", "r+") as file:
                file.write("sluice-ledger 1 damaged")
            equal(count()[:2], [None, 3])
            server.stop()


def a_flipped_bit_in_a_landed_file_is_named():
    with Project(SLOW) as project:
        with Server(project) as server:
            for day in range(2):
                server.send(TOPIC, [event(100 * day + i, time_text=f"2026-01-0{day + 1}T10:00:00Z")
                                    for i in range(100)])
                server.land()
            verify(project, TOPIC, server=server)
            folder = project.table_folder()
            name = sorted(foreign_writer.live_files(folder))[0]
            path = f"{folder}/{name}"
            with open(path, "rb") as file:
                whole = file.read()
            for part in range(1, 20):
                damaged = bytearray(whole)
                damaged[len(whole) * part // 20] ^= 1 << part % 8
                with open(path, "wb") as file:
                    file.write(damaged)
                assert verify(project, TOPIC, server=server)[TOPIC]["balanced"], "it was counted before"
                line = verify(project, TOPIC, "--full", server=server, code=1)[TOPIC]
                assert not line["balanced"] and os.path.basename(name) in line["faults"][0], line
            code, out, _ = project.command("--server", f"127.0.0.1:{server.port}", "verify", TOPIC, "--full")
            assert code == 1 and f"DAMAGED: file '{name}'" in out, out
            with open(path, "wb") as file:
                file.write(whole)
            assert verify(project, TOPIC, "--full", server=server)[TOPIC]["balanced"]
            server.stop()


def what_was_done_a_moment_ago_counts():
    with Project(SLOW) as project:
        with Server(project) as server:
            for first in (0, 100, 200):
                server.send(TOPIC, [event(i) for i in range(first, first + 100)])
                server.land()
                if first == 0:
                    shutil.copytree(project.table_folder(), f"{project.folder}/copy")
            server.send(TOPIC, [event(i) for i in range(300, 310)])
            code, _, err = project.command("table", "delete", TABLE, "--where", "user_id < 50")
            equal(code, 0, err)
            line = verify(project, TOPIC, server=server)[TOPIC]  # The server has not looked since.
            equal([line[k] for k in ("accepted", "landed", "removed", "pending", "balanced")], [310, 250, 50, 10, True])
            # An older copy, put in its place: rows that are said to wait have landed, and been let go.
            os.rename(project.table_folder(), f"{project.folder}/away")
            os.rename(f"{project.folder}/copy", project.table_folder())
            line = verify(project, TOPIC, server=server, code=1)[TOPIC]
            assert "an older copy of the table was put in its place" in line["faults"][0], line
            server.ask("POST", "/v1/admin/land")
            equal(len(project.commits()), 2, "it lands nothing behind a gap")
            shutil.rmtree(project.table_folder())
            os.rename(f"{project.folder}/away", project.table_folder())
            server.land()
            line = verify(project, TOPIC, server=server)[TOPIC]
            equal([line[k] for k in ("accepted", "landed", "removed", "pending", "balanced")], [310, 260, 50, 0, True])
            server.stop()


def a_time_is_counted_alone():
    with Project(SLOW) as project:
        with Server(project) as server:
            times = []
            for part in range(3):
                server.send(TOPIC, [event(100 * part + i) for i in range(100)])
                server.land()
                times.append(server.sql("select strftime(max(_received_at) + interval 1 microsecond, "
                                        "'%Y-%m-%dT%H:%M:%S.%fZ') from bronze.shop_user_events")[0][0])
            line = verify(project, TOPIC, "--from", times[0], "--to", times[1], server=server)[TOPIC]
            equal([line[k] for k in ("first_offset", "last_offset", "accepted", "landed", "balanced", "files_read")],
                  [100, 199, 100, 100, True, 1])
            equal(verify(project, TOPIC, "--to", times[1], server=server)[TOPIC]["landed"], 200)
            code, _, err = project.command("verify", "--from", "yesterday")
            equal((code, "expected a time such as" in err), (2, True), err)
            code, _, err = project.command("verify", "--from", times[1], "--to", times[0])
            equal((code, "is not before" in err), (2, True), err)
            server.stop()


def duplicates_and_errors_are_counted_across_a_kill():
    with Project(SLOW) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100)])
            server.land()
            server.send(TOPIC, [event(i) for i in range(60)] + ["bad\n"])
            server.send(TOPIC, [event(i) for i in range(90, 110)])
            server.kill()
        for _ in range(2):
            with Server(project) as server:
                equal(server.sql("select sum(duplicate)::bigint, sum(error)::bigint from system.ledger "
                                 f"where topic = '{TOPIC}'")[0], [70, 1])
                server.kill()
        with Server(project) as server:
            server.land()
            equal(verify(project, TOPIC, server=server)[TOPIC]["duplicate"], 70)
            equal(server.sql(f"select sum(error)::bigint from system.ledger where topic = '{TOPIC}'")[0], [1])
            server.kill()
        # The journal is lost; the table knows.
        shutil.rmtree(f"{project.folder}/data/journal")
        with Server(project) as server:
            server.post(f"/v1/admin/tables/{TOPIC}/adopt")
            server.send(TOPIC, [event(i) for i in range(7)])
            server.land()
            equal(ledger(server)[4], 77)
            server.kill()


def a_gap_ends_with_1_and_is_named():
    pyarrow = foreign_writer.parquet()
    with Project(SLOW) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100)])
            server.land()
            path = f"{project.table_folder()}/{list(foreign_writer.live_files(project.table_folder()))[0]}"
            rows = pyarrow.parquet.ParquetFile(path).read()
            keep = [i for i, offset in enumerate(rows.column("_offset").to_pylist()) if offset not in (41, 42)]
            pyarrow.parquet.write_table(rows.take(keep), path)
            line = verify(project, TOPIC, server=server, code=1)[TOPIC]
            equal((line["landed"], line["balanced"]), (98, False))
            assert line["faults"][0].startswith(
                "offsets 41 to 42 are in no file: version 1 says that offsets 0 to 99 landed"), line
            code, out, _ = project.command("--server", f"127.0.0.1:{server.port}", "verify")
            equal(code, 1)
            assert "NOT BALANCED" in out and "GAP: offsets 41 to 42" in out, out
            server.stop()


def a_receipt_says_what_became_of_an_event():
    schemas = {"user_event.capnp": SCHEMA, "orders.capnp": """@0x9a41c6de07b35f19;
using Sl = import "sluice.capnp";
struct Order $Sl.event("shop.orders") { number @0 :Int64 $Sl.id; n @1 :Int64; }
"""}
    with Project(SLOW, schemas) as project:
        with Server(project) as server:
            def receipt(topic, event_id, expected=200):
                status, answer = server.get(f"/v1/receipts/{topic}{event_id if event_id[0] == '?' else '/' + event_id}")
                equal(status, expected, answer)
                return answer

            server.send(TOPIC, [event(i) for i in range(100)])
            server.land()
            server.send(TOPIC, [event(i, time_text="2026-02-06T10:00:00Z") for i in range(100, 140)])
            server.land()
            server.send(TOPIC, [event(5), event(500)])
            found = receipt(TOPIC, "e120")
            equal([found[k] for k in ("topic", "event_id", "state", "offset", "version", "table")],
                  [TOPIC, "e120", "landed", 120, 2, TABLE])
            assert found["file"].startswith("event_date=2026-02-06/"), found
            assert os.path.exists(f"{project.table_folder()}/{found['file']}")
            equal(receipt(TOPIC, "e5")["offset"], 5, "that of the original")
            found = receipt(TOPIC, "e500")
            equal([found[k] for k in ("state", "offset")], ["pending", 140])
            server.send(TOPIC, [dict(event(7), userId="bad", eventId="e-bad")])
            found = receipt(TOPIC, "e-bad")
            equal([found[k] for k in ("state", "error_id", "code", "path")], ["error", 0, "SL3012", "userId"])
            equal(server.post("/v1/admin/errors/0/drop")[0], 200)
            equal(receipt(TOPIC, "e-bad")["closed"], "dropped")
            server.send("shop.orders", [{"number": 17, "n": 1}])
            equal(receipt("shop.orders", "17")["state"], "pending", "an id that is a number")
            receipt("shop.orders", "18", 404)
            receipt(TOPIC, "e-never", 404)
            # By time of receipt.
            at = receipt(TOPIC, "e120")["received_at"]
            day_after = f"{datetime.date.fromisoformat(at[:10]) + datetime.timedelta(days=1)}"
            equal(receipt(TOPIC, f"e120?from={at}&to={day_after}")["offset"], 120)
            receipt(TOPIC, f"e120?to={at}", 404)
            receipt(TOPIC, f"e120?from={day_after}", 404)
            receipt(TOPIC, f"e-bad?from={day_after}", 404)
            equal(receipt(TOPIC, f"e-bad?from={at}")["state"], "error")
            equal(receipt(TOPIC, "e120?from=yesterday", 400)["code"], "SL4001")
            # Files that have none of it are not read: this one is not even there.
            other = f"{project.table_folder()}/{receipt(TOPIC, 'e5')['file']}"
            os.rename(other, other + ".away")
            equal(receipt(TOPIC, f"e120?from={at}")["offset"], 120)
            equal(server.get(f"/v1/receipts/{TOPIC}/e5")[0] // 100, 5, "the test looks at the wrong file")
            os.rename(other + ".away", other)
            receipt("nothing", "e1", 404)
            # An id with what is special in addresses, JSON and SQL.
            server.send(TOPIC, [dict(event(1), eventId="a/b '\"é")])
            equal(receipt(TOPIC, "?event_id=" + urllib.parse.quote("a/b '\"é", safe=""))["state"], "pending")
            server.stop()


def an_event_without_an_id_has_a_receipt_by_batch_or_producer():
    settings = SLOW + "topics: {moves: {schema: none, dedup: {by: batch}}, steps: {schema: none, dedup: {by: producer}}, "
    settings += "plain: {schema: none}}\n"
    with Project(settings) as project:
        with Server(project) as server:
            def receipt(target, expected=200):
                status, answer = server.get("/v1/receipts/" + target)
                equal(status, expected, answer)
                return answer

            ndjson = {"Content-Type": "application/x-ndjson"}
            target = "/v1/events/moves?client=web&batch_id=b1"
            equal(server.post(target, '{"id": "m1"}\n{"id": 7\n{"n": 2}\n', ndjson)[1]["error"], 1)
            server.land()
            found = receipt("moves?client=web&batch_id=b1&row=2")
            equal([found[k] for k in ("topic", "client", "batch_id", "row", "state", "offset", "version")],
                  ["moves", "web", "b1", 2, "landed", 1, 1])
            equal([receipt("moves?client=web&batch_id=b1&row=1")[k] for k in ("state", "code")], ["error", "SL3001"])
            assert "it was never acknowledged" in receipt("moves?client=web&batch_id=b1&row=3", 404)["detail"]
            receipt("moves?batch_id=b1&row=2", 404)  # Another client's.
            # The key of the header is the batch; a row outside of any batch goes by its id.
            server.post("/v1/events/moves", '{"n": 3}\n', {**ndjson, "Idempotency-Key": "k/1"})
            equal(receipt("moves?batch_id=k%2F1&row=0")["state"], "pending")
            server.send("", [{"topic": "moves", "event_id": "alone", "content": {"n": 4}}])
            equal(receipt("moves/alone")["state"], "pending")
            for address in ("moves/m1", "moves?event_id=m1", "moves?producer=p&sequence=1"):
                answer = receipt(address, 400)
                assert answer["code"] == "SL4001" and "ask for them by batch_id and row" in answer["detail"], answer

            server.send("", [{"topic": "steps", "producer": "till", "sequence": 4, "content": {"n": 1}},
                             {"topic": "steps", "producer": "till", "epoch": 2, "sequence": 4, "content": {"n": 2}},
                             {"topic": "steps", "producer": "till", "sequence": 5, "event_id": "s5", "content": {"n": 3}}])
            found = receipt("steps?producer=till&epoch=2&sequence=4")
            equal([found[k] for k in ("producer", "epoch", "sequence", "state", "offset")], ["till", 2, 4, "pending", 1])
            equal(receipt("steps?producer=till&sequence=4")["offset"], 0)
            equal(receipt("steps/s5")["offset"], 2)
            assert "or it goes by its event_id, which it has" in receipt("steps?producer=till&sequence=5", 404)["detail"]
            assert "by producer and sequence" in receipt("steps?batch_id=b&row=0", 400)["detail"]
            assert "by event_id" in receipt(f"{TOPIC}?batch_id=b&row=0", 400)["detail"]
            for wrong in ("", "?batch_id=b", "?row=1", "?batch_id=b&row=-1", "?batch_id=b&row=1x", "?producer=p",
                          "?producer=p&sequence=x", "?event_id=a&batch_id=b&row=1", "?epoch=1&event_id=a"):
                equal(receipt("moves" + wrong, 400)["code"], "SL4001", wrong)
            receipt("nothing?batch_id=b&row=0", 404)
            server.send("plain", [{"id": "x"}])
            assert "without one nothing tells its events apart" in receipt("plain/x", 404)["detail"]
            server.stop()


def mistakes_are_told():
    with Project(SLOW) as project:
        with Server(project) as server:
            code, _, err = project.command("--server", f"127.0.0.1:{server.port}", "verify", "nothing")
            equal((code, "there is no topic 'nothing'" in err), (1, True), err)
            server.stop()
        code, _, err = project.command("verify", "--tables", project.folder + "/schemas")
        equal((code, "there are no tables in it" in err), (1, True), err)


if __name__ == "__main__":
    run(everything_that_was_answered_is_in_the_balance, the_journal_of_a_stopped_server_says_what_is_pending,
        only_what_is_new_is_counted_again, what_was_done_a_moment_ago_counts, a_time_is_counted_alone, a_flipped_bit_in_a_landed_file_is_named,
        what_a_restore_took_away_is_landed_again_by_what_verify_says,
        duplicates_and_errors_are_counted_across_a_kill, what_another_engine_did_is_named,
        a_gap_ends_with_1_and_is_named, a_receipt_says_what_became_of_an_event,
        an_event_without_an_id_has_a_receipt_by_batch_or_producer, mistakes_are_told)
