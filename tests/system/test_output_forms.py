"""What commands print: -o json as docs/reference/output.schema.json says, and the same rows in every other form."""

import csv
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import urllib.parse

from server import SCHEMA, Project, Server, binary, equal, event, run

PUBLISHED = json.loads((pathlib.Path(__file__).resolve().parents[2] / "docs/reference/output.schema.json").read_text())
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
         "null": type(None)}


def check(value, schema, at="$"):
    """The part of JSON Schema that the published file uses; a keyword that is not known fails."""
    if isinstance(schema, bool):
        assert schema, f"{at}: {value!r} is not expected"
        return
    for keyword, wanted in schema.items():
        if keyword == "$ref":
            target = PUBLISHED
            for step in wanted.removeprefix("#/").split("/"):
                target = target[urllib.parse.unquote(step)]
            check(value, target, at)
        elif keyword == "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            good = any(isinstance(value, TYPES[kind]) and not (isinstance(value, bool) and kind != "boolean") for kind in kinds)
            assert good, f"{at}: {value!r} is no {wanted}"
        elif keyword == "const":
            equal(value, wanted, at)
        elif keyword == "enum":
            assert value in wanted, f"{at}: {value!r} is not among {wanted}"
        elif keyword == "required":
            equal(sorted(set(wanted) - set(value)), [], f"{at}: missing")
        elif keyword == "properties":
            for name, part in wanted.items():
                if name in value:
                    check(value[name], part, f"{at}.{name}")
        elif keyword == "additionalProperties":
            for name in set(value) - set(schema["properties"]):
                check(value[name], wanted, f"{at}.{name}")
        elif keyword == "prefixItems":
            for i, (item, part) in enumerate(zip(value, wanted)):
                check(item, part, f"{at}[{i}]")
        elif keyword == "items":
            for i, item in list(enumerate(value))[len(schema.get("prefixItems", [])):]:
                check(item, wanted, f"{at}[{i}]")
        elif keyword == "minItems":
            assert len(value) >= wanted, f"{at}: {len(value)} of {wanted}"
        else:
            equal(keyword, "description", f"{at}: keyword")


def every_command_prints_what_is_published():
    with Project(schemas={"user_event.capnp": SCHEMA.replace("  page", "  email @4 :Text $Sl.hash(hmacSha256);\n  page"),
                          "other.capnp": SCHEMA.replace("0x9a41", "0x9a42").replace("shop.user-events", "other")}) as project:
        with Server(project) as server:
            server.send("shop.user-events", [event(i) for i in range(3)] + ['{"userId": "x"}\n', '{"userId": "y"}\n'], wait="table")
            folder = project.table_folder()
            schema = f"{project.folder}/schemas/user_event.capnp"
            ask = ["--server", f"127.0.0.1:{server.port}", "-o", "json"]
            first = json.loads(project.command(*ask, "errors", "list")[1])["rows"][0][0]
            token = project.command(*ask, "query", "list")[1]
            query = json.loads(token)["rows"][0][0]
            told = set()

            def print_(*words, code=0):
                found, out, err = project.command(*ask, *words)
                equal(found, code, f"{words}: {err}")
                name = " ".join(words[:2]) if " ".join(words[:2]) in PUBLISHED["$defs"] else words[0]
                told.add(name)
                lines = out.splitlines() if "NDJSON" in PUBLISHED["$defs"][name].get("description", "") else [out]
                for line in lines:
                    check(json.loads(line), PUBLISHED["$defs"][name], f"sluice {name}")
                return lines

            for words in ("status", "topic list", "topic describe shop.user-events", "table list", "schema list", "schema show shop.user-events",
                          "schema history shop.user-events", "schema diff shop.user-events 1 1", f"schema check {schema}",
                          f"schema add {schema}", "config show", "doctor", "verify", "journal verify", "errors list", f"errors show {first}",
                          "errors replay --dry-run", f"errors retry {first}", "query list", f"query show {query}",
                          "token list", "pii report", "pii scan", f"table describe {folder}", f"table history {folder}",
                          f"table files {folder}", f"backup {project.folder}/backup", f"restore {project.folder}/backup --check", "table adopt shop.user-events", "topic delete other --yes"):
                print_(*words.split())
            print_("sql", "-c", "select 1 as one, 'x' as two, null as three")
            print_("table", "check", folder)
            source = f"{project.folder}/source.parquet"
            with open(source, "wb") as file:
                file.write(subprocess.run([binary(), "table", "read", folder, "-o", "parquet"], capture_output=True,
                                          check=True).stdout)
            os.makedirs(f"{project.folder}/parquet")
            shutil.copy(source, f"{project.folder}/parquet/a.parquet")
            proved = f"{project.folder}/proved"
            with open(proved, "w") as file:
                file.write("nowhere-at-all\n")
            for words in (f"delete {folder} --all", f"merge {folder} --source {source} --key event_id",
                          f"update {folder} --set page=page --all", f"compact {folder}", f"cluster {folder} --by user_id,page --curve z-order", f"purge {folder}",
                          f"vacuum {folder} --dry-run",
                          f"erase {folder} --where user_id=1 --landed --prove {proved}",
                          f"convert {project.folder}/parquet",
                          f"alter {folder} --set-property a=b", f"clone {folder} {project.folder}/other",
                          f"alter {project.folder}/other --set-property c=d",
                          f"restore {project.folder}/other --version 0"):
                print_("table", *words.split())
            left = set(PUBLISHED["$defs"]) - told - {"pii reveal", "diagnostics"}  # These two: see below.
            equal(sorted(left), [], "published, and never printed here")
        with open(f"{project.folder}/sluice.yaml", "a") as file:
            file.write("nothing: known\n")
        code, out, _ = project.command("--format", "json", "check")
        check(json.loads(out), PUBLISHED["$defs"]["diagnostics"])


def every_form_has_the_same_rows():
    with Project() as project, Server(project) as server:
        server.send("shop.user-events", [event(i) for i in range(3)], wait="table")

        def rows(form, *words):
            code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "-o", form, *words)
            equal(code, 0, err)
            return out

        for words in (("topic", "list"), ("status",), ("table", "files", project.table_folder()),
                      ("sql", "-c", "select 'a|b' as x, 7 as y, 'ü \u001b[31m' as z")):
            lines = [json.loads(line) for line in rows("ndjson", *words).splitlines()]
            assert lines, words
            names = list(lines[0])

            def text(value):
                return value if isinstance(value, str) else "" if value is None else json.dumps(
                    value, separators=(",", ":"), ensure_ascii=False)

            wanted = [names] + [[text(line[name]) for name in names] for line in lines]
            if words[0] != "sql":  # The server writes the rows of a query as CSV itself.
                equal(list(csv.reader(io.StringIO(rows("csv", *words), newline=""))), wanted, words)
            table = rows("table", *words)
            equal((len(table.splitlines()), "\x1b" in table), (len(lines) + 2, False))
            marked = rows("md", *words).splitlines()
            equal(len(marked), len(lines) + 2)
            equal({len(re.findall(r"(?<!\\)\|", line)) for line in marked}, {len(names) + 1})


run(every_command_prints_what_is_published, every_form_has_the_same_rows)
