"""INSERT, UPDATE, DELETE and MERGE in SQL: on landed tables, and on tables outside."""

import json
import os
import random
import shutil
import sqlite3
import tempfile
import threading
import time
import unittest.mock
import urllib.parse

import bucket
from server import SCHEMA, SLOW, Project, Server, equal, event, run, testdata, until

TABLE = "shop_user_events"
TOPIC = "shop.user-events"
TIME = "2026-01-07T00:00:00Z"
PRIVATE = SCHEMA.replace("page      @2 :Text;", "page      @2 :Text $Sl.hash(hmacSha256);")
JSON = {"Content-Type": "application/json"}


def ask(server, sql, **members):
    return server.post("/v1/sql", json.dumps({"sql": sql, **members}), JSON)


def change(server, sql, **members):
    """(rows deleted, updated, inserted, version)."""
    status, answer = ask(server, sql, **members)
    equal(status, 200, f"{sql}: {answer}")
    equal([column["name"] for column in answer["columns"]], ["rows_deleted", "rows_updated", "rows_inserted", "version"])
    assert answer["complete"] and answer["row_count"] == 1
    return tuple(answer["rows"][0])


def refused(server, sql, status, code, text="", **members):
    found, answer = ask(server, sql, **members)
    equal((found, answer.get("code")), (status, code), f"{sql}: {answer}")
    assert text in answer["detail"], (text, answer["detail"])


def rows(server, columns="user_id, page"):
    return server.sql(f"select {columns} from {TABLE} order by all")


def balanced(project, server):
    code, out, err = project.command("verify", "--server", f"127.0.0.1:{server.port}")
    equal(code, 0, out + err)


def all_four_change_what_was_acknowledged():
    with Project(SLOW) as project, Server(project) as server:
        server.send(TOPIC, [event(n, f"/canary{n}") for n in range(10)])  # Nothing has landed.
        equal(change(server, f"DELETE FROM {TABLE} WHERE user_id IN (2, 3)"), (2, 0, 0, 2))
        equal(change(server, f"UPDATE bronze.{TABLE} SET page = upper(page) || user_id WHERE user_id > $least",
                     params={"least": 7}), (0, 2, 0, 3))
        equal(change(server, f"INSERT INTO {TABLE} (user_id, page, event_time) VALUES (100, 'new', '{TIME}'), "
                             f"(101, NULL, '{TIME}')"), (0, 0, 2, 4))
        equal(change(server, f"MERGE INTO {TABLE} t USING (VALUES (0, 'gone'), (1, 'kept'), (200, 'new')) s(id, page) "
                             "ON t.user_id = s.id WHEN MATCHED AND s.page = 'gone' THEN DELETE "
                             "WHEN MATCHED THEN UPDATE SET page = s.page WHEN NOT MATCHED THEN "
                             f"INSERT (user_id, page, event_time) VALUES (s.id, s.page, '{TIME}')"), (1, 1, 1, 5))
        # Nothing matches: no commit.
        equal(change(server, f"DELETE FROM {TABLE} WHERE user_id = 12345"), (0, 0, 0, 5))
        expected = [[1, "kept"], *([n, f"/canary{n}"] for n in range(4, 8)), [8, "/CANARY88"], [9, "/CANARY99"],
                    [100, "new"], [101, None], [200, "new"]]
        equal(rows(server), expected)
        # The date follows the time; what landing fills stays, or is null.
        change(server, f"UPDATE {TABLE} SET event_time = event_time + INTERVAL 1 DAY WHERE user_id IN (9, 100)")
        equal(server.sql(f"select user_id, event_date::text, _offset from {TABLE} where user_id in (8, 9, 100) order by 1"),
              [[8, "2026-01-05", 8], [9, "2026-01-06", 9], [100, "2026-01-08", None]])
        equal(server.send(TOPIC, [event(1, "/canary1")]).get("duplicate"), 1, "at once")

        equal(server.sql("select action, object, outcome from system.audit where action = 'sql.merge' order by _offset"),
              [["sql.merge", f"bronze.{TABLE}", "begun"],
               ["sql.merge", f"bronze.{TABLE}", "done: version 5, 1 deleted, 1 updated, 1 inserted"]])
        equal(server.sql("select state, rows from system.queries where sql like 'MERGE INTO%'"), [["done", 1]])
        commits = project.commits()
        equal([commit[0]["commitInfo"]["operation"] for commit in commits[1:6]],
              ["LAND", "DELETE", "UPDATE", "WRITE", "MERGE"])
        assert "anary" not in json.dumps([commit[0]["commitInfo"] for commit in commits])
        balanced(project, server)
        server.stop()
        with Server(project) as again:
            equal(len(rows(again)), len(expected))
            equal(again.send(TOPIC, [event(5, "/canary5")]).get("duplicate"), 1, "after a restart")
            code, out, err = project.command("--server", f"127.0.0.1:{again.port}", "sql", "-c",
                                             f"delete from {TABLE} where user_id >= 100", "-o", "csv")
            equal((code, out.splitlines()[1].split(",")[:3]), (0, ["3", "0", "0"]), err)
            equal(len(rows(again)), len(expected) - 3)


