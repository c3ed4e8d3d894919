"""A disk that is full, and has room again: 507, reading goes on, nothing acknowledged is lost, the server lives; and
starts while the disk is full, after a kill.

The data lie on a small disk in memory, mounted where only the server sees it; skips where that is not allowed.
SLUICE_DISK_CYCLES=100 is the long form, SLUICE_SEED repeats one. It prints how soon: a second and five are aimed at, and
what a machine with other work takes more says nothing about the server.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import time

from server import Project, Server, Skip, equal, event, run, until

TOPIC = "shop.user-events"
CYCLES = int(os.environ.get("SLUICE_DISK_CYCLES", "3"))
SETTINGS = """storage: {free_min: 8MiB, reserve: 8MiB, segment: 4MiB}
land: {every: 1s}
"""


@contextlib.contextmanager
def small_disk(project, size):
    """A disk in memory for the data of a project, which outlives its servers; yields the prefix of commands that see it
    and the folder by which all others do."""
    os.mkdir(f"{project.folder}/data")
    script = f"mount -t tmpfs -o size={size} tmpfs {project.folder}/data && echo mounted && exec cat"
    with subprocess.Popen(["unshare", "-Urm", "sh", "-c", script], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as holder:
        try:
            prefix = ["nsenter", "-U", "-m", "--preserve-credentials", "-t", str(holder.pid)]
            if holder.stdout.readline() != "mounted\n":
                raise Skip("no disk may be mounted here: " + holder.stderr.read().strip())
            tried = subprocess.run([*prefix, "true"], capture_output=True, text=True)
            if tried.returncode:
                raise Skip("no other process may see the disk: " + tried.stderr.strip())
            yield prefix, f"/proc/{holder.pid}/root{project.folder}/data"
        finally:
            holder.stdin.close()


def fill(disk, left, spare=8 << 10):
    """Makes a file larger until it leaves so many bytes of the disk, about: the server writes beside it."""
    filler = os.open(f"{disk}/filler", os.O_CREAT | os.O_WRONLY)
    with contextlib.closing(os.fdopen(filler, "wb")):
        for _ in range(20):
            state, begin = os.statvfs(disk), os.fstat(filler).st_size
            try:
                more = state.f_bavail * state.f_frsize - left - spare
                return os.posix_fallocate(filler, begin, more) if more > 0 else None
            except OSError:
                os.ftruncate(filler, begin)
    raise AssertionError("the disk cannot be filled")


def send(server, rows):
    body = "".join(json.dumps(row) + "\n" for row in rows)
    status, answer = server.ask("POST", f"/v1/events/{TOPIC}", body, {"Content-Type": "application/x-ndjson"})
    return status, json.loads(answer)


def refused_at_last(server, kept, number):
    """Sends until it is refused because of the disk; returns the rows that were taken until then, the next number."""
    begun = time.monotonic()
    while True:
        status, answer = send(server, [event(number + i) for i in range(50)])
        if status == 507:
            return kept, number
        assert status in (200, 429), (status, answer)
        if status == 200:
            kept += answer["accepted"]
            number += 50
        assert time.monotonic() - begun < 60, "no 507"


def cycles_of_a_full_disk():
    seed = int(os.environ.get("SLUICE_SEED") or random.randrange(1 << 32))
    print(f"seed {seed}", flush=True)
    chance = random.Random(seed)
    with Project(SETTINGS) as project, small_disk(project, "96m") as (prefix, disk), contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(project, prefix))
        kept, number, refusal, recovery, restart = 0, 0, [], [], []
        for cycle in range(CYCLES):
            # Others fill the disk: up to the last byte, or until little is left.
            left = chance.choice([0, 0, 1 << 20, 7 << 20])
            begun = time.monotonic()
            fill(disk, left)
            kept, number = refused_at_last(server, kept, number)
            refusal.append(time.monotonic() - begun)
            equal(server.sql("select count(*) from bronze.shop_user_events")[0][0], kept, "reading goes on")
            if cycle % 3 == 1:
                # Once more, into what landing and the reserve have left; or, with the kill, at any moment before.
                if chance.random() < 0.7:
                    time.sleep(chance.random())
                    fill(disk, left, spare=0)
                server.kill()
                begun = time.monotonic()
                server = stack.enter_context(Server(project, prefix))
                restart.append(time.monotonic() - begun)
                equal(server.sql("select count(*) from bronze.shop_user_events")[0][0], kept, "it starts, and reads")
                kept, number = refused_at_last(server, kept, number)
            os.remove(f"{disk}/filler")
            freed = time.monotonic()
            until(lambda: send(server, [event(number + i) for i in range(50)])[0] == 200, "it takes events again", 60)
            recovery.append(time.monotonic() - freed)
            kept += 50
            number += 50
        equal(server.process.poll(), None, "it lives")
        server.land()
        equal(server.sql("select count(*), count(distinct event_id) from bronze.shop_user_events")[0], [kept, kept])
        equal(kept, number)
        print(f"{CYCLES} cycles, {kept} rows; 507 after at most {max(refusal):.2f} s, taken again after at most "
              f"{max(recovery):.2f} s; {len(restart)} starts on the full disk, at most {max(restart, default=0):.2f} s",
              flush=True)
        server.stop()


def a_disk_without_files_left_is_full():
    with Project(SETTINGS) as project, small_disk(project, "96m,nr_inodes=600") as (prefix, disk):
        with Server(project, prefix) as server:
            equal(send(server, [event(i) for i in range(50)])[0], 200)
            os.mkdir(f"{disk}/files")
            with contextlib.suppress(OSError):
                for i in range(1000):
                    os.close(os.open(f"{disk}/files/{i}", os.O_CREAT | os.O_WRONLY))
            until(lambda: send(server, [event(99)])[0] == 507, "507 while many bytes are free", 10)
            for name in os.listdir(f"{disk}/files"):
                os.remove(f"{disk}/files/{name}")
            until(lambda: send(server, [event(99)])[0] == 200, "it takes events again", 60)
            server.land()
            equal(server.sql("select count(*) from bronze.shop_user_events")[0][0], 51)
            server.stop()


def a_limit_on_the_size_of_files_is_no_end():
    """Of a service manager, say: the kernel sends SIGXFSZ, which ends a process that does not ignore it."""
    with Project("storage: {segment: 4MiB, free_min: 8MiB, reserve: 0}\n") as project:
        with Server(project, ["prlimit", f"--fsize={5 << 20}", "--"]) as server:
            large = [event(i, page=random.randbytes(25_000).hex()) for i in range(150)]  # A segment of its own, of 7.5 MB.
            status, answer = send(server, large)
            equal(status, 429, answer)
            equal(send(server, [event(200)])[0], 200)
            equal(server.process.poll(), None, "it lives")
            equal(server.sql("select count(*) from bronze.shop_user_events")[0][0], 1)
            server.stop()


if __name__ == "__main__":
    sys.argv[1] = os.path.abspath(sys.argv[1])  # nsenter begins in another folder.
    run(cycles_of_a_full_disk, a_disk_without_files_left_is_full, a_limit_on_the_size_of_files_is_no_end)
