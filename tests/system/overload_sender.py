"""Sends batches over some connections until its standard input ends; then prints what became of them, as JSON.

    overload_sender.py PORT TOPIC NUMBER CONNECTIONS EVERY asks|sends

EVERY 0: each connection sends without a pause, and the same batch at once again when it is refused: the worst of clients.
Else it offers one that often (seconds), whatever became of the one before. Who `asks` waits for 100 Continue before it
sends a body, as curl does with large ones, so that a refusal costs either side little.
"""

import json
import re
import socket
import sys
import threading
import time

from server import event

ROWS = 500
MARK = b"@@@@@@@@@@@@@@"  # Where the number of a batch goes, in each of its identities.
BODY = "".join(json.dumps(event(f"{MARK.decode()}-{i}", page="p" * 500) | {"userId": i}) + "\n" for i in range(ROWS)).encode()
PLACES = [found.start() for found in re.finditer(MARK, BODY)]


class Sender(threading.Thread):
    def __init__(self, number, port, topic, every, asks, stop):
        super().__init__()
        self.number, self.port, self.every, self.asks, self.stop = number, port, every, asks, stop
        self.head = (f"POST /v1/events/{topic} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
                     f"Content-Length: {len(BODY)}\r\n{'Expect: 100-continue' + chr(13) + chr(10) if asks else ''}\r\n").encode()
        self.body = bytearray(BODY)
        self.socket, self.got = None, b""
        self.taken, self.refused, self.times, self.slow, self.failure = 0, 0, [], [], None

    def run(self):
        try:
            self.name_batch(0)
            batch, due = 0, time.monotonic() + (self.every or 0) * (self.number % 97) / 97  # Not all at the same time.
            while not self.stop.is_set():
                if self.every:
                    if self.stop.wait(max(0, due - time.monotonic())):
                        return
                    due += self.every
                if self.send():
                    batch += 1
                    self.name_batch(batch)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"

    def name_batch(self, batch):
        name = b"%014d" % (self.number * 10_000_000 + batch)
        for place in PLACES:
            self.body[place:place + len(MARK)] = name

    def answer(self):
        """Reads one; returns its status, its head in lower case and its body."""
        while b"\r\n\r\n" not in self.got:
            self.more()
        head, _, self.got = self.got.partition(b"\r\n\r\n")
        head = head.lower()
        length = re.search(rb"content-length: (\d+)", head)
        length = int(length[1]) if length else 0
        while len(self.got) < length:
            self.more()
        body, self.got = self.got[:length], self.got[length:]
        return int(head[9:12]), head, body

    def more(self):
        more = self.socket.recv(65536)
        if not more:
            raise ConnectionError("the server closed the connection")
        self.got += more

    def send(self):
        """Returns whether it was taken."""
        begun = time.monotonic()
        if self.socket is None:
            self.socket, self.got = socket.create_connection(("127.0.0.1", self.port), timeout=60), b""
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(self.head)
        if self.asks:
            status, head, text = self.answer()
        if not self.asks or status == 100:
            self.socket.sendall(self.body)
            status, head, text = self.answer()
        passed = time.monotonic() - begun
        if b"connection: close" in head:
            self.socket.close()
            self.socket = None
        if status == 200:
            self.taken += ROWS
            self.times.append(round(passed, 5))
            return True
        if status not in (429, 503) or b"retry-after" not in head:
            raise AssertionError(f"{head!r} {text[:500]!r}")
        self.refused += 1
        self.slow.append(round(passed, 5))
        return False


def main():
    port, topic, number, connections = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    stop = threading.Event()
    senders = [Sender(number + i, port, topic, float(sys.argv[5]), sys.argv[6] == "asks", stop) for i in range(connections)]
    begun = time.monotonic()
    for sender in senders:
        sender.start()
    sys.stdin.read()
    stop.set()
    for sender in senders:
        sender.join()
    print(json.dumps({"taken": sum(sender.taken for sender in senders), "refused": sum(sender.refused for sender in senders),
                      "times": [took for sender in senders for took in sender.times],
                      "refusals": [took for sender in senders for took in sender.slow],
                      "failures": [sender.failure for sender in senders if sender.failure], "processor": time.process_time(), "seconds": time.monotonic() - begun}))


main()
