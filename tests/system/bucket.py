"""A bucket for tests: in memory, or in a real MinIO; with a front that loses, delays and repeats what it is asked."""

import contextlib
import hashlib
import hmac
import http.client
import http.server
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

from server import Skip, until

BUCKET, KEY, SECRET = "lake", "testkey", "testsecret"


def environment(endpoint):
    """What a program needs to find the bucket."""
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1"}


class MemoryBucket:
    """As much of S3 as tables need; conditional puts are atomic. Does not check signatures."""

    def __init__(self):
        self.objects, self.lock = {}, threading.Lock()
        self.ignores_conditions = False

    def handle(self, method, target, headers, body):
        path, _, query = target.partition("?")
        key = urllib.parse.unquote(path).split("/", 2)[2]
        values = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        with self.lock:
            if method == "PUT":
                if headers.get("If-None-Match") == "*" and key in self.objects and not self.ignores_conditions:
                    return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
                kept = {name: value for name, value in headers.items() if name.lower().startswith("x-amz-meta-")}
                self.objects[key] = (body, kept, time.gmtime())
                return 200, {"ETag": '"x"'}, b""
            if method == "DELETE":
                self.objects.pop(key, None)
                return 204, {}, b""
            if not key:
                return 200, {}, self.list(values).encode()
            if key not in self.objects:
                return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
            body, kept, at = self.objects[key]
        answer = {"ETag": '"x"', "Last-Modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT", at), **kept}
        if "Range" in headers and method == "GET":
            first, last = (int(text) for text in headers["Range"].removeprefix("bytes=").split("-"))
            if first >= len(body):
                return 416, {}, b"<Error><Code>InvalidRange</Code></Error>"
            return 206, answer, body[first:last + 1]
        return 200, answer, body

    def list(self, values, page=1000):
        after = values.get("continuation-token") or values.get("start-after", "")
        names = sorted(name for name in self.objects if name.startswith(values.get("prefix", "")) and name > after)
        entries = "".join(
            f"<Contents><Key>{urllib.parse.quote(name)}</Key><Size>{len(self.objects[name][0])}</Size>"
            f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', self.objects[name][2])}</LastModified></Contents>"
            for name in names[:page])
        more = len(names) > page
        token = f"<NextContinuationToken>{escape(names[page - 1])}</NextContinuationToken>" if more else ""
        return f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"


class Forwarding:
    """Passes requests on to a server; a connection a thread."""

    def __init__(self, port):
        self.port, self.local = port, threading.local()

    def handle(self, method, target, headers, body):
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection = self.local.connection
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():  # With the host that was signed.
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders()
                if name.lower() in ("etag", "last-modified", "content-range") or name.lower().startswith("x-amz-meta-")}
        body = answer.read()
        if method == "HEAD":
            kept["Content-Length"] = answer.getheader("Content-Length")
        return answer.status, kept, body


class Faults:
    """How often, of 1, a request meets what."""

    def __init__(self, seed, busy=0.0, late=0.0, lost=0.0, lied=0.0):
        self.random, self.lock, self.met = random.Random(seed), threading.Lock(), 0
        self.shares = [("busy", busy), ("late", late), ("lost", lost), ("lied", lied)]

    def next(self):
        with self.lock:
            at = self.random.random()
            for kind, share in self.shares:
                if at < share:
                    self.met += 1
                    return kind
                at -= share
        return None


@contextlib.contextmanager
def front(backend, faults=None):
    """Serves `backend`; gives the endpoint. Of what `faults` choose, some answers are 503 before anything is done
    (busy), some come late, and some requests are done but answered with 503 (lied) or not at all (lost)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = faults.next() if faults else None
            status, headers, answer = 503, {}, b"<Error><Code>SlowDown</Code></Error>"
            if fault == "late":
                time.sleep(0.1)
            if fault != "busy":
                done = backend.handle(self.command, self.path, dict(self.headers.items()), body)
                if fault != "lied":
                    status, headers, answer = done
            if fault == "lost":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            length = headers.pop("Content-Length", None) or str(len(answer))
            self.send_response_only(status)
            for name, value in {**headers, "Content-Length": length}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except (OSError, http.client.HTTPException):  # A client that was killed.
                self.close_connection = True

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sign(method, host, path):
    """Headers of a request without body or query, signed as AWS wants it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    empty = hashlib.sha256(b"").hexdigest()
    names = "host;x-amz-content-sha256;x-amz-date"
    request = f"{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{stamp}\n\n{names}\n{empty}"
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {"Host": host, "x-amz-date": stamp, "x-amz-content-sha256": empty,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}"}


@contextlib.contextmanager
def minio():
    """A MinIO in a folder of its own, with the bucket; gives its port. Skips where there is none:
    `./dev test --interop` builds it, where there is a Go compiler."""
    deps = os.environ.get("SLUICE_DEPS", f"{os.path.dirname(__file__)}/../../.deps")
    program = os.environ.get("SLUICE_MINIO", f"{deps}/go/bin/minio")
    if not os.access(program, os.X_OK):
        raise Skip(f"there is no MinIO ({program}); `./dev test --interop` builds it")
    folder = tempfile.mkdtemp(prefix="sluice-minio-")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(f"{folder}/log", "w") as log:
        process = subprocess.Popen(
            [program, "server", f"{folder}/data", "--address", f"127.0.0.1:{port}", "--quiet"], stdout=log, stderr=log,
            env={**os.environ, "MINIO_ROOT_USER": KEY, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_BROWSER": "off"})
    try:
        def made():
            assert process.poll() is None, open(f"{folder}/log").read()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("PUT", f"/{BUCKET}", headers=sign("PUT", f"127.0.0.1:{port}", f"/{BUCKET}"))
                return connection.getresponse().status == 200
            except OSError:
                return False
            finally:
                connection.close()
        until(made, "MinIO makes a bucket", seconds=60)
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)
