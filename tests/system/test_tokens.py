"""Who may do what: loopback without tokens, scopes with them."""

import json
import time

from server import Project, Server, equal, event, run

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
        query = "select count(*), (select count(*) from system.errors) from bronze.shop_user_events"
        equal(server.post("/v1/sql", query, as_(reader))[1]["rows"], [[2, 0]])
        equal(server.post("/v1/sql", query, as_(send_shop))[0], 403)
        read_shop = create(project, "read:shop.*")
        equal(status_within(1, 403, lambda: server.post("/v1/sql", "select 1", as_(read_shop))), 403)
        for target in ("/v1/admin/errors", "/v1/admin/tables", "/v1/admin/schemas"):
            equal(server.ask("GET", target, headers=as_(reader))[0], 403, target)
            equal(server.ask("GET", target, headers=as_(admin))[0], 200, target)
        equal(server.ask("GET", "/metrics")[0], 401)
        equal(server.ask("GET", "/healthz")[0], 200)
        equal(server.ask("GET", "/metrics", headers={"Authorization": "Bearer slt_0_0"})[0], 401)

        code, _, err = project.command("--token", reader, "--server", f"127.0.0.1:{server.port}", "status")
        equal(code, 77, err)
        code, out, err = project.command("--token", admin, "--server", f"127.0.0.1:{server.port}", "status")
        equal(code, 0, err)


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


run(without_tokens_only_this_machine, scopes_say_what_a_token_may, revoked_tokens_are_refused_within_a_second)
