"""`sluice backup` and `sluice restore`: beside a server under load, at one moment, elsewhere, damaged, cut short."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from server import SCHEMA, SLOW, Project, Server, binary, equal, event, run, until

TOPIC = "shop.user-events"
SEALED = "keys: {environment: SLUICE_TEST_WRAPPING}\n"


class Elsewhere(Project):
    """An empty folder, as on another machine."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-test-")


def command(project, *words, code=0):
    found, out, err = project.command("-o", "json", *words)
    equal(found, code, out + err)
    return ([json.loads(line) for line in out.splitlines()] or [None])[0], err


def made(project, *flags):
    folder = tempfile.mkdtemp(prefix="sluice-test-backup-")
    contents, err = command(project, "backup", folder, *flags)
    return folder, contents, err


def verified(project, server):
    lines = [json.loads(line) for line in project.command("-o", "json", "--server", f"127.0.0.1:{server.port}", "verify")[1].splitlines()]
    for line in lines:
        assert line["balanced"] and line["pending"] is not None, line
    return {line["topic"]: line for line in lines}


def content_of(path):
    with open(path, "rb") as file:
        return file.read()


def beside_a_server_under_load_it_has_what_was_acknowledged():
    with Project("land: {every: 300ms}\nstorage: {segment: 1MiB}\n") as project, Elsewhere() as other:
        acknowledged, stop = [], threading.Event()
        with Server(project) as server:
            def send(client, base):
                number = base
                while not stop.is_set():
                    rows = [event(number + i, page="p" * 200) for i in range(50)] + ['{"userId": "bad"}\n']
                    client.send(TOPIC, rows)
                    acknowledged.append(range(number, number + 50))
                    number += 50
            threads = [threading.Thread(target=send, args=(server.another(), base)) for base in (0, 10_000_000)]
            for thread in threads:
                thread.start()
            backups = []
            try:
                for i in range(3):
                    until(lambda: len(acknowledged) >= 40 * (i + 1) and server.tables()[TOPIC]["version"] >= 2 * i + 1,
                          "events and landings")
                    before = {number for rows in list(acknowledged) for number in rows}
                    backups.append((before, *made(project, "--keys")))
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            sent = {number for rows in acknowledged for number in rows}
            server.stop()
        for before, folder, contents, _ in backups:
            equal((contents["keys"], contents["tables_at"]), ("clear", ""))
            [table] = [t for t in contents["tables"] if t["topic"] == TOPIC]
            # The tables alone are whole as they lie in the backup.
            equal(project.command("verify", "--tables", folder + "/data/tables")[0], 0)
            command(other, "restore", folder)
            with Server(other) as restored:
                rows = restored.sql(f"select user_id from bronze.shop_user_events")
                found = [row[0] for row in rows]
                equal(len(found), len(set(found)), "an event is there twice")
                equal(len(found), table["next_offset"])
                equal(len(before - set(found)), 0, "acknowledged before the backup, and not in it")
                equal(len(set(found) - sent), 0, "an event that nobody sent")
                assert verified(other, restored)[TOPIC]["accepted"] == table["next_offset"]
                # It goes on behind, and knows what it has seen.
                repeated = restored.send(TOPIC, [event(found[0], page="p" * 200), event(99_000_000)])
                equal((repeated["duplicate"], repeated["accepted"]), (1, 1), repeated)
                restored.land()
                restored.stop()
            shutil.rmtree(folder)
            shutil.rmtree(other.folder)
            os.mkdir(other.folder)


def of_a_killed_server_it_has_what_the_next_start_finds():
    with Project(SLOW) as project, Elsewhere() as other:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(30)])
            server.land()
            server.send(TOPIC, [event(i) for i in range(30, 70)])
            server.kill()
        folder, contents, _ = made(project, "--keys")
        [table] = [t for t in contents["tables"] if t["topic"] == TOPIC]
        equal((table["landed_offset"], table["next_offset"]), (29, 70))
        assert contents["bytes"] < 1_000_000, "space made ahead is not copied"
        command(other, "restore", folder)
        clock = "data/control/clock"
        equal(content_of(f"{other.folder}/{clock}"), content_of(f"{project.folder}/{clock}"), "the trusted time")
        with Server(other) as restored:
            equal(restored.sql("select count(*), count(distinct event_id) from bronze.shop_user_events"), [[70, 70]])
            equal(verified(other, restored)[TOPIC]["pending"], 40)
            restored.stop()
        shutil.rmtree(folder)


def keys_come_along_sealed_or_when_asked_for():
    private = {"user_event.capnp": SCHEMA.replace("userId    @1 :Int64;", "userId    @1 :Int64;\n  email @4 :Text $Sl.tokenize;")}
    with Project(SLOW, private) as project, Elsewhere() as other:
        with Server(project) as server:
            server.send(TOPIC, [event(1) | {"email": "a@b.c"}])
            server.stop()
        key_file = project.folder + "/keys/sluice.keys"
        secret = open(key_file, "rb").read()
        folder, contents, err = made(project)
        equal(contents["keys"], "left out")
        assert "is not in the backup" in err, err
        for path, _, names in os.walk(folder):
            for name in names:
                assert secret.splitlines()[1] not in open(f"{path}/{name}", "rb").read(), f"{path}/{name}"
        _, err = command(other, "restore", folder)
        assert "before the server starts" in err, err
        try:
            Server(other)
            raise AssertionError("it started with keys of its own")
        except RuntimeError as error:
            assert "was made with other keys" in str(error) and "put the key file back" in str(error), error
        equal(os.path.exists(other.folder + "/keys/sluice.keys"), False, "none is made that could be taken for it")
        os.makedirs(other.folder + "/keys", exist_ok=True)
        shutil.copy(key_file, other.folder + "/keys/sluice.keys")
        with Server(other) as restored:
            equal(restored.sql("select count(*) from bronze.shop_user_events"), [[1]])
            restored.stop()
        shutil.rmtree(folder)
        # Sealed it comes along by itself, and nobody else can read it.
        with open(project.folder + "/sluice.yaml", "a") as file:
            file.write(SEALED)
        os.environ["SLUICE_TEST_WRAPPING"] = "ab" * 32
        with Server(project) as server:
            server.stop()
        folder, contents, _ = made(project)
        equal(contents["keys"], "sealed")
        equal(os.stat(folder + "/keys/sluice.keys").st_mode & 0o777, 0o600)
        with Elsewhere() as third:
            command(third, "restore", folder)
            equal(os.stat(third.folder + "/keys/sluice.keys").st_mode & 0o777, 0o600)
            with Server(third) as restored:
                equal(restored.sql("select count(*) from bronze.shop_user_events"), [[1]])
                restored.stop()
        shutil.rmtree(folder)


