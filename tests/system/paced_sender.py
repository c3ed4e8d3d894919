"""Sends events at an even pace until its standard input ends; then prints how many were acknowledged.

    paced_sender.py PORT TOPIC EVENTS_A_SECOND PREFIX
"""

import http.client
import json
import sys
import threading
import time

ROWS = 500


def main():
    port, topic, rate, prefix = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    sent, begin = 0, time.monotonic()
    while not stop.is_set():
        # Behind its plan it sends without a pause; ahead of it, it waits.
        stop.wait(max(0.0, begin + sent / rate - time.monotonic()))
        body = "".join(f'{{"eventId":"{prefix}{number}","userId":{number},"page":"/a/{number % 97}",'
                       '"timestamp":"2026-01-05T10:00:00Z"}\n' for number in range(sent, sent + ROWS))
        connection.request("POST", f"/v1/events/{topic}", body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        receipt = json.loads(answer.read())
        assert answer.status == 200 and receipt["accepted"] == ROWS, receipt
        sent += ROWS
    print(json.dumps({"acknowledged": sent, "seconds": time.monotonic() - begin}))


main()
