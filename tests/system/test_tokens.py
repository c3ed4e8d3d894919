"""Who may do what: loopback without tokens, scopes with them."""

import json
import time

from server import SCHEMA, Project, Server, equal, event, run

NDJSON = {"Content-Type": "application/x-ndjson"}


def as_(token):
    return {**NDJSON, "Authorization": f"Bearer {token}"}


def create(project, *scopes, ttl=None):
    arguments = [a for scope in scopes for a in ("--scope", scope)] + (["--ttl", ttl] if ttl else [])
    code, out, err = project.command("token", "create", *arguments)
    equal(code, 0, err)
    return out.strip()


def status_within(seconds, expected, ask):
    """Asks until the status is the expected one; the time is the promise that is tested."""
    deadline = time.monotonic() + seconds
    while True:
        status = ask()[0]
        if status == expected or time.monotonic() > deadline:
            return status


def without_tokens_only_this_machine():
    with Project() as project, Server(project) as server:
        body = json.dumps(event(1))
        equal(server.ask("POST", "/v1/events/shop.user-events", body, NDJSON)[0], 200)
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            status, answer = server.post("/v1/events/shop.user-events", body, {**NDJSON, **headers})
            equal((status, answer["code"]), (401, "SL4010"), str(headers))
            equal(server.post("/v1/sql", "select 1", headers)[0], 401, str(headers))
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[1]])
    with Project() as project:
        with open(f"{project.folder}/sluice.yaml", "w") as file:
            file.write("version: 1\nserve: {http: 0.0.0.0:0}\n")
        code, _, err = project.command("serve")
        equal(code, 78, err)
        assert "sluice token create" in err, err
        create(project, "admin")
        with Server(project) as server:
            equal(server.ask("GET", "/healthz")[0], 200)
            equal(server.ask("GET", "/v1/admin/tables")[0], 401)


def scopes_say_what_a_token_may():
    with Project() as project, Server(project) as server:
        send_shop = create(project, "send:shop.*")
        reader = create(project, "read:*")
        admin = create(project, "admin")
        body = json.dumps(event(1))

        def send(token, topic="shop.user-events"):
            return server.post(f"/v1/events/{topic}", body, as_(token) if token else NDJSON)

        equal(status_within(1, 401, lambda: send(None)), 401)
        equal(send(send_shop)[0], 200)
        status, answer = send(send_shop, "iot.readings")
        equal((status, answer["code"]), (403, "SL4031"))
        equal(send(reader)[0], 403)
        envelope = json.dumps({"event": "iot.readings", "content": {}})
        equal(server.post("/v1/events", envelope, as_(send_shop))[0], 403)
        equal(server.post("/v1/events", json.dumps({"event": "shop.user-events", "content": event(2)}),
                          as_(send_shop))[0], 200)
        # A receipt tells what became of an event, so it is for who may send to its topic.
        send_other = create(project, "send:iot.*")
        for target in (f"/v1/receipts/shop.user-events/{event(1)['eventId']}",
                       f"/v1/receipts/shop.user-events?event_id={event(1)['eventId']}"):
            equal(status_within(1, 403, lambda: server.ask("GET", target, headers=as_(send_other))), 403, target)
            equal(server.ask("GET", target, headers=as_(reader))[0], 403, target)
            equal(server.ask("GET", target, headers=as_(send_shop))[0], 200, target)
        query = "select count(*), (select count(*) from system.errors) from bronze.shop_user_events"
        equal(server.post("/v1/sql", query, as_(reader))[1]["rows"], [[2, 0]])
        equal(server.post("/v1/sql", query, as_(send_shop))[0], 403)
        for target in ("/v1/admin/errors", "/v1/admin/tables", "/v1/admin/schemas"):
            equal(server.ask("GET", target, headers=as_(reader))[0], 403, target)
            equal(server.ask("GET", target, headers=as_(admin))[0], 200, target)
        equal(server.ask("GET", "/metrics")[0], 401)
        equal(server.ask("GET", "/metrics", headers=as_(reader))[0], 200)
        equal(server.ask("GET", "/metrics", headers=as_(send_shop))[0], 403)
        equal(server.ask("GET", "/healthz")[0], 200)
        equal(server.ask("GET", "/metrics", headers={"Authorization": "Bearer slt_0_0"})[0], 401)

        code, _, err = project.command("--token", reader, "--server", f"127.0.0.1:{server.port}", "status")
        equal(code, 77, err)
        code, out, err = project.command("--token", admin, "--server", f"127.0.0.1:{server.port}", "status")
        equal(code, 0, err)