def it_writes_over_nothing_and_names_what_is_damaged():
    with Project(SLOW) as project, Elsewhere() as other:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(30)])
            server.land()
            folder, _, _ = made(project, "--keys")
            _, err = command(project, "backup", folder, code=75)
            assert "is not empty" in err, err
            _, err = command(project, "restore", folder, code=75)
            assert "data' is not empty" in err, err
            server.stop()
        equal(command(other, "restore", folder, "--check")[0]["done"], "checked")
        equal(os.listdir(other.folder), [])
        hit = folder + "/data/journal/manifest"
        with open(hit, "r+b") as file:
            file.seek(30)
            byte = file.read(1)[0]
            file.seek(30)
            file.write(bytes([byte ^ 1]))
        [parquet] = [f"{path}/{name}" for path, _, names in os.walk(folder) for name in names
                     if name.endswith(".parquet") and "shop_user_events" in path and "_delta_log" not in path]
        os.remove(parquet)
        for flags in ([], ["--check"]):
            _, err = command(other, "restore", folder, *flags, code=1)
            assert "2 of " in err and "data/journal/manifest': checksum" in err and "missing" in err, err
            assert os.path.basename(parquet) in err, err
        equal(os.listdir(other.folder), [])
        with open(folder + "/backup", "r+b") as file:
            file.seek(40)
            file.write(b"x")
        _, err = command(other, "restore", folder, code=1)
        assert "checksum does not match" in err, err
        with open(folder + "/backup", "w") as file:
            text = "sluice backup 9\n"
            file.write(f"{text}sum\t{crc32c(text.encode()):08x}\n")
        _, err = command(other, "restore", folder, code=1)
        assert "is of format 9, this program knows 1" in err, err
        shutil.rmtree(folder)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def killed_when(condition, *words):
    """Kills a command as soon as the condition holds, unless it is done before."""
    process = subprocess.Popen([binary(), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not condition():
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()


def cut_short_it_passes_for_no_backup_and_is_seen_by_no_server():
    with Project(SLOW) as project, Elsewhere() as other:
        with Server(project) as server:
            for day in range(1, 20):  # Many files, so that there is a middle to be killed in.
                server.send(TOPIC, [event(100 * day + i, time_text=f"2026-01-{day:02}T10:00:00Z") for i in range(20)])
                server.land()
            for part in ("data/journal", "data/control", "data/tables/default/bronze", "project"):
                folder = tempfile.mkdtemp(prefix="sluice-test-backup-")
                killed_when(lambda: os.path.exists(f"{folder}/{part}"), "-C", project.folder, "backup", folder)
                assert os.path.exists(f"{folder}/{part}")
                if not os.path.exists(folder + "/backup"):
                    _, err = command(other, "restore", folder, code=1)
                    assert "is no backup" in err, err
                shutil.rmtree(folder)
            server.send(TOPIC, [event(5000)])  # Nothing came of it for the server.
            folder, _, _ = made(project, "--keys")
            server.stop()
        unfinished, cut = other.folder + "/data.restoring", 0
        for part in ("control", "journal", "tables", "tables/default", "tables/default/bronze") * 3:
            killed_when(lambda: os.path.exists(f"{unfinished}/{part}"), "-C", other.folder, "restore", folder)
            if os.path.exists(unfinished):
                cut += 1
                assert not os.path.exists(other.folder + "/data")
                _, err = command(other, "restore", folder, code=75)
                assert "cut short" in err, err
                # With a project file, and of a moment before the data got their name: no new project is begun.
                project_file = other.folder + "/sluice.yaml"
                if not os.path.exists(project_file):
                    shutil.copy(folder + "/project/sluice.yaml", project_file)
                try:
                    Server(other)
                    raise AssertionError("it started without what was being restored")
                except RuntimeError as error:
                    assert "cut short" in str(error), error
                assert not os.path.exists(other.folder + "/data")
                shutil.rmtree(unfinished)
            shutil.rmtree(other.folder + "/data", ignore_errors=True)
        assert cut > 0, "no restore was cut short"
        command(other, "restore", folder)
        with Server(other) as restored:
            equal(restored.sql("select count(*) from bronze.shop_user_events"), [[19 * 20 + 1]])
            verified(other, restored)
            restored.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    run(beside_a_server_under_load_it_has_what_was_acknowledged,
        of_a_killed_server_it_has_what_the_next_start_finds,
        keys_come_along_sealed_or_when_asked_for,
        it_writes_over_nothing_and_names_what_is_damaged,
        cut_short_it_passes_for_no_backup_and_is_seen_by_no_server)
