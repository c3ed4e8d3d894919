"""The forms in which events come over HTTP, beside plain JSON."""

import gzip
import json
import pathlib
import re
import struct
import subprocess

from server import Project, Server, Skip, equal, event, run, until

NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(*events):
    return "".join(json.dumps(one) + "\n" for one in events).encode()


def gzip_is_taken_within_the_limit():
    with Project("limits: {body: 100KiB}\n") as project, Server(project) as server:
        headers = {**NDJSON, "Content-Encoding": "gzip"}
        body = gzip.compress(lines(*[event(n) for n in range(200)]))
        status, receipt = server.post("/v1/events/shop.user-events", body, headers)
        equal((status, receipt["accepted"]), (200, 200))
        status, problem = server.post("/v1/events/shop.user-events", gzip.compress(b" " * 50_000_000), headers)
        equal((status, problem["code"]), (413, "SL4130"))
        status, problem = server.post("/v1/events/shop.user-events", body[:-9], headers)
        equal((status, problem["code"]), (400, "SL4005"))
        status, problem = server.post("/v1/events/shop.user-events", lines(event(1)), headers)
        equal((status, problem["code"]), (400, "SL4005"))
        status, given, _ = server.ask_whole("POST", "/v1/events/shop.user-events", body,
                                            {**NDJSON, "Content-Encoding": "br"})
        equal((status, given["Accept-Encoding"]), (415, "gzip, zstd"))
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[200]])


def zstd_is_taken():
    try:
        packed = subprocess.run(["zstd", "-c"], input=lines(event(1), event(2)), capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise Skip("there is no zstd program here; api.ContentCodingTest has the codings themselves")
    with Project() as project, Server(project) as server:
        status, receipt = server.post("/v1/events/shop.user-events", packed, {**NDJSON, "Content-Encoding": "zstd"})
        equal((status, receipt["accepted"]), (200, 2))


def message(event_id, user_id, page, timestamp):
    """An event of the schema as a message of Cap'n Proto: https://capnproto.org/encoding.html"""
    texts = [None if text is None else text.encode() + b"\0" for text in (event_id, page, timestamp)]
    pointers, objects = b"", b""
    for place, text in enumerate(texts):
        if text is None:
            pointers += bytes(8)
            continue
        offset = len(texts) - 1 - place + len(objects) // 8  # In words, from behind the pointer.
        pointers += struct.pack("<II", 1 | offset << 2, 2 | len(text) << 3)
        objects += text + bytes(-len(text) % 8)
    body = struct.pack("<IHH", 0, 1, len(texts)) + struct.pack("<q", user_id) + pointers + objects
    return struct.pack("<II", 0, len(body) // 8) + body


def packed(body):
    out = b""
    for at in range(0, len(body), 8):
        word = body[at:at + 8]
        out += bytes([sum((byte != 0) << bit for bit, byte in enumerate(word))]) + bytes(byte for byte in word if byte)
        out += b"\0" if word == bytes(8) or all(word) else b""
    return out


def messages_of_capnp_make_the_rows_that_json_makes():
    time = "2026-01-05T10:00:00Z"
    with Project() as project, Server(project) as server:
        target = "/v1/events/shop.user-events"
        plain = {"Content-Type": "application/x-capnp"}
        body = b"".join(message(f"m{n}", n, None if n % 2 else "/\u20ac", time) for n in range(4))
        status, receipt = server.post(target, body, plain)
        equal((status, receipt["accepted"]), (200, 4), receipt)
        for again, headers in ((packed(body), {"Content-Type": "application/x-capnp; packed=1"}),
                               (gzip.compress(body), {**plain, "Content-Encoding": "gzip"}),
                               (lines(*[{"eventId": f"m{n}", "userId": n, "timestamp": time} | ({} if n % 2 else {"page": "/\u20ac"})
                                        for n in range(4)]), NDJSON)):
            equal(server.post(target, again, headers)[1]["duplicate"], 4, headers)
        equal(server.sql("select event_id, user_id, page from bronze.shop_user_events order by 1"),
              [["m0", 0, "/\u20ac"], ["m1", 1, None], ["m2", 2, "/\u20ac"], ["m3", 3, None]])

        # Each bad one is a row of its own; its payload is JSON that can be mended.
        body = message("m4", 4, "/", "yesterday") + message("m5", 5, "/", time)
        status, receipt = server.post(target, body, plain)
        equal((status, receipt["accepted"], receipt["error"]), (200, 1, 1))
        equal([(e["row"], e["code"], e["path"]) for e in receipt["errors"]], [(0, "SL3020", "timestamp")])
        error = json.loads(server.ask("GET", "/v1/admin/errors")[1])["rows"][0][0]
        payload = json.loads(json.loads(server.ask("GET", f"/v1/admin/errors/{error}")[1])["payload"])
        equal(payload, {"eventId": "m4", "userId": 4, "page": "/", "timestamp": "yesterday"})
        status, receipt = server.post(f"/v1/admin/errors/{error}/retry", json.dumps(payload | {"timestamp": time}),
                                      {"Content-Type": "application/json"})
        equal(status, 200, receipt)
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[6]])

        wild = bytearray(message("m6", 6, "/", time))
        wild[24:28] = struct.pack("<I", 1 | 0x100000 << 2)  # The first text lies outside.
        receipt = server.post(target, bytes(wild) + message("m7", 7, "/", time), plain)[1]
        equal((receipt["accepted"], [e["code"] for e in receipt["errors"]]), (1, ["SL3009"]))
        equal(server.post(target, body[:-8], plain)[1]["code"], "SL3008")
        problem = server.post(target, packed(body), plain)[1]
        equal(problem["code"], "SL3008")
        assert "a packed body needs packed=1" in problem["detail"], problem
        for packing in "packed=true", 'packed="2"', "packed", 'note="; packed=1"; packed=01':
            status, problem = server.post(target, body, {"Content-Type": "application/x-capnp; " + packing})
            equal((status, problem.get("code")), (415, "SL4150"), packing)
        for packing, sent in ("q=1; PACKED=0", body), ('packed="1"', packed(body)), ('note="; packed=1"', body):
            equal(server.post(target, sent, {"Content-Type": "application/x-capnp; " + packing})[0], 200, packing)
        equal(server.post("/v1/events", body, plain)[1]["code"], "SL4150")
        equal(server.post("/v1/events/nobody.knows", body, plain)[0], 404)


