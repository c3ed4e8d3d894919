"""Schemas of a running server: all types, versions with rows of old ones pending, and the verbs of the command line."""

import json
import os
import subprocess
import sys

from schema_changes import HEAD, ILLEGAL, LEGAL, START, changed, evolving
from server import Project, Server, binary, equal, run

ORDER = HEAD + """struct Order $Sl.event("shop.orders") {
  orderId @0 :Text $Sl.id $Sl.uuid $Sl.required;
  items @1 :List(Item);
  total @2 :Text $Sl.decimal(precision = 10, scale = 2);
  at @3 :Int64 $Sl.eventTime $Sl.timestamp(milliseconds);
  address :group { street @4 :Text; zipCode @5 :Text; }
  payment :union { card @6 :Card; cash @7 :Void; voucher @8 :List(Text); }
  union { web @9 :Text; shop @10 :Int32; }
  currency @11 :Text = "EUR";
  big @12 :UInt64;
  raw @13 :Data;
  seen @14 :List(Text) $Sl.timestamp(rfc3339);
  tags @15 :List(List(Kind));
  struct Item { sku @0 :Text; count @1 :UInt16 = 1; price @2 :Text $Sl.decimal(precision = 10, scale = 2); }
  struct Card { last4 @0 :Text; }
  enum Kind { new @0; used @1; }
}
"""


def order(number):
    return {"orderId": f"0B0C7A52-6D0E-4B52-9A41-{number:012d}", "items": [{"sku": "a", "price": "1.50"}, None, {}],
            "total": 12.5, "at": 1767571200000 + number, "address": {"street": "s", "zipCode": "1", "floor": 3},
            "payment": [{"card": {"last4": "1234"}}, {"cash": None}, {"voucher": ["x"]}][number % 3],
            ["web", "shop"][number % 2]: ["w", 7][number % 2], "big": 2**64 - 1, "raw": "AQID",
            "seen": ["2026-01-05T00:00:00Z"], "tags": [["new"], []]}


def expected(number):
    payment = {"card": None, "cash": None, "voucher": None, "which": ["card", "cash", "voucher"][number % 3]}
    payment[payment["which"]] = [{"last4": "1234"}, True, ["x"]][number % 3]
    return [f"0b0c7a52-6d0e-4b52-9a41-{number:012d}",
            [{"sku": "a", "count": 1, "price": "1.50"}, None, {"sku": None, "count": 1, "price": None}], "12.50",
            {"street": "s", "zip_code": "1"}, payment, "w" if number % 2 == 0 else None,
            7 if number % 2 else None, ["web", "shop"][number % 2], "EUR", str(2**64 - 1), "AQID", [["new"], []],
            '{"address.floor":3}']


COLUMNS = "order_id, items, total, address, payment, web, shop, which, currency, big, raw, tags, _extra"


def every_type_goes_to_the_table_and_back():
    with Project(schemas={"order.capnp": ORDER}) as project:
        with Server(project) as server:
            receipt = server.send("shop.orders", [order(i) for i in range(9)])
            equal((receipt["accepted"], receipt["error"]), (9, 0), receipt["errors"])
            receipt = server.send("shop.orders", [
                dict(order(20), items=[{"price": "1.505"}]), dict(order(21), web="w", shop=1), dict(order(22), orderId=None),
                dict(order(23), payment={"card": {}, "voucher": []}), dict(order(24), tags=[["new", "old"]])])
            equal([(e["code"], e["path"]) for e in receipt["errors"]],
                  [("SL3013", "items[0].price"), ("SL3019", ""), ("SL3023", "orderId"), ("SL3019", "payment"),
                   ("SL3015", "tags[0][1]")])
            query = f"select {COLUMNS} from bronze.shop_orders order by \"at\""
            tail = server.sql(query)
            for number, row in enumerate(tail):
                equal(row[0], expected(number)[0])
                equal(json.loads(row[-1]), {"address.floor": 3})
                equal((row[3], row[4], row[5:9]), (expected(number)[3], expected(number)[4], expected(number)[5:9]))
                equal(row[11], [["new"], []])
            server.post("/v1/admin/land")
            equal(server.sql(query), tail, "landed")
            equal(server.send("shop.orders", [order(3)])["duplicate"], 1)
            server.kill()
        with Server(project) as server:
            equal(server.sql(query), tail, "after a kill")
            equal(server.send("shop.orders", [order(4)])["duplicate"], 1)
        read_with_another_engine(project, [order(i) for i in range(9)])


