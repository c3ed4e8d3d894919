"""Queries that try to break out, or to take everything: each ends in time with its code, and nothing else notices.

What those who send notice of them in figures: `./dev bench sandbox`.
"""

import os

from hostile_queries import OK, Sender, ask, load
from server import Project, Server, equal, event, percentile, run

TIME_MS = 400
GRACE_S = 1.0
SLACK_S = 8.0  # Of a machine that runs other tests.


def each_ends_with_its_code_while_others_go_on():
    bombs, escapes = load("bombs.txt"), load("escapes.txt")
    assert len(bombs) >= 38 and len(escapes) >= 46
    with Project("limits: {query_memory: 256MiB}\n") as project, Server(project) as server:
        os.makedirs(f"{project.folder}/data/tables/other", exist_ok=True)
        with open(f"{project.folder}/data/tables/other/secret.parquet", "wb") as file:
            file.write(b"PAR1 not for you PAR1")
        server.send("shop.user-events", [event(i) for i in range(100)], wait="table")
        before = files_below(project.folder)
        sender = Sender(server.port, "s")
        sender.start()
        wrong = []
        slowest = 0
        ends = {}
        for name, (text, codes) in {**bombs, **escapes}.items():
            sql = text.replace("{folder}", project.folder).replace("{port}", str(server.port))
            code, took = ask(server.port, sql, TIME_MS, rows=50_000)
            slowest = max(slowest, took)
            ends.setdefault(code, []).append(name)
            if code not in codes:
                wrong.append(f"{name}: {code}, expected one of {sorted(codes)}")
            if took > TIME_MS / 1000 + GRACE_S + SLACK_S:
                wrong.append(f"{name}: took {took:.1f} s")
            code, took = ask(server.port, "select count(*) from bronze.shop_user_events", 10_000)
            if code != OK:
                wrong.append(f"after {name}: {code}")
        sender.end()
        print(f"     {len(bombs)} bombs, {len(escapes)} escapes, slowest {slowest:.2f} s; meanwhile {sender.sent} events, "
              f"acknowledged in p99 {percentile(sender.seconds, 0.99) * 1000:.1f} ms")
        equal(wrong, [])
        for limit in ("SL2002", "SL2201"):  # Text, time.
            assert limit in ends, f"no query met {limit}"
        for name, limit in (("a list of all", "SL2202"), ("many rows", "SL2203")):  # Memory, rows, where there is time.
            equal(ask(server.port, bombs[name][0], 60_000, rows=50_000)[0], limit, name)
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[100 + sender.sent]])
        equal(files_below(project.folder), before)
        assert server.process.poll() is None


def files_below(folder):
    """What a query might have left: nothing may be new but what the server itself writes."""
    found = set()
    for path, _, names in os.walk(folder):
        inside = os.path.relpath(path, folder)
        if inside.startswith(("data/journal", "data/temporary", "data/tables/default/bronze")):
            continue
        found.update(os.path.join(inside, name) for name in names)
    return found


run(each_ends_with_its_code_while_others_go_on)