def messages_need_a_schema_of_capnp():
    schema = json.dumps({"x-sluice": {"event": "made"}, "type": "object", "properties": {"n": {"type": "integer"}}})
    with Project(schemas={"made.json": schema}) as project, Server(project) as server:
        status, problem = server.post("/v1/events/made", b"", {"Content-Type": "application/x-capnp"})
        equal((status, problem["code"]), (422, "SL4152"))


CLOUD = {"Content-Type": "application/cloudevents+json"}


def cloud_event(number, **more):
    return {"specversion": "1.0", "type": "shop.user-events", "source": "/shop/7", "id": str(number),
            "time": "2026-01-05T10:00:00Z", "data": event(number), **more}


def cloud_events_come_in_three_ways():
    with Project() as project, Server(project) as server:
        for _ in (1, 2):  # The second time all are known: by source and id in the envelope, by the field here.
            status, receipt = server.post("/v1/events", json.dumps(cloud_event(1)), CLOUD)
            equal(status, 200)
        equal((receipt["accepted"], receipt["duplicate"]), (0, 1))
        batch = [cloud_event(2), cloud_event(3, type="nobody.knows"), cloud_event(4, data={"eventId": "x", "userId": "seven"})]
        headers = {"Content-Type": "application/cloudevents-batch+json; charset=UTF-8"}
        status, receipt = server.post("/v1/events", json.dumps(batch), headers)
        equal((status, receipt["accepted"], receipt["error"]), (200, 1, 2))
        equal([(e["row"], e["code"]) for e in receipt["errors"]], [(1, "SL3011"), (2, "SL3012")])
        headers = {"Content-Type": "application/json", "ce-specversion": "1.0", "ce-type": "com.example.something",
                   "ce-source": "/shop/7", "ce-id": "5", "ce-subject": "Euro%20%E2%82%AC"}
        status, receipt = server.post("/v1/events/shop.user-events", json.dumps(event(5)), headers)
        equal((status, receipt["accepted"]), (200, 1))
        equal(server.sql("select event_id, _metadata->>'subject' from bronze.shop_user_events order by 1"),
              [["e1", None], ["e2", None], ["e5", "Euro \u20ac"]])
        for body, form in ((b"{", CLOUD), (b"[]", CLOUD), (b"{}", headers | {"Content-Type": "application/cloudevents-batch+json"}),
                           (json.dumps(cloud_event(6, specversion="0.3")).encode(), CLOUD)):
            status, problem = server.post("/v1/events", body, form)
            equal((status, problem["code"]), (400, "SL4006"), body)
        status, problem = server.post("/v1/events", b"x", {"Content-Type": "application/cloudevents+avro"})
        equal((status, problem["code"]), (415, "SL4150"))
        headers = {**CLOUD, "Content-Encoding": "gzip"}
        equal(server.post("/v1/events", gzip.compress(json.dumps(cloud_event(7)).encode()), headers)[1]["accepted"], 1)
        status, given, _ = server.ask_whole("OPTIONS", "/v1/events", headers={"WebHook-Request-Origin": "events.example"})
        equal((status, given["WebHook-Allowed-Origin"], given["WebHook-Allowed-Rate"]), (200, "events.example", "*"))


