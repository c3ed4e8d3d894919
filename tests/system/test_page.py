"""The page at `/`: what is served, under which policy, and that it is what its source makes."""

import filecmp
import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile

from server import Project, Server, Skip, equal, event, run, until

WEB = f"{os.path.dirname(os.path.abspath(__file__))}/../../web"


def files():
    return sorted(os.path.relpath(f"{folder}/{name}", f"{WEB}/dist")
                  for folder, _, names in os.walk(f"{WEB}/dist") for name in names)


def every_file_is_served_as_it_is():
    with Project() as project, Server(project) as server:
        for name in files():
            path = "/" if name == "index.html" else f"/{name}"
            with open(f"{WEB}/dist/{name}", "rb") as file:
                content = file.read()
            status, headers, body = server.ask_whole("GET", path)
            equal((status, body == content), (200, True), path)
            status, packed, body = server.ask_whole("GET", path, headers={"Accept-Encoding": "br, gzip;q=0.8"})
            equal((packed["Content-Encoding"], gzip.decompress(body) == content), ("gzip", True), path)
            equal(headers["Vary"], "Accept-Encoding")
            equal(headers["Cache-Control"].endswith("immutable"), path.startswith("/assets/"), path)
            status, _, body = server.ask_whole("GET", path, headers={"If-None-Match": headers["ETag"]})
            equal((status, body), (304, b""), path)
            equal(server.ask_whole("HEAD", path)[0], 200, path)
        equal(server.ask("GET", "/assets/none.js")[0], 404)
        equal(server.ask("POST", "/")[0], 405)


def its_policy_lets_nothing_in():
    with Project() as project, Server(project) as server:
        headers = server.ask_whole("GET", "/")[1]
        policy = headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
                     "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
            assert rule in policy, policy
        assert "unsafe" not in policy and "*" not in policy, policy
        equal(headers["X-Content-Type-Options"], "nosniff")
    for name in files():
        with open(f"{WEB}/dist/{name}") as file:
            text = file.read()
        # Names of XML's own spaces and of what the libraries' messages point at are not fetched.
        fetched = re.findall(r"""(?:src|href)=["']https?://|@import|url\(["']?https?:|fetch\(["'`]https?:""", text)
        equal(fetched, [], name)
    with open(f"{WEB}/dist/index.html") as file:
        html = file.read()
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", html), html


def it_is_what_its_source_makes():
    vite = f"{WEB}/node_modules/.bin/vite"
    if not os.path.exists(vite) or not shutil.which("node"):
        raise Skip("no node, or web/node_modules is missing: `./dev page` installs what the page is built with")
    out = tempfile.mkdtemp(prefix="sluice-test-")
    try:
        done = subprocess.run([vite, "build", "--outDir", out, "--emptyOutDir"], cwd=WEB, capture_output=True, text=True,
                              timeout=120)
        equal(done.returncode, 0, done.stderr)
        built = sorted(os.path.relpath(f"{folder}/{name}", out) for folder, _, names in os.walk(out) for name in names)
        equal(built, files(), "files of web/dist; `./dev page` builds them anew")
        _, differing, wrong = filecmp.cmpfiles(out, f"{WEB}/dist", built, shallow=False)
        equal((differing, wrong), ([], []), "`./dev page` builds them anew")
    finally:
        shutil.rmtree(out)


