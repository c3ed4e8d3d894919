"""Commands on a project find the server of that project, wherever it serves, and no other one."""

import json
import os
import pathlib
import signal
import socket
import subprocess

from server import Project, Server, binary, equal, event, run, until


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Named(Project):
    """A project with a name and a port of its file."""

    def __init__(self, name, port):
        super().__init__()
        self.port = port
        pathlib.Path(self.folder, "sluice.yaml").write_text(
            f"version: 1\nproject: {name}\nserve: {{http: 127.0.0.1:{port}}}\nmaintenance: {{enabled: false}}\n")

    def word(self):
        return pathlib.Path(self.folder, "data/serving")

    def count(self):
        code, out, err = self.command("sql", "-c", "select count(*) as n from bronze.shop_user_events")
        equal(code, 0, err)
        return int(out.split()[1])

    def start(self, *command):
        with open(f"{self.folder}/log", "a+") as log:
            return subprocess.Popen([binary(), "-C", self.folder, *command], stdout=log, stderr=log)

    def log(self):
        return pathlib.Path(self.folder, "log").read_text()


def stop(process, number=signal.SIGTERM):
    process.send_signal(number)
    return process.wait(60)


ONE = '{"eventId":"a1","userId":7,"page":"/","timestamp":"2026-01-05T10:00:00Z"}\n'


def events_go_to_the_own_server_beside_another_one():
    port = free_port()
    with Named("demo", port) as other, Named("shop", port) as shop:
        with Server(other) as server:
            def nothing_is_served():
                code, out, err = shop.command("send", "-", "--topic", "shop.user-events", stdin=ONE)
                equal((code, out), (69, ""), err)
                assert "no server of the project 'shop'" in err and "by that of another one, 'demo'" in err, err
                assert f"--server 127.0.0.1:{port}" in err, err
                equal(other.count(), 0)

            nothing_is_served()
            # What cannot be served there says who has the place; what may go elsewhere is found there.
            code, _, err = shop.command("serve")
            equal(code, 69, err)
            assert "the server of the project 'demo' has port" in err and "-X serve.http=" in err, err
            nothing_is_served()
            process = shop.start("dev")
            try:
                code, _, err = shop.command("status", "--wait", "60s")
                equal(code, 0, err)
                equal(shop.command("send", "-", "--topic", "shop.user-events", stdin=ONE)[0], 0)
                equal((shop.count(), other.count()), (1, 0))
                equal(shop.command("verify")[0], 0)
            finally:
                equal(stop(process), 0)
            equal(shop.word().exists(), False)
            nothing_is_served()

            # Killed, it takes nothing back; what it left is not believed.
            process = shop.start("-X", "serve.http=127.0.0.1:0", "serve")
            try:
                equal(shop.command("status", "--wait", "60s")[0], 0)
                equal(shop.count(), 1)
            finally:
                stop(process, signal.SIGKILL)
            equal(shop.word().exists(), True)
            nothing_is_served()
            # A server that is named is asked, whosever it is.
            code, out, err = shop.command("--server", f"127.0.0.1:{port}", "sql", "-c", "select 1 as one")
            equal((code, out), (0, "one\n1\n"), err)
            server.stop()
        code, _, err = shop.command("status")
        equal(code, 69, err)
        assert "is the server running" in err, err


def a_server_that_starts_is_waited_for():
    with Named("shop", free_port()) as shop:
        waiting = shop.start("status", "--wait", "60s")
        code, _, err = shop.command("status", "--wait", "200ms")
        equal(code, 69, err)
        process = shop.start("serve")
        try:
            equal(waiting.wait(60), 0, shop.log())
        finally:
            equal(stop(process), 0)
        code, _, err = shop.command("status", "--wait", "soon")
        equal(code, 2, err)


def where_the_folder_is_does_not_matter():
    with Project() as project, Server(project) as server:
        server.send("shop.user-events", [event(1)])
        done = subprocess.run([os.path.abspath(binary()), "sql", "-c", "select count(*) as n from bronze.shop_user_events"],
                              cwd=project.folder, text=True, capture_output=True, timeout=60)
        equal((done.returncode, done.stdout), (0, "n\n1\n"), done.stderr)


def a_new_project_has_the_name_of_its_folder():
    with Project() as project:
        for folder, name in (("shop", "shop"), ("a b/", "a b"), ("null", "null"), ("2026", "2026"), ('x"y', 'x"y')):
            made = f"{project.folder}/{folder}"
            equal(project.command("init", made, "--template", "demo")[0], 0)
            done = subprocess.run([binary(), "-C", made, "-o", "json", "config", "show"], text=True, capture_output=True)
            equal(dict(json.loads(done.stdout)["rows"])["project"], name)
        os.mkdir(f"{project.folder}/here")
        done = subprocess.run([os.path.abspath(binary()), "init"], cwd=f"{project.folder}/here", capture_output=True)
        equal(done.returncode, 0)
        assert "\nproject: here\n" in pathlib.Path(project.folder, "here/sluice.yaml").read_text()


def another_program_at_the_port_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with Named("shop", taken.getsockname()[1]) as shop:
            taken.settimeout(60)
            process = shop.start("serve")
            until(lambda: process.poll() is not None, "it ends")
            equal(process.returncode, 69, shop.log())
            assert "another program has port" in shop.log(), shop.log()


run(events_go_to_the_own_server_beside_another_one, a_server_that_starts_is_waited_for, where_the_folder_is_does_not_matter,
    a_new_project_has_the_name_of_its_folder,    another_program_at_the_port_is_told)