def what_may_not_be_set_or_said_is_refused():
    schemas = {"a.capnp": SCHEMA, "b.capnp": PRIVATE.replace("0x9a41", "0x9a42").replace("UserEvent", "Secret").replace(
        TOPIC, "shop.secrets")}
    with Project(SLOW, schemas) as project, Server(project) as server:
        server.send(TOPIC, [event(n) for n in range(5)])
        server.send("shop.secrets", [event(n, f"/p{n}") for n in range(5)])
        before = rows(server)
        for sql, status, code, text in [
                (f"UPDATE {TABLE} SET _offset = 1", 400, "SL2111", "_offset"),
                (f"UPDATE {TABLE} SET _id = NULL WHERE user_id = 1", 400, "SL2111", "_id"),
                (f"UPDATE {TABLE} SET event_date = '2026-01-01'", 400, "SL2111", "event_time"),
                (f"UPDATE {TABLE} SET event_time = NULL", 400, "SL2111", "null"),
                (f"UPDATE {TABLE} SET event_time = now() + INTERVAL 3 DAY", 400, "SL2111", "1 day"),
                (f"INSERT INTO {TABLE} (user_id) VALUES (1)", 400, "SL2111", "event_time"),
                (f"INSERT INTO {TABLE} (user_id, event_time) VALUES (1)", 400, "SL2106", "2 values"),
                (f"UPDATE {TABLE} SET page = v.p FROM (VALUES (1, 'a'), (1, 'b')) v(k, p) WHERE user_id = v.k",
                 400, "SL2111", "several"),
                (f"UPDATE {TABLE} SET user_id = 'word'", 400, "SL2110", ""),
                (f"UPDATE {TABLE} SET nope = 1", 400, "SL2104", "nope"),
                (f"DELETE FROM {TABLE} WHERE nope", 400, "SL2104", "nope"),
                ("DELETE FROM shop_user_event", 400, "SL2101", f"did you mean \"bronze.{TABLE}\""),
                (f"DELETE FROM {TABLE} RETURNING *", 422, "SL2209", "RETURNING"),
                (f"INSERT INTO {TABLE} BY NAME SELECT 1 AS user_id", 422, "SL2209", "name the columns"),
                (f"DELETE FROM {TABLE}; DELETE FROM {TABLE}", 400, "SL2002", ""),
                (f"DELETE {TABLE}", 400, "SL2001", "DELETE FROM"),
                (f"WITH x AS (SELECT 1) DELETE FROM {TABLE}", 403, "SL2003", ""),
                (f"EXPLAIN DELETE FROM {TABLE}", 403, "SL2003", ""),
                (f"INSERT INTO {TABLE} (page, event_time) SELECT content, now() FROM read_text('/etc/passwd')",
                 403, "SL2003", "read_text"),
                ("DELETE FROM system.audit", 403, "SL2003", "system"),
                ("DELETE FROM \"/etc\"", 403, None, "sql.external")]:
            found, answer = ask(server, sql)
            equal((found, answer["code"] if code else None), (status, code), f"{sql}: {answer}")
            assert text in answer["detail"], (sql, answer["detail"])
        refused(server, f"DELETE FROM {TABLE}", 400, "SL2106", "as_of", as_of=1)
        equal(rows(server), before)
        # A private value comes through the door, or not at all.
        refused(server, "UPDATE shop_secrets SET page = '/clear'", 400, "SL2111", "private")
        refused(server, f"INSERT INTO shop_secrets (page, event_time) VALUES ('/clear', '{TIME}')", 400, "SL2111", "private")
        equal(change(server, "UPDATE shop_secrets SET page = NULL WHERE user_id = 2")[1], 1)
        equal(server.sql("select count(page) from shop_secrets"), [[4]])
        for _, _, files in os.walk(f"{project.folder}/data/tables"):
            assert not any("/clear" in name for name in files)
        balanced(project, server)


