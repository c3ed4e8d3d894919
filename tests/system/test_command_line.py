"""The command line: its tree, its exit codes, and the commands that need no long run."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

from server import SCHEMA, Project, Server, binary, equal, event, run, testdata, until

REFERENCE = pathlib.Path(__file__).resolve().parents[2] / "docs/reference/cli.md"
ALL_TYPES = """@0xd3a55f0c9b1e7a42;
using Sl = import "sluice.capnp";
struct Everything $Sl.event("all.types") {
  id @0 :Text $Sl.id;           at @1 :Int64 $Sl.eventTime;   flag @2 :Bool;
  small @3 :Int8;               medium @4 :Int16;             large @5 :Int32;     huge @6 :Int64;
  usmall @7 :UInt8;             umedium @8 :UInt16;           ularge @9 :UInt32;   uhuge @10 :UInt64;
  single @11 :Float32;          double @12 :Float64;          email @13 :Text $Sl.hash(hmacSha256);
  bytes @14 :Data;              colour @15 :Colour;           inner @16 :Inner;    list @17 :List(Int32);
  inners @18 :List(Inner);
  enum Colour { red @0; green @1; blue @2; }
  struct Inner { name @0 :Text; count @1 :Int64; }
}
"""


def sluice(*arguments, stdin=None, cwd=None, env=None):
    done = subprocess.run([os.path.abspath(binary()), *arguments], input=stdin, text=True, capture_output=True,
                          timeout=120, cwd=cwd, env=env)
    return done.returncode, done.stdout, done.stderr


def the_reference_is_what_the_program_says():
    code, out, err = sluice("help", "--reference")
    equal(code, 0, err)
    if os.environ.get("SLUICE_UPDATE") == "1":
        REFERENCE.write_text(out)
    assert REFERENCE.read_text() == out, "docs/reference/cli.md is not what the program says; run with SLUICE_UPDATE=1"
    tree = out.split("```")[1]
    # What is promised by now; what is added here is added to the page too.
    for words in ("init", "dev", "serve", "status", "check", "fmt", "explain", "doctor", "generate", "tail",
                  "send", "backup", "restore", "completion", "version"):
        assert f"\nsluice {words}\n" in tree, words
    for group, words in {"schema": "list show infer add diff check history", "topic": "list describe delete",
                         "errors": "list show retry replay drop", "query": "list show cancel",
                         "table": "list describe history files changes check read", "token": "create list revoke",
                         "pii": "scan report reveal", "config": "show schema"}.items():
        line = re.search(rf"\nsluice {group} (.*)\n", tree)[1].split(" | ")
        equal(set(words.split()) - set(line), set(), group)
    for page in out.split("\n## sluice ")[1:]:
        name = page.splitlines()[0]
        code, text, _ = sluice(*name.split(), "--help")
        equal(code, 0, name)
        for option in re.findall(r"`(--[a-z-]+)", page):
            assert option in text, f"{name} --help does not tell of {option}"


def the_documentation_is_inside():
    code, out, _ = sluice("help", "--pages")
    equal(code, 0)
    pages = dict(line.split("  ", 1) for line in out.splitlines())
    folder = REFERENCE.parents[1]
    equal(set(pages), {str(page.relative_to(folder).with_suffix("")) for part in ("tutorial", "how-to", "reference", "explanation")
                       for page in (folder / part).glob("*.md")})
    for page, title in pages.items():
        code, text, _ = sluice("help", page)
        equal((code, text.splitlines()[0]), (0, "# " + title.strip()))
    equal(sluice("help", "tokens")[1], sluice("help", "reference/tokens")[1])
    assert "Usage: token" in sluice("help", "token")[1]
    code, _, err = sluice("help", "reference/nothing")
    equal(code, 2)
    assert "sluice help --pages" in err, err


# Commands that the design does not name, and why they are there.
ADDED = {"table adopt": "what landing asks for when another journal has landed",
         "schema show": "the design writes it as `show T[@v]`", "config schema": "for editors",
         "table delete": "changes of rows, where no server is", "table update": "likewise", "table merge": "likewise",
         "table erase": "one table's part of `sluice erase`, where no server is",
         "table alter": "likewise"}


def the_tree_is_the_one_designed():
    text = open(testdata("../facts") + "/ux.md").read().split("### 2.2 Tree")[1].split("```")[1]
    parts = [re.sub(r"^sluice ", "", part.strip()) for line in text.splitlines()
             for part in re.split(r" · |\s{2,}", line)]
    # `completion SHELL · help` and the like: a part behind a bar may be a command, too.
    designed = parts + [part.strip() for line in parts for part in line.split(" | ")]
    tree = sluice("help", "--reference")[1].split("```")[1]
    for line in tree.strip().splitlines():
        group, *below = line.removeprefix("sluice ").split(" ", 1)
        its_parts = [part for part in designed if re.match(rf"{group}\b", part)]
        assert its_parts, f"the design has no `sluice {group}`"
        for word in below[0].split(" | ") if below else []:
            known = any(re.search(rf"\b{word}\b", part) for part in its_parts)
            equal(known or f"{group} {word}" in ADDED, True, f"sluice {group} {word}")


def files_are_checked_one_by_one():
    with Project(schemas={"user_event.capnp": SCHEMA, "broken.capnp": "struct {"}) as project:
        good, broken = (f"{project.folder}/schemas/{name}.capnp" for name in ("user_event", "broken"))
        equal(sluice("check", good)[0], 0)
        code, _, err = sluice("check", good, broken, f"{project.folder}/sluice.yaml")
        equal(code, 78)
        assert f"--> {broken}:1:9" in err and err.count("error[") == 1, err
        equal(sluice("check", project.folder)[0], 78)
        equal(sluice("check", f"{project.folder}/nothing.capnp")[0], 1)
        equal(sluice("check", f"{project.folder}/log.txt")[0], 1)
        os.unlink(broken)
        with open(f"{project.folder}/sluice.yaml", "a") as file:
            file.write("tenants: [a]\nprofiles: {prod: {land: {every: 7s}}}\n")
        code, out, err = project.command("check")
        equal((code, out), (0, ""), err)
        assert "warning[SL1005]: tenants has no effect" in err and "no mistakes in 2 files; 1 topic\n" in err, err
        equal(project.command("check", "--deny-warnings")[0], 78)
        # A name that is mistyped leaves the topic that was meant with its defaults.
        with open(f"{project.folder}/sluice.yaml", "w") as file:
            file.write("topics:\n  shop.user-event: {dedup: {by: batch}}\n  shop.user-events: {unknown: error}\n  raw: {schema: none}\n")
        code, out, err = project.command("check")
        equal((code, out, err.count("warning[")), (0, "", 1), err)
        assert "warning[SL1006]: no schema makes topic 'shop.user-event': its settings have no effect\n" in err, err
        assert "sluice.yaml:2:3" in err and 'did you mean "shop.user-events"?' in err, err
        equal(project.command("check", "--deny-warnings")[0], 78)
        equal(json.loads(project.command("--format", "sarif", "check")[1])["version"], "2.1.0")
        equal(project.command("--profile", "prdo", "check")[0], 78)


def settings_can_be_laid_over_the_file():
    with Project("land: {every: 90s}\nprofiles: {prod: {land: {every: 7s}, limits: {rows: 5}}}\n") as project:
        def settings(*arguments, **environment):
            done = subprocess.run([binary(), "-C", project.folder, "-o", "json", *arguments, "config", "show", "--origin"],
                                  text=True, capture_output=True, env={**os.environ, **environment})
            equal(done.returncode, 0, done.stderr)
            return {row[0]: row[1:] for row in json.loads(done.stdout)["rows"]}

        equal(settings()["land.every"], ["90s", f"{project.folder}/sluice.yaml:3"])
        equal(settings("--profile", "prod")["land.every"], ["7s", f"{project.folder}/sluice.yaml:4"])
        equal(settings(SLUICE_PROFILE="prod")["limits.rows"], ["5", f"{project.folder}/sluice.yaml:4"])
        equal(settings("--profile", "prod", SLUICE_LAND_EVERY="8s")["land.every"], ["8s", "$SLUICE_LAND_EVERY"])
        equal(settings("-X", "land.every=9s", SLUICE_LAND_EVERY="8s")["land.every"], ["9s", "-X land.every"])
        code, _, err = project.command("-X", "land.evry=9s", "config", "show")
        assert code == 78 and "--> -X land.evry" in err and 'did you mean "every"?' in err, err
        equal(project.command("-X", "land.every", "config", "show")[0], 2)
        json.loads(sluice("config", "schema")[1])
        with Server(project) as server:  # What runs is what was shown.
            code, _, err = project.command("-X", f"serve.http={server.port}", "sql", "-c", "select 1")
            equal(code, 0, err)


def the_samples_of_the_design_are_taken_as_they_stand():
    text = open(testdata("../facts") + "/ux.md").read().split("### 2.4 Sample files")[1].split("\n## 3. ")[0]
    files, name = {}, None
    for line in text.splitlines():
        if found := re.match(r"(?:#|--) --- (\S+)", line):
            name = found[1]
            files[name] = ""
        elif line.startswith("```"):
            name = None
        elif name:
            files[name] += line + "\n"
    rows = re.search(r"`fixtures/first.ndjson`.*?```json\n(.*?)```", text, re.S)[1]
    schemas = {name.removeprefix("schemas/"): text for name, text in files.items() if name.startswith("schemas/")}
    equal(len(schemas), 5)
    with Project(schemas=schemas) as project:
        with open(f"{project.folder}/sluice.yaml", "w") as file:
            file.write(files["sluice.yaml"])
        code, _, err = project.command("check")
        equal(code, 0, err)
        assert "error" not in err and "no mistakes in 6 files; 4 topics" in err, err
        # What has no effect is said, each once; the samples need no more than that.
        equal(err.count("warning[SL1005]"), 7, err)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with open(f"{project.folder}/sluice.yaml", "w") as file:
            file.write(files["sluice.yaml"].replace("127.0.0.1:7117", f"127.0.0.1:{port}"))
        with Server(project) as server:
            code, out, err = project.command("send", "-", stdin=rows)
            equal((code, out), (65, "5 accepted, 0 duplicate, 1 to the errors table\n"), err)
            equal(server.sql("select event_type, source from shop_user_events order by event_id"),
                  [["login", "web"], ["purchase", "web"]])
            equal(server.sql("select tags from metadata_changed"), [[["PII", "GDPR"]]])
            found = server.sql("select email, name, user_id from user_identity_created")[0]
            assert "ada" not in str(found).lower() and found[2].startswith("0b0c7a52"), found


def what_is_mistyped_is_named_with_what_was_meant():
    for arguments, said in {
            ("sqll",): 'unknown command "sqll" of sluice; did you mean "sql"?',
            ("table", "raed", "x"): 'unknown command "raed" of sluice table; did you mean "read"?',
            ("sql", "--parm", "x"): 'unknown option "--parm" of sluice sql; did you mean "--param"?',
            ("send", "--tpic=a", "-"): 'unknown option "--tpic" of sluice send; did you mean "--topic"?',
            ("schema",): "sluice schema needs a command: add, list",
            ("xyzzy",): 'unknown command "xyzzy" of sluice\n',
            ("-o", "yaml", "status"): "yaml not in",
            ("help", "scema"): 'did you mean "schema"?',
            ("help", "send-event"): 'no page "send-event"; did you mean "how-to/send-events"?',
            ("help", "nothing-alike"): 'unknown command "nothing-alike"',
            ("verify", "--from", "yesterdayy"): "--from 'yesterdayy': expected a time such as"}.items():
        code, out, err = sluice(*arguments)
        equal((code, out), (2, ""), err)
        assert said in err, err


def exit_codes_are_those_of_the_table():
    with Project() as project, Server(project) as server:
        at = ("--server", f"127.0.0.1:{server.port}")
        equal(sluice(*at, "sql", "-c", "select 1")[0], 0)
        equal(sluice(*at, "sql", "-c", "select nothing")[0], 1)
        equal(sluice(*at, "sql", "-c", "select 1", "--timeout", "zero")[0], 2)
        equal(sluice(*at, "send", "-", "--topic", "shop.user-events", stdin='{"userId": "seven"}\n')[0], 65)
        equal(sluice(*at, "send", "-", "--topic", "shop.users", stdin="{}\n")[2], "row 1: SL3011: no schema for this topic\n")
        equal(sluice(*at, "sql", "-c", "select count(*) from range(1000000000000) a, range(1000000000) b",
                     "--timeout", "0.3")[0], 124)
        code, _, err = sluice("--server", "127.0.0.1:1", "sql", "-c", "select 1")
        equal(code, 69, err)
        process = subprocess.Popen([binary(), *at, "sql", "-c",
                                    "select count(*) from range(1000000000000) a, range(1000000000) b"])
        until(lambda: server.sql("select 1 from system.queries where state = 'running' and sql like '%1000000000)%' "
                                 "and sql not like '%system.queries%'"), "the query runs")
        process.send_signal(signal.SIGINT)
        equal(process.wait(20), 130)
        process = subprocess.Popen([binary(), *at, "tail", "shop.user-events"], stdout=subprocess.PIPE)
        until(lambda: server.sql("select 1 from system.queries where sql like 'select t._partition%'"), "it follows")
        process.send_signal(signal.SIGTERM)
        equal(process.wait(20), 143)
        process.stdout.close()
        project.command("token", "create", "--scope", "send:x")
        until(lambda: server.ask("GET", "/v1/queries")[0] == 401, "a token is needed")
        equal(sluice(*at, "status")[0], 77)
    with Project(schemas={"x.capnp": "struct {"}) as project:
        equal(project.command("check")[0], 78)
        equal(project.command("serve")[0], 78)
        equal(project.command("init", project.folder)[0], 75)


def what_cannot_be_read_is_named_with_the_reason():
    with Project() as project:
        missing, folder = f"{project.folder}/nothing", f"{project.folder}/schemas"
        for path, reason in (missing, "No such file or directory"), (folder, "Is a directory"):
            for words in (("send", path), ("sql", "-f", path), ("schema", "add", path), ("schema", "check", path),
                          ("errors", "retry", "1", "--edit", path)):
                code, out, err = project.command(*words)
                equal((code, out, err), (1, "", f"error: cannot read '{path}': {reason}\n"))


def a_project_that_is_not_there_has_no_server():
    with Project() as project, Server(project) as server:
        nowhere = f"{project.folder}/shopp"
        for words in (("status",), ("sql", "-c", "select 1"), ("send", "-"), ("tail", "shop.user-events"), ("topic", "list")):
            code, out, err = sluice("-C", nowhere, *words, stdin="{}\n")
            equal((code, out, err), (1, "", f"error: there is no {nowhere}/sluice.yaml; `sluice init` makes a project\n"))
            # A server that is named is asked, whatever the folder is.
            if words[0] == "status":
                equal(sluice("-C", nowhere, "--server", f"127.0.0.1:{server.port}", *words)[0], 0)


def a_server_is_named_as_it_names_itself():
    with Project() as project, Server(project) as server:
        for address in f"http://127.0.0.1:{server.port}", f"http://127.0.0.1:{server.port}/", f"127.0.0.1:{server.port}":
            code, out, err = sluice("--server", address, "sql", "-c", "select 1 as a")
            equal((code, out), (0, "a\n1\n"), err)
        for address in "127.0.0.1", f"http://127.0.0.1:{server.port}/v1", "ftp://127.0.0.1:1", "127.0.0.1:65536", "127.0.0.1:":
            code, out, err = sluice("--server", address, "status")
            equal((code, out, err), (1, "", f"error: --server '{address}': expected HOST:PORT, http://HOST:PORT or https://HOST:PORT\n"))


def codes_are_explained():
    code, out, _ = sluice("explain", "SL2104")
    equal((code, out), (0, "SL2104: no such column\nHTTP status 400\nwhat to do: `describe <table>`\n"))
    listed = dict(line.split("  ", 1) for line in sluice("explain")[1].splitlines())
    equal((listed["SL1002"], listed["SL2203"], listed["SL4310"]),
          ("a key that is not known", "too many rows", "the request line and header fields are too long"))
    equal(sluice("explain", "SL0000")[0], 2)


def colours_are_for_terminals():
    with Project(schemas={"x.capnp": "struct {"}) as project:
        def shown(*arguments, **environment):
            return subprocess.run([binary(), "-C", project.folder, *arguments, "check"], text=True, capture_output=True,
                                  env={**os.environ, **environment}).stderr

        plain = shown()
        assert "\x1b" not in plain and "\x1b" not in shown("--color", "never"), plain
        coloured = shown("--color", "always", NO_COLOR="1")
        equal(re.sub(r"\x1b\[[0-9;]*m", "", coloured), plain)
        assert coloured.startswith("\x1b[1;31merror[SL1101]\x1b[0m"), coloured


def words_are_completed():
    with Project() as project, Server(project) as server:
        at = ("--server", f"127.0.0.1:{server.port}")

        def complete(*words):
            code, out, err = sluice("__complete", *words, cwd=project.folder)
            equal((code, err), (0, ""))
            return out.split()

        equal(complete("s"), ["schema", "send", "serve", "sql", "status"])
        equal(complete("schema", "h"), ["history"])
        equal(complete("sql", "--par"), ["--param"])
        equal(complete("-o", "nd"), ["ndjson"])
        equal(complete("send", "x", "--wait", ""), ["log", "none", "table"])
        equal(complete("send", "--topic", "shop"), ["shop.user-events"])
        equal(complete("tail", ""), ["shop.user-events", "system.errors"])  # As the server that runs knows them.
        equal(complete("nothing", ""), [])
        for shell in ("bash", "zsh", "fish"):
            code, out, _ = sluice(*at, "completion", shell)
            assert code == 0 and "sluice __complete" in out
        # As bash does it.
        code, out, err = sluice("completion", "bash")
        script = out + ("COMP_WORDS=(sluice table rea); COMP_CWORD=2; _sluice; echo ${COMPREPLY[@]}; "
                        "COMP_WORDS=(sluice send --topic shop.u); COMP_CWORD=3; _sluice; echo ${COMPREPLY[@]}")
        path = os.path.dirname(os.path.abspath(binary())) + ":" + os.environ["PATH"]
        done = subprocess.run(["bash", "-c", script], text=True, capture_output=True, cwd=project.folder,
                              env=dict(os.environ, PATH=path))
        equal(done.stdout.split("\n"), ["read", "shop.user-events", ""], done.stderr)


def settings_have_a_value_and_a_place():
    with Project("land: {every: 90s}\n") as project:
        code, out, err = project.command("-o", "json", "config", "show", "--resolved", "--origin")
        equal(code, 0, err)
        settings = {row[0]: row[1:] for row in json.loads(out)["rows"]}
        equal(settings["land.every"], ["90s", f"{project.folder}/sluice.yaml:3"])
        equal(settings["limits.body"], ["16MiB", "default"])
        code, out, _ = project.command("-o", "json", "config", "show")
        equal([row[0] for row in json.loads(out)["rows"]], ["version", "serve.http", "land.every"])


def files_get_their_plain_form():
    crooked = SCHEMA.replace("\n  ", "\n\t ").replace("{\n", "{  \n\n\n").replace(
        ":Text $Sl.eventTime;", ":Text\n$Sl.eventTime;   # when\n# \"not { a bracket\n")
    with Project(schemas={"user_event.capnp": crooked}) as project:
        with open(f"{project.folder}/sluice.yaml", "a") as file:
            file.write("land:   \r\n  every: 5s  \n\n\n\n")
        code, out, err = project.command("fmt", "--check")
        equal((code, len(out.split())), (1, 2), err)
        equal(project.command("fmt")[0], 0)
        equal(open(f"{project.folder}/schemas/user_event.capnp").read(),
              SCHEMA.replace("{\n", "{\n\n").replace(":Text $Sl.eventTime;\n",
                                                     ":Text\n      $Sl.eventTime;   # when\n  # \"not { a bracket\n\n"))
        assert open(f"{project.folder}/sluice.yaml").read().endswith("land:\n  every: 5s\n")
        equal(project.command("fmt", "--check")[:2], (0, ""))
        equal(project.command("check")[0], 0)
        equal(project.command("fmt", f"{project.folder}/log.txt")[0], 1)


def the_doctor_finds_what_is_wrong():
    with Project() as project:
        def findings(*arguments):
            code, out, err = project.command("-o", "json", "doctor", *arguments)
            rows = {row[0]: row for row in json.loads(out)["rows"]}
            equal(code, 1 if "failed" in {row[1] for row in rows.values()} else 0, err)
            return rows

        rows = findings()
        for about in ("project", "data folder", "disk sync", "free space", "clock", "kernel", "open files", "memory",
                      "keys", "port"):
            assert rows[about][1] in ("ok", "warning"), rows[about]
        assert re.fullmatch(r"4 KiB in [\d.]+ ms, p98 [\d.]+ ms", rows["disk sync"][2]), rows
        equal([name for name in os.listdir(project.folder) if "doctor" in name], [])
        with Server(project) as server:
            server.send("shop.user-events", [event(0)])
            token = project.command("token", "create", "--scope", "admin")[1].strip()
            bundle = f"{project.folder}/bundle.json"
            findings("--bundle", bundle, "--server", f"127.0.0.1:{server.port}", "--token", token)
            text = open(bundle).read()
            contents = json.loads(text)
            assert "shop.user-events" in contents["tables"] and "sluice_" in contents["metrics"], text
            secrets = [token.split("_")[2], *re.findall(r"[0-9a-f]{32,}", open(f"{project.folder}/keys/sluice.keys").read())]
            assert len(secrets) > 1 and not [s for s in secrets if s in text], "a secret is in the bundle"
            equal(os.stat(bundle).st_mode & 0o777, 0o600)
        os.chmod(f"{project.folder}/keys/sluice.keys", 0o644)
        equal(findings()["keys"][1:3], ["failed", "others may read them"])
        os.rename(f"{project.folder}/keys/sluice.keys", f"{project.folder}/elsewhere")
        equal(findings()["keys"][1], "failed")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with open(f"{project.folder}/sluice.yaml", "w") as file:
                file.write(f"version: 1\nserve: {{http: 127.0.0.1:{port}}}\nstorage: {{free_min: 900000GiB}}\n")
            rows = findings()
            equal(rows["port"][1:3], ["failed", f"127.0.0.1:{port} is taken by another program"])
            equal(rows["free space"][1], "failed")
        with open(f"{project.folder}/sluice.yaml", "a") as file:
            file.write("nothing: known\n")
        equal(findings()["project"][1], "failed")


def events_are_made_up_from_a_schema():
    with Project(schemas={"all.capnp": ALL_TYPES}) as project, Server(project) as server:
        start = ("--start", "2026-01-05T10:00:00Z")

        def make(*arguments):
            code, out, err = project.command("generate", "all.types", *arguments)
            equal(code, 0, err)
            return out

        first = make("--count", "500", "--seed", "7", *start)
        equal(make("--count", "500", "--seed", "7", *start), first)
        assert make("--count", "500", "--seed", "8", *start) != first
        code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "send", "-", stdin=first)
        equal((code, out), (0, "500 accepted, 0 duplicate, 0 to the errors table\n"), err)
        bare = make("--count", "3", "--bare", "--seed", "9", *start)
        equal(set(json.loads(bare.splitlines()[0])), set(json.loads(first.splitlines()[0])["content"]))
        equal(server.sql("select count(distinct id), count(distinct colour), min(event_time)::varchar from all_types"),
              [[500, 3, "2026-01-05 10:00:00+00"]])
        begin = time.monotonic()
        equal(len(make("--count", "11", "--rate", "20").splitlines()), 11)
        assert time.monotonic() - begin >= 0.5
        code, _, err = project.command("generate", "all.tipes", "--count", "1")
        equal(code, 1)
        assert 'did you mean "all.types"?' in err, err
    with tempfile.TemporaryDirectory() as nowhere:
        equal(sluice("-C", nowhere, "init", "--template", "demo", nowhere)[0], 0)
        for domain, topic in {"identity": "user.identity.created", "shop": "shop.user-events", "pointer": "pointer.moved",
                              "metadata": "metadata.changed", "iot": "plant.sensor-readings"}.items():
            made = sluice("-C", "/nonexistent", "generate", domain, "--count", "20", "--seed", "5", *start)
            equal(made[0], 0, made[2])
            rows = [json.loads(line) for line in made[1].splitlines()]
            equal((len(rows), {row["event"] for row in rows}), (20, {topic}))
            equal(sluice("-C", nowhere, "generate", domain, "--count", "20", "--seed", "5", *start)[1], made[1])


def the_tail_follows():
    with Project() as project, Server(project) as server:
        at = ("--server", f"127.0.0.1:{server.port}")
        server.send("shop.user-events", [event(i) for i in range(3)], wait="table")
        follower = subprocess.Popen([binary(), *at, "tail", "shop.user-events", "--where", "user_id <> 4",
                                     "--limit", "2"], stdout=subprocess.PIPE, text=True)
        # It begins behind what there is, at a moment that only what it prints tells.
        sent = 3
        while follower.poll() is None:
            server.send("shop.user-events", [event(sent)])
            sent += 1
        assert follower.returncode == 0, follower.returncode
        seen = [json.loads(line)["user_id"] for line in follower.stdout]
        assert seen in [[first, first + 1 + (first == 3)] for first in range(3, sent) if first != 4], (seen, sent)
        equal(server.sql("select count(*) from system.queries where sql like 'select t._partition%'"), [[0]])
        code, out, err = sluice(*at, "tail", "bronze.shop_user_events", "--from", "-5m", "--limit", str(sent))
        equal((code, [json.loads(line)["event_id"] for line in out.splitlines()]), (0, [f"e{i}" for i in range(sent)]), err)
        equal(sluice(*at, "tail", "nothing")[0], 1)
        equal(sluice(*at, "tail", "shop.user-events", "--from", "soon")[0], 2)
        code, out, _ = sluice(*at, "-o", "json", "topic", "list")
        assert ["shop.user-events", "bronze.shop_user_events", sent, sent - 3] in json.loads(out)["rows"], out
        code, out, _ = sluice(*at, "-o", "json", "table", "list")
        assert "bronze.shop_user_events" in {row[0] for row in json.loads(out)["rows"]}


def dev_follows_the_files():
    with Project() as project:
        log = open(f"{project.folder}/log", "a+")
        process = subprocess.Popen([binary(), "-C", project.folder, "dev"], stderr=log, stdout=log)

        def said(text):
            return text in open(f"{project.folder}/log").read()

        try:
            until(lambda: said("watching"), "dev serves")
            port = int(re.search(r"serving http://127.0.0.1:(\d+)", open(f"{project.folder}/log").read())[1])
            at = ("--server", f"127.0.0.1:{port}")
            other = SCHEMA.replace("0x9a41", "0x9a42").replace("UserEvent", "Order").replace("shop.user-events", "crm.orders")
            with open(f"{project.folder}/schemas/order.capnp", "w") as file:
                file.write(other.replace("struct", "strukt"))
            until(lambda: said("order.capnp: not taken") and said("error[SL11"), "the broken file is told")
            equal(sluice(*at, "sql", "-c", "select count(*) from shop_user_events")[0], 0)
            with open(f"{project.folder}/schemas/order.capnp", "w") as file:
                file.write(other)
            until(lambda: said("order.capnp: taken"), "the file is taken")
            equal(sluice(*at, "sql", "-c", "select count(*) from crm_orders")[0], 0)
            with socket.create_server(("127.0.0.1", 0)) as taken:
                wanted = taken.getsockname()[1]
                with open(f"{project.folder}/sluice.yaml", "w") as file:
                    file.write(f"version: 1\nserve: {{http: 127.0.0.1:{wanted}}}\nland: {{evry: 1s}}\n")
                until(lambda: said("sluice.yaml: not taken"), "the broken project file is told")
                equal(sluice(*at, "sql", "-c", "select 1")[0], 0)
                with open(f"{project.folder}/sluice.yaml", "w") as file:
                    file.write(f"version: 1\nserve: {{http: 127.0.0.1:{wanted}}}\n")
                until(lambda: said(f"port {wanted} is taken: serving"), "the next free port is taken")
                ports = re.findall(r"serving http://127.0.0.1:(\d+)", open(f"{project.folder}/log").read())
                assert wanted < int(ports[-1]) < wanted + 20, ports
                equal(sluice("--server", f"127.0.0.1:{ports[-1]}", "sql", "-c", "select count(*) from crm_orders")[0], 0)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
            log.close()
        equal(code, 0, "exit code of dev")


run(the_reference_is_what_the_program_says, the_documentation_is_inside, the_tree_is_the_one_designed, files_are_checked_one_by_one,
    settings_can_be_laid_over_the_file, the_samples_of_the_design_are_taken_as_they_stand, what_is_mistyped_is_named_with_what_was_meant,
    exit_codes_are_those_of_the_table, what_cannot_be_read_is_named_with_the_reason,
    a_project_that_is_not_there_has_no_server, a_server_is_named_as_it_names_itself, codes_are_explained, colours_are_for_terminals, words_are_completed, settings_have_a_value_and_a_place, files_get_their_plain_form,
    the_doctor_finds_what_is_wrong, events_are_made_up_from_a_schema, the_tail_follows, dev_follows_the_files)