def cloud_events_are_known_by_source_and_id():
    schema = """@0x8f1a2b3c4d5e6f71;
using Sl = import "sluice.capnp";
struct Made $Sl.event("made") { n @0 :Int64; }
"""
    with Project(schemas={"made.capnp": schema}) as project, Server(project) as server:
        def send(source, id, n):
            body = {"specversion": "1.0", "type": "made", "source": source, "id": id, "data": {"n": n}}
            return server.post("/v1/events", json.dumps(body), CLOUD)[1]

        equal(send("a", "1", 1)["accepted"], 1)
        equal(send("a", "1", 1)["duplicate"], 1)
        equal(send("b", "1", 1)["accepted"], 1)
        equal(send("a", "1", 2)["errors"][0]["code"], "SL3040")
        equal(server.ask("GET", "/v1/receipts/made?event_id=a%201")[0], 200)


def a_token_for_one_topic_sends_cloud_events_to_no_other():
    with Project() as project, Server(project) as server:
        token = project.command("token", "create", "--scope", "send:shop.*")[1].strip()
        until(lambda: server.ask("GET", "/v1/overview")[0] == 401, "the first token counts")
        headers = {**CLOUD, "Authorization": f"Bearer {token}"}
        equal(server.ask("POST", "/v1/events", json.dumps(cloud_event(1)), headers)[0], 200)
        equal(server.ask("POST", "/v1/events", json.dumps(cloud_event(2, type="other")), headers)[0], 403)
        equal(server.ask("POST", "/v1/events/other", json.dumps(cloud_event(3)), headers)[0], 403)


