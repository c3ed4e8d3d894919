"""The demo: five topics, events that are wrong and repeated on purpose, a balance; and its project to begin with."""

import contextlib
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from server import Project, Server, binary, equal, run, until

TOPICS = {"user.identity.created", "shop.user-events", "pointer.moved", "metadata.changed", "plant.sensor-readings"}


def figures(out):
    """`received   600` and so on."""
    return {name: int(value) for name, value in re.findall(r"^(\w+) +(\d+)$", out, re.M)}


def demo(*arguments):
    return subprocess.run([binary(), "demo", "--rate", "500/s", *arguments], text=True, capture_output=True,
                          timeout=120)


def it_asks_nothing_and_leaves_nothing():
    done = demo("--seconds", "3", "--port", "0")
    equal(done.returncode, 0, done.stderr)
    found = figures(done.stdout)
    assert found["received"] >= 1000, done.stdout
    equal(found["received"], found["accepted"] + found["duplicate"] + found["error"])
    assert found["error"] >= found["received"] // 100 - 1 and found["duplicate"] >= found["received"] // 200 - 1, found
    assert "SQL sees all" in done.stdout, done.stdout
    assert re.search(r"page +http://127\.0\.0\.1:\d+", done.stderr), done.stderr
    # Nobody keeps a copy of keys that go with the folder.
    assert "new keys" not in done.stderr, done.stderr
    folder = re.search(r"project +(\S+)", done.stderr)[1]
    assert not os.path.exists(folder), folder


def a_kept_one_goes_on():
    folder = tempfile.mkdtemp(prefix="sluice-test-")

    def read(name):
        return pathlib.Path(folder, name).read_text()

    try:
        for times in (1, 2):
            done = demo("--seconds", "1", "--port", "0", "--keep", folder)
            # Another run has a sequence of its own: what it makes is no duplicate of the first.
            equal(done.returncode, 0, f"run {times}: {done.stdout}{done.stderr}")
            found = figures(done.stdout)
            assert found["accepted"] > found["received"] * 0.9, done.stdout
            equal("it is served as it is" in done.stderr, times == 2, done.stderr)
            equal("new keys made" in done.stderr, times == 1, done.stderr)
            sent, kept = found["accepted"] + found["error"], found["landed"] + found["pending"]
            equal(("+ %d of before" % (kept - sent) in done.stdout, kept > sent), (times == 2, times == 2), done.stdout)
            equal(read("schemas/pointer_moved.capnp").count("# ours"), times - 1)
            with open(f"{folder}/sluice.yaml", "a") as file:
                file.write("# ours\n")
            with open(f"{folder}/schemas/pointer_moved.capnp", "a") as file:
                file.write("# ours\n")
        equal(read("sluice.yaml").count("# ours"), 2)
        code, out, err = Project.command(_Folder(folder), "check")
        equal(code, 0, out + err)
    finally:
        shutil.rmtree(folder)


def nothing_is_written_over():
    """Neither by the demo nor by init: what is in a folder stays, and the message says what to do."""
    def state(folder):
        return {str(path): path.read_text() for path in pathlib.Path(folder).rglob("*") if path.is_file()}

    def refused(folder, code, *arguments):
        before = state(folder)
        done = subprocess.run([binary(), *arguments], text=True, capture_output=True, timeout=60)
        equal((done.returncode, state(folder)), (code, before), done.stderr)
        return done.stderr

    with Project() as shop:  # Of somebody: one topic has the name of one of the demo's.
        said = refused(shop.folder, 75, "demo", "--seconds", "1", "--port", "0", "--keep", shop.folder)
        assert "has no topic 'user.identity.created'" in said and f"sluice -C {shop.folder} dev" in said, said
        os.remove(f"{shop.folder}/sluice.yaml")
        said = refused(shop.folder, 75, "demo", "--seconds", "1", "--port", "0", "--keep", shop.folder)
        assert "is not empty" in said and "an empty folder" in said, said
        for template in ("first", "demo"):
            said = refused(shop.folder, 75, "init", shop.folder, "--template", template)
            assert f"'{shop.folder}' has schemas/user_event.capnp already" in said, said
        os.remove(f"{shop.folder}/schemas/user_event.capnp")
        equal(shop.command("init", shop.folder)[0], 0)
        said = refused(shop.folder, 75, "init", shop.folder)
        assert "has sluice.yaml, schemas/user_event.capnp already" in said, said


def where_it_cannot_be_made_it_says_what_to_do():
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "file").touch()
        for place in f"{folder}/nothing", f"{folder}/file":
            done = subprocess.run([binary(), "demo", "--seconds", "1", "--port", "0"], text=True, capture_output=True,
                                  timeout=60, env={**os.environ, "TMPDIR": place})
            equal((done.returncode, done.stdout), (69, ""), done.stderr)
            assert f"cannot make a folder in '{place}': No" in done.stderr, done.stderr
            assert "set TMPDIR to a folder that can be written, or give --keep DIR" in done.stderr, done.stderr


def a_port_that_is_taken_is_no_obstacle():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = demo("--seconds", "1", "--port", str(port))
        equal(done.returncode, 0, done.stderr)
        assert f"127.0.0.1:{port}\n" not in done.stderr, done.stderr