def the_overview_counts():
    with Project() as project, Server(project) as server:
        status, now = server.get("/v1/overview")
        equal((status, now["taking"], now["tokens"], now["open_errors"]), (200, True, False, 0))
        server.send("shop.user-events", [event(n) for n in range(10)] + [event(3), {"eventId": "x", "userId": "seven"}])
        server.send("", [{"event": "nobody.knows", "content": {}}])
        # What a program shows is not what somebody asked, however often; a change of rows always is.
        equal(now["queries"], 0)
        ask = lambda sql, **more: json.loads(server.ask(
            "POST", "/v1/sql", sql, {"Content-Type": "text/plain", **more})[1])["rows"]
        for _ in range(3):
            ask("select 'shown'", **{"Sluice-Background": "true"})
        ask("delete from bronze.shop_user_events where event_id = 'none'", **{"Sluice-Background": "true"})
        equal(ask("select count(*) from system.queries where sql like '%shown%' and state <> 'running'"), [[0]])
        equal(server.get("/v1/overview")[1]["queries"], 2)
        # The number of open errors is a few seconds old at most.
        server.send("shop.user-events", [event(11)], wait="table")
        now = server.get("/v1/overview")[1]
        equal(now["events"], {"received": 14, "accepted": 11, "duplicate": 1, "error": 2})
        topic = next(one for one in now["topics"] if one["topic"] == "shop.user-events")
        equal([topic[name] for name in ("received", "accepted", "duplicate", "error", "next_offset", "pending", "rows")],
              [13, 11, 1, 1, 11, 0, 11])
        groups = server.get("/v1/admin/errors/groups")[1]
        names = [column["name"] for column in groups["columns"]]
        found = [dict(zip(names, row)) for row in groups["rows"]]
        equal(sorted((g["topic"], g["code"], g["path"], g["errors"]) for g in found),
              [("nobody.knows", "SL3011", "event", 1), ("shop.user-events", "SL3012", "userId", 1)])
        equal(server.get("/v1/admin/errors?topic=shop.user-events&code=SL3012&path=userId")[1]["row_count"], 1)
        equal(server.get("/v1/admin/errors?topic=shop.user-events&code=SL3012&path=page")[1]["row_count"], 0)
        equal(json.loads(server.ask("POST", "/v1/admin/errors/replay?path=userId&dry_run=true")[1])["found"], 1)
        for word in ("yes", "1", "null"):
            equal(server.ask("POST", f"/v1/admin/errors/replay?dry_run={word}")[0], 400, word)


def who_may_not_read_a_topic_does_not_count_it():
    def token(project, scope):
        return {"Authorization": "Bearer " + project.command("token", "create", "--scope", scope)[1].strip()}

    with Project() as project, Server(project) as server:
        server.send("shop.user-events", [event(1)])
        admin, other, sender = token(project, "admin"), token(project, "read:other.*"), token(project, "send:*")
        equal(server.ask("GET", "/")[0], 200, "the page itself tells nothing")
        until(lambda: server.ask("GET", "/v1/overview")[0] == 401, "the first token counts")
        equal(server.ask("GET", "/v1/overview", headers=sender)[0], 403)
        equal(len(json.loads(server.ask("GET", "/v1/overview", headers=admin)[1])["topics"]) > 0, True)
        seen = json.loads(server.ask("GET", "/v1/overview", headers=other)[1])
        equal((seen["topics"], seen["events"]["received"], seen["tokens"]), ([], 0, True))


def a_schema_tells_its_annotations():
    schema = """@0xd3a55f0c9b1e7a42;
using Sl = import "sluice.capnp";
struct User $Sl.event("user.created") {
  userId @0 :Text $Sl.id $Sl.key $Sl.subject;
  email  @1 :Text $Sl.pii("contact") $Sl.hash(hmacSha256);
  at     @2 :Text $Sl.eventTime;
}
"""
    with Project(schemas={"user.capnp": schema}) as project, Server(project) as server:
        fields = {f["name"]: f for f in server.get("/v1/admin/schemas/user.created")[1]["fields"]}
        equal(fields["userId"]["roles"], ["id", "key", "subject"])
        equal((fields["email"]["privacy"], fields["email"]["pii"], fields["email"]["roles"]), ("hash", "contact", []))
        equal(fields["at"]["roles"], ["eventTime"])


run(every_file_is_served_as_it_is, its_policy_lets_nothing_in, it_is_what_its_source_makes, the_overview_counts,
    who_may_not_read_a_topic_does_not_count_it, a_schema_tells_its_annotations)