def who_may_read_one_topic_sees_its_table_alone():
    schemas = {"user_event.capnp": SCHEMA,
               "order.capnp": SCHEMA.replace("0x9a41", "0x9a42").replace("UserEvent", "Order").replace(
                   "shop.user-events", "crm.orders")}
    with Project(schemas=schemas) as project, Server(project) as server:
        server.send("shop.user-events", [event(1)], wait="table")
        server.send("crm.orders", [event(i, page="canary") for i in range(2)], wait="table")
        server.send("crm.orders", [event(2, page="canary")])
        shop, admin = create(project, "read:shop.*"), create(project, "admin")

        def ask(sql, token=shop, **members):
            status, answer = server.post("/v1/sql", json.dumps({"sql": sql, **members}),
                                         {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
            return answer["rows"] if status == 200 else (status, answer["code"], answer["detail"])

        equal(status_within(1, 401, lambda: server.ask("GET", "/v1/queries")), 401)
        equal(ask("select count(*) from crm_orders", admin), [[3]])
        equal(ask("select count(*) from shop_user_events"), [[1]])
        equal(ask("select count(*) from bronze.shop_user_events", as_of="1"), [[1]])
        for wanted in ("crm_orders", "bronze.crm_orders"):
            missing = ask(f"select * from {wanted.replace('orders', 'nothing')}")
            equal(missing[:2], (400, "SL2101"))
            equal(ask(f"select * from {wanted}"), (*missing[:2], missing[2].replace("nothing", "orders")))
            equal(ask(f"describe {wanted}")[:2], (400, "SL2101"))
            equal(ask(f"select * from {wanted}", as_of="1")[:2], (400, "SL2101"))
        equal(ask("select * from system.audit")[:2], (400, "SL2101"))
        for topic in ("shop.user-events", "crm.orders", "crm.'nothing"):
            server.post("/v1/events", json.dumps({"topic": topic, "content": {"userId": "canary"}}), as_(admin))
        equal(ask("select topic from system.errors"), [["shop.user-events"]])
        equal(ask('select count(*) from "SYSTEM"."Errors" e join shop_user_events u on true'), [[1]])
        assert "SL2101" in str(ask("select * from errors")), "without its schema it is no table"
        equal(len(ask("select * from system.errors", admin)), 3)
        # No suggestion tells a name; an administrator gets it.
        assert "crm_orders" not in str(ask("select * from crm_order")), "a suggestion tells of a table"
        assert "crm_orders" in str(ask("select * from crm_order", admin))
        for table in ("topics", "tables"):
            equal(ask(f"select topic from system.{table}"), [["shop.user-events"]])
        equal(ask("select distinct table_name from system.files"), [["bronze.shop_user_events"]])
        equal({row[0] for row in ask("select table_name from system.tables where table_name like 'bronze.%'", admin)},
              {"bronze.shop_user_events", "bronze.crm_orders"})
        # Queries of others, with the values in their texts, are theirs.
        queries = ask("select sql from system.queries")
        assert queries and "canary" not in str(ask("select * from system.queries")), queries
        ask("select 'canary of the administrator'", admin)
        assert "canary of" not in str(ask("select * from system.queries"))
        ids = [row[0] for row in ask("select id from system.queries where sql like '%canary of%'", admin)]
        status, answer = server.ask("GET", "/v1/queries", headers=as_(shop))
        assert status == 200 and b"canary of" not in answer
        for query in ids:
            equal(server.ask("GET", f"/v1/queries/{query}", headers=as_(shop))[0], 404)
            equal(server.ask("DELETE", f"/v1/queries/{query}", headers=as_(shop))[0], 404)
            equal(server.ask("GET", f"/v1/queries/{query}", headers=as_(admin))[0], 200)
        equal(server.ask("GET", "/metrics", headers=as_(shop))[0], 403)
        # A topic that comes later is seen by who may.
        with open(f"{project.folder}/later.capnp", "w") as file:
            file.write(SCHEMA.replace("0x9a41", "0x9a43").replace("UserEvent", "Later").replace(
                "shop.user-events", "shop.later"))
        code, _, err = project.command("--token", admin, "--server", f"127.0.0.1:{server.port}", "schema", "add",
                                       f"{project.folder}/later.capnp")
        equal(code, 0, err)
        equal(ask("select count(*) from shop_later"), [[0]])


def revoked_tokens_are_refused_within_a_second():
    with Project() as project, Server(project) as server:
        token = create(project, "admin")
        equal(status_within(1, 401, lambda: server.ask("GET", "/v1/admin/tables")), 401)
        equal(server.ask("GET", "/v1/admin/tables", headers=as_(token))[0], 200)
        code, out, err = project.command("-o", "json", "token", "list")
        equal([row[1:3] for row in json.loads(out)["rows"]], [["valid", "admin"]])
        assert token.split("_")[2] not in out
        equal(project.command("token", "revoke", token.split("_")[1])[0], 0)
        equal(status_within(1, 401, lambda: server.ask("GET", "/v1/admin/tables", headers=as_(token))), 401)
        equal(server.ask("GET", "/v1/admin/tables")[0], 401)
        for wrong in (["--scope", "write:x"], ["--scope", "send:x", "--ttl", "soon"], []):
            equal(project.command("token", "create", *wrong)[0], 2, str(wrong))
        assert token.split("_")[2] not in server.output()


run(without_tokens_only_this_machine, scopes_say_what_a_token_may, who_may_read_one_topic_sees_its_table_alone,
    revoked_tokens_are_refused_within_a_second)