def what_goes_wrong_meanwhile_does_not_end_it():
    """A topic is deleted, and somebody else sends events, while it runs."""
    process = subprocess.Popen([binary(), "demo", "--rate", "200/s", "--port", "0", "--no-open"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        said = ""
        while "on purpose" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        at = ("--server", re.search(r"127\.0\.0\.1:\d+", said)[0])

        def command(*words, stdin=None):
            done = subprocess.run([binary(), *at, *words], input=stdin, text=True, capture_output=True, timeout=60)
            equal(done.returncode, 0, done.stderr)
            return done.stdout

        def received():
            return int(command("sql", "-c", "select count(*) as n from bronze.shop_user_events").split()[1])

        until(lambda: received() > 50, "events come in")
        command("topic", "delete", "metadata.changed", "--yes")
        before = received()
        until(lambda: received() > before + 100, "they still do")
        equal(process.poll(), None)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    equal(process.returncode, 0, out + err)
    assert "balance    not known: topics came or went" in out and "BROKEN" not in out, out


def what_others_send_is_no_gap():
    process = subprocess.Popen([binary(), "demo", "--rate", "50/s", "--port", "0", "--no-open"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        said = ""
        while "on purpose" not in said:
            said += process.stderr.readline()
        at = ("--server", re.search(r"127\.0\.0\.1:\d+", said)[0])

        def own_rows():
            done = subprocess.run([binary(), *at, "sql", "-o", "csv", "-c", "select count(*) from pointer_moved"], text=True,
                                  capture_output=True, timeout=60)
            return done.returncode == 0 and int(done.stdout.split()[-1]) > 0

        until(own_rows, "it sends", 60)  # What is there when it begins is not of others.
        row = '{"eventId": "mine", "userId": 7, "eventType": "login", "timestamp": "2026-01-05T10:00:00Z"}\n'
        for words, stdin in ((("send", "-", "--topic", "shop.user-events"), row),
                             (("sql", "-c", "delete from shop_user_events where event_id <> 'mine'"), None)):
            done = subprocess.run([binary(), *at, *words], input=stdin, text=True, capture_output=True, timeout=60)
            equal(done.returncode, 0, done.stderr)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    equal(process.returncode, 0, out + err)
    assert "SQL sees all; 1 more came from others" in out, out


class _Folder:
    def __init__(self, folder):
        self.folder = folder


def its_project_is_a_template():
    with Project() as project:
        made = f"{project.folder}/shop"
        code, _, err = project.command("init", made, "--template", "demo")
        equal(code, 0, err)
        assert "first.ndjson" in err, err
        equal(project.command("init", made, "--template", "demo")[0], 75)
        with open(f"{made}/sluice.yaml", "a") as file:
            file.write("serve: {http: 127.0.0.1:0}\n")
        with Server(_Folder(made)) as server:
            equal(set(server.tables()) - {"system.errors", "system.audit"}, TOPICS)
            done = subprocess.run([binary(), "--server", f"127.0.0.1:{server.port}", "send",
                                   f"{made}/fixtures/first.ndjson"], text=True, capture_output=True, timeout=60)
            equal(done.returncode, 65, done.stderr)
            # As a page's script sends it, twice.
            for expected in (1, 0):
                receipt = server.post("/v1/collect?topic=pointer.moved&client=a&batch_id=a-0",
                                      '[{"clientId":"a","screenId":"home","eventTime":"2026-01-05T09:00:40Z","xNorm":0.5,"yNorm":0.5}]',
                                      {"Content-Type": "text/plain"})
                equal((receipt[0], receipt[1]["accepted"]), (200, expected), receipt)
            assert "5 accepted, 0 duplicate, 1 to the errors table" in done.stdout + done.stderr, done
            equal(server.sql("select event_type::varchar, count(*) from bronze.shop_user_events group by 1 order by 1"),
                  [["login", 1], ["purchase", 1]])
            email, name = server.sql("select email, name from bronze.user_identity_created")[0]
            assert email.startswith("h1.") and name.startswith("s1."), (email, name)


def the_page_is_opened_where_somebody_sees_it():
    with tempfile.TemporaryDirectory() as folder:
        opened = pathlib.Path(folder, "opened")
        fake = pathlib.Path(folder, "xdg-open")
        fake.write_text(f'#!/bin/sh\necho "$1" > {opened}.part; mv {opened}.part {opened}\n')
        fake.chmod(0o755)

        def demo_at(display, *words):
            """What was opened while it ran at a terminal."""
            primary, secondary = pty.openpty()
            process = subprocess.Popen([binary(), "demo", "--port", "0", *words], stdin=secondary, stdout=secondary,
                                       stderr=secondary, env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}",
                                                              "DISPLAY": display, "WAYLAND_DISPLAY": ""})
            os.close(secondary)
            said = b""
            try:
                while b"on purpose" not in said:
                    said += os.read(primary, 65536)
                if display and not words:
                    until(opened.exists, "the page is opened")
            finally:
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(OSError):  # The terminal ends with the process.
                    while os.read(primary, 65536):
                        pass
                process.wait(timeout=60)
                os.close(primary)
            address = opened.read_text().strip() if opened.exists() else None
            opened.unlink(missing_ok=True)
            return address, said.decode()

        address, said = demo_at(":0")
        assert address and address.startswith("http://127.0.0.1:") and address in said, (address, said)
        equal(demo_at("")[0], None)
        equal(demo_at(":0", "--no-open")[0], None)


if __name__ == "__main__":
    run(it_asks_nothing_and_leaves_nothing, a_kept_one_goes_on, nothing_is_written_over, where_it_cannot_be_made_it_says_what_to_do, a_port_that_is_taken_is_no_obstacle,
        what_goes_wrong_meanwhile_does_not_end_it, what_others_send_is_no_gap,
        its_project_is_a_template, the_page_is_opened_where_somebody_sees_it)