def readers_may_not():
    with Project(SLOW) as project, Server(project) as server:
        server.send(TOPIC, [event(n) for n in range(5)])
        tokens = {}
        for scope in ("read:*", "admin"):
            code, out, err = project.command("token", "create", "--scope", scope)
            equal(code, 0, err)
            tokens[scope] = {"Content-Type": "text/plain", "Authorization": f"Bearer {out.strip()}"}
        until(lambda: server.ask("GET", "/v1/queries")[0] == 401, "tokens count")
        for sql in (f"DELETE FROM {TABLE}", f"update {TABLE} set page = ''", f"/* */ insert into {TABLE} (page) values ('')",
                    f"-- x\nMERGE INTO {TABLE} t USING (VALUES (1)) s(a) ON true WHEN MATCHED THEN DELETE",
                    "DELETE FROM nowhere"):
            status, answer = server.post("/v1/sql", sql, tokens["read:*"])
            equal((status, answer["code"]), (403, "SL4031"), str(answer))
            assert "admin" in answer["detail"]
        count = f"select count(*) from {TABLE}"
        equal(server.post("/v1/sql", count, tokens["read:*"])[1]["rows"], [[5]])
        equal(server.post("/v1/sql", f"DELETE FROM {TABLE} WHERE user_id < 2", tokens["admin"])[1]["rows"], [[2, 0, 0, 2]])
        equal(server.post("/v1/sql", count, tokens["read:*"])[1]["rows"], [[3]])


class Statements:
    """Random statements that SQLite understands as DuckDB does, and a merge that it does not know."""

    def __init__(self, dice):
        self.dice = dice

    def condition(self, depth=0):
        dice = self.dice
        simple = [lambda: f"user_id {dice.choice(['<', '>', '=', '<>'])} {dice.randrange(60)}",
                  lambda: f"user_id % {dice.randrange(2, 9)} = {dice.randrange(3)}",
                  lambda: f"page {dice.choice(['=', '<>', '>'])} '/p{dice.randrange(5)}'",
                  lambda: f"page IS {dice.choice(['', 'NOT '])}NULL",
                  lambda: f"user_id > (SELECT avg(user_id) FROM {TABLE})",
                  lambda: f"user_id IN (SELECT user_id + 1 FROM {TABLE} WHERE page = '/p{dice.randrange(5)}')"]
        if depth < 2 and dice.random() < 0.5:
            return (f"({self.condition(depth + 1)} {dice.choice(['AND', 'OR'])} "
                    f"{dice.choice(['', 'NOT '])}({self.condition(depth + 1)}))")
        return dice.choice(simple)()

    def text(self):
        dice = self.dice
        where = f" WHERE {self.condition()}" if dice.random() < 0.95 else ""
        kind = dice.choice(["delete", "update", "update", "insert", "select"])
        if kind == "delete":
            return f"DELETE FROM {TABLE} WHERE ({self.condition()}) AND ({self.condition()})"
        if kind == "update":
            sets = [dice.choice([f"user_id = user_id + {dice.randrange(5)}", f"user_id = {dice.randrange(60)}",
                                 f"user_id = (SELECT count(*) FROM {TABLE})"]),
                    dice.choice([f"page = '/p{dice.randrange(5)}'", "page = NULL", "page = page || 'x'",
                                 "page = coalesce(page, '/none')", "page = 'n' || user_id"])]
            return f"UPDATE {TABLE} SET {', '.join(dice.sample(sets, dice.randrange(1, 3)))}{where}"
        if kind == "insert":
            values = ", ".join(f"({dice.randrange(60)}, '/p{dice.randrange(5)}', '{TIME}')"
                               for _ in range(dice.randrange(1, 6)))
            return f"INSERT INTO {TABLE} (user_id, page, event_time) VALUES {values}"
        return (f"INSERT INTO {TABLE} (page, user_id, event_time) SELECT page, user_id + 1, event_time FROM {TABLE} "
                f"WHERE user_id % 7 = {dice.randrange(7)} AND user_id < 40")

    def merge(self, reference):
        """Returns the text, after the same was done to the reference."""
        dice = self.dice
        source = {dice.randrange(60): f"/p{dice.randrange(5)}" for _ in range(dice.randrange(1, 12))}
        clauses, limit = [], dice.randrange(60)
        if dice.random() < 0.6:
            clauses.append(f"WHEN MATCHED AND t.user_id > {limit} AND t.page <> s.page THEN DELETE")
        if dice.random() < 0.8 or not clauses:
            clauses.append("WHEN MATCHED THEN UPDATE SET page = s.page || '+', user_id = t.user_id")
        if dice.random() < 0.7:
            clauses.append(f"WHEN NOT MATCHED AND s.id <> {limit} THEN INSERT (user_id, page, event_time) "
                           f"VALUES (s.id, s.page, '{TIME}')")
        if dice.random() < 0.3:
            clauses.append("WHEN NOT MATCHED BY SOURCE AND t.user_id % 5 = 0 THEN UPDATE SET page = NULL")
        matched = set()
        for row, user, page in reference.execute(f"SELECT rowid, user_id, page FROM {TABLE}").fetchall():
            for clause in clauses:
                if user in source and clause.startswith("WHEN MATCHED"):
                    matched.add(user)
                    if clause.endswith("DELETE"):
                        if not (user > limit and page is not None and page != source[user]):
                            continue
                        reference.execute(f"DELETE FROM {TABLE} WHERE rowid = ?", (row,))
                    else:
                        reference.execute(f"UPDATE {TABLE} SET page = ? WHERE rowid = ?", (source[user] + "+", row))
                    break
                if user not in source and "BY SOURCE" in clause and user % 5 == 0:
                    reference.execute(f"UPDATE {TABLE} SET page = NULL WHERE rowid = ?", (row,))
            if user in source:
                matched.add(user)
        if any("INSERT" in clause for clause in clauses):
            for user, page in source.items():
                if user not in matched and user != limit:
                    reference.execute(f"INSERT INTO {TABLE} VALUES (?, ?, ?)", (user, page, TIME))
        values = ", ".join(f"({user}, '{page}')" for user, page in source.items())
        return f"MERGE INTO {TABLE} t USING (VALUES {values}) s(id, page) ON t.user_id = s.id {' '.join(clauses)}"


