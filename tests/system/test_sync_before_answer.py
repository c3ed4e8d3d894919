"""Recorded system-call traces of 1,000 acknowledgements, with writes through the page cache and around it: no 200 leaves
before the sync of its bytes has returned."""

import re
import shutil
import threading

from server import Project, Server, Skip, equal, event, run
from sync_trace import TRACED, doctored, early_answers, journal_syncs, parse

CLIENTS = 8
REQUESTS = 125  # Of each.
IDENTITY = re.compile(rb"traced-\d-\d{4}")


def record(trace, writes):
    with Project(f"land: {{every: 300ms}}\njournal: {{writes: {writes}}}\n") as project:
        # -D: the server is our child, not the tracer's.
        prefix = ["strace", "-D", "-f", "-xx", "-s", str(1 << 20), "-e", "trace=" + TRACED, "-o", trace]
        with Server(project, prefix) as server:
            failures = []

            def work(client):
                try:
                    sender = server.another()
                    for number in range(REQUESTS):
                        row = event(0) | {"eventId": f"traced-{client}-{number:04}"}
                        equal(sender.send("shop.user-events", [row])["accepted"], 1)
                except Exception as error:
                    failures.append(error)

            threads = [threading.Thread(target=work, args=(client,)) for client in range(CLIENTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if failures:
                raise failures[0]
            server.stop()
        return project.folder + "/data/journal"


def no_answer_leaves_before_its_sync(writes):
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    with Project() as scratch:
        trace = scratch.folder + "/trace"
        folder = record(trace, writes)
        with open(trace) as file:
            calls = parse(file)
    checked, early = early_answers(calls, folder, IDENTITY)
    syncs = len(journal_syncs(calls, folder))
    print(f"{writes}: {len(calls)} calls, {syncs} syncs, {checked} acknowledgements, {len(early)} of them early")
    equal(checked, CLIENTS * REQUESTS, "acknowledgements in the trace")
    equal(early, [], "answers that left before the sync of their bytes")

    for wrong, changed in doctored(calls, folder).items():
        seen, early = early_answers(changed, folder, IDENTITY)
        print(f"a server that {wrong}: {len(early)} of {seen} early")
        equal(seen, CLIENTS * REQUESTS, f"acknowledgements of a server that {wrong}")
        assert len(early) > seen * 0.9, f"a server that {wrong} passes"


def with_writes_through_the_page_cache():
    no_answer_leaves_before_its_sync("cached")


def with_writes_around_it():
    no_answer_leaves_before_its_sync("direct")


run(with_writes_through_the_page_cache, with_writes_around_it)
