#!/usr/bin/env python3
"""A page whose pointer moves arrive as events, and are drawn over it as a heatmap.

Serves the page beside a Sluice server until Ctrl-C; with --check sends a batch as the page would, looks whether it is
drawn, and ends.
"""

import argparse
import http.client
import http.server
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
from running import Running  # noqa: E402


def handler(server):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/heat.json":
                # Pages of others may not ask the server in SQL: this one asks for them.
                cells = server.sql((HERE / "heat.sql").read_text(), screen="shop")
                count = server.sql("select count(*) from bronze.pointer_moved")[0][0]
                self.answer("application/json", json.dumps({"cells": cells, "events": count}))
            elif self.path == "/":
                page = (HERE / "page.html").read_text()
                self.answer("text/html; charset=utf-8", page.replace("{{sluice}}", f"http://127.0.0.1:{server.port}"))
            else:
                self.send_error(404)

        def answer(self, content_type, text):
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def ask(port, method, target, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        sys.exit(f"error: {target} answered {answer.status}: {text[:500]!r}")
    return text


def check(server, page_port):
    """What the page does: a batch, sent twice as after a lost answer, and what is drawn then."""
    assert b"data-topic" in ask(page_port, "GET", "/") and b"sluice" in ask(server.port, "GET", "/sdk/sluice.js")
    row = {"clientId": "check", "screenId": "shop", "eventTime": "2026-01-05T09:00:00Z", "yNorm": 0.5}
    rows = [{**row, "kind": "move", "xNorm": i / 10} for i in range(10)] + [{**row, "kind": "click", "xNorm": 0.5}]
    for accepted, duplicate in ((11, 0), (0, 11)):
        counts = json.loads(ask(server.port, "POST", "/v1/collect?topic=pointer.moved&client=check&batch_id=1",
                                json.dumps(rows), {"Content-Type": "text/plain", "Origin": f"http://127.0.0.1:{page_port}"}))
        assert (counts["accepted"], counts["duplicate"]) == (accepted, duplicate), counts
    heat = json.loads(ask(page_port, "GET", "/heat.json"))
    assert heat["events"] == 11 and len(heat["cells"]) == 10 and [32, 18, 11] in heat["cells"], heat
    print("11 events, sent twice, stand once; 10 cells are drawn, the clicked one with 11")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(ROOT / "build/release/sluice"))
    parser.add_argument("--port", type=int, default=0, help="of the page")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="sluice-clicks-")
    os.mkdir(f"{folder}/schemas")
    shutil.copy(HERE / "schemas/pointer.capnp", f"{folder}/schemas/")
    # What a page sends is known by its batch: sent again after a lost answer, it stands once.
    Path(f"{folder}/sluice.yaml").write_text(
        "version: 1\nproject: clicks\nserve: {http: 127.0.0.1:0}\nland: {every: 10s}\n"
        "topics:\n  pointer.moved: {dedup: {by: batch}}\n")
    try:
        with Running(arguments.binary, folder) as server:
            web = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), handler(server))
            threading.Thread(target=web.serve_forever, daemon=True).start()
            if arguments.check:
                check(server, web.server_port)
            else:
                print(f"move the pointer at  http://127.0.0.1:{web.server_port}\n"
                      f"see what arrives at  http://127.0.0.1:{server.port}\nCtrl-C stops and removes everything", flush=True)
                for end in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(end, signal.default_int_handler)
                try:
                    threading.Event().wait()
                except KeyboardInterrupt:
                    pass
            web.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
