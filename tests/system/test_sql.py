"""Queries over HTTP and from the command line: forms, parameters, limits, the past, cancelling."""

import http.client
import json
import socket
import subprocess
import threading
import time

from server import Project, Server, binary, equal, event, run

JSON = {"Content-Type": "application/json"}


def ask(server, body, accept="application/json", target="/v1/sql"):
    headers = dict(JSON, Accept=accept)
    return server.ask("POST", target, json.dumps(body), headers)


def rows(server, body):
    status, answer = ask(server, body)
    assert status == 200, answer
    return json.loads(answer)["rows"]


def problem(server, body):
    status, answer = ask(server, body)
    found = json.loads(answer)
    equal(found["status"], status)
    return status, found


def until(check, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        threading.Event().wait(0.02)
    raise AssertionError(f"not in time, last: {found!r}")


def cli(server, *arguments, text=None):
    done = subprocess.run([binary(), "--server", f"127.0.0.1:{server.port}", *arguments], input=text,
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def forms_and_parameters():
    with Project() as project, Server(project) as server:
        server.send("shop.user-events", [event(i, page='/a,"b"') for i in range(3)])
        query = {"sql": "select event_id, user_id, page from bronze.shop_user_events "
                        "where user_id >= $least and page = $page order by 1",
                 "params": {"least": 1, "page": '/a,"b"'}}
        equal(rows(server, query), [["e1", 1, '/a,"b"'], ["e2", 2, '/a,"b"']])
        status, answer = ask(server, query, "application/x-ndjson")
        lines = [json.loads(line) for line in answer.decode().splitlines()]
        equal(lines[0], {"event_id": "e1", "user_id": 1, "page": '/a,"b"'})
        equal(lines[-1], {"complete": True, "rows": 2})
        equal(ask(server, query, "text/csv")[1].decode(),
              'event_id,user_id,page\r\ne1,1,"/a,""b"""\r\ne2,2,"/a,""b"""\r\n')
        assert ask(server, query, "application/vnd.apache.arrow.stream")[1].startswith(b"\xff\xff\xff\xff")
        parquet = ask(server, query, "application/vnd.apache.parquet")[1]
        equal((parquet[:4], parquet[-4:]), (b"PAR1", b"PAR1"))
        equal(rows(server, {"sql": "select $a is null, $b, $c + 1.5, $d",
                            "params": {"a": None, "b": True, "c": 2.5, "d": "x"}}), [[True, True, 4.0, "x"]])
        for bad in ({"sql": 5}, {"params": {}}, {"sql": "select 1", "params": []}, {"sql": "select 1", "nope": 1},
                    {"sql": "select 1", "as_of": "yesterday"}, {"sql": "select 1", "as_of": "2026-01-05T10:00:00"},
                    {"sql": "select 1", "limits": {"rows": 0}}):
            equal(problem(server, bad)[1]["code"], "SL4002", bad)
        equal(ask(server, query, "text/html")[0], 406)


def large_answers_come_in_pieces_with_an_end():
    with Project() as project, Server(project) as server:
        answer = json.loads(ask(server, {"sql": "select range as r from range(500000)"})[1])
        equal((answer["row_count"], answer["complete"], answer["rows"][-1]), (500000, True, [499999]))
        # A limit that is met on the way is said at the end, where the form has a place for it.
        beyond = {"sql": "select range as r from range(500000)", "limits": {"rows": 300000}}
        found = json.loads(ask(server, beyond)[1])
        equal((found["complete"], found["error"]["code"]), (False, "SL2203"))
        equal(len(found["rows"]), found["row_count"])
        last = ask(server, beyond, "application/x-ndjson")[1].decode().splitlines()[-1]
        equal((json.loads(last)["complete"], json.loads(last)["error"]["code"]), (False, "SL2203"))
        try:  # CSV has none: the body is cut, and HTTP tells.
            ask(server, beyond, "text/csv")
            raise AssertionError("the cut was not seen")
        except OSError:
            pass
        except Exception as error:
            equal(type(error).__name__, "IncompleteRead")
        server.connection = None
        equal(rows(server, {"sql": "select 1"}), [[1]])


def errors_say_where_and_what():
    with Project() as project, Server(project) as server:
        status, found = problem(server, {"sql": "select 1,\n  usr_id from bronze.shop_user_events"})
        equal((status, found["code"], found["line"], found["column"]), (400, "SL2104", 2, 3))
        assert 'did you mean "user_id"?' in found["detail"], found
        status, found = problem(server, {"sql": "select * from bronze.shop_user_event"})
        equal((status, found["code"]), (400, "SL2101"))
        assert 'did you mean "bronze.shop_user_events"?' in found["detail"], found
        for sql, status, code in (("selec 1", 400, "SL2001"), ("", 400, "SL2002"), ("select 1; select 2", 400, "SL2002"),
                                  ("drop table x", 403, "SL2003"), ("select $x", 400, "SL2004"),
                                  ("select nope(1)", 400, "SL2105"), ("select 'x'::int", 400, "SL2110")):
            equal((problem(server, {"sql": sql})[0], problem(server, {"sql": sql})[1]["code"]), (status, code), sql)
        status, found = problem(server, {"sql": "select count(*) from range(1e9::bigint) a, range(1e9::bigint) b",
                                         "limits": {"time_ms": 200}})
        equal((status, found["code"], found["detail"]), (504, "SL2201", "the query took longer than 200 ms"))


def queries_are_listed_and_cancelled():
    forever = "select count(*) from range(1000000000000) a, range(1000000000) b"
    with Project() as project, Server(project) as server:
        ended = []

        def run_slow():
            apart = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            apart.request("POST", "/v1/sql", json.dumps({"sql": forever, "id": "slow"}), JSON)
            ended.append(json.loads(apart.getresponse().read()))

        thread = threading.Thread(target=run_slow)
        thread.start()
        until(lambda: server.ask("GET", "/v1/queries/slow")[0] == 200)
        running = rows(server, {"sql": "select id, sql from system.queries where state = 'running' and id = 'slow'"})
        equal(running, [["slow", forever]])
        equal(problem(server, {"sql": "select 1", "id": "slow"})[0], 409)
        equal(server.ask("DELETE", "/v1/queries/slow")[0], 200)
        thread.join(30)
        equal(ended[0]["code"], "SL2205")
        equal(json.loads(server.ask("GET", "/v1/queries/slow")[1])["state"], "cancelled")
        equal(server.ask("DELETE", "/v1/queries/slow")[0], 404)
        # A client that goes away takes its query with it.
        body = json.dumps({"sql": forever, "id": "left"}).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            until(lambda: server.ask("GET", "/v1/queries/left")[0] == 200)
        until(lambda: json.loads(server.ask("GET", "/v1/queries/left")[1])["state"] == "cancelled")


def tables_of_the_past():
    with Project("land: {every: 1h}\n") as project, Server(project) as server:
        server.send("shop.user-events", [event(i) for i in range(10)], wait="table")
        first = server.tables()["shop.user-events"]["version"]
        server.send("shop.user-events", [event(i) for i in range(10, 30)], wait="table")
        server.send("shop.user-events", [event(i) for i in range(30, 35)])
        count = "select count(*) from bronze.shop_user_events"
        equal(rows(server, {"sql": count}), [[35]])
        equal(rows(server, {"sql": count, "as_of": first}), [[10]])
        equal(rows(server, {"sql": count, "as_of": str(first + 1)}), [[30]])
        equal(json.loads(ask(server, {"sql": count}, target=f"/v1/sql?as_of={first}")[1])["rows"], [[10]])
        for moment in ("2100-01-01T00:00:00Z", "2100-01-01 02:30:00.5+02:00", "2100-01-01"):
            equal(rows(server, {"sql": count, "as_of": moment}), [[30]])
        status, found = problem(server, {"sql": count, "as_of": "2001-01-01"})
        equal((status, found["code"]), (404, "SL2301"))
        status, found = problem(server, {"sql": count, "as_of": 99})
        equal((status, found["code"]), (404, "SL2301"))
        equal(cli(server, "sql", "--as-of", str(first), "-c", count)[:2], (0, "count_star()\n10\n"))


def the_program_tells_of_itself():
    with Project("land: {every: 1h}\n") as project, Server(project) as server:
        server.send("shop.user-events", [event(i) for i in range(10)], wait="table")
        server.send("shop.user-events", [event(i) for i in range(10, 13)])
        equal(rows(server, {"sql": "select topic, table_name, next_offset, landed_offset, pending from system.topics "
                                   "where topic = 'shop.user-events'"}),
              [["shop.user-events", "bronze.shop_user_events", 13, 9, 3]])
        equal(rows(server, {"sql": "select files, landed_rows, pending_rows, stopped from system.tables "
                                   "where table_name = 'bronze.shop_user_events'"}), [[1, 10, 3, None]])
        equal(rows(server, {"sql": "select partition_values, rows, bytes > 0 from system.files "
                                   "where table_name = 'bronze.shop_user_events'"}),
              [["event_date=2026-01-05", 10, True]])
        equal(rows(server, {"sql": "select count(*) from system.errors"}), [[0]])


def only_the_files_needed_are_read():
    with Project("land: {every: 1h}\n") as project, Server(project) as server:
        days = [f"2026-01-{day:02}T10:00:00Z" for day in range(1, 21)]
        server.send("shop.user-events", [event(i, time_text=day) for i, day in enumerate(days)], wait="table")

        def files_read(where):
            plan = rows(server, {"sql": "explain analyze select count(event_id) from bronze.shop_user_events "
                                        f"where {where}"})
            text = json.dumps(plan)
            assert "Total Files Read" in text, text
            return int(text.split("Total Files Read: ")[1].split(" ")[0].split("\\n")[0].rstrip("\u2502").strip())

        equal(files_read("event_date = '2026-01-07'"), 1)
        equal(files_read("event_date between '2026-01-07' and '2026-01-09'"), 3)
        equal(files_read("event_date in (date '2026-01-01', date '2026-01-20')"), 2)
        equal(files_read("event_time >= '2026-01-19T00:00:00Z'"), 2)
        equal(files_read("user_id < 5"), 5)
        equal(files_read("event_id = 'e3'"), 1)
        equal(files_read("abs(user_id) < 5"), 20)
        equal(rows(server, {"sql": "select count(*) from bronze.shop_user_events where user_id = 100"}), [[0]])
        equal(rows(server, {"sql": "select count(*) from bronze.shop_user_events where event_date > '2026-01-15'"}),
              [[5]])


def the_command_line():
    with Project() as project, Server(project) as server:
        server.send("shop.user-events", [event(i) for i in range(3)])
        count = "select count(*) as n from bronze.shop_user_events"
        equal(cli(server, "sql", "-c", count), (0, "n\n3\n", ""))
        equal(cli(server, "sql", text=count + ";\n-- a; comment\nselect ';' as s;"), (0, "n\n3\ns\n;\n", ""))
        equal(cli(server, "-o", "ndjson", "sql", "-c", "select $n + 1 as a, $t as t", "--param", "n=41", "--param",
                  "t=x=y"), (0, '{"a":42,"t":"x=y"}\n', ""))
        equal(cli(server, "-o", "table", "sql", "-c", "select 1 as a, 'b' as b"), (0, "a  b\n-  -\n1  b\n", ""))
        assert json.loads(cli(server, "-o", "json", "sql", "-c", count)[1])["complete"]
        with open(f"{project.folder}/q.sql", "w") as file:
            file.write(count)
        equal(cli(server, "sql", "-f", f"{project.folder}/q.sql")[1], "n\n3\n")
        code, out, err = cli(server, "sql", "-c", "select 1,\n       usr_id from bronze.shop_user_events")
        equal((code, out), (1, ""))
        assert err.startswith("error[SL2104]: ") and "\n --> query:2:8\n" in err, err
        assert ("\n2 |        usr_id from bronze.shop_user_events\n"
                '  |        ^^^^^^ did you mean "user_id"?\n  = note: columns of bronze.shop_user_events are ') in err, err
        with open(f"{project.folder}/q.sql", "w") as file:
            file.write(f"{count};\n-- ä\n{count};  select 'ä', usr_id\n  from shop_user_events;")
        err = cli(server, "sql", "-f", f"{project.folder}/q.sql")[2]
        assert "/q.sql:3:" in err and err.count("^") == len("usr_id"), err
        equal(cli(server, "sql", "-c", "drop table x")[0], 77)
        equal(cli(server, "sql", "-c", " ; ")[0], 2)
        forever = "select count(*) from range(1000000000000) a, range(1000000000) b"
        equal(cli(server, "sql", "--timeout", "0.2", "-c", forever)[0], 124)
        process = subprocess.Popen([binary(), "--server", f"127.0.0.1:{server.port}", "sql", "-c", forever],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        running = "select id from system.queries where state = 'running' and sql like 'select count(*) from range%'"
        found = until(lambda: server.sql(running))
        assert found[0][0] in cli(server, "query", "list")[1]
        process.send_signal(2)
        equal(process.wait(30), 130)
        until(lambda: not server.sql(running))
        equal(subprocess.run([binary(), "--server", "127.0.0.1:1", "sql", "-c", "select 1"], capture_output=True,
                             check=False).returncode, 69)


run(forms_and_parameters, large_answers_come_in_pieces_with_an_end, errors_say_where_and_what,
    queries_are_listed_and_cancelled, tables_of_the_past, the_program_tells_of_itself, only_the_files_needed_are_read,
    the_command_line)
