"""Eight processes append to one table, some are killed with -9 again and again: no acknowledged row is lost, none is
there twice. On a disk, in a bucket that fails on purpose, and in a real MinIO behind the same front.

SLUICE_COMMITS=10000 is the full form (all writers together, each case); SLUICE_SEED repeats the choices of a run.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))

import bucket  # noqa: E402
from server import binary, run  # noqa: E402

WRITERS = 8
COMMITS = int(os.environ.get("SLUICE_COMMITS", "200"))
SEED = int(os.environ.get("SLUICE_SEED", str(random.randrange(1 << 32))))


class Writer:
    """One writer, started again when it was killed, until it has written `count` rows."""

    def __init__(self, address, name, count, blind, variables):
        self.command = [binary(), address, name, str(count)]
        self.name, self.count, self.blind = name, count, blind
        self.environment = {**os.environ, **variables}
        self.acknowledged, self.starts, self.errors = [], 0, []
        self.process = None
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        first = 0
        while True:
            command = self.command + ([str(first)] if self.blind else [])
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                            env=self.environment)
            self.starts += 1
            seen = [int(line) for line in self.process.stdout]
            error = self.process.stderr.read()
            code = self.process.wait()
            self.acknowledged += seen
            if code == 0:
                return
            if code != -9:
                self.errors.append(error.strip())
            if len(self.errors) > 20:
                return  # Told by the missing rows.
            # A plain append whose outcome nobody knows is not tried again.
            first = max([first, *(number + 1 for number in seen)]) + 1
            if self.blind and first >= self.count:
                return


def write_and_check(address, variables, kills, reader_variables=None):
    chosen = random.Random(SEED)
    each = COMMITS // WRITERS
    begin = time.monotonic()
    writers = [Writer(address, f"{'plain' if i % 4 == 3 else 'exact'}-{i}", each, i % 4 == 3, variables)
               for i in range(WRITERS)]
    killed = 0
    while any(writer.thread.is_alive() for writer in writers):
        time.sleep(chosen.uniform(0.02, 0.3))
        victim = chosen.choice(writers)
        if killed < kills and victim.process and victim.process.poll() is None:
            victim.process.kill()
            killed += 1
    seconds = time.monotonic() - begin
    for writer in writers:
        writer.thread.join()
    answer = subprocess.run([binary(), address], capture_output=True, text=True,
                            env={**os.environ, **(reader_variables or variables)})
    assert answer.returncode == 0, answer.stderr
    rows = answer.stdout.splitlines()
    errors = [error for writer in writers for error in writer.errors]
    assert len(rows) == len(set(rows)), f"seed {SEED}: rows twice: {len(rows) - len(set(rows))}"
    found = {}
    for row in rows:
        name, number = row.split()
        found.setdefault(name, set()).add(int(number))
    for writer in writers:
        lost = set(writer.acknowledged) - found.get(writer.name, set())
        assert not lost, f"seed {SEED}: {writer.name} lost {sorted(lost)[:10]}"
        if not writer.blind:
            missing = set(range(each)) - found.get(writer.name, set())
            assert not missing, f"seed {SEED}: {writer.name} has not written {sorted(missing)[:10]}: {errors[:3]}"
    print(f"     {len(rows)} rows in {seconds:.1f} s, {len(rows) / seconds:.0f} commits/s; {killed} killed, "
          f"{len(errors)} ended with an error; seed {SEED}")
    for error in errors[:5]:
        print(f"     {error}")


def on_a_disk():
    folder = tempfile.mkdtemp(prefix="sluice-writers-")
    try:
        write_and_check(f"{folder}/table", {}, kills=COMMITS // 20)
    finally:
        shutil.rmtree(folder)


def in_a_bucket(backend):
    faults = bucket.Faults(SEED, busy=0.03, late=0.02, lost=0.02, lied=0.02)
    with bucket.front(backend, faults) as endpoint, bucket.front(backend) as well:
        write_and_check(f"s3://{bucket.BUCKET}/a/table", bucket.environment(endpoint), kills=COMMITS // 20,
                        reader_variables=bucket.environment(well))
    assert faults.met > 0
    print(f"     {faults.met} requests failed on purpose")


def in_a_bucket_that_fails():
    in_a_bucket(bucket.MemoryBucket())


def in_minio_behind_the_same_faults():
    with bucket.minio() as port:
        in_a_bucket(bucket.Forwarding(port))


run(on_a_disk, in_a_bucket_that_fails, in_minio_behind_the_same_faults)
