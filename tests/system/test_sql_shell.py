"""The SQL shell, typed at as a person would: a terminal of its own, keys, history, Ctrl-C."""

import os
import pty
import select
import signal
import subprocess
import time

from server import Project, Server, binary, equal, event, run


class Terminal:
    """A shell at a pseudo-terminal."""

    def __init__(self, server, home):
        self.primary, secondary = pty.openpty()
        environment = dict(os.environ, HOME=home, TERM="xterm")
        self.process = subprocess.Popen([binary(), "--server", f"127.0.0.1:{server.port}", "sql"], stdin=secondary,
                                        stdout=secondary, stderr=secondary, env=environment, start_new_session=True)
        os.close(secondary)
        self.seen = b""

    def ask(self, keys):
        """Types at an empty prompt: what is typed before it is there may be taken as the terminal's own keys."""
        self.wait_for("sluice> \x1b[K\r\x1b[8C")
        self.type(keys)

    def type(self, keys):
        os.write(self.primary, keys.encode())

    def wait_for(self, text, seconds=20):
        """Waits until `text` was shown; forgets all up to it."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.seen:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.primary], [], [], left)[0]:
                raise AssertionError(f"{text!r} was not shown; seen: {self.seen!r}")
            try:
                self.seen += os.read(self.primary, 65536)
            except OSError as error:
                raise AssertionError(f"the shell ended; seen: {self.seen!r}") from error
        self.seen = self.seen.split(text.encode(), 1)[1]

    def end(self):
        self.ask("\x04")
        equal(self.process.wait(20), 0)
        os.close(self.primary)


def statements_are_typed_edited_and_remembered():
    with Project() as project, Server(project) as server:
        server.send("shop.user-events", [event(i) for i in range(3)])
        shell = Terminal(server, project.folder)
        shell.ask("select count(*) as n\r")
        shell.wait_for("   ...> ")
        shell.type("from bronze.shop_user_events;\r")
        shell.wait_for("n\r\n-\r\n3\r\n")
        shell.ask("selekt 1;\x01\x1b[C\x1b[C\x1b[C\x1b[C\x1b[C\x08c\r")  # Home, five right, k becomes c.
        shell.wait_for("1\r\n-\r\n1\r\n")
        shell.ask("select nope;\r")
        shell.wait_for("error[SL2104]")
        shell.ask("\x1b[A\x1b[A\r")  # Two back.
        shell.wait_for("1\r\n-\r\n1\r\n")
        shell.ask("\\d\r")
        shell.wait_for("bronze.shop_user_events")
        shell.ask("\\d bronze.shop_user_events\r")
        shell.wait_for("event_id")
        shell.ask("\\o csv\r")
        shell.ask("select 'ä' as a;\r")
        shell.wait_for("a\r\r\nä\r\r\n")  # CSV ends lines with CR LF; the terminal adds a CR.
        shell.ask("select 5\r")
        shell.wait_for("   ...> ")
        shell.type("\x03")  # Drops what was typed.
        shell.ask("select 6 as six;\r")
        shell.wait_for("six\r\r\n6\r\r\n")
        shell.end()
        history = f"{project.folder}/.sluice_history"
        equal(os.stat(history).st_mode & 0o777, 0o600)
        again = Terminal(server, project.folder)
        again.ask("\x1b[A\r")
        again.wait_for("select 6 as six;")
        again.wait_for("six\r\n---\r\n6\r\n")
        again.end()


def an_interrupt_stops_the_query_and_not_the_shell():
    with Project() as project, Server(project) as server:
        shell = Terminal(server, project.folder)
        shell.ask("select count(*) from range(1000000000000) a, range(1000000000) b;\r")
        running = "select id from system.queries where state = 'running' and sql like '%range(1000000000)%'"
        deadline = time.monotonic() + 20
        while len(server.sql(running)) < 2:  # It and the one that looks.
            assert time.monotonic() < deadline, "the query did not start"
        shell.process.send_signal(signal.SIGINT)
        shell.ask("select 1 as one;\r")
        shell.wait_for("one\r\n---\r\n1\r\n")
        equal(len(server.sql(running)), 1)
        shell.end()


run(statements_are_typed_edited_and_remembered, an_interrupt_stops_the_query_and_not_the_shell)