def run_plain(reference, text):
    """SQLite may look at rows while it changes others: here it looks first."""
    first, where, condition = text.partition(" WHERE ")
    if where and not text.startswith("INSERT"):
        reference.execute("DROP TABLE IF EXISTS meant")
        reference.execute(f"CREATE TABLE meant AS SELECT rowid AS row FROM {TABLE} WHERE {condition}")
        text = f"{first} WHERE rowid IN (SELECT row FROM meant)"
    reference.execute(text)


def random_statements_do_what_they_do_to_plain_rows():
    seed = random.randrange(1 << 30)
    dice = random.Random(seed)
    statements = Statements(dice)
    reference = sqlite3.connect(":memory:")
    reference.execute(f"CREATE TABLE {TABLE} (user_id INTEGER, page TEXT, event_time TEXT)")
    sent = 0
    with Project(SLOW) as project, Server(project) as server:
        for step in range(60):
            if step % 6 == 0:  # Some land by themselves, others wait for the statement.
                batch = [(dice.randrange(60), dice.choice([None, *(f"/p{n}" for n in range(5))])) for _ in range(15)]
                server.send(TOPIC, [{**event(sent + i, page, f"2026-01-0{1 + i % 3}T10:00:00Z"), "userId": user}
                                    for i, (user, page) in enumerate(batch)])
                sent += len(batch)
                reference.executemany(f"INSERT INTO {TABLE} VALUES (?, ?, '{TIME}')", batch)
            before = reference.execute(f"SELECT count(*) FROM {TABLE}").fetchone()[0]
            if dice.random() < 0.25:
                text = statements.merge(reference)
            else:
                text = statements.text()
                run_plain(reference, text)
            deleted, _, inserted, _ = change(server, text)
            expected = sorted(map(list, reference.execute(f"SELECT user_id, page FROM {TABLE}")), key=str)
            equal(sorted(rows(server), key=str), expected, f"seed {seed}, step {step}: {text}")
            equal(before - deleted + inserted, len(expected), f"seed {seed}, step {step}: {text}")
            if len(expected) > 400:
                text = f"DELETE FROM {TABLE} WHERE user_id % 3 <> 0"
                run_plain(reference, text)
                change(server, text)
        balanced(project, server)