def pages_send_with_a_key_that_does_nothing_else():
    with Project() as project, Server(project) as server:
        body = json.dumps([event(1), event(2), {"eventId": "x", "userId": "seven"}])

        def collect(origin, key="", topic="shop.user-events", text=body):
            return server.ask_whole("POST", f"/v1/collect?topic={topic}&key={key}", text,
                                    {"Content-Type": "text/plain", **({"Origin": origin} if origin else {})})

        # Without tokens: pages of this machine.
        status, headers, answer = collect("http://localhost:8000")
        equal((status, json.loads(answer)), (200, {"received": 3, "accepted": 2, "duplicate": 0, "error": 1}))
        equal(headers["Access-Control-Allow-Origin"], "http://localhost:8000")
        equal(collect("https://evil.example")[0], 401)
        code, out, err = project.command("token", "create", "--scope", "collect:shop.*@https://shop.example")
        equal(code, 0, err)
        key = out.strip()
        until(lambda: server.ask("GET", "/v1/overview")[0] == 401, "the first token counts")
        equal(collect("https://shop.example", key)[0], 200)
        for origin in ("https://evil.example", "http://shop.example", "https://shop.example:8443", "null", ""):
            status, headers, answer = collect(origin, key)
            equal((status, json.loads(answer)["code"]), (403, "SL4032"), origin)
            assert "Access-Control-Allow-Origin" not in headers, headers
        equal(collect("https://shop.example", key, topic="other")[0], 403)
        equal(collect("https://shop.example", "slt_1_2")[0], 401)
        equal(collect("https://shop.example", key, text="[" + " " * 70_000 + "]")[0], 413)
        equal(collect("https://shop.example", key, text="[1,")[0], 400)
        # It opens nothing else, and other tokens do not open this.
        bearer = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Origin": "https://shop.example"}
        for method, target in (("POST", "/v1/events/shop.user-events"), ("POST", "/v1/sql"), ("GET", "/v1/overview"),
                               ("GET", "/metrics"), ("GET", "/v1/admin/tables"), ("GET", "/v1/queries"),
                               ("GET", "/v1/receipts/shop.user-events/e1")):
            equal(server.ask(method, target, body, bearer)[0], 403, target)
        admin = project.command("token", "create", "--scope", "admin")[1].strip()
        until(lambda: collect("https://shop.example", admin)[0] != 401, "the token is known")
        equal(collect("https://shop.example", admin)[0], 403)
        for scope in ("collect:shop", "collect:shop@shop.example", "collect:@https://a", "collect:a@https://"):
            equal(project.command("token", "create", "--scope", scope)[0], 2, scope)


def the_description_names_every_address():
    root = pathlib.Path(__file__).resolve().parents[2]
    served = set()
    for file in (root / "sluice/api").rglob("*.cc"):
        if not file.name.endswith("_test.cc"):
            served |= set(re.findall(r'Add(?:Blocking)?\(\s*"([A-Z]+)", "([^"]+)"', file.read_text()))
    assert len(served) > 30, served
    with Project() as project, Server(project) as server:
        status, headers, body = server.ask_whole("GET", "/openapi.json")
        equal((status, headers["Content-Type"]), (200, "application/json"))
        document = json.loads(body)
    equal(document["openapi"], "3.1.0")
    described = {(method.upper(), path) for path, item in document["paths"].items()
                 for method in item if method != "parameters"}
    equal(described, served)
    text = json.dumps(document)
    for name in re.findall(r'"\$ref": "#/components/(\w+/\w+)"', text):
        kind, one = name.split("/")
        assert one in document["components"][kind], name
    identifiers = [operation["operationId"] for item in document["paths"].values()
                   for method, operation in item.items() if method != "parameters"]
    equal(len(identifiers), len(set(identifiers)))
    for path, item in document["paths"].items():
        named = {p["name"] for p in item.get("parameters", []) if p["in"] == "path"}
        equal(named, set(re.findall(r"\{(\w+)\}", path)), path)


def what_the_system_needs_cannot_be_deleted():
    with Project() as project, Server(project) as server:
        def reveal():
            return server.ask("POST", "/v1/admin/pii/reveal", '{"token": "s1.none", "reason": ""}')[0]

        equal(reveal(), 400)  # The topic of the audit is made by its first row.
        for topic in ("system.errors", "system.audit"):
            equal(server.ask("DELETE", f"/v1/admin/topics/{topic}")[0], 400, topic)
        equal(reveal(), 400, "what is asked is still written down")
        equal(server.sql("select count(*) from system.audit"), [[2]])


run(gzip_is_taken_within_the_limit, zstd_is_taken, messages_of_capnp_make_the_rows_that_json_makes,
    messages_need_a_schema_of_capnp, cloud_events_come_in_three_ways,
    cloud_events_are_known_by_source_and_id, a_token_for_one_topic_sends_cloud_events_to_no_other,
    pages_send_with_a_key_that_does_nothing_else, the_description_names_every_address, what_the_system_needs_cannot_be_deleted)
