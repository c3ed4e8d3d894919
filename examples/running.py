"""A server on a project, for examples: started, asked, and stopped at the end."""

import http.client
import json
import signal
import subprocess
import sys
import time


class Running:
    def __init__(self, binary, folder):
        self.log = f"{folder}/log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([binary, "-C", folder, "--log-format", "json", "serve"], stderr=log)
        self.port = None
        while self.port is None:
            if self.process.poll() is not None:
                sys.exit(f"error: the server did not start; see {self.log}")
            time.sleep(0.02)
            with open(self.log) as log:
                for line in log:
                    if '"event":"serving"' in line and line.endswith("\n"):
                        self.port = int(json.loads(line)["port"])

    def ask(self, method, target, body, content_type):
        """Returns (status, answer)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, target, body, {"Content-Type": content_type})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def send(self, events):
        body = "".join(json.dumps(event) + "\n" for event in events)
        status, answer = self.ask("POST", "/v1/events", body.encode(), "application/x-ndjson")
        if status != 200:
            sys.exit(f"error: {status}: {answer.decode()}")
        return json.loads(answer)

    def sql(self, text, **parameters):
        body = json.dumps({"sql": text, "params": parameters})
        status, answer = self.ask("POST", "/v1/sql", body.encode(), "application/json")
        if status != 200:
            sys.exit(f"error: {status}: {answer.decode()}")
        return json.loads(answer)["rows"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=60) != 0:
            sys.exit(f"error: the server did not stop cleanly; see {self.log}")
