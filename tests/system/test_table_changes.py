"""`sluice table delete, update, merge, compact, purge, vacuum`: on a table by its path, no server, no project."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from server import Project, Server, binary, equal, event, run, testdata, until

FOLDER = tempfile.mkdtemp(prefix="sluice-table-changes-")


def table(*arguments, expect=0):
    answer = subprocess.run([os.path.abspath(binary()), "table", *map(str, arguments)], capture_output=True, text=True,
                            cwd=FOLDER)
    assert answer.returncode == expect, (arguments, answer.returncode, answer.stderr)
    return answer


def told(*arguments):
    return json.loads(table(*arguments, "-o", "json").stdout)


def rows(path, *arguments):
    return [json.loads(line) for line in table("read", path, *arguments).stdout.splitlines()]


def copy_of(golden):
    path = tempfile.mkdtemp(dir=FOLDER)
    shutil.copytree(f"{testdata('delta-golden')}/{golden}/delta", path, dirs_exist_ok=True)
    return path


def rows_are_deleted_updated_and_merged():
    path = copy_of("basic-decimal-table")
    before = rows(path)
    column = list(before[0])[0]
    source = f"{FOLDER}/source.parquet"
    with open(source, "wb") as file:
        file.write(subprocess.run([os.path.abspath(binary()), "table", "read", path, "-o", "parquet"],
                                  capture_output=True, check=True).stdout)
    answer = told("delete", path, "--all")
    assert answer["rows_deleted"] == len(before) and not rows(path)
    answer = told("merge", path, "--source", source, "--key", column)
    assert answer["rows_inserted"] == len({row[column] for row in before}) == len(before), answer
    assert sorted(map(str, rows(path))) == sorted(map(str, before))
    answer = told("merge", path, "--source", source, "--key", f"{column}={column}", "--matched", "delete",
                  "--not-matched", "ignore")
    assert answer["rows_deleted"] == len(before) and not rows(path)


def deletion_vectors_are_written_and_purged():
    path = copy_of("dv-partitioned-with-checkpoint")
    before = rows(path)
    column = list(before[0])[0]
    some = before[: max(1, len(before) // 3)]
    values = ", ".join(str(row[column]) for row in some)
    answer = told("delete", path, "--where", f"{column} in ({values})")
    left = [row for row in before if row[column] not in {row[column] for row in some}]
    assert answer["rows_deleted"] == len(before) - len(left), answer
    assert sorted(map(str, rows(path))) == sorted(map(str, left))
    answer = told("purge", path)
    assert sorted(map(str, rows(path))) == sorted(map(str, left))
    assert all(json.loads(line)["deleted"] == 0 for line in table("files", path, "-o", "ndjson").stdout.splitlines())
    told("compact", path)
    assert told("compact", path)["commits"] == 0
    gone = told("vacuum", path, "--retain", "0ms", "--force", "--dry-run")
    assert gone["files_deleted"] > 0 and gone["dry_run"]
    assert told("vacuum", path, "--retain", "0ms", "--force")["files_deleted"] == gone["files_deleted"]
    assert sorted(map(str, rows(path))) == sorted(map(str, left))
    table("check", path)


def mistakes_change_nothing():
    path = copy_of("basic-decimal-table")
    version = told("describe", path)["version"]
    assert "--where CONDITION, or --all" in table("delete", path, expect=1).stderr
    assert "no column 'nope'" in table("delete", path, "--where", "nope = 1", expect=1).stderr
    assert "COLUMN=EXPRESSION" in table("update", path, "--set", "x", "--all", expect=1).stderr
    assert "--force allows it" in table("vacuum", path, "--retain", "1h", expect=1).stderr
    assert table("merge", path, "--source", "nowhere.parquet", "--key", "a", expect=1).stderr.count("nowhere.parquet")
    assert told("describe", path)["version"] == version
    missing = table("delete", f"{FOLDER}/nothing-here", "--all", expect=1)
    assert "there is no table" in missing.stderr


def tables_are_altered_restored_and_cloned():
    path = copy_of("basic-decimal-table")
    before = rows(path)
    column = list(before[0])[0]
    version = told("describe", path)["version"]
    rename = ("--set-property", "delta.columnMapping.mode=name", "--rename", f"{column}=new name")
    plan = told("alter", path, *rename, "--dry-run")
    assert plan["dry_run"] and plan["changes_anything"] and "columnMapping" in plan["new_features"], plan
    assert any("could write to it" in engine for engine in plan["locked_out"]), plan
    assert "columnMapping" in table("alter", path, *rename, expect=2).stderr  # Nobody answers.
    assert "set the property" in table("alter", path, *rename[2:], "--dry-run", expect=1).stderr
    equal(told("describe", path)["version"], version)
    answer = told("alter", path, *rename, "--add-column", "added=decimal(10, 2) first", "--comment", "added=what it is",
                  "--yes")
    equal(answer["version"], version + 1)
    equal(list(rows(path)[0])[:2], ["added", "new name"])
    equal(sorted(row["new name"] for row in rows(path)), sorted(row[column] for row in before))
    table("alter", path, "--drop-column", "added", expect=2)
    told("alter", path, "--drop-column", "added", "--add-constraint", "some=`new name` is not null", "--yes")
    for mistake, text in ((("--add-column", "x"), "COLUMN=TYPE"), (("--add-column", "x=nothing"), "no type 'nothing'"),
                          (("--widen", "nope=long"), "nope"), (("--move", "new name=last"), "after NAME"), ((), "what to change")):
        assert text in table("alter", path, *mistake, expect=1).stderr, mistake

    clones = [f"{FOLDER}/deep", f"{FOLDER}/shallow"]
    answer = told("clone", path, clones[0])
    assert answer["kind"] == "deep" and answer["files_copied"] == answer["files"] > 0, answer
    answer = told("clone", path, clones[1], "--shallow", "--version", str(version))
    equal((answer["kind"], answer["source_version"], answer["files_copied"]), ("shallow", version, 0))
    equal(sorted(map(str, rows(clones[0]))), sorted(map(str, rows(path))))
    equal(sorted(map(str, rows(clones[1]))), sorted(map(str, before)))
    assert "already" in table("clone", path, clones[0], expect=75).stderr

    table("delete", path, "--all")
    assert "--version N, or --timestamp" in table("restore", path, expect=1).stderr
    answer = told("restore", path, "--version", str(version))
    assert answer["restored_version"] == version and answer["files_restored"] > 0, answer
    equal(sorted(map(str, rows(path))), sorted(map(str, before)))
    table("restore", path, "--version", "999", expect=1)


def the_page_of_changes_is_true():
    """docs/how-to/change-tables.md, run as it stands, on a table that a server goes on landing into."""
    page = pathlib.Path(__file__).resolve().parents[2] / "docs/how-to/change-tables.md"
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.S | re.M)
    equal(len(blocks), 5)
    with Project() as project, Server(project) as server:
        for batch in range(4):
            server.send("shop.user-events", [event(10 * batch + n, "/old" if n == 0 else "/Page") for n in range(10)])
            server.land()
        environment = {**os.environ, "PATH": f"{os.path.dirname(os.path.abspath(binary()))}:{os.environ['PATH']}"}
        question = "select count(*), count_if(user_id > 1000), count_if(page = '/page') from bronze.shop_user_events"
        # 4 of 40 are deleted, 9 are changed; then those are merged, and deleted; then nothing changes here.
        for block, expected in zip(blocks, ([[36, 9, 9]], [[27, 0, 0]], [[27, 0, 0]], [[27, 0, 0]], [[27, 0, 0]])):
            done = subprocess.run(["bash", "-euc", block], cwd=project.folder, env=environment, capture_output=True,
                                  text=True, timeout=60)
            equal(done.returncode, 0, done.stdout + done.stderr)
            # The server looks for what others did to the table now and then.
            until(lambda wanted=expected: server.sql(question) == wanted, f"{expected}, but {server.sql(question)}")
        described = json.loads(subprocess.run([os.path.abspath(binary()), "table", "describe", project.table_folder(), "-o",
                                               "json"], capture_output=True, check=True).stdout)
        equal(described["files"], 1)
        server.send("shop.user-events", [event(100)])
        server.land()
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[28]])
        code, out, err = project.command("verify", "--server", f"127.0.0.1:{server.port}")
        equal(code, 0, out + err)


def landed_tables_go_by_the_names_that_sql_has():
    with Project() as project, Server(project) as server:
        server.send("shop.user-events", [event(n) for n in range(10)])
        server.land()

        def described(name, **options):
            done = subprocess.run([os.path.abspath(binary()), "-C", project.folder, "table", "describe", name, "-o", "json"],
                                  capture_output=True, text=True, **options)
            return done.returncode, done.stdout or done.stderr

        code, by_path = described(project.table_folder())
        equal(code, 0, by_path)
        with tempfile.TemporaryDirectory() as elsewhere:
            equal(described("bronze.shop_user_events", cwd=elsewhere), (0, by_path))
            code, said = described("bronze.shop_user_event", cwd=elsewhere)
            assert code == 1 and "bronze.shop_user_event" in said, said
            # What is here comes first.
            os.mkdir(f"{elsewhere}/bronze.shop_user_events")
            code, said = described("bronze.shop_user_events", cwd=elsewhere)
            equal(code, 1, said)


try:
    run(landed_tables_go_by_the_names_that_sql_has, rows_are_deleted_updated_and_merged, deletion_vectors_are_written_and_purged, mistakes_change_nothing,
        tables_are_altered_restored_and_cloned, the_page_of_changes_is_true)
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