def with_deltalake(script, *arguments):
    """What a script that has deltalake prints, as JSON; None where the package is not at hand."""
    unpacked = os.environ.get("SLUICE_DEPS", os.path.join(os.path.dirname(__file__), "../../.deps")) + "/unpacked"
    if not os.path.isdir(unpacked + "/interop/deltalake") or sys.version_info[:2] != (3, 11):
        return None
    # The package's threads sometimes abort an orderly end.
    script = f"import json, os, sys\nimport deltalake\n{script}\nsys.stdout.flush()\nos._exit(0)\n"
    path = os.pathsep.join([unpacked + "/pyarrow"] + [f"{unpacked}/interop/{name}" for name in (
        "deltalake", "arro3-core", "deprecated", "wrapt", "typing-extensions")])
    done = subprocess.run([sys.executable, "-B", "-c", script, *arguments],
                          capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=path))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read_rows(folder):
    """The table's rows as deltalake reads them; None where it is not at hand."""
    return with_deltalake("print(json.dumps(deltalake.DeltaTable(sys.argv[1]).to_pyarrow_table().to_pylist(), "
                          "default=str))", folder)


def read_with_another_engine(project, sent):
    """deltalake reads the same values, where it is at hand."""
    rows = read_rows(project.table_folder("shop_orders"))
    if rows is None:
        return
    rows.sort(key=lambda row: str(row["at"]))
    equal(len(rows), len(sent))
    for number, row in enumerate(rows):
        wanted = expected(number)
        equal([row[name] for name in ("order_id", "items", "total", "address", "payment", "web", "shop", "which", "currency",
                                      "big")], wanted[:10])
        equal((row["raw"], row["tags"]), (str(b"\x01\x02\x03"), [["new"], []]))


