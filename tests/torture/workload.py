"""What the proofs with the real program have in common: what is sent, and what must then be there."""

import re
import threading

from server import equal

TOPIC = "shop.user-events"
IDENTITY = re.compile(rb"crash-\d-\d{5}")
SETTINGS = "land: {every: 150ms}\nstorage: {segment: 256KiB, reserve: 1MiB, free_min: 1MiB}\n"


def page_of(name):
    """Some hundred bytes that only this event has."""
    return f"/{name}/" * (10 + int(name[-2:]) % 40)


def row(name):
    return {"eventId": name, "userId": int(name[-5:]), "page": page_of(name), "timestamp": "2026-01-05T10:00:00Z"}


class Sender(threading.Thread):
    """Sends requests one after the other until the server is gone, and again what was not answered."""

    def __init__(self, number, chance, patient=False):
        super().__init__()
        self.number, self.chance, self.next, self.unanswered = number, chance, 0, None
        self.patient = patient  # A refusal is no failure: it sends the same again.
        self.failure = None
        self.answered = set()  # Acknowledged.
        self.refusals = 0

    def asked(self):
        return {self.name_of(number) for number in range(self.next)}

    def name_of(self, number):
        return f"crash-{self.number}-{number:05}"

    def again(self, server, requests):
        self.__dict__.update({k: v for k, v in threading.Thread().__dict__.items() if k.startswith("_")})
        self.server, self.requests = server.another(), requests
        return self

    def run(self):
        try:
            for _ in range(self.requests):
                if not self.unanswered:
                    size = self.chance.randint(1, 6)
                    self.unanswered = [self.name_of(self.next + i) for i in range(size)]
                    self.next += size
                rows = [row(name) for name in self.unanswered]
                if self.chance.random() < 0.1:
                    rows.append(row(self.name_of(self.chance.randrange(self.next))))  # Repeated.
                try:
                    self.server.send(TOPIC, rows)
                except AssertionError:
                    if not self.patient:
                        raise
                    self.refusals += 1
                    continue
                self.answered |= {row["eventId"] for row in rows}
                self.unanswered = None
        except OSError:
            pass  # It was killed.
        except Exception as error:
            self.failure = error


def examine(project, server, answered, asked, prove=True):
    """Raises what is wrong with a server that has just started; returns the events that it has, one of them new.

    `prove`: with `sluice verify`, too, which takes as long as all else together.
    """
    rows = server.sql("select event_id, page, _offset from bronze.shop_user_events order by _offset")
    names = [found[0] for found in rows]
    equal(len(names), len(set(names)), "events, and different ones")
    equal(sorted(answered - set(names))[:5], [], "acknowledged, and lost")
    equal(sorted(set(names) - asked)[:5], [], "never sent")
    equal([name for name, page, _ in rows if page != page_of(name)], [], "with other bytes")
    equal([offset for _, _, offset in rows], list(range(len(rows))), "offsets")
    if prove:
        code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify", "--full")
        equal(code, 0, out + err)
    new = f"crash-9-{len(names):05}"
    receipt = server.send(TOPIC, [row(name) for name in [new, *sorted(names)[:1]]])
    equal((receipt["accepted"], receipt["duplicate"]), (1, min(1, len(names))), "taken")
    return {new, *names}
