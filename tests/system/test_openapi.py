"""The server against its own description: schemathesis makes requests of docs/reference/openapi.json, sound and broken,
and checks each answer. It comes with `./dev test`. SLUICE_OPENAPI_EXAMPLES: how many cases an address (25);
SLUICE_SEED: which
(1: what another finds is a report, and no reason to stop others)."""

import json
import os
import pathlib
import subprocess
import sys

from server import Project, Server, Skip, event, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPS = pathlib.Path(os.environ.get("SLUICE_DEPS", ROOT / ".deps"))
MAIN = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
EXAMPLES = os.environ.get("SLUICE_OPENAPI_EXAMPLES", "25")
SEED = os.environ.get("SLUICE_SEED", "1")


def the_server_is_as_its_description_says():
    packages = sorted(folder for folder in (DEPS / "unpacked/openapi").glob("*") if folder.is_dir())
    if not packages:
        raise Skip("schemathesis is not there: `./dev test` fetches it")
    with Project("limits: {query_memory: 256MiB}\n") as project, Server(project) as server:
        server.send("shop.user-events", [event(1), event(2)])
        server.send("", [{"event": "shop.user-events", "content": {"eventId": "e3", "userId": "seven"}}])
        described = json.loads(server.ask_whole("GET", "/openapi.json")[2])
        address = f"http://127.0.0.1:{server.port}"
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "--config-file", str(ROOT / "tests/openapi/schemathesis.toml"), "run",
             f"{address}/openapi.json", "--url", address, "--seed", SEED, "--max-examples", EXAMPLES, "--no-color",
             "--continue-on-failure"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, packages)), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=project.folder, capture_output=True, text=True)
        begin = max(done.stdout.find("= FAILURES ="), done.stdout.find("= ERRORS ="), 0)
        assert done.returncode == 0, f"seed {SEED}\n{done.stdout[begin:][-20_000:]}{done.stderr[-2_000:]}"
        count = sum(method != "parameters" for item in described["paths"].values() for method in item)
        assert f"Selected: {count}/{count}" in done.stdout, done.stdout
        assert server.process.poll() is None, "the server has ended"


run(the_server_is_as_its_description_says)
