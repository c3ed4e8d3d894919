"""`sluice journal verify, inspect, dump, repair`: beside a server, after a kill, and with damage that costs rows."""

import json
import os
import shutil

from server import SCHEMA, Project, Server, equal, event, run

TOPIC = "shop.user-events"
SLOW = "land: {every: 1h}\n"  # Lands when told to.
PRIVATE = {"user_event.capnp": SCHEMA.replace("page      @2 :Text;", "page      @2 :Text $Sl.hash(hmacSha256);")}


def journal(project, *words, code=0):
    found, out, err = project.command("-o", "json", "journal", *words)
    equal(found, code, out + err)
    return [json.loads(line) for line in out.splitlines()], err


def flip(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 0x10]))


def a_sound_journal_is_told_as_it_is():
    with Project(SLOW, PRIVATE) as project:
        with Server(project) as server:
            for i in range(10):
                server.send(TOPIC, [event(10 * i + j, page="secret-page") for j in range(10)])
            [line], _ = journal(project, "verify")
            equal([line[k] for k in ("sound", "in_use", "rows", "damages", "lost")], [True, True, 100, [], []])
            segments, _ = journal(project, "inspect")
            [topic] = [topic for topic in segments[-1]["topics"] if topic["topic"] == TOPIC]
            equal((topic["first_offset"], topic["last_offset"]), (0, 99))
            equal(segments[-1]["state"], "active")
            server.kill()
        rows, _ = journal(project, "dump", "--rows", "--topic", TOPIC)
        equal([row["offset"] for row in rows], list(range(100)))
        equal([row["row"]["event_id"] for row in rows], [f"e{i}" for i in range(100)])
        assert "secret-page" not in json.dumps(rows), "what is protected stays protected"
        frames, _ = journal(project, "dump")
        equal(sum(f["last_offset"] - f["first_offset"] + 1 for f in frames if f["kind"] == "data"), 100)
        _, err = journal(project, "dump", "--topic", "shop.user-event", code=1)
        assert "no topic 'shop.user-event'" in err, "nothing of it is left, by the look of it: " + err
        equal(journal(project, "repair")[0][0]["lost"], [])
        equal(journal(project, "verify", "--journal", project.folder + "/data/journal")[0][0]["in_use"], False)
        code, _, err = project.command("journal", "verify", "--journal", project.folder + "/schemas")
        equal((code, "there is no journal" in err), (1, True), err)


def what_is_lost_is_named_accepted_and_in_the_ledger():
    with Project(SLOW) as project:
        with Server(project) as server:
            for i in range(10):
                server.send(TOPIC, [event(10 * i + j) for j in range(10)])
            server.kill()
        frames, _ = journal(project, "dump", "--topic", TOPIC)
        hit = [frame for frame in frames if frame.get("first_offset") == 30][0]
        path = f"{project.folder}/data/journal/{hit['segment']:020}"
        flip(path, hit["position"] + 200)
        [line], err = journal(project, "verify", code=1)
        equal([line["damages"][0][k] for k in ("file", "position", "group")],
              [os.path.relpath(path) if line["damages"][0]["file"][0] != "/" else path, hit["position"], hit["group"]])
        equal([(lost["topic"], lost["first_offset"], lost["last_offset"], lost["exact"]) for lost in line["lost"]],
              [(TOPIC, 30, 39, True)])
        try:
            Server(project)
            raise AssertionError("it started over damage")
        except RuntimeError as error:
            assert "journal verify" in str(error) and "checksum" in str(error), error
        code, _, err = project.command("journal", "repair")
        equal((code, "10 acknowledged rows in 1 ranges of offsets are lost" in err), (1, True), err)
        [repaired], _ = journal(project, "repair", "--accept-loss", "--reason", "the disk is old")
        equal([lost["first_offset"] for lost in repaired["lost"]], [30])
        equal(len(repaired["kept_files"]), 1)
        assert os.path.exists(repaired["kept_files"][0])
        [line], _ = journal(project, "verify")
        equal((line["sound"], line["rows"]), (True, 90))
        assert "the disk is old" in line["given_up"][0]["note"], line

        with Server(project) as server:
            equal(server.sql(f"select count(*), max(_offset) from bronze.shop_user_events")[0], [90, 99])
            server.send(TOPIC, [event(i) for i in range(100, 110)])
            equal(server.post("/v1/admin/land")[0], 200)
            code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify", TOPIC)
            equal(code, 0, out + err)
            assert "accepted 110 = landed 100 + removed 10 + pending 0: balanced" in out, out
            assert "10 lost before they landed, from offset 30" in out, out
            equal(server.sql("select operation, first_offset, last_offset, landed, removed from system.ledger "
                             f"where topic = '{TOPIC}' and removed > 0"), [["LOSS", 30, 39, 0, 10]])
            audit = server.sql("select action, object, reason from system.audit")
            equal(len(audit), 1)
            equal(audit[0][:2], ["journal.accept_loss", f"{TOPIC} offsets 30 to 39"])
            assert "the disk is old" in audit[0][2], audit
            # Their senders may send them again: nobody has seen them since.
            equal(server.send(TOPIC, [event(i) for i in range(25, 45)])["accepted"], 10)
            server.stop()
        with Server(project) as server:
            equal(len(server.sql("select * from system.audit")), 1, "once")
            equal(server.sql("select count(*), count(distinct event_id) from bronze.shop_user_events")[0], [110, 110])
            server.stop()


def an_older_manifest_is_refused_and_made_again():
    with Project(SLOW) as project:
        manifest = f"{project.folder}/data/journal/manifest"
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(10)])
            shutil.copy(manifest, manifest + ".older")
            server.kill()
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(10, 20)])
            server.kill()
        os.replace(manifest + ".older", manifest)
        files = sorted(os.listdir(os.path.dirname(manifest)))
        try:
            Server(project)
            raise AssertionError("it started over a manifest that is older than its segments")
        except RuntimeError as error:
            assert "older than its journal" in str(error) and "`sluice journal repair`" in str(error), error
        equal(sorted(os.listdir(os.path.dirname(manifest))), files, "nothing is removed")
        [line], _ = journal(project, "verify", code=1)
        equal((line["damages"][0]["file"].endswith("/manifest"), line["lost"], line["rows"]), (True, [], 20), line)
        [repaired], _ = journal(project, "repair")
        equal((repaired["changed"], repaired["lost"], len(repaired["kept_files"])), (True, [], 1))
        with Server(project) as server:
            equal(server.sql("select count(*), max(_offset) from bronze.shop_user_events")[0], [20, 19])
            equal(server.send(TOPIC, [event(i) for i in range(15, 25)])["accepted"], 5)
            server.stop()


if __name__ == "__main__":
    run(a_sound_journal_is_told_as_it_is, what_is_lost_is_named_accepted_and_in_the_ledger,
        an_older_manifest_is_refused_and_made_again)
