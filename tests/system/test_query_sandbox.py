"""Queries that try to break out, or to take everything: each ends in time with its code, and nothing else notices.

SLUICE_LONG=1 also holds the bound on what queries may cost those who send: acknowledgement p99 with hostile queries
<= 2 x without + 5 ms, medians of 5 alternating pairs of 10 s.
"""

import http.client
import json
import os
import statistics
import threading
import time

from server import Project, Server, equal, event, run

LONG = os.environ.get("SLUICE_LONG") == "1"
TIME_MS = 1500
GRACE_S = 1.0
SLACK_S = 0.5 if LONG else 8.0  # Of a machine that runs other tests.

OK = "ok"
TIME, MEMORY, ROWS, BYTES, DIED = "SL2201", "SL2202", "SL2203", "SL2204", "SL2206"
SYNTAX, TEXT, DENIED, TABLE, FUNCTION, DATA = "SL2001", "SL2002", "SL2003", "SL2101", "SL2105", "SL2110"
SPENT = {TIME, MEMORY, DIED}  # All of one thing: what it asks for is not there.


def chain(first, more, size=60_000):
    return first + more * ((size - len(first)) // len(more))


def doubling(kind, count):
    parts = ["a0 as (select 1 as x)"]
    parts += [f"a{i} as {kind} (select p.x from a{i - 1} p, a{i - 1} q)" for i in range(1, count)]
    return "with " + ", ".join(parts) + f" select count(*) from a{count - 1}"


BOMBS = [  # Name, text, codes it may end with.
    ("unions", chain("select 1", " union all select 1"), SPENT | {OK}),
    ("unions of distinct", chain("select 1", " union select 1"), SPENT | {OK}),
    ("ands", chain("select 1 where 1=1", " and 1=1"), SPENT | {OK, SYNTAX, "SL2106"}),
    ("ors of columns", chain("select 1 from range(9) t(x) where x=1", " or x=x+1"), SPENT | {OK, SYNTAX, "SL2106"}),
    ("parentheses", "select " + "(" * 20_000 + "1" + ")" * 20_000, SPENT | {SYNTAX, "SL2106", DATA}),
    ("subqueries", "select * from (" * 900 + "select 1" + ")" * 900, SPENT | {OK, SYNTAX, "SL2106", DATA}),
    ("functions in functions", "select " + "abs(" * 8_000 + "1" + ")" * 8_000, SPENT | {SYNTAX, "SL2106", DATA}),
    ("doubling", doubling("not materialized", 30), SPENT | {OK}),
    ("doubling plainly", doubling("", 40), SPENT | {OK}),
    ("joins", "select count(*) from " + ", ".join(f"range(3) t{i}" for i in range(200)), SPENT),
    ("joins in a ring", "select count(*) from " + ", ".join(f"range(9) t{i}(x)" for i in range(40)) + " where "
     + " and ".join(f"t{i}.x + t{(i + 1) % 40}.x = t{(i + 2) % 40}.x" for i in range(40)), SPENT | {OK}),
    ("cube", "select count(*) from range(10) t(x) group by cube("
     + ", ".join(f"x+{i}" for i in range(30)) + ")", SPENT | {SYNTAX, "SL2106", DATA}),
    ("case", "select " + "case when 1=2 then 1 else " * 2_000 + "1" + " end" * 2_000,
     SPENT | {OK, SYNTAX, "SL2106", DATA}),
    ("list of numbers", "select 1 where 7 in (" + ",".join(map(str, range(9_000))) + ")", SPENT | {OK}),
    ("cross join", "select count(*) from range(1000000000000) a, range(1000000000) b", SPENT),
    ("endless recursion", "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t",
     SPENT),
    ("doubling recursion", "with recursive t(n) as (select 1 union all select a.n from t a, (values (1), (2)) b(x)) "
     "select count(*) from t", SPENT),
    ("a list of all", "select list(md5(range::varchar)) from range(10000000000)", SPENT),
    ("a text of all", "select string_agg(md5(range::varchar), '') from range(10000000000)", SPENT | {DATA}),
    ("a long text", "select length(repeat('x', 4000000000))", SPENT | {OK, DATA}),
    ("long texts", "select max(repeat(md5(range::varchar), 1000000)) from range(1000)", SPENT | {DATA}),
    ("padding", "select length(lpad('x', 2000000000, 'y'))", SPENT | {OK, DATA}),
    ("a long list", "select len(range(1000000000000))", SPENT | {DATA, "SL2106"}),
    ("lists of lists", "select sum(len(list_transform(range(100000), x -> range(x)))) from range(10000)",
     SPENT | {DATA}),
    ("sorting", "select max(r) from (select row_number() over (order by md5(range::varchar)) r from range(10000000000))",
     SPENT | {"SL2208"}),
    ("grouping", "select count(*) from (select md5(range::varchar) m, count(*) from range(10000000000) group by 1)",
     SPENT | {"SL2208"}),
    ("joining", "select count(*) from range(10000000000) a join range(10000000000) b on md5(a.range::varchar) = "
     "md5(b.range::varchar)", SPENT | {"SL2208"}),
    ("edit distance", "select levenshtein(repeat('a', 500000), repeat('b', 500000))", SPENT | {DATA}),
    ("other distance", "select damerau_levenshtein(repeat('a', 500000), repeat('b', 500000))", SPENT | {DATA}),
    ("expressions", "select regexp_matches(repeat('a', 1000000), '(a+)+$' || repeat('(a|a)*', 20))",
     SPENT | {OK, DATA}),
    ("json in json", "select json_valid(repeat('[', 10000000))", SPENT | {OK, DATA}),
    ("deep json", "select json_structure(repeat('[', 100000) || repeat(']', 100000))", SPENT | {OK, DATA}),
    ("many rows", "select range from range(1000000000)", {ROWS, BYTES, TIME}),
    ("many bytes", "select repeat('x', 1000000) from range(1000000)", {BYTES, TIME, MEMORY}),
    ("wide rows", "select " + ",".join(f"range c{i}" for i in range(3_000)) + " from range(10000000)",
     SPENT | {ROWS, BYTES}),
    ("factorials", "select sum(x) from (select list_sum(list_transform(range(1000), y -> factorial((y % 20)::int)::double)) x "
     "from range(100000000))", SPENT | {OK, DATA}),
    ("text of 64 KiB", chain("select 1 ", "-" * 100 + "\n", 70_000), {TEXT}),
    ("zero byte", "select 1\0", {TEXT}),
]

ESCAPES = [
    ("passwords", "select * from read_text('/etc/passwd')", {DENIED}),
    ("keys", "select * from read_blob('{folder}/keys/sluice.keys')", {DENIED}),
    ("journal", "select * from read_blob('{folder}/data/journal/**')", {DENIED}),
    ("catalog", "select * from read_json('{folder}/data/control/*')", {DENIED}),
    ("own files", "select * from read_parquet('{folder}/data/tables/default/**/*.parquet')", {DENIED}),
    ("another tenant", "select * from read_parquet('{folder}/data/tables/other/secret.parquet')", {DENIED}),
    ("another tenant by name", "select * from '{folder}/data/tables/other/secret.parquet'", {TABLE}),
    ("glob", "select * from glob('/**')", {DENIED}),
    ("glob in a macro", "select * from histogram_values('glob', 'x')", {DENIED, TABLE, FUNCTION, "SL2106"}),
    ("file by name", "from '/etc/passwd'", {TABLE}),
    ("csv by name", "from '/etc/passwd.csv'", {TABLE}),
    ("environment", "select getenv('HOME')", {DENIED, FUNCTION}),
    ("environment by file", "select * from read_text('/proc/self/environ')", {DENIED}),
    ("the network", "select * from read_csv('http://127.0.0.1:{port}/metrics')", {DENIED}),
    ("the network by name", "from 'http://127.0.0.1:{port}/metrics'", {TABLE}),
    ("a bucket", "select * from read_parquet('s3://bucket/x')", {DENIED}),
    ("copy out", "copy (select 1) to '{folder}/data/tables/default/x.parquet'", {DENIED}),
    ("copy over a log", "copy (select 1) to '{folder}/data/tables/default/bronze/shop_user_events/_delta_log/9.json'",
     {DENIED}),
    ("copy in", "copy t from '/etc/passwd'", {DENIED}),
    ("export", "export database '{folder}/x'", {DENIED}),
    ("attach", "attach '{folder}/x.db'", {DENIED}),
    ("attach memory", "attach ':memory:' as m", {DENIED}),
    ("install", "install httpfs", {DENIED}),
    ("load", "load '{folder}/x.duckdb_extension'", {DENIED}),
    ("settings", "set enable_external_access = true", {DENIED}),
    ("unlock", "set lock_configuration = false", {DENIED}),
    ("threads", "pragma threads = 64", {DENIED}),
    ("profile", "pragma profiling_output = '{folder}/x'", {DENIED}),
    ("read settings", "select current_setting('temp_directory')", {DENIED}),
    ("settings behind a view", "select * from pg_settings", {DENIED}),
    ("secrets", "select * from duckdb_secrets()", {DENIED}),
    ("make a secret", "create secret s (type s3, key_id 'x')", {DENIED}),
    ("table", "create table t as select 1", {DENIED}),
    ("call", "call pragma_version()", {DENIED}),
    ("explain a copy", "explain analyze copy (select 1) to '{folder}/x'", {DENIED}),
    ("query in a query", "select * from query('copy (select 1) to ''{folder}/x''')", {DENIED}),
    ("table by text", "select * from query_table(['{folder}/x.parquet'])", {DENIED}),
    ("our own functions", "select * from sluice_files(['0'])", {DENIED}),
    ("our own functions, too", "select * from sluice_batches(0)", {DENIED}),
    ("pointers", "select * from arrow_scan(1, 2, 3)", {DENIED, FUNCTION, "SL2106"}),
    ("two statements", "select 1; copy (select 1) to '{folder}/x'", {TEXT}),
    ("prepared", "prepare p as select 1", {DENIED}),
    ("log", "select write_log('x')", {DENIED, FUNCTION}),
    ("footers", "select * from parquet_metadata('{folder}/data/tables/default/bronze/shop_user_events/*.parquet')",
     {DENIED}),
    ("sniff", "select * from sniff_csv('/etc/passwd')", {DENIED}),
    ("checkpoint", "force checkpoint", {DENIED}),
]


class Sender(threading.Thread):
    """Sends small batches without a pause and keeps how long each acknowledgement took."""

    def __init__(self, port, prefix):
        super().__init__()
        self.port, self.prefix = port, prefix
        self.stopping = threading.Event()
        self.seconds, self.sent, self.failure = [], 0, None

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            while not self.stopping.is_set():
                rows = [dict(event(self.sent + i), eventId=f"{self.prefix}-{self.sent + i}") for i in range(20)]
                body = "".join(json.dumps(row) + "\n" for row in rows)
                start = time.monotonic()
                connection.request("POST", "/v1/events/shop.user-events", body,
                                   {"Content-Type": "application/x-ndjson"})
                answer = connection.getresponse()
                receipt = json.loads(answer.read())
                self.seconds.append(time.monotonic() - start)
                equal((answer.status, receipt["accepted"]), (200, 20))
                self.sent += 20
        except Exception as error:  # Told by the main thread.
            self.failure = error

    def end(self):
        self.stopping.set()
        self.join()
        if self.failure:
            raise AssertionError(f"sending failed: {self.failure!r}")

    def p99(self):
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


def ask(port, sql, time_ms=TIME_MS, rows=1_000_000, size=64 << 20):
    """Returns the code (or OK) and how long it took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"sql": sql, "limits": {"time_ms": time_ms, "rows": rows, "bytes": size}})
    start = time.monotonic()
    connection.request("POST", "/v1/sql", body, {"Content-Type": "application/json",
                                                  "Accept": "application/x-ndjson"})
    answer = connection.getresponse()
    last = b""
    while piece := answer.read(1 << 20):
        last = (last + piece)[-4000:]
    took = time.monotonic() - start
    connection.close()
    if answer.status != 200:
        return json.loads(last)["code"], took
    end = json.loads(last.splitlines()[-1])
    return OK if end["complete"] else end["error"]["code"], took


def each_ends_with_its_code_while_others_go_on():
    assert len(BOMBS) + len(ESCAPES) >= 80
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
        for name, text, codes in BOMBS + ESCAPES:
            sql = text.replace("{folder}", project.folder).replace("{port}", str(server.port))
            code, took = ask(server.port, sql)
            slowest = max(slowest, took)
            if code not in codes:
                wrong.append(f"{name}: {code}, expected one of {sorted(codes)}")
            if took > TIME_MS / 1000 + GRACE_S + SLACK_S:
                wrong.append(f"{name}: took {took:.1f} s")
            code, took = ask(server.port, "select count(*) from bronze.shop_user_events", time_ms=10_000)
            if code != OK:
                wrong.append(f"after {name}: {code}")
        sender.end()
        print(f"     {len(BOMBS)} bombs, {len(ESCAPES)} escapes, slowest {slowest:.2f} s; meanwhile {sender.sent} events, "
              f"acknowledged in p99 {sender.p99() * 1000:.1f} ms")
        equal(wrong, [])
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


def senders_hardly_notice():
    seconds = 10 if LONG else 2
    hostile = [text for name, text, _ in BOMBS if name in ("unions", "cross join", "sorting", "a list of all")]
    with Project("limits: {query_memory: 256MiB}\n") as project, Server(project) as server:
        without, beside = [], []
        for pair in range(5):
            for samples, attacked in ((without, False), (beside, True)):
                over = threading.Event()

                def attack():
                    turn = 0
                    while not over.is_set():
                        ask(server.port, hostile[turn % len(hostile)], time_ms=1000)
                        turn += 1

                attackers = [threading.Thread(target=attack) for _ in range(2 if attacked else 0)]
                for attacker in attackers:
                    attacker.start()
                sender = Sender(server.port, f"p{pair}{attacked}")
                sender.start()
                over.wait(seconds)
                sender.end()
                over.set()
                for attacker in attackers:
                    attacker.join()
                samples.append(sender.p99())
        quiet, loud = statistics.median(without) * 1000, statistics.median(beside) * 1000
        print(f"     acknowledgement p99 {quiet:.2f} ms without, {loud:.2f} ms beside hostile queries")
        if LONG:
            assert loud <= 2 * quiet + 5, (without, beside)
        equal(ask(server.port, "select 1", time_ms=10_000)[0], OK)


run(each_ends_with_its_code_while_others_go_on, senders_hardly_notice)
