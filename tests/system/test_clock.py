"""The real program with a wall clock that is set by ten years, while it runs and while it does not: what it knows stays
known, nothing is deleted, and it asks.

A few lines of C stand between the program and the clock; skips where there is no compiler. SLUICE_CLOCK_SECONDS: so many of
settings of the clock, with events between, and a restart now and then (0: only the fixed order).
"""

import glob
import json
import mmap
import os
import random
import re
import shutil
import struct
import subprocess
import time

from server import Project, Server, Skip, binary, equal, event, run

TOPIC = "shop.user-events"
SECONDS = float(os.environ.get("SLUICE_CLOCK_SECONDS", "0"))
YEARS = 10 * 365 * 86400
# The offset lies in memory that is mapped when a process begins: later it may open nothing.
SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile int64_t* ahead;
__attribute__((constructor)) static void begin(void) {
  const int file = open(getenv("SLUICE_TEST_CLOCK"), O_RDONLY);
  if (file < 0) return;
  void* at = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
  if (at != MAP_FAILED) ahead = at;
  close(file);
}
int clock_gettime(clockid_t id, struct timespec* now) {
  const int done = (int)syscall(SYS_clock_gettime, id, now);
  if (done == 0 && id == CLOCK_REALTIME && ahead) now->tv_sec += *ahead;
  return done;
}
"""


class Clock:
    """The wall clock of the servers that are started with its prefix."""

    def __init__(self, folder):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise Skip("there is no C compiler")
        library, place = f"{folder}/clock.so", f"{folder}/ahead"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-x", "c", "-o", library, "-"], input=SHIM, text=True, check=True)
        with open(place, "wb") as file:
            file.write(bytes(8))
        self.prefix = ["env", f"LD_PRELOAD={library}", f"SLUICE_TEST_CLOCK={place}"]
        self.file = open(place, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), 8)

    def set_ahead(self, seconds):
        self.memory[:] = struct.pack("<q", seconds)


def gauge(server, name):
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", server.ask("GET", "/metrics")[1].decode(), re.MULTILINE)
    return float(found.group(1))


def expect_jump(server, seconds):
    found = gauge(server, "sluice_clock_jump_seconds")
    assert abs(found - seconds) < 600, f"a jump of {found} s, expected {seconds}"


class Known:
    """Events that were taken: each sending of them must be answered `duplicate`."""

    def __init__(self):
        self.rows = []

    def send_new(self, server, count=3):
        # Of a time that no clock here is behind: else they would be error rows.
        rows = [event(len(self.rows) + i, time_text="2006-01-05T10:00:00Z") for i in range(count)]
        equal(server.send(TOPIC, rows)["accepted"], count, "new events")
        self.rows += rows

    def send_landed_and_waiting(self, server):
        self.send_new(server)
        server.land()
        self.send_new(server)

    def check(self, server):
        equal(server.send(TOPIC, self.rows)["duplicate"], len(self.rows), "events sent again")
        equal(server.sql(f"select count(*) from {TOPIC.replace('.', '_').replace('-', '_')}")[0][0], len(self.rows))


def a_running_server_forgets_nothing():
    with Project("land: {every: 1h}\nmaintenance: {every: 1s, vacuum: {retention: 1h}}\n") as project:
        clock, known = Clock(project.folder), Known()
        with Server(project, clock.prefix) as server:
            known.send_new(server)
            server.land()
            days_of_keys = open(f"{project.folder}/keys/sluice.keys", "rb").read()
            for ahead in (YEARS, -YEARS, 0, 7200, 0):
                clock.set_ahead(ahead)
                expect_jump(server, ahead)
                known.check(server)
                known.send_new(server)
                known.check(server)
                server.land()
            equal(gauge(server, "sluice_dedupe_forgotten_early"), 0)
            equal(open(f"{project.folder}/keys/sluice.keys", "rb").read(), days_of_keys, "the keys")
            clock.set_ahead(YEARS)
            status, answer = server.post("/v1/admin/clock/trust")
            equal((status, sorted(answer)), (200, ["trusted"]))
            expect_jump(server, 0)
            known.check(server)
            equal(server.sql("select action from system.audit"), [["clock.trust"]])
            server.stop()


def a_start_with_a_wrong_clock_knows_all():
    with Project("land: {every: 1h}\n") as project:
        clock, known = Clock(project.folder), Known()
        for ahead in (0, YEARS, -YEARS, 0, YEARS, 0):
            clock.set_ahead(ahead)
            with Server(project, clock.prefix) as server:
                expect_jump(server, ahead)
                known.check(server) if known.rows else None
                known.send_landed_and_waiting(server)
                known.check(server)
                server.kill() if ahead > 0 else server.stop()
        with Server(project, clock.prefix) as server:
            known.check(server)
            server.stop()


def a_clock_behind_at_the_first_events_dates_them_right():
    with Project("land: {every: 1h}\n") as project:
        clock, known = Clock(project.folder), Known()
        with Server(project, clock.prefix) as server:
            server.stop()
        clock.set_ahead(-YEARS)
        with Server(project, clock.prefix) as server:
            known.send_landed_and_waiting(server)
            known.check(server)
            table = TOPIC.replace(".", "_").replace("-", "_")
            age = server.sql(f"select {time.time()} - min(epoch(_received_at)) from {table}")[0][0]
            # An hour is how far a clock may be behind; what was received before, as the schemas were, is no later.
            assert 0 <= float(age) < 3900, f"received {age} s ago"
            server.kill()
        clock.set_ahead(0)
        with Server(project, clock.prefix) as server:
            known.check(server)
            server.stop()


def without_its_file_the_newest_event_tells_the_time():
    with Project("land: {every: 1h}\n") as project:
        clock, known = Clock(project.folder), Known()
        with Server(project, clock.prefix) as server:
            known.send_landed_and_waiting(server)
            server.kill()
        os.remove(f"{project.folder}/data/control/clock")
        clock.set_ahead(YEARS)
        with Server(project, clock.prefix) as server:
            expect_jump(server, YEARS)
            known.check(server)
            server.stop()


def commands_delete_nothing_by_a_wrong_clock():
    with Project("land: {every: 1h}\nmaintenance: {every: 1h}\n") as project:
        clock, known = Clock(project.folder), Known()
        with Server(project, clock.prefix) as server:
            for _ in range(2):
                known.send_new(server)
                server.land()
            server.stop()
        [table] = glob.glob(f"{project.folder}/data/tables/*/bronze/{TOPIC.replace('.', '_').replace('-', '_')}")

        def command(*words, folder="/"):
            done = subprocess.run([*clock.prefix, binary(), "-C", folder, "-o", "json", "table", *words, table],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            equal(done.returncode, 0, done.stderr)
            return json.loads(done.stdout), done.stderr

        equal(command("compact")[0]["files_removed"], 2)
        for folder in ("/", project.folder):
            clock.set_ahead(YEARS)
            report, said = command("vacuum", folder=folder)
            equal((report["files_deleted"], "by the time that the project trusts" in said), (0, True), said)
            clock.set_ahead(0)
            report, said = command("vacuum", folder=folder)
            equal((report["files_deleted"], said), (0, ""))
        equal(command("vacuum", "--retain", "0s", "--force")[0]["files_deleted"], 2)


def set_again_and_again():
    if SECONDS == 0:
        raise Skip("SLUICE_CLOCK_SECONDS is 0")
    seed = int(os.environ.get("SLUICE_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}", flush=True)
    chance = random.Random(seed)
    end, rounds, starts = time.monotonic() + SECONDS, 0, 0
    with Project("land: {every: 1s}\n") as project:
        clock, known = Clock(project.folder), Known()
        while time.monotonic() < end:
            starts += 1
            with Server(project, clock.prefix) as server:
                for _ in range(chance.randrange(1, 30)):
                    rounds += 1
                    known.send_new(server)
                    clock.set_ahead(chance.choice((0, 0, 1, -1)) * chance.choice((1, 60, 3600, 86400, YEARS)))
                    known.check(server)
                server.kill() if chance.randrange(2) else server.stop()
    print(f"{rounds} settings of the clock, {starts} starts, {len(known.rows)} events")


run(a_running_server_forgets_nothing, a_start_with_a_wrong_clock_knows_all,
    a_clock_behind_at_the_first_events_dates_them_right, without_its_file_the_newest_event_tells_the_time,
    commands_delete_nothing_by_a_wrong_clock, set_again_and_again)
