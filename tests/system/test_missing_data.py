"""Data that were moved, lost, unmounted or put elsewhere: nothing of it is passed over in silence."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from server import SLOW, Project, Server, Skip, equal, event, run, until

TOPIC = "shop.user-events"
TABLE = "bronze.shop_user_events"
LOST = "are neither in the table nor in the journal"
# Released rows let their segments go soon.
SETTINGS = SLOW + "storage: {segment: 64KiB}\n"


class Elsewhere(Project):
    """An empty folder, as on another machine."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-test-")


def verify(project, server=None, code=0):
    """The topic's line, and what was said."""
    at = ["--server", f"127.0.0.1:{server.port}"] if server else []
    found, out, err = project.command("-o", "json", *at, "verify", TOPIC)
    equal(found, code, out + err)
    return json.loads(out), err


def landed_and_released(project, rows=100):
    """All that came has landed, and the journal has let it go."""
    with Server(project) as server:
        server.send(TOPIC, [event(i) for i in range(rows)])
        server.stop()
    for _ in range(2):
        with Server(project) as server:
            server.stop()
    code, out, err = project.command("-o", "json", "journal", "inspect")
    equal(code, 0, err)
    kept = [topic for line in out.splitlines() for topic in json.loads(line)["topics"] if topic["topic"] == TOPIC]
    equal(kept, [], "the journal has none of its rows")


def a_table_that_is_gone_is_told_of_though_the_journal_let_its_rows_go():
    with Project(SETTINGS) as project:
        landed_and_released(project)
        os.rename(project.table_folder(), project.folder + "/away")
        equal(project.command("verify", TOPIC)[0], 1)
        with Server(project) as server:
            stopped = server.tables()[TOPIC]["stopped"]
            assert "offsets 0 to 99 " + LOST in stopped, stopped
            assert "sluice_landing_stopped" in server.ask("GET", "/metrics")[1].decode()
            line, _ = verify(project, server, code=1)
            assert not line["balanced"] and LOST in line["faults"][0], line
            # The door stays open, and what comes is not mixed with what is gone.
            equal(server.send(TOPIC, [event(200)])["offsets"][0]["first"], 100)
            server.kill()
        line, _ = verify(project, code=1)
        assert "offsets 0 to 99 were accepted, and " + LOST in line["faults"][0], line
        # The disk is mounted again: all is there.
        shutil.rmtree(project.table_folder())
        os.rename(project.folder + "/away", project.table_folder())
        with Server(project) as server:
            equal(server.tables()[TOPIC]["stopped"], "")
            equal(server.sql(f"select count(*), count(distinct event_id) from {TABLE}"), [[101, 101]])
            server.land()
            line, _ = verify(project, server)
            equal((line["accepted"], line["landed"], line["balanced"]), (101, 101, True))
            server.stop()


def an_older_table_beside_a_newer_journal_is_not_balanced():
    """As `cp -r` makes it of data that a server has open."""
    with Project(SETTINGS) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(50)])
            server.stop()
        shutil.copytree(project.table_folder(), project.folder + "/copy")
        landed_and_released(project)
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(100, 120)])
            server.kill()
        equal(verify(project)[0]["balanced"], True)
        shutil.rmtree(project.table_folder())
        os.rename(project.folder + "/copy", project.table_folder())
        line, _ = verify(project, code=1)
        equal((line["accepted"], line["landed"], line["pending"]), (120, 50, 70))
        assert "offsets 50 to 99 were accepted, and " + LOST in line["faults"][0], line
        with Server(project) as server:
            line, _ = verify(project, server, code=1)
            assert "offsets 50 to 99 " + LOST in line["faults"][0], line
            status, answer = server.get(f"/v1/receipts/{TOPIC}/e70")
            assert status == 404 and LOST in answer["detail"], answer
            equal(project.command("--server", f"127.0.0.1:{server.port}", "table", "adopt", TOPIC)[0], 0)
            server.land()
            line, _ = verify(project, server)
            equal((line["accepted"], line["landed"], line["removed"], line["balanced"]), (120, 70, 50, True))
            [[action, topic, why]] = server.sql("select action, object, reason from system.audit")
            assert (action, topic) == ("table.adopt", TOPIC) and LOST in why, (action, topic, why)
            server.stop()


