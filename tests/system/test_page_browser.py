"""The page in a real browser: each view, what people do in it, and what others wrote into events.

Takes two minutes, Chromium and web/node_modules: `./dev test --page`. SLUICE_PAGE_OUT names a folder to keep a picture of each view in;
SLUICE_PAGE_SPECS some of the specs, to run no others;
SLUICE_LIVE_SECONDS how long the live view is watched for memory.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

from server import Project, Server, Skip, binary, equal, run, until

ROOT = f"{os.path.dirname(os.path.abspath(__file__))}/../.."
WEB = f"{ROOT}/web"


def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise Skip("there is no chromium; `./dev test --page` installs it")


class DemoProject(Project):
    """The demo's project, which writes its own files."""

    def __init__(self):
        super().__init__(schemas={})
        os.remove(f"{self.folder}/sluice.yaml")
        done = subprocess.run([binary(), "init", self.folder, "--template", "demo"], capture_output=True, text=True)
        equal(done.returncode, 0, done.stderr)
        with open(f"{self.folder}/sluice.yaml", "a") as file:
            file.write("serve: {http: 127.0.0.1:0}\n")


class EmptyProject(Project):
    """No schema, so no topic."""

    def __init__(self):
        super().__init__(schemas={})


@contextlib.contextmanager
def clicks():
    """examples/clicks while it runs; gives the address of its page."""
    process = subprocess.Popen([sys.executable, "-B", f"{ROOT}/examples/clicks/run.py", "--binary", os.path.abspath(binary())],
                               stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        yield re.search(r"http://\S+", line)[0]
    finally:
        process.terminate()
        equal(process.wait(timeout=60), 0, "examples/clicks")


def the_page_in_a_browser():
    if not os.environ.get("SLUICE_BROWSER"):
        raise Skip("`./dev test --page` runs it (SLUICE_BROWSER=1)")
    playwright = f"{WEB}/node_modules/.bin/playwright"
    browser = chromium()
    if not os.path.exists(playwright) or not shutil.which("node"):
        raise Skip("no node, or web/node_modules is missing: `./dev page` installs it")
    out = os.environ.get("SLUICE_PAGE_OUT") or tempfile.mkdtemp(prefix="sluice-test-")
    try:
        with DemoProject() as project, Server(project) as server, Project() as closed:
            token = closed.command("token", "create", "--scope", "admin")[1].strip()
            with Server(closed) as guarded, EmptyProject() as nothing, Server(nothing) as empty, clicks() as page:
                sent = subprocess.run([binary(), "--server", f"127.0.0.1:{server.port}", "send",
                                       f"{ROOT}/examples/demo/fixtures/first.ndjson"], capture_output=True, text=True)
                equal(sent.returncode, 65, sent.stderr)
                # One error of each of two kinds, so that groups are told apart.
                server.send("", [{"event": "shop.user-events", "content": {"eventId": "kind", "eventType": "teleport"}}])
                until(lambda: server.get("/v1/overview")[1]["open_errors"] == 2, "two open errors")
                done = subprocess.run(
                    [playwright, "test", *os.environ.get("SLUICE_PAGE_SPECS", "").split()], cwd=WEB, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=580,
                    env={**os.environ, "SLUICE_SERVER": f"http://127.0.0.1:{server.port}", "SLUICE_CHROMIUM": browser,
                         "SLUICE_TOKEN_SERVER": f"http://127.0.0.1:{guarded.port}", "SLUICE_ADMIN_TOKEN": token,
                         "SLUICE_EMPTY_SERVER": f"http://127.0.0.1:{empty.port}", "SLUICE_BINARY": os.path.abspath(binary()),
                         "SLUICE_PAGE_OUT": out, "SLUICE_CLICKS": page})
                print(done.stdout[-6000:], flush=True)
                equal(done.returncode, 0, "playwright")
    finally:
        if not os.environ.get("SLUICE_PAGE_OUT"):
            shutil.rmtree(out, ignore_errors=True)


run(the_page_in_a_browser)