def schemas_change_while_old_rows_wait():
    """20 and more legal and illegal changes in a row; every frame is of another version, and none has landed."""
    fields = dict(START)
    with Project("land: {every: 1h}\n", schemas={"evolving.capnp": evolving(fields)}) as project:
        sent = 0
        with Server(project) as server:
            def send(version):
                nonlocal sent
                # Members that the version does not know go to _extra.
                receipt = server.send("evolving", [{
                    "id": f"e{sent}", "a": sent, "k": "one", "u": 200, "t": "t", "f8": {"x": sent}, "f9": [{"x": 1}, None],
                    **({"f16": {"x": "t"}} if version >= 15 else {}), "f19": {"x": "g"}}])
                equal(receipt["accepted"], 1, f"version {version}: {receipt['errors']}")
                sent += 1

            send(1)
            for number, step in enumerate(LEGAL):
                fields = changed(fields, step)
                status, answer = server.post("/v1/admin/schemas?name=evolving.capnp", evolving(fields))
                equal(status, 200, f"{step}: {answer}")
                equal(answer["topics"][0]["version"], number + 2)
                send(number + 2)
            for step in ILLEGAL:
                status, answer = server.post("/v1/admin/schemas?name=evolving.capnp", evolving(changed(fields, step)))
                equal(status, 409, f"{step}: {answer}")
                assert "cannot follow version" in answer["detail"], answer
                send(len(LEGAL) + 1)
            nested = server.send("evolving", [{
                "id": "nested", "a": sent, "f8": {"x": 1, "y": "y"}, "f9": [{"x": 2, "y": "z", "p": [{"x": 3}]}],
                "f16": {"z": "chosen"}, "f19": {"w": {"y": "deep"}}}])
            equal(nested["accepted"], 1, nested["errors"])
            sent += 1
            query = "select id, a, k, u, f6, _schema_version from bronze.evolving order by a"
            inside = "select a, f8, f9, f16, f19 from bronze.evolving order by a"
            seen = server.sql(query)
            equal(len(seen), sent)
            # "f6" came with its default in version 3; rows before do not have it.
            equal([row[4] for row in seen[:18]], [None, None] + ["d"] * 14 + ["e"] * 2)
            equal([row[5] for row in seen[:len(LEGAL) + 1]], list(range(1, len(LEGAL) + 2)))
            equal(server.sql("select count(f21) from bronze.evolving"), [[0]], "a column that went is there")
            structs = server.sql(inside)
            equal(structs[-1][1:], [{"x": 1, "y": "y"}, [{"x": 2, "y": "z", "p": [{"x": 3}]}],
                                    {"x": None, "y": None, "z": "chosen", "which": "z"},
                                    {"x": None, "w": {"x": None, "y": "deep"}}])
            equal(structs[22][1:], [{"x": 22, "y": None}, [{"x": 1, "y": None, "p": None}, None],
                                    {"x": "t", "y": None, "z": None, "which": "x"}, {"x": "g", "w": None}])
            equal(structs[3][1:3], [None, None], "before the columns came")
            server.kill()
        with Server(project) as server:
            equal(server.sql(query), seen, "after a kill")
            equal(server.sql(inside), structs, "after a kill")
            server.post("/v1/admin/land")
            equal(server.sql(query), seen, "landed")
            equal(server.sql(inside), structs, "landed")
            equal(server.send("evolving", [{"id": "e22", "a": 22, "k": "one", "u": 200, "t": "t", "f8": {"x": 22},
                                            "f9": [{"x": 1}, None], "f16": {"x": "t"}, "f19": {"x": "g"}}])["duplicate"], 1)
            rows = json.loads(server.ask("GET", "/v1/admin/schemas/evolving/history")[1])["rows"]
            equal(rows[0][:3], [1, "", "made"])
            equal(rows[1][:3], [2, "f5", "added as Int32"])
            assert [24, "f21", "removed; its column stays"] in [row[:3] for row in rows], rows
            equal(rows[-1][:3], [len(LEGAL) + 1, "f9[].p", "added as List(Struct)"])


def a_file_is_taken_whole_or_not():
    with Project(schemas={"a.capnp": HEAD + 'struct A $Sl.event("a") { x @0 :Int32; }'}) as project, Server(project) as server:
        both = HEAD + 'struct B $Sl.event("b") { x @0 :Int32; }\nstruct A $Sl.event("a") { x @0 :Text; }'
        equal(server.post("/v1/admin/schemas?name=a.capnp", both)[0], 409)
        equal(server.ask("GET", "/v1/admin/schemas/b")[0], 404)


def the_command_line_tells():
    with Project("topics: {a: {compatibility: none}}\n",
                 schemas={"a.capnp": HEAD + 'struct A $Sl.event("a") { x @0 :Int32; }'}) as project, Server(project) as server:
        def sluice(*words, text=None):
            done = subprocess.run([binary(), "-C", project.folder, "--server", f"127.0.0.1:{server.port}", *words],
                                  input=text, capture_output=True, text=True)
            return done.returncode, done.stdout, done.stderr

        def check(text, *more):
            return sluice("schema", "check", "-", *more, text=text)

        code, out, err = sluice("schema", "add", "-", text=HEAD + 'struct A $Sl.event("a") { x @0 :Int32; y @1 :Text; }')
        equal(code, 0, err)
        equal(sluice("schema", "show", "a@1")[1], HEAD + 'struct A $Sl.event("a") { x @0 :Int32; }')
        assert "y @1 :Text" in sluice("schema", "show", "a")[1]
        assert "annotation timestamp" in sluice("schema", "show", "--builtin")[1]
        equal(json.loads(sluice("-o", "json", "schema", "diff", "a", "1")[1])["rows"], [["y", "added as Text", "", ""]])
        assert "added as Text" in sluice("-o", "table", "schema", "history", "a")[1]
        renamed = HEAD + 'struct A $Sl.event("a") { x @0 :Int32; z @1 :Text; }'
        equal(check(renamed)[0], 0)
        code, out, err = check(renamed, "--level", "backward")
        equal(code, 78, err)
        assert "was 'y'" in out, out
        code, out, err = check(HEAD + 'struct A $Sl.event("a") {\n  x @0 :Txt;\n}')
        equal(code, 78)
        assert "schema.capnp:4:9" in err and "SL1101" in err, err
        rows = '{"user_id": 1, "at": "2026-01-05T00:00:00Z", "tags": ["a"]}\n'
        code, out, err = sluice("schema", "infer", "-", "--topic", "inferred", text=rows)
        equal(code, 0, err)
        equal(sluice("schema", "add", "-", text=out)[0], 0)
        equal(server.send("inferred", [rows])["accepted"], 1)
        equal(server.sql("select user_id, tags from bronze.inferred"), [[1, ["a"]]])