def a_loss_that_waits_for_its_commit_is_no_gap():
    with Project(SLOW) as project:
        with Server(project) as server:
            for i in range(10):
                server.send(TOPIC, [event(10 * i + j) for j in range(10)])
            server.kill()
        code, out, _ = project.command("-o", "json", "journal", "dump", "--topic", TOPIC)
        frames = [frame for frame in map(json.loads, out.splitlines()) if frame["kind"] == "data"]
        with open(f"{project.folder}/data/journal/{frames[0]['segment']:020}", "r+b") as file:
            for frame in frames[:3]:
                file.seek(frame["position"] + 200)
                file.write(b"\xff" * 8)
        _, err = verify(project, code=1)
        assert "may be lost: the journal is damaged" in err, err
        equal(project.command("journal", "repair", "--accept-loss", "--reason", "a test")[0], 0)
        line, err = verify(project)
        equal((line["accepted"], line["landed"], line["pending"], line["balanced"]), (100, 0, 100, True))
        assert "30 were given up as lost" in err, err


def receipts_do_not_deny_what_was_given_up():
    with Project(SLOW) as project:
        with Server(project) as server:
            for i in range(3):
                server.send(TOPIC, [event(i)])
            server.kill()
        code, out, _ = project.command("-o", "json", "journal", "dump", "--topic", TOPIC)
        frame = [frame for frame in map(json.loads, out.splitlines()) if frame.get("first_offset") == 1][0]
        with open(f"{project.folder}/data/journal/{frame['segment']:020}", "r+b") as file:
            file.seek(frame["position"] + 200)
            file.write(b"\xff" * 8)
        equal(project.command("journal", "repair", "--accept-loss", "--reason", "a test")[0], 0)
        with Server(project) as server:
            server.land()
            equal(server.get(f"/v1/receipts/{TOPIC}/e2")[1]["state"], "landed")
            status, answer = server.get(f"/v1/receipts/{TOPIC}/e1")
            equal(status, 404)
            assert "one of the 1 that were given up as lost" in answer["detail"], answer
            assert "removed by another writer" not in server.output(), "nobody removed anything"
            server.stop()


def a_backup_has_tables_behind_links_and_none_without_a_table():
    with Project(SETTINGS) as project, Elsewhere() as disk:
        landed_and_released(project)
        schema = os.path.dirname(project.table_folder())
        shutil.move(schema, disk.folder + "/bronze")
        os.symlink(disk.folder + "/bronze", schema)
        line, _ = verify(project)
        equal((line["landed"], line["balanced"]), (100, True))
        code, out, err = project.command("-o", "json", "verify", "--tables", project.folder + "/data/tables")
        equal({line["topic"]: line["landed"] for line in map(json.loads, out.splitlines())}.get("default/bronze/shop_user_events"),
              100, out + err)
        for serving in (False, True):
            target = tempfile.mkdtemp(prefix="sluice-test-backup-")
            with Server(project) if serving else contextlib.nullcontext() as server:
                code, out, err = project.command("-o", "json", "backup", target, "--keys")
                equal(code, 0, err)
                assert TOPIC in [table["topic"] for table in json.loads(out)["tables"]], out
                if server:
                    server.stop()
            with Elsewhere() as other:
                equal(other.command("restore", target)[0], 0)
                with Server(other) as restored:
                    equal(restored.sql(f"select count(*) from {TABLE}"), [[100]])
                    restored.stop()
            shutil.rmtree(target)
        os.remove(schema)
        target = tempfile.mkdtemp(prefix="sluice-test-backup-")
        code, out, err = project.command("backup", target)
        assert code != 0 and "shop_user_events" in err, (code, out, err)
        assert "is no backup" in project.command("restore", target, "--check")[2]
        shutil.rmtree(target)


