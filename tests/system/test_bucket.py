"""Tables in a bucket: what is acknowledged lands there once, whatever the bucket does. In memory, and in a real MinIO."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import time

import bucket
from server import Project, Server, binary, equal, event, run, until

SEED = int(os.environ.get("SLUICE_SEED", str(random.randrange(1 << 32))))
PLACE = f"s3://{bucket.BUCKET}/shop"
TABLE = f"{PLACE}/tables/default/bronze/shop_user_events"
SETTINGS = f"storage: {{path: {PLACE}}}\nland: {{every: 200ms}}\n"


@contextlib.contextmanager
def found_at(endpoint):
    before = dict(os.environ)
    os.environ.update(bucket.environment(endpoint))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def rows(project):
    code, out, err = project.command("table", "read", TABLE)
    equal(code, 0, err)
    return [json.loads(line) for line in out.splitlines()]


def lands_once(backend):
    faults = bucket.Faults(SEED, busy=0.05, late=0.05, lost=0.05, lied=0.05)
    with bucket.front(backend, faults) as failing, bucket.front(backend) as well, Project(SETTINGS) as project:
        with found_at(failing):
            with Server(project) as server:
                for first in range(0, 500, 100):
                    sent = server.send("shop.user-events", [event(n) for n in range(first, first + 100)])
                    equal(sent["accepted"], 100)
                until(lambda: server.tables()["shop.user-events"]["landed_offset"] >= 0, "something has landed", seconds=60)
                server.kill()
            with Server(project) as server:  # What had not landed, and what dedupes, come from journal and bucket.
                sent = server.send("shop.user-events", [event(n) for n in range(450, 600)], wait="table")
                equal((sent["accepted"], sent["duplicate"]), (100, 50))
                asked = "select count(*), count(distinct user_id) from bronze.shop_user_events"
                equal(server.sql(asked), [[600, 600]])
                shutil.rmtree(f"{project.folder}/data/cache")
                server.kill()
            with Server(project) as server:  # Files that this machine does not have are fetched.
                equal(server.sql(asked), [[600, 600]])
                code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify")
                equal(code, 0, out + err)
                server.stop()
        assert faults.met > 0
        with found_at(well):
            found = rows(project)
            equal(sorted(row["user_id"] for row in found), list(range(600)), f"seed {SEED}")
            code, _, err = project.command("table", "check", TABLE)
            equal(code, 0, err)
            # With the journal that the server left, and the tables alone.
            for words in ([], ["--tables", TABLE], ["--tables", f"{PLACE}/tables"]):
                code, out, err = project.command("-o", "json", "verify", "--full", *words)
                equal(code, 0, out + err)
                lines = {line["topic"]: line["landed"] for line in map(json.loads, out.splitlines())}
                names = ("shop.user-events", "default/bronze/shop_user_events", TABLE)
                equal([lines[name] for name in names if name in lines], [600], str(lines))
            assert not os.path.exists(f"{project.folder}/data/tables")


def lands_once_in_memory():
    lands_once(bucket.MemoryBucket())


def lands_once_in_minio():
    with bucket.minio() as port:
        lands_once(bucket.Forwarding(port))


def rows_change_and_folders_become_tables():
    """SQL and commands, in a bucket that fails now and then."""
    backend = bucket.MemoryBucket()
    faults = bucket.Faults(SEED, busy=0.05, late=0.05, lost=0.05, lied=0.05)
    with bucket.front(backend, faults) as endpoint, found_at(endpoint), Project(SETTINGS) as project:
        def table(command, *words, address=TABLE):
            code, out, err = project.command("table", command, address, *words, "-o", "json")
            equal(code, 0, f"{command}, seed {SEED}: {err}")
            return json.loads(out)

        with Server(project) as server:
            server.send("shop.user-events", [event(n) for n in range(100)])
            def change(sql):
                return server.sql(sql)[0][:3]
            equal(change("DELETE FROM shop_user_events WHERE user_id < 10"), [10, 0, 0])
            equal(change("UPDATE shop_user_events SET page = 'sql' WHERE user_id < 20"), [0, 10, 0])
            equal(change("MERGE INTO shop_user_events t USING (VALUES (20, 'merged'), (21, NULL)) s(id, page) "
                         "ON t.user_id = s.id WHEN MATCHED AND s.page IS NULL THEN DELETE "
                         "WHEN MATCHED THEN UPDATE SET page = s.page"), [1, 1, 0])
            equal(table("delete", "--where", "user_id = 22")["rows_deleted"], 1)
            equal(table("update", "--set", "page='command'", "--where", "user_id >= 90")["rows_updated"], 10)
            source = f"{project.folder}/source.parquet"
            with open(source, "wb") as file:
                file.write(subprocess.run([binary(), "table", "read", TABLE, "--where", "page = 'command'", "-o", "parquet"],
                                          capture_output=True, check=True).stdout)
            equal(table("merge", "--source", source, "--key", "user_id", "--matched", "delete")["rows_deleted"], 10)
            table("compact")
            table("cluster", "--by", "user_id", "--full")
            asked = "select count(*), count_if(page = 'sql'), count_if(page = 'merged'), max(user_id) from shop_user_events"
            until(lambda: server.sql(asked) == [[78, 10, 1, 89]], f"all changes, but {server.sql(asked)}, seed {SEED}")
            code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "verify")
            equal(code, 0, out + err)
            server.stop()
        with open(source, "rb") as file:
            bytes_of_source = file.read()
        for day in range(1, 4):
            backend.objects[f"days/day=2026-01-{day:02}/a b.parquet"] = (bytes_of_source, {}, time.gmtime())
        days = f"s3://{bucket.BUCKET}/days"
        answer = table("convert", "--partitioned-by", "day date", address=days)
        equal((answer["files"], answer["rows"]), (3, 30), str(answer))
        code, out, err = project.command("table", "read", days, "--where", "day = DATE '2026-01-02' and user_id = 95")
        equal((code, [json.loads(line)["user_id"] for line in out.splitlines()]), (0, [95]), err)
        equal(table("delete", "--where", "user_id < 95", address=days)["rows_deleted"], 15)
        assert faults.met > 0


def answers_about_a_table_by_its_address():
    backend = bucket.MemoryBucket()
    external = f"s3://{bucket.BUCKET}/others"
    settings = f"sql: {{external: ['{external}']}}\n"
    with bucket.front(backend) as endpoint, found_at(endpoint):
        # Another project's lake, whose tables this server is not told of.
        with Project(SETTINGS.replace(PLACE, external)) as project, Server(project) as server:
            server.send("shop.user-events", [event(n) for n in range(20)], wait="table")
            server.send("shop.user-events", [event(n) for n in range(20, 30)], wait="table")
            server.stop()
        with Project(settings) as project, Server(project) as server:
            table = f"delta_scan('{external}/tables/default/bronze/shop_user_events')"
            equal(server.sql(f"select count(*), min(user_id), max(user_id) from {table}"), [[30, 0, 29]])
            equal(server.sql(f"select user_id from {table} where user_id = 25"), [[25]])
            status, answer = server.post("/v1/sql", f"from delta_scan('{PLACE}/else')", {"Content-Type": "text/plain"})
            assert status in (401, 403), answer
            status, answer = server.post("/v1/sql", f"from delta_scan('{external}/nothing')", {"Content-Type": "text/plain"})
            equal(status, 404, answer)


def refuses_to_start(project):
    code, _, err = project.command("serve")
    assert code != 0
    return err


def refuses_a_bucket_that_ignores_conditions():
    backend = bucket.MemoryBucket()
    backend.ignores_conditions = True
    with bucket.front(backend) as endpoint, found_at(endpoint), Project(SETTINGS) as project:
        assert "ignores conditional puts" in refuses_to_start(project)


def refuses_a_bucket_that_is_not_there_and_strangers():
    with bucket.minio() as port:
        with found_at(f"http://127.0.0.1:{port}"):
            with Project(SETTINGS.replace(bucket.BUCKET, "nowhere")) as project:
                assert "the bucket does not exist" in refuses_to_start(project)
            os.environ["AWS_SECRET_ACCESS_KEY"] = "wrong"
            with Project(SETTINGS) as project:
                said = refuses_to_start(project)
                assert "SignatureDoesNotMatch" in said and "wrong" not in said, said


run(lands_once_in_memory, lands_once_in_minio, rows_change_and_folders_become_tables, answers_about_a_table_by_its_address, refuses_a_bucket_that_ignores_conditions,
    refuses_a_bucket_that_is_not_there_and_strangers)