SEED_ANNOTATIONS = """@0x9a41c6de07b35f01;
annotation hash(field) :Digest;
annotation tokenize(field) :Void;
enum Digest { sha256 @0; }
"""
SEED_EVENT = """@0x9a41c6de07b35f02;
using Sl = import "sluice.capnp";
using Metadata = import "cramped.metadata.capnp";
struct Event $Sl.event("user.identity.created") {
  userId @0 :Text;
  email @1 :Text $Metadata.hash(sha256);
  name @2 :Text $Metadata.tokenize;
}
"""
PERSON = {"userId": "u", "email": "ada@example.com", "name": "Ada"}


def files_that_import_each_other_come_together():
    with Project(schemas={"a.capnp": HEAD + 'struct A $Sl.event("a") { x @0 :Int32; }'}) as project:
        def sluice(*words):
            done = subprocess.run([binary(), "-C", project.folder, "--server", f"127.0.0.1:{server.port}", *words],
                                  capture_output=True, text=True)
            return done.returncode, done.stdout, done.stderr

        beside = project.folder + "/beside"
        os.mkdir(beside)
        for name, text in (("cramped.metadata.capnp", SEED_ANNOTATIONS), ("event.capnp", SEED_EVENT)):
            with open(f"{beside}/{name}", "w") as file:
                file.write(text)
        with Server(project) as server:
            # Alone it is refused with the place of the import; nothing is kept.
            status, answer = server.post("/v1/admin/schemas?name=event.capnp", SEED_EVENT)
            equal((status, answer["code"], answer["line"]), (400, "SL1101", 3))
            equal(server.post("/v1/admin/schemas", json.dumps({"files": {"../x.capnp": ""}}))[0], 400)
            both = json.dumps({"files": {"cramped.metadata.capnp": SEED_ANNOTATIONS, "event.capnp": SEED_EVENT}})
            equal(server.post("/v1/admin/schemas/check", both)[1]["allowed"], True)
            equal(server.ask("GET", "/v1/admin/schemas/user.identity.created")[0], 404, "a check keeps nothing")
            # The command takes what the file imports from beside it.
            code, out, err = sluice("schema", "check", beside + "/event.capnp")
            equal(code, 0, err)
            code, out, err = sluice("-o", "json", "schema", "add", beside + "/event.capnp")
            equal(code, 0, err)
            equal(json.loads(out)["files"], ["cramped.metadata.capnp", "event.capnp"])
            equal(server.send("user.identity.created", [PERSON])["accepted"], 1)
            email, name = server.sql("select email, name from bronze.user_identity_created")[0]
            assert email.startswith("h1.") and name.startswith("s1."), (email, name)
            # A file that others import brings their changes with it: here a looser rule, which is refused.
            status, answer = server.post("/v1/admin/schemas?name=cramped.metadata.capnp",
                                         SEED_ANNOTATIONS.replace(
                                             "annotation hash(field) :Digest;",
                                             'using Sl = import "sluice.capnp";\nannotation hash(field) :Digest $Sl.alias("pii");'))
            equal(status, 409, answer)
            assert "user.identity.created" in answer["detail"], answer
            # Two files of one topic would keep the project from starting.
            status, answer = server.post("/v1/admin/schemas?name=b.capnp", HEAD + 'struct A $Sl.event("a") { x @0 :Int32; }')
            equal((status, answer["code"]), (400, "SL1004"))
            # Without a name, the text goes where its topic is made.
            status, answer = server.post("/v1/admin/schemas", HEAD + 'struct A $Sl.event("a") { x @0 :Int32; y @1 :Text; }')
            equal((status, answer["files"]), (200, ["a.capnp"]), answer)
            code, out, err = sluice("check")
            equal(code, 0, err)
        with Server(project) as server:
            equal(server.sql("select email, name from bronze.user_identity_created"), [[email, name]])