@contextlib.contextmanager
def mounted(folders):
    """Small disks mounted on folders; yields the prefix of commands that see them."""
    mounts = " && ".join(f"mount -t tmpfs -o size=64m tmpfs {folder}" for folder in folders)
    with subprocess.Popen(["unshare", "-Urm", "sh", "-c", mounts + " && echo mounted && exec cat"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        try:
            prefix = ["nsenter", "-U", "-m", "--preserve-credentials", "-t", str(holder.pid)]
            if holder.stdout.readline() != "mounted\n" or subprocess.run([*prefix, "true"], capture_output=True).returncode:
                raise Skip("no disk may be mounted here")
            yield prefix
        finally:
            holder.stdin.close()


def a_restore_fills_disks_that_are_mounted():
    settings = "storage: {free_min: 1MiB, reserve: 1MiB, segment: 1MiB}\n" + SLOW
    with Project(settings) as project:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(40)])
            server.land()
            server.send(TOPIC, [event(i) for i in range(40, 70)])
            server.stop()
        target = tempfile.mkdtemp(prefix="sluice-test-backup-")
        equal(project.command("backup", target, "--keys")[0], 0)
        for kind in ("mount", "mounts inside", "link"):
            with Elsewhere() as other, Elsewhere() as disk, contextlib.ExitStack() as stack:
                data, prefix = other.folder + "/data", []
                if kind == "link":
                    os.symlink(disk.folder, data)
                else:
                    folders = [data] if kind == "mount" else [data + "/journal", data + "/tables"]
                    for folder in folders:
                        os.makedirs(folder)
                    prefix = stack.enter_context(mounted(folders))

                def command(*words):
                    done = subprocess.run([*prefix, sys.argv[1], "-C", other.folder, *words], capture_output=True, text=True)
                    return done.returncode, done.stdout + done.stderr

                process = subprocess.Popen([*prefix, sys.argv[1], "-C", other.folder, "restore", target],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                process.send_signal(signal.SIGKILL)
                process.wait()
                code, said = command("restore", target)
                if code:  # Killed in its midst: it says what to do, and no server starts on it.
                    assert "cut short" in said, said
                    code, said = command("serve")
                    assert code and ("cut short" in said or "sluice.yaml" in said), said
                    for name in subprocess.run([*prefix, "ls", data], capture_output=True, text=True).stdout.split():
                        subprocess.run([*prefix, "sh", "-c", f"rm -rf {data}/{name}/* ; rm -rf {data}/{name}"],
                                       stderr=subprocess.DEVNULL)
                    code, said = command("restore", target)
                equal(code, 0, kind + ": " + said)
                equal(command("restore", target)[0], 75, "it is not empty")
                with Server(other, prefix) as restored:
                    equal(restored.sql(f"select count(*), count(distinct event_id) from {TABLE}"), [[70, 70]])
                    restored.stop()
        shutil.rmtree(target)


def data_that_are_moved_away_end_the_server():
    with Project(SLOW) as project, Elsewhere() as other:
        with Server(project) as server:
            server.send(TOPIC, [event(i) for i in range(10)])
            target = tempfile.mkdtemp(prefix="sluice-test-backup-")
            equal(project.command("backup", target)[0], 0)
            # As at three in the morning: away with it, and the backup in its place, with a server still running.
            os.rename(project.folder + "/data", project.folder + "/data.bad")
            until(lambda: server.process.poll() is not None, "it ends", 10)
            assert '"event":"data folder gone"' in server.output(), server.output()[-2000:]
        equal(os.path.exists(project.folder + "/data"), False, "it writes nothing into what comes there")
        # Nor does whoever starts it again begin a new project, as where a disk is not mounted.
        for empty in (False, True):
            if empty:
                os.mkdir(project.folder + "/data")
            try:
                Server(project)
                raise AssertionError("it began anew")
            except RuntimeError as error:
                assert "is its disk not mounted" in str(error) and "keys/data-folders" in str(error), error
        equal(os.listdir(project.folder + "/data"), [])
        equal(project.command("restore", target)[0], 0)
        with Server(project) as server:
            equal(server.sql(f"select count(*) from {TABLE}"), [[10]])
            server.stop()
        # What it had acknowledged is in what was moved.
        shutil.rmtree(project.folder + "/data")
        os.rename(project.folder + "/data.bad", project.folder + "/data")
        with Server(project) as server:
            equal(server.sql(f"select count(*) from {TABLE}"), [[10]])
            server.stop()
        # Who means to begin anew says so.
        shutil.rmtree(project.folder + "/data")
        os.remove(project.folder + "/keys/data-folders")
        with Server(project) as server:
            equal(server.sql(f"select count(*) from {TABLE}"), [[0]])
            server.stop()
        shutil.rmtree(target)


if __name__ == "__main__":
    sys.argv[1] = os.path.abspath(sys.argv[1])  # nsenter begins in another folder.
    run(a_table_that_is_gone_is_told_of_though_the_journal_let_its_rows_go,
        an_older_table_beside_a_newer_journal_is_not_balanced, a_loss_that_waits_for_its_commit_is_no_gap,
        receipts_do_not_deny_what_was_given_up, a_backup_has_tables_behind_links_and_none_without_a_table,
        a_restore_fills_disks_that_are_mounted, data_that_are_moved_away_end_the_server)