def two_at_once_are_one_after_the_other():
    with Project(SLOW) as project, Server(project) as server:
        server.send(TOPIC, [{**event(n), "userId": 0} for n in range(50)], wait="table")
        failures = []

        def count():
            client = server.another()
            try:
                for _ in range(8):
                    while True:
                        status, answer = ask(client, f"UPDATE {TABLE} SET user_id = user_id + 1")
                        if status != 409:
                            break
                        equal(answer["code"], "SL2112")
                    equal((status, answer.get("rows", [[0, 0]])[0][1]), (200, 50), str(answer))
            except Exception as error:  # Told by the test's own thread.
                failures.append(error)

        threads = [threading.Thread(target=count) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(failures, [])
        equal(server.sql(f"select user_id, count(*) from {TABLE} group by 1"), [[16, 50]])
        balanced(project, server)


class BucketWithAFasterWriter(bucket.MemoryBucket):
    """While `line`, an add action, is set, another writer's rows stand in each commit that somebody is about to make."""

    def __init__(self):
        super().__init__()
        self.line, self.commits = None, 0

    def handle(self, method, target, headers, body):
        name = urllib.parse.unquote(target.partition("?")[0]).split("/", 2)[2]
        if self.line and method == "PUT" and headers.get("If-None-Match") == "*" and "/_delta_log/" in name:
            table = name.partition("/_delta_log/")[0]
            with self.lock:
                add = json.loads(self.line)
                self.commits += 1
                path, add["add"]["path"] = add["add"]["path"], f"others-{self.commits}.parquet"
                self.objects[f"{table}/{add['add']['path']}"] = self.objects[f"{table}/{urllib.parse.unquote(path)}"]
                self.objects[name] = (json.dumps(add).encode(), {}, time.gmtime())
        return super().handle(method, target, headers, body)


def who_is_overtaken_at_each_try_gives_way():
    backend = BucketWithAFasterWriter()
    golden = f"{testdata('delta-golden')}/basic-with-inserts-updates/delta"
    for folder, _, names in os.walk(golden):
        for name in names:
            with open(f"{folder}/{name}", "rb") as file:
                path = os.path.relpath(f"{folder}/{name}", golden)
                backend.objects[f"others/t/{path}"] = (file.read(), {}, time.gmtime())
    place = f"s3://{bucket.BUCKET}/others"
    with bucket.front(backend) as endpoint, unittest.mock.patch.dict(os.environ, bucket.environment(endpoint)), \
            Project(SLOW + f"sql: {{external: ['{place}']}}\n") as project, Server(project) as server:
        key = server.sql(f"describe select * from delta_scan('{place}/t')")[0][0]
        change(server, f'INSERT INTO "{place}/t" ({key}) VALUES (777)')
        last = max(name for name in backend.objects if name.startswith("others/t/_delta_log/0") and name.endswith(".json"))
        backend.line = next(line for line in backend.objects[last][0].decode().splitlines() if '"add"' in line)
        refused(server, f'DELETE FROM "{place}/t" WHERE {key} = 777', 409, "SL2112")
        equal(backend.commits, 11)  # Ten times it was made again.
        backend.line = None
        equal(change(server, f'DELETE FROM "{place}/t" WHERE {key} = 777')[0], 12)


def landing_goes_on_meanwhile():
    with Project("land: {every: 200ms}\n") as project, Server(project) as server:
        stop, sent, failures = threading.Event(), [], []

        def send():
            client = server.another()
            try:
                while not stop.is_set():
                    client.send(TOPIC, [event(len(sent) + n) for n in range(20)])
                    sent.extend(range(20))
            except Exception as error:
                failures.append(error)

        sender = threading.Thread(target=send)
        sender.start()
        deleted = 0
        try:
            for step in range(12):
                # Rows acknowledged before the statement are reached.
                until(lambda least=step * 20: len(sent) > least, "more events")
                known = len(sent)
                deleted += change(server, f"DELETE FROM {TABLE} WHERE user_id % 2 = 0")[0]
                equal(server.sql(f"select count(*) from {TABLE} where user_id % 2 = 0 and _offset < {known}"), [[0]])
                change(server, f"UPDATE {TABLE} SET page = 'seen' WHERE page = '/p'")
        finally:
            stop.set()
            sender.join()
        equal(failures, [])
        equal(server.sql(f"select count(*) from {TABLE}"), [[len(sent) - deleted]])
        balanced(project, server)


def killed_in_the_middle_it_is_all_or_nothing():
    dice = random.Random(random.randrange(1 << 30))
    with Project(SLOW) as project:
        with Server(project) as server:
            for batch in range(4):
                server.send(TOPIC, [{**event(batch * 5000 + n, f"/p{n}"), "userId": 0} for n in range(5000)], wait="table")
            server.stop()
        value = 0
        for _ in range(5):
            with Server(project) as server:
                equal(server.sql(f"select user_id, count(*) from {TABLE} group by 1"), [[value, 20000]])

                def update(client=server.another(), target=value + 1):
                    try:
                        client.ask("POST", "/v1/sql", f"UPDATE {TABLE} SET user_id = {target}",
                                   {"Content-Type": "text/plain"})
                    except OSError:
                        pass

                thread = threading.Thread(target=update)
                timer = threading.Timer(dice.uniform(0, 0.4), server.kill)  # When it is hit is left to chance.
                thread.start()
                timer.start()
                thread.join()
                timer.join()
            with Server(project) as server:
                found = server.sql(f"select user_id, count(*) from {TABLE} group by 1")
                assert found in ([[value, 20000]], [[value + 1, 20000]]), found
                value = found[0][0]
                balanced(project, server)
                server.stop()


def cancelled_it_changes_nothing():
    with Project(SLOW) as project, Server(project) as server:
        server.send(TOPIC, [event(n) for n in range(10)], wait="table")
        answers = []
        slow = (f"DELETE FROM {TABLE} WHERE user_id < (SELECT count(*) FROM range(1000000) a, range(1000000) b "
                "WHERE a.range + b.range = 7)")
        thread = threading.Thread(target=lambda: answers.append(ask(server.another(), slow, id="slow",
                                                                    limits={"time_ms": 600000})))
        thread.start()
        until(lambda: server.get("/v1/queries/slow")[0] == 200, "the statement runs")
        until(lambda: server.ask("DELETE", "/v1/queries/slow")[0] == 200, "it is cancelled")
        thread.join()
        equal((answers[0][0], answers[0][1]["code"]), (503, "SL2205"), str(answers))
        refused(server, slow, 504, "SL2201", limits={"time_ms": 200})
        equal(server.sql(f"select count(*) from {TABLE}"), [[10]])
        equal(len(project.commits()), 2)


def tables_outside_are_changed_by_their_address():
    folder = tempfile.mkdtemp(prefix="sluice-outside-")
    try:
        golden = f"{testdata('delta-golden')}/dv-partitioned-with-checkpoint/delta"
        shutil.copytree(golden, f"{folder}/t")
        with Project(SLOW + f"sql: {{external: ['{folder}']}}\n") as project, Server(project) as server:
            table, named = f'"{folder}/t"', f"delta_scan('{folder}/t')"
            columns = [row[0] for row in server.sql(f"describe select * from {named}")]
            kept = server.sql(f"select * from {named} order by all")
            key = columns[0]
            some = sorted({row[0] for row in kept})[:2]
            equal(change(server, f"DELETE FROM {table} AS x WHERE x.{key} = {some[0]}")[0],
                  sum(row[0] == some[0] for row in kept))
            equal(server.sql(f"select * from {named} order by all"), [row for row in kept if row[0] != some[0]])
            change(server, f"UPDATE {table} SET {key} = {key} + 1000 WHERE {key} = {some[1]}")
            change(server, f"INSERT INTO {table} ({key}) SELECT {key} + 5000 FROM {table} WHERE {key} >= 1000")
            expected = sorted([*(row[0] for row in kept if row[0] not in some),
                               *(row[0] + 1000 for row in kept if row[0] == some[1]),
                               *(row[0] + 6000 for row in kept if row[0] == some[1])])
            equal([row[0] for row in server.sql(f"select {key} from {named} order by 1")], expected)
            # Who marks rows goes on doing so.
            files = os.listdir(f"{folder}/t")
            assert any(name.startswith("deletion_vector_") for name in files), files
            refused(server, f'DELETE FROM "{folder}/nothing"', 404, "SL4040")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


run(all_four_change_what_was_acknowledged, what_may_not_be_set_or_said_is_refused, readers_may_not,
    random_statements_do_what_they_do_to_plain_rows, two_at_once_are_one_after_the_other,
    who_is_overtaken_at_each_try_gives_way, landing_goes_on_meanwhile,
    killed_in_the_middle_it_is_all_or_nothing, cancelled_it_changes_nothing,
    tables_outside_are_changed_by_their_address)