def a_schema_that_makes_a_topic_too_many_is_refused():
    with Project("limits: {topics: 2}\n") as project:  # One is there.
        a, b = ('struct %s $Sl.event("%s") { x @0 :Int32; }\n' % (name.upper(), name) for name in "ab")
        with Server(project) as server:
            status, answer = server.post("/v1/admin/schemas?name=both.capnp", HEAD + a + b)
            equal((status, answer["code"]), (422, "SL4221"), answer)
            assert "limits.topics is 2" in answer["detail"], answer
            equal(server.ask("GET", "/v1/admin/schemas/a")[0], 404, "nothing of it is kept")
            equal(server.post("/v1/admin/schemas?name=a.capnp", HEAD + a)[0], 200)
            equal(server.post("/v1/admin/schemas?name=b.capnp", HEAD.replace("0x9", "0x8") + b)[0], 422)
            equal(server.post("/v1/admin/schemas?name=a.capnp", HEAD + a.replace("}", "y @1 :Int32; }"))[0], 200,
                  "the next version of one that is there")
            server.stop()
        with open(f"{project.folder}/schemas/b.capnp", "w") as file:
            file.write(HEAD.replace("0x9", "0x8") + b)
        try:
            Server(project)
            raise AssertionError("it started with a topic too many")
        except RuntimeError as error:
            assert "SL4221" in str(error) and "limits.topics is 2" in str(error), error


def json_schemas_make_topics_too():
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["orderId"],
        "x-sluice": {"event": "web.orders"},
        "properties": {
            "orderId": {"type": "string", "format": "uuid", "x-sluice": {"id": True}},
            "email": {"type": ["string", "null"], "x-sluice": {"hash": "hmacSha256"}},
            "items": {"type": "array", "items": {"$ref": "common.json#/$defs/Item"}},
            "payment": {"oneOf": [
                {"properties": {"card": {"type": "string", "x-sluice": {"mask": 4}}}, "required": ["card"]},
                {"properties": {"cash": {"type": "null"}}, "required": ["cash"]}]},
            "at": {"type": "string", "format": "date-time", "x-sluice": {"eventTime": True}}}}
    common = {"$defs": {"Item": {"type": "object", "properties": {
        "sku": {"type": "string"}, "count": {"type": "integer", "format": "uint16", "default": 1}}}}}

    def made(number, **more):
        return dict({"orderId": f"0b0c7a52-6d0e-4b52-9a41-{number:012d}", "email": "ada@example.com",
                     "items": [{"sku": "a"}, {"sku": "b", "count": 3}], "payment": {"card": "4111111111111111"},
                     "at": "2026-01-05T09:00:00Z"}, **more)

    query = ("select email[:3], items, payment, _schema_version from bronze.web_orders order by order_id")
    with Project(schemas={"orders.json": json.dumps(schema), "common.json": json.dumps(common)}) as project:
        with Server(project) as server:
            receipt = server.send("web.orders", [made(0), made(1, payment={"cash": None}), made(0), made(2, at="noon"),
                                                 made(3, items=[{"count": -1}]), made(4, orderId=None)])
            equal((receipt["accepted"], receipt["duplicate"]), (2, 1))
            equal([(e["code"], e["path"]) for e in receipt["errors"]],
                  [("SL3020", "at"), ("SL3013", "items[0].count"), ("SL3023", "orderId")])
            items = [{"sku": "a", "count": 1}, {"sku": "b", "count": 3}]
            wanted = [["h1.", items, {"card": "*" * 12 + "1111", "cash": None, "which": "card"}, 1],
                      ["h1.", items, {"card": None, "cash": True, "which": "cash"}, 1]]
            equal(server.sql(query), wanted)
            schema["properties"]["note"] = {"type": "string"}
            status, answer = server.post("/v1/admin/schemas?name=orders.json", json.dumps(schema))
            equal((status, answer["topics"][0]["version"]), (200, 2), answer)
            wrong = json.dumps(schema, indent=1).replace('"note": {\n   "type": "string"', '"note": {\n   "type": "str"')
            status, answer = server.post("/v1/admin/schemas?name=orders.json", wrong)
            equal((status, answer["code"], answer["file"]), (422, "SL1102", "orders.json"), answer)
            assert answer["line"] > 40, answer
            server.post("/v1/admin/land")
            equal(server.sql(query), wanted, "landed")
        with Server(project) as server:
            equal(server.sql(query), wanted, "after a start")


