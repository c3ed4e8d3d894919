"""Nothing private at rest: planted values are looked for in every byte and every decoded value that is kept."""

import base64
import glob
import hashlib
import hmac
import json
import os
import signal
import stat
import struct
import subprocess
import sys
import threading
import urllib.parse

from server import Project, Server, binary, equal, run

EVENTS = int(os.environ.get("SLUICE_PRIVACY_EVENTS", "12000"))
DEPS = os.environ.get("SLUICE_DEPS") or os.path.join(os.path.dirname(__file__), "../../.deps")
MAIL = "quixworth.example"  # In all planted addresses.
NAME = "Zebulonia"          # In all planted names.
CONTROL = "Bellwether"      # In a field that is clear: what must be found, or the search is blind.

SCHEMA = """@0xd3a55f0c9b1e7a42;
using Sl = import "sluice.capnp";
struct UserIdentityCreated $Sl.event("user.identity.created") {
  eventId @0 :Text $Sl.id;
  userId  @1 :Text $Sl.key $Sl.subject;
  email   @2 :Text $Sl.pii("contact") $Sl.hash(hmacSha256) $Sl.joinGroup("mail") $Sl.normalise([trim, lower]);
  name    @3 :Text $Sl.pii("name") $Sl.tokenize;
  phone   @4 :Text $Sl.drop;
  note    @5 :Text $Sl.encrypt;
  alias   @6 :Text $Sl.mask(2);
  born    @7 :Text $Sl.generalise("year");
  count   @8 :Int32;
  page    @9 :Text;
}
"""
TOPIC = "user.identity.created"
TABLE = "bronze.user_identity_created"


def mail(i):
    return f"ada{i % 997}.{i}@{MAIL}"


def name(i):
    return f"{NAME}-{i % 499}"


def good(i, **more):
    return dict({"eventId": f"e{i}", "userId": f"u{i % 500}", "email": mail(i), "name": name(i), "phone": mail(i),
                 "note": f"met {name(i)} at {mail(i)}", "alias": mail(i) + "xx", "born": f"19{i % 90 + 10}-05-17",
                 "count": i, "page": f"/{CONTROL}"}, **more)


def planted(i):
    """Row i as NDJSON: five good ones, then all the ways in which values go astray."""
    kind = i % 12
    if kind == 5:
        return json.dumps(good(i, nickname=name(i), more={"deep": [mail(i)]}))
    if kind == 6:
        return json.dumps(good(i, count=mail(i)))  # Another type.
    if kind == 7:  # Escaped keys and values.
        return json.dumps(good(i)).replace('"email"', '"em\\u0061il"').replace(NAME, "\\u005aebulonia")
    if kind == 8:  # A key that comes twice, once escaped.
        return json.dumps(good(i))[:-1] + f', "em\\u0061il": "{mail(i)}"}}'
    if kind == 9:
        return json.dumps(good(i))[:-1] + f', "oops": {mail(i)}'  # No JSON.
    if kind == 10:
        return json.dumps(good(i, **{name(i).replace("-", ""): 1, mail(i): name(i)}))  # Private names of fields.
    if kind == 11:
        return json.dumps(good(i, born=mail(i)))  # Cannot be generalised.
    return json.dumps(good(i))


