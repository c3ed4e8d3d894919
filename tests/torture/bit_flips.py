#!/usr/bin/env python3
"""Flips bits in the journal, the control state, the keys and the tables of a stopped installation, and starts the server;
and in the files of identities of a running one, which begins each time without them.

usage: bit_flips.py PROGRAM [--flips N] [--minutes M] [--seed S]

Each flip must be detected, so that the server does not start and says which file, or in a table's file that
`sluice verify --full` names it, or be harmless: then all rows are as they were. Of identities whose file is damaged it must
say that they are forgotten; all others are known. Prints how many were which; exits 1 at the first that was neither.
"""

import argparse
import collections
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

from server import Project, Server, equal  # noqa: E402
from workload import SETTINGS, TOPIC, row  # noqa: E402

IDENTITIES = "land: {every: 1s}\nlimits: {memory: 64MiB}\n"
IDENTITIES_ON_DISK = 200_000  # At least, before their files are damaged.
FLIPS_OF_IDENTITIES = 8  # In each file.
QUERY = "select event_id, user_id, page, _offset from bronze.shop_user_events order by _offset"


class Copy(Project):
    def __init__(self, origin):
        self.folder = tempfile.mkdtemp(prefix="sluice-flip-")
        shutil.rmtree(self.folder)
        shutil.copytree(origin, self.folder)


def prepare(project):
    """Rows that have landed, rows that wait, error rows; returns what queries must show."""
    with Server(project) as server:
        for i in range(10):
            server.send(TOPIC, [row(f"crash-0-{10 * i + j:05}") for j in range(10)] + ['{"userId": "x"}\n'])
            if i == 4:
                server.land()
        expected = server.sql(QUERY)
        server.connection = None
        server.process.kill()
        server.process.wait()
    with Server(project) as server:  # Sealed segments, and one that a kill leaves behind.
        server.send(TOPIC, [row(f"crash-1-{j:05}") for j in range(10)])
        expected = server.sql(QUERY)
        time.sleep(0.05)  # Until the idle journal has proven its last group.
        server.kill()
    for name in ("temporary", "reserve"):
        path = Path(f"{project.folder}/data/{name}")
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return expected


def used(path):
    """How much of a file is more than the zeros it was made with."""
    return max(1, len(path.read_bytes().rstrip(b"\0")))


def one(origin, expected, seed):
    """Returns whether the flip was detected."""
    chance = random.Random(seed)
    with Copy(origin) as project:
        folder = Path(project.folder)
        files = sorted(path for part in ("data/journal", "data/control", "keys") for path in (folder / part).rglob("*")
                       if path.is_file() and path.stat().st_size > 0)
        landed = sorted(path for path in (folder / "data/tables").rglob("*.parquet") if "_delta_log" not in path.parts)
        in_table = chance.random() < 0.3
        path = chance.choice(landed if in_table else files)
        data = bytearray(path.read_bytes())
        bits = chance.choice((1, 1, 1, 2, 8, 64))
        at = chance.randrange(used(path))
        for _ in range(bits):  # Near each other, as a failing medium has them.
            hit = min(len(data) - 1, at + chance.randrange(max(1, bits // 2)))
            data[hit] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        what = f"{path.relative_to(folder)} at byte {at}, {bits} bits"
        try:
            with Server(project) as server:
                if in_table:
                    code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify", "--full")
                    if code != 0:
                        assert code == 1 and path.name in out + err, what + out + err
                        server.kill()
                        return True
                equal(server.sql(QUERY), expected, what)
                receipt = server.send(TOPIC, [row("crash-0-00003"), row("crash-9-00001")])
                equal((receipt["accepted"], receipt["duplicate"]), (1, 1), what)
                code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify", "--full")
                equal(code, 0, what + out + err)
                server.kill()
            return False
        except RuntimeError as failure:
            told = str(failure).split("the server ended with ")[-1]
            assert told.startswith(("1:", "77:", "78:")), f"{what}: {failure}"
            assert any(name in told for name in (path.name, "journal", "catalog", "keys", "topic", "table")), f"{what}: {told}"
            return True


def identities(seed):
    """Returns how many flips in files of identities were detected, and how many were harmless."""
    chance = random.Random(seed)
    outcomes = collections.Counter()
    with Project(IDENTITIES) as project, Server(project) as server:
        sent = 0

        def send(first, count):
            rows = "".join(f'{{"eventId":"e{i}","userId":{i},"page":"/","timestamp":"2026-01-05T10:00:00Z"}}\n'
                           for i in range(first, first + count))
            status, text = 429, b""
            while status == 429:
                status, text = server.ask("POST", f"/v1/events/{TOPIC}", rows, {"Content-Type": "application/x-ndjson"})
            equal(status, 200, text)
            return json.loads(text)

        def metric(name):
            text = server.ask("GET", "/metrics")[1].decode()
            return sum(float(line.rpartition(" ")[2]) for line in text.splitlines()
                       if line.startswith(f'sluice_dedupe_{name}{{topic="{TOPIC}"'))

        while metric("ids_on_disk") < IDENTITIES_ON_DISK:
            equal(send(sent, 10_000)["accepted"], 10_000, "new")
            sent += 10_000
        accepted = 0  # Of what was sent before.
        for path in sorted(Path(f"{project.folder}/data/dedupe").rglob("run-*")):
            if not used(path) > 1:
                continue
            before, size = metric("forgotten_early"), path.stat().st_size
            with open(path, "r+b") as file:  # The server has it open, too.
                for _ in range(FLIPS_OF_IDENTITIES):
                    at = chance.randrange(size)
                    file.seek(at)
                    byte = file.read(1)[0]
                    file.seek(at)
                    file.write(bytes([byte ^ 1 << chance.randrange(8)]))
            for first in range(0, sent, 10_000):
                receipt = send(first, 10_000)
                equal(receipt["accepted"] + receipt["duplicate"], 10_000, f"{path}, seed {seed}: {receipt}")
                accepted += receipt["accepted"]
            # All together: some were still known, and then forgotten with a page that was only read after theirs.
            forgotten = metric("forgotten_early")
            assert accepted <= forgotten, f"{path}, seed {seed}: {accepted} rows twice, {forgotten} identities forgotten"
            outcomes["detected" if forgotten > before else "harmless"] += FLIPS_OF_IDENTITIES
        assert outcomes, "no file of identities"
        equal("identities forgotten early" in server.output(), outcomes["detected"] > 0, "told")
        server.stop()
    return outcomes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--flips", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=0, help="0: as many flips as given")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    sys.argv[1:] = [os.path.abspath(arguments.program)]
    print(f"seed {arguments.seed}", flush=True)
    try:
        outcomes = identities(arguments.seed)
    except Exception as failure:
        print(f"identities: {type(failure).__name__}: {str(failure)[:2000]}")
        return 1
    print(json.dumps({"flips_in_identities": outcomes.total(), **outcomes}), flush=True)
    outcomes = collections.Counter()
    with Project(SETTINGS) as origin:
        expected = prepare(origin)
        begun, flips = time.monotonic(), 0
        while time.monotonic() - begun < arguments.minutes * 60 if arguments.minutes else flips < arguments.flips:
            seed = arguments.seed + flips
            try:
                outcomes["detected" if one(origin.folder, expected, seed) else "harmless"] += 1
            except Exception as failure:
                print(f"flip {seed}: {type(failure).__name__}: {str(failure)[:2000]}")
                return 1
            flips += 1
    print(json.dumps({"flips": flips, **outcomes, "seconds": round(time.monotonic() - begun, 1), "violations": 0}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