def a_rule_inside_a_struct_gets_stricter_while_fields_come():
    """Rows wait in clear in an older shape; the rule must meet the right field of the new one."""
    def text(inside):
        return json.dumps({"x-sluice": {"event": "p"}, "properties": {
            "id": {"type": "integer"}, "who": {"type": "object", "properties": inside},
            "others": {"type": "array", "items": {"type": "object", "properties": inside}}}})

    before = {"mail": {"type": "string"}, "age": {"type": "string"}}
    after = {"name": {"type": "string", "x-sluice": {"drop": True}}, "age": {"type": "string"},
             "mail": {"type": "string", "x-sluice": {"hash": "hmacSha256"}}}
    ada = {"mail": "ada@example.com", "age": "old"}
    with Project("land: {every: 1h}\n", schemas={"p.json": text(before)}) as project:
        with Server(project) as server:
            equal(server.send("p", [{"id": 1, "who": ada, "others": [ada, None]}])["accepted"], 1)
            equal(server.post("/v1/admin/schemas?name=p.json", text(after))[0], 200)
            equal(server.send("p", [{"id": 2, "who": dict(ada, name="Ada"), "others": []}])["accepted"], 1)
            query = "select who, others from bronze.p order by id"
            rows = server.sql(query)
            mail = rows[1][0]["mail"]
            assert mail.startswith("h1."), rows
            person = {"name": None, "age": "old", "mail": mail}
            equal(rows[0][0], person)
            equal(rows[1], [person, []])
            equal([dict(rows[0][1][0], mail=None), rows[0][1][1]], [dict(person, mail=None), None])
            assert rows[0][1][0]["mail"].startswith("h1."), rows
            server.kill()
        with Server(project) as server:
            equal(server.sql(query), rows, "after a kill")
            server.post("/v1/admin/land")
            equal(server.sql(query), rows, "landed")


def structs_get_fields_while_files_lack_them():
    """Files of three versions, in which a struct and one in a list got fields; read here and by deltalake."""
    shapes = ["x @0 :Int32;", "x @0 :Int32; y @1 :Text;", "x @0 :Int32; y @1 :Text; z @2 :List(Text);"]
    events = [{"x": 1}, {"x": 2, "y": "two"}, {"x": 3, "y": "three", "z": ["a"]}]

    def text(number):
        return (HEAD + 'struct A $Sl.event("a") { id @0 :Int32; one @1 :S; many @2 :List(S); }\n'
                "struct S { " + shapes[number] + " }\n")

    with Project("land: {every: 1h}\n", schemas={"a.capnp": text(0)}) as project, Server(project) as server:
        for number, event in enumerate(events):
            if number:
                equal(server.post("/v1/admin/schemas?name=a.capnp", text(number))[0], 200)
            equal(server.send("a", [{"id": number, "one": event, "many": [event, None]}])["accepted"], 1)
            server.post("/v1/admin/land")
        equal(server.post("/v1/admin/schemas?name=a.capnp", text(1))[0], 409, "a field that went")
        full = [dict({"x": None, "y": None, "z": None}, **event) for event in events]
        equal(server.sql("select id, one, many from bronze.a order by id"),
              [[i, row, [row, None]] for i, row in enumerate(full)])
        equal(server.sql("select id from bronze.a where one.y is null and many[1].z is null"), [[0]])
        equal(server.sql("select id from bronze.a where list_contains(one.z, 'a')"), [[2]])
        rows = read_rows(project.table_folder("a"))
        if rows is not None:
            rows.sort(key=lambda row: row["id"])
            equal([[row["one"], row["many"]] for row in rows], [[row, [row, None]] for row in full])