def forms(value):
    """What a value may look like in bytes: as it is, in hex, URL-encoded, UTF-16, and in Base64 at any place."""
    raw = value.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), value.encode("utf-16-le"),
             urllib.parse.quote(value, safe="").encode(), raw.lower(), raw.upper()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        begin = (shift * 8 + 5) // 6
        found.add(text[begin:len(text) // 4 * 4 - 4])
    return {form for form in found if len(form) >= 8}


NEEDLES = forms(MAIL) | forms(NAME)
CONTROLS = forms(CONTROL)


def search(folder):
    """Searches every byte of every file; returns the files with planted values, and whether the control was seen."""
    hits, control = [], False
    for path, _, names in os.walk(folder):
        for file in names:
            with open(f"{path}/{file}", "rb") as opened:
                data = opened.read().rstrip(b"\0")  # Journal segments are made longer than what is in them.
            hits += [(f"{path}/{file}", needle) for needle in NEEDLES if needle in data or needle in file.encode()]
            control = control or any(needle in data for needle in CONTROLS)
    return hits, control


def has_pyarrow():
    folder = f"{DEPS}/unpacked/pyarrow"
    if not os.path.isdir(folder):
        print("     (no pyarrow: journal and Parquet are searched as bytes only)")
        return False
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return True


def search_column(column):
    """The needles in the values of an Arrow column, nested ones too, and whether the control is there."""
    values = {str(v if not isinstance(v, bytes) else v.decode("latin1")) for v in column.to_pylist()}
    text = "\n".join(values).encode()
    return [needle for needle in NEEDLES if needle in text], any(needle in text for needle in CONTROLS)


# journal/internal/format.h: a header block, then frames behind each other; groups begin on blocks.
BLOCK, FRAME = 4096, struct.Struct("<IHBBIIQQQQQQQQQqqqII")
FRAME_MAGIC, SCHEMA_KIND, DATA_KIND = 0x464a4c53, 2, 1


def frames(folder):
    """(kind, schema id, rows, payload) of every frame of the journal."""
    for path in sorted(glob.glob(f"{folder}/**/*", recursive=True)):
        if not os.path.isfile(path):
            continue
        with open(path, "rb") as opened:
            data = opened.read()
        at = BLOCK
        while at + FRAME.size <= len(data):
            header = FRAME.unpack_from(data, at)
            magic, kind, size, schema, rows = header[0], header[2], header[13], header[14], header[16]
            if magic != FRAME_MAGIC:
                at = (at // BLOCK + 1) * BLOCK
                continue
            yield kind, schema, rows, data[at + FRAME.size:at + FRAME.size + size]
            at += FRAME.size + (size + 7) // 8 * 8


def search_frames(folder):
    """The same for every decoded value of every frame, and how many rows there were."""
    import pyarrow.ipc
    schemas, hits, control, total = {}, [], False, 0
    for kind, schema, rows, payload in frames(folder):
        if kind == SCHEMA_KIND:
            schemas[schema] = pyarrow.ipc.read_schema(pyarrow.py_buffer(payload))
            hits += [("schema", needle) for needle in NEEDLES if needle in str(schemas[schema]).encode()]
        elif kind == DATA_KIND:
            batch = pyarrow.ipc.read_record_batch(pyarrow.py_buffer(payload), schemas[schema])
            equal(batch.num_rows, rows, "rows of a frame")
            total += rows
            for name, column in zip(batch.schema.names, batch.columns):
                found, seen = search_column(column)
                hits += [(name, needle) for needle in found]
                control = control or seen
    return hits, control, total


def search_tables(folder):
    """The same for every decoded value of every Parquet file."""
    import pyarrow.parquet
    hits, control = [], False
    for path in glob.glob(f"{folder}/**/*.parquet", recursive=True):
        file = pyarrow.parquet.ParquetFile(path)
        table = file.read()
        for column in table.column_names:
            found, seen = search_column(table[column])
            hits += [(path, column, needle) for needle in found]
            control = control or seen
        hits += [(path, "metadata", needle) for needle in NEEDLES if needle in str(file.metadata).encode()]
        hits += [(path, "statistics", needle) for group in range(file.metadata.num_row_groups)
                 for column in range(file.metadata.num_columns) for needle in NEEDLES
                 if needle in str(file.metadata.row_group(group).column(column).to_dict()).encode()]
    return hits, control


def send_all(server, answers):
    rejected = 0
    for begin in range(0, EVENTS, 1000):
        rows = [planted(i) + "\n" for i in range(begin, min(begin + 1000, EVENTS))]
        receipt = server.send(TOPIC, rows)
        answers.append(json.dumps(receipt))
        rejected += receipt["error"]
    envelope = {"event": TOPIC, "sequence": 1, "producer": "p", "who": name(1), "content": good(EVENTS),
                "metadata": {"published": "2026-01-05T10:00:00Z", "agent": mail(1)}}
    answers.append(json.dumps(server.send("", [envelope])))
    lost = [{"event": "no.such.topic", "content": {"email": mail(2)}}, {"event": mail(3), "content": {}},
            {"event": [name(3)], "content": {}}, {"content": {"name": name(4)}}]
    receipt = server.send("", lost)
    equal(receipt["error"], 4)
    answers.append(json.dumps(receipt))
    body = json.dumps([good(1)])[:-1]
    answers.append(str(server.post(f"/v1/events/{TOPIC}", body, {"Content-Type": "application/json"})))
    return rejected


def check_everywhere(project, server, answers):
    answers.append(server.ask("GET", "/metrics")[1].decode())
    answers.append(json.dumps(server.sql("select * exclude (payload) from system.errors")))
    answers.append(json.dumps(server.sql(f"select * from {TABLE}")))
    for text in answers:
        hits = [needle for needle in NEEDLES if needle in text.encode()]
        assert not hits, f"an answer holds {hits}: {text[:300]}"
    equal(search(project.folder)[0], [], "planted values in files")


def nothing_private_is_kept(compression):
    with Project(f"land: {{every: 1h, compression: {compression}}}\n", {"user.capnp": SCHEMA}) as project:
        answers = []
        with Server(project) as server:
            rejected = send_all(server, answers)
            per_kind = [len(range(kind, EVENTS, 12)) for kind in range(12)]
            equal(rejected, per_kind[6] + per_kind[8] + per_kind[9] + per_kind[11], "error rows")
            check_everywhere(project, server, answers)  # All of it in the journal.
            hits, control = search(f"{project.folder}/data/journal")
            assert control, "the search does not see the journal"
            rows = EVENTS - rejected + 1
            if has_pyarrow():
                hits, control, found = search_frames(f"{project.folder}/data/journal")
                equal(hits, [], "decoded frames")
                assert control, "the search does not see decoded frames"
                equal(found, rows + rejected + 4, "rows in frames")  # Four events had no topic.
            server.post("/v1/admin/land")
            check_everywhere(project, server, answers)
            equal(server.sql(f"select count(*), count(distinct event_id) from {TABLE}"), [[rows, rows]])
            server.send(TOPIC, [json.dumps(good(EVENTS + 5)) + "\n"])
            server.kill()
        equal(search(project.folder)[0], [], "after a kill")
        with Server(project) as server:
            # The same events again: the same content, though identities and protection were made anew.
            receipt = server.send(TOPIC, [planted(i) + "\n" for i in range(0, 120) if i % 12 in (0, 5, 7, 10)])
            equal((receipt["duplicate"], receipt["error"]), (40, 0), "sent again")
            check_everywhere(project, server, answers)
            server.stop()
        hits, control = search(f"{project.folder}/data/tables")
        equal(hits, [], "in tables")
        assert control or compression == "zstd", "the search does not see the tables"
        if has_pyarrow():
            hits, control = search_tables(f"{project.folder}/data/tables")
            equal(hits, [], "decoded values")
            assert control, "the search does not see decoded values"


def nothing_private_is_kept_compressed():
    nothing_private_is_kept("zstd")


def nothing_private_is_kept_uncompressed():
    nothing_private_is_kept("none")


def spilled_queries_hold_nothing_private():
    """What a query puts on disk beside itself has only what the table has."""
    settings = "limits: {query_memory: 96MiB}\nland: {every: 1h}\n"
    with Project(settings, {"user.capnp": SCHEMA}) as project, Server(project) as server:
        for begin in range(0, 3000, 1000):
            server.send(TOPIC, [json.dumps(good(i)) + "\n" for i in range(begin, begin + 1000)])
        folder = f"{project.folder}/data/temporary"
        query = (f"select a.name, b.note, a.email from {TABLE} a, {TABLE} b where a.count % 10 = 0 "
                 "order by a.email || b.note, b.count limit 1000 offset 100000")
        asking = threading.Thread(target=server.another().ask, args=("POST", "/v1/sql", query))
        asking.start()
        spilled, hits = 0, []
        while asking.is_alive():
            for path, _, names in os.walk(folder):
                for file in names:
                    try:
                        with open(f"{path}/{file}", "rb") as opened:
                            data = opened.read()
                    except FileNotFoundError:
                        continue
                    spilled += len(data)
                    hits += [(file, needle) for needle in NEEDLES if needle in data]
        asking.join()
        equal(hits, [], "spilled")
        assert spilled > 0, "the query put nothing on disk: the test sees nothing"


def a_crash_leaves_no_memory_behind():
    """The process holds clear values while it works; killed by a signal that dumps others, it leaves nothing."""
    with Project("", {"user.capnp": SCHEMA}) as project, Server(project) as server:
        server.send(TOPIC, [json.dumps(good(i)) + "\n" for i in range(100)])
        os.kill(server.process.pid, signal.SIGABRT)
        _, status = os.waitpid(server.process.pid, 0)
        server.process.returncode = -signal.SIGABRT
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT, status
        assert not os.WCOREDUMP(status), "the kernel dumped its memory"
        equal(search(project.folder)[0], [], "after an abort")


def values_become_what_the_schema_says():
    with Project(schemas={"user.capnp": SCHEMA}) as project, Server(project) as server:
        rows = [good(1, email=" Ada@Example.com"), good(2, email="ada@example.com"), good(3, email=None, name=""),
                good(4, alias="abc")]
        equal(server.send(TOPIC, rows)["accepted"], 4)
        found = server.sql(f"select event_id, user_id, email, name, phone, note, alias, born, count from {TABLE} "
                           "order by event_id")
        equal([row[4] for row in found], [None] * 4)
        equal([row[7] for row in found], ["1911-01-01", "1912-01-01", "1913-01-01", "1914-01-01"])
        equal(found[3][6], "*bc")
        equal(found[0][2], found[1][2], "joined e-mail")
        equal(found[2][2], None)
        assert found[2][3].startswith("s1.1."), "the empty string is a value"
        assert found[0][5].startswith("e1.1.")

        # Anybody with the key file and OpenSSL's command gets the same hash.
        keys = dict(line.rsplit(" ", 1) for line in open(f"{project.folder}/keys/sluice.keys").read().splitlines()[1:])
        parts = b"".join(len(p).to_bytes(4, "big") + p for p in (b"sluice/hash/1", b"default", b"mail"))

        def openssl(key, message):
            return subprocess.run(["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", "-binary"],
                                  input=message, capture_output=True, check=True).stdout
        digest = openssl(openssl(keys["hash 1"], parts).hex(), b"ada@example.com")
        equal(digest, hmac.new(hmac.new(bytes.fromhex(keys["hash 1"]), parts, hashlib.sha256).digest(),
                               b"ada@example.com", hashlib.sha256).digest())
        equal(found[0][2], "h1.1." + base64.urlsafe_b64encode(digest).decode().rstrip("="))


def tightening_holds_for_what_waits():
    loose = SCHEMA.replace(' $Sl.hash(hmacSha256) $Sl.joinGroup("mail") $Sl.normalise([trim, lower])', "") \
                  .replace(" $Sl.tokenize", "").replace(' $Sl.pii("contact")', "").replace(' $Sl.pii("name")', "") \
                  .replace(" $Sl.drop", "").replace(" $Sl.encrypt", "").replace(" $Sl.mask(2)", "") \
                  .replace(' $Sl.generalise("year")', "")
    with Project("land: {every: 1h}\n", {"user.capnp": loose}) as project:
        with Server(project) as server:
            server.send(TOPIC, [good(i, nickname=name(i)) for i in range(100)])
            equal(server.sql(f"select email from {TABLE} where event_id = 'e7'"), [[mail(7)]])
            status, answer = server.post("/v1/admin/schemas?name=user.capnp", SCHEMA)
            equal(status, 200, answer)
            waiting = json.dumps(server.sql(f"select * from {TABLE}"))
            equal([n for n in NEEDLES if n in waiting.encode()], [], "shown after the rule was tightened")
            # What is sent again under the new rule is the same event.
            receipt = server.send(TOPIC, [good(i, nickname=name(i)) for i in range(100)])
            equal((receipt["duplicate"], receipt["error"]), (100, 0))
            equal(server.post("/v1/admin/schemas?name=user.capnp", loose)[0], 409, "loosened")
            server.kill()
        with Server(project) as server:  # The journal holds frames of the old rule.
            found = json.dumps(server.sql(f"select * from {TABLE}"))
            equal([n for n in NEEDLES if n in found.encode()], [], "shown after recovery")
            receipt = server.send(TOPIC, [good(i, nickname=name(i)) for i in range(100)])
            equal((receipt["duplicate"], receipt["error"]), (100, 0), "after recovery")
            server.post("/v1/admin/land")
            server.stop()
        equal(search(f"{project.folder}/data/tables")[0], [], "landed after the rule was tightened")
        equal(search_tables(f"{project.folder}/data/tables")[0], [], "landed after the rule was tightened")


def other_keys_are_refused():
    with Project(schemas={"user.capnp": SCHEMA}) as project:
        with Server(project) as server:
            server.send(TOPIC, [good(1)])
            assert "keep a copy" in server.output()
            server.stop()
        path = f"{project.folder}/keys/sluice.keys"
        equal(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        own = open(path).read()
        os.rename(path, path + ".kept")
        for text, complaint in ((None, "was made with other keys"), ("nonsense", "not a key file")):
            if text is not None:
                with open(path, "w") as file:
                    file.write(text)
                os.chmod(path, 0o600)
            try:
                Server(project).kill()
                raise AssertionError(f"started with {text}")
            except RuntimeError as refused:
                assert complaint in str(refused), refused
        with open(path, "w") as file:
            file.write(own)
        os.chmod(path, 0o644)
        try:
            Server(project).kill()
            raise AssertionError("started with keys that others may read")
        except RuntimeError as refused:
            assert "chmod 600" in str(refused), refused
        os.chmod(path, 0o600)
        with Server(project) as server:
            equal(server.send(TOPIC, [good(1)])["duplicate"], 1)
            server.stop()
        # The journal alone tells, too; and nothing is noted for keys that are refused.
        control = f"{project.folder}/data/control"
        os.rename(f"{control}/keys", f"{control}/kept")
        os.rename(path, path + ".kept")
        try:
            Server(project).kill()
            raise AssertionError("started with other keys than the journal's")
        except RuntimeError as refused:
            assert "was made with other keys" in str(refused), refused
        os.rename(path + ".kept", path)
        with Server(project) as server:
            equal(server.send(TOPIC, [good(1)])["duplicate"], 1)


def tokens_are_revealed_and_audited():
    with Project(schemas={"user.capnp": SCHEMA}) as project, Server(project) as server:
        server.send(TOPIC, [good(1), good(2), json.dumps(good(3, nickname=name(3)))])
        tokens = server.sql(f"select name, note, email, _extra from {TABLE} order by event_id")

        def reveal(token):
            status, answer = server.post("/v1/admin/pii/reveal", json.dumps({"token": token, "reason": "case 7"}))
            return answer["value"] if status == 200 else status
        equal(reveal(tokens[0][0]), name(1))
        equal(reveal(tokens[1][1]), f"met {name(2)} at {mail(2)}")
        equal(json.loads(reveal(tokens[2][3])), {"nickname": name(3)})
        equal(reveal(tokens[0][2]), 400, "a hash does not come back")
        equal(reveal(tokens[0][0][:-2] + "AA"), 403)
        equal(reveal(mail(1)), 400)
        # Destroying a subject's key takes what was encrypted for it, and nothing else.
        equal(server.post("/v1/admin/pii/shred", json.dumps({"subject": "u1"}))[0], 200)
        equal(reveal(tokens[0][1]), 404)
        equal(reveal(tokens[1][1]), f"met {name(2)} at {mail(2)}")
        equal(server.send(TOPIC, [good(501)])["errors"][0]["code"], "SL3052")
        audit = server.sql("select principal, action, object, outcome, reason from system.audit order by _offset")
        equal([row[1] for row in audit], ["pii.reveal"] * 6 + ["pii.shred"] * 2 + ["pii.reveal"] * 2)
        equal(audit[0], ["local", "pii.reveal", tokens[0][0], "done", "case 7"])
        equal([n for n in NEEDLES if n in json.dumps(audit).encode()], [], "in the audit rows")
        equal(server.send("", [{"event": "system.audit", "content": {"principal": "me"}}])["error"], 1)
        equal(search(project.folder)[0], [], "revealed values in files")


def private_columns_are_listed_and_found():
    clear = SCHEMA.replace("9a42", "9a43").replace("UserIdentityCreated", "Clear") \
                  .replace(TOPIC, "clear.one").replace(" $Sl.tokenize", "").replace(" $Sl.drop", "")
    with Project(schemas={"user.capnp": SCHEMA, "clear.capnp": clear}) as project, Server(project) as server:
        for topic in (TOPIC, "clear.one"):
            server.send(topic, [good(i) for i in range(50)])
        report = json.loads(server.ask("GET", "/v1/admin/pii/report")[1])["fields"]
        fields = {(f["topic"], f["field"]): f for f in report}
        equal(fields[TOPIC, "email"]["action"], "hash")
        equal((fields[TOPIC, "name"]["comes_back"], fields["clear.one", "name"]["in_clear"]), (True, True))
        assert (TOPIC, "page") not in fields
        found = server.post("/v1/admin/pii/scan?rows=1000")[1]["findings"]
        equal(found, [{"table": "bronze.clear_one", "column": "phone", "looks_like": "e-mail", "matches": 50,
                       "rows": 50, "declared": False}])
        equal([n for n in NEEDLES if n in json.dumps(found).encode()], [])


def keys_rotate_by_number():
    with Project(schemas={"user.capnp": SCHEMA}) as project:
        with Server(project) as server:
            server.send(TOPIC, [good(1)])
            server.stop()
        with open(f"{project.folder}/sluice.yaml", "a") as file:
            file.write("privacy: {hash_key: 2, token_key: 2}\n")
        with Server(project) as server:
            receipt = server.send(TOPIC, [good(1), good(2)])
            equal((receipt["duplicate"], receipt["accepted"]), (1, 1))
            rows = server.sql(f"select email, name, note from {TABLE} order by event_id")
            equal([[value[:5] for value in row] for row in rows],
                  [["h1.1.", "s1.1.", "e1.1."], ["h1.2.", "s1.2.", "e1.1."]])
            for row, expected in zip(rows, (name(1), name(2))):
                equal(server.post("/v1/admin/pii/reveal", json.dumps({"token": row[1]}))[1], {"value": expected})


def keys_can_be_sealed_under_one_from_elsewhere():
    """A command or a variable gives the key of the key file; nobody who has the file alone has the keys."""
    wrapping = "5a" * 32
    with Project() as project:
        file = f"{project.folder}/keys/sluice.keys"
        settings = open(f"{project.folder}/sluice.yaml").read()

        def start(more):
            with open(f"{project.folder}/sluice.yaml", "w") as out:
                out.write(settings + more)
            return Server(project)

        with start("") as server:
            limits = open(f"/proc/{server.process.pid}/limits").read()
            core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
            equal(core.split()[4:6], ["0", "0"])
        clear = open(file).read()
        assert clear.startswith("sluice keys 2\n"), "made in clear"
        with start(f"keys: {{command: \"printf {wrapping}\"}}\n"):
            pass
        sealed = open(file).read()
        assert sealed.startswith("sluice wrapped keys 1\n"), sealed[:30]
        for line in clear.splitlines()[1:]:
            assert line.split()[-1] not in sealed, "a key in clear"
        os.environ["SLUICE_TEST_KEY"] = wrapping
        with start("keys: {environment: SLUICE_TEST_KEY}\n"):
            pass
        for more, reason in (("", "keys: {command"), ("keys: {command: \"printf %s\"}\n" % ("6b" * 32), "another key"),
                             ("keys: {command: \"exit 4\"}\n", "exit code 4"),
                             ("keys: {environment: SLUICE_TEST_NO_KEY}\n", "there is no variable"),
                             ("keys: {command: a, environment: b}\n", "not both")):
            with open(f"{project.folder}/sluice.yaml", "w") as out:
                out.write(settings + more)
            done = subprocess.run([binary(), "-C", project.folder, "serve"], capture_output=True, text=True, timeout=60)
            assert done.returncode != 0 and reason in done.stderr, (more, done.stderr)
        equal(open(file).read(), sealed, "what cannot be opened is kept")


run(tokens_are_revealed_and_audited, private_columns_are_listed_and_found, keys_rotate_by_number, values_become_what_the_schema_says, nothing_private_is_kept_compressed, nothing_private_is_kept_uncompressed,
    spilled_queries_hold_nothing_private, a_crash_leaves_no_memory_behind, tightening_holds_for_what_waits, other_keys_are_refused,
    keys_can_be_sealed_under_one_from_elsewhere)