FOREIGN_ROW = """
import datetime, pyarrow
struct = pyarrow.struct([("theirs", pyarrow.string()), ("x", pyarrow.int32())])
rows = pyarrow.table({"id": pyarrow.array([100], pyarrow.int32()), "event_date": [datetime.date(2026, 1, 5)],
                      "one": pyarrow.array([{"theirs": "f", "x": 100}], struct),
                      "many": pyarrow.array([[{"theirs": "g", "x": 101}, None]], pyarrow.list_(struct))})
deltalake.write_deltalake(sys.argv[1], rows, mode="append", schema_mode="merge")
print(json.dumps(str(deltalake.DeltaTable(sys.argv[1]).schema().to_json())))
"""


def fields_of_others_inside_our_structs_are_left_alone():
    """deltalake adds a field inside our structs: the table opens, lands and evolves, and keeps what it holds."""
    def text(fields):
        return (HEAD + 'struct A $Sl.event("a") { id @0 :Int32; one @1 :S; many @2 :List(S); }\n'
                "struct S { " + fields + " }\n")

    def event(number):
        return {"id": number, "one": {"x": number}, "many": [{"x": number}, None]}

    with Project("land: {every: 1h}\n", schemas={"a.capnp": text("x @0 :Int32;")}) as project:
        folder = project.table_folder("a")

        def send(server, row):
            equal(server.send("a", [row])["accepted"], 1)
            equal(server.post("/v1/admin/land")[0], 200)

        query = "select id, one, many from bronze.a order by id"
        with Server(project) as server:
            send(server, event(0))
            schema = with_deltalake(FOREIGN_ROW, folder)
            if schema is None:
                return
            assert schema.count("theirs") == 2, schema
            send(server, event(1))  # While it runs.
            expected = [[n, {"x": n}, [{"x": n}, None]] for n in (0, 1)] + [[100, {"x": 100}, [{"x": 101}, None]]]
            equal(server.sql(query), expected)
            equal(server.sql("select id from bronze.a where one.x = 100 and many[1].x = 101"), [[100]])
            server.kill()
        with Server(project) as server:  # And when it starts.
            send(server, event(2))
            equal(server.post("/v1/admin/schemas?name=a.capnp", text("x @0 :Int32; y @1 :Text;"))[0], 200)
            send(server, {"id": 3, "one": {"x": 3, "y": "three"}, "many": []})
            equal(server.sql("select id, one from bronze.a where id >= 2 order by id"),
                  [[2, {"x": 2, "y": None}], [3, {"x": 3, "y": "three"}], [100, {"x": 100, "y": None}]])
            equal(server.send("a", [dict(event(4), one={"x": 4, "theirs": "not ours"})])["accepted"], 1)
            server.stop()
        rows = {row["id"]: row for row in read_rows(folder)}
        equal(sorted(rows), [0, 1, 2, 3, 4, 100])
        equal(rows[4]["one"], {"x": 4, "theirs": None, "y": None}, "their field is none of ours")
        equal(rows[100]["one"], {"x": 100, "theirs": "f", "y": None})
        equal(rows[100]["many"], [{"x": 101, "theirs": "g", "y": None}, None])
        equal(rows[3]["one"], {"x": 3, "theirs": None, "y": "three"})
        equal(rows[1]["many"], [{"x": 1, "theirs": None, "y": None}, None])


run(fields_of_others_inside_our_structs_are_left_alone, every_type_goes_to_the_table_and_back, schemas_change_while_old_rows_wait, a_file_is_taken_whole_or_not,
    a_schema_that_makes_a_topic_too_many_is_refused,
    structs_get_fields_while_files_lack_them, a_rule_inside_a_struct_gets_stricter_while_fields_come,
    the_command_line_tells, files_that_import_each_other_come_together, json_schemas_make_topics_too)
