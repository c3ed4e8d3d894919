"""`sluice table erase` (docs/how-to/erase.md): on landed tables beside their server, proved byte by byte; its refusals."""

import glob
import json
import os
import pathlib
import subprocess

from server import SLOW, Project, Server, binary, equal, event, run, until

TOPIC = "shop.user-events"
COUNT = "select count(*), count(distinct event_id) from bronze.shop_user_events"


def planted(number):
    return event(number, page=f"/subject-{number:05}-of-many")


def sluice(*arguments, cwd, expect=0, quiet=False):
    done = subprocess.run([os.path.abspath(binary()), "table", "erase", *arguments, "-o", "json"], cwd=cwd,
                          capture_output=True, text=True, timeout=120)
    equal(done.returncode, expect, done.stdout + done.stderr)
    return json.loads(done.stdout) if done.stdout else done.stderr


def bytes_of(folder):
    return b"".join(pathlib.Path(path).read_bytes() for path in glob.glob(f"{folder}/**", recursive=True, include_hidden=True)
                    if os.path.isfile(path))


def verified(project, server):
    code, out, err = project.command("-o", "json", "--server", f"127.0.0.1:{server.port}", "verify", TOPIC)
    equal(code, 0, out + err)
    return json.loads(out.splitlines()[0])


def rows_leave_a_landed_table_and_the_balance_says_so():
    with Project(SLOW) as project, Server(project) as server:
        table = project.table_folder()
        for batch in range(6):
            server.send(TOPIC, [planted(100 * batch + n) for n in range(100)])
            server.land()
        equal(verified(project, server)["landed"], 600)
        values = f"{project.folder}/values"
        chosen = [number for number in range(600) if number % 60 == 7]
        with open(values, "w") as file:
            file.writelines(f"/subject-{number:05}-of-many\n" for number in chosen)
        asked = ("--key", "page", "--values", values, "--request-id", "r-1", "--prove", values)
        assert "--landed" in sluice(table, *asked, cwd=project.folder, expect=1)
        report = sluice(table, *asked, "--landed", cwd=project.folder)
        equal((report["rows_erased"], report["request"], report["proof"]["found"], report["files_left"]), (10, "r-1", 0, []))
        assert report["proof"]["decoded"] > 1 and report["files_after"] < report["files_before"], report
        left = bytes_of(table)
        assert not any(f"subject-{number:05}".encode() in left for number in chosen)
        until(lambda: server.sql(COUNT) == [[590, 590]], "the server shows it")
        line = verified(project, server)
        equal((line["landed"], line["erased"], line["removed"]), (590, 10, 0))
        # Those that are left are found by their id, landing goes on, nobody erased comes back.
        for number in (0, 8, 599):
            equal(server.get(f"/v1/receipts/{TOPIC}/e{number}")[1]["state"], "landed")
        server.send(TOPIC, [planted(1000 + n) for n in range(10)])
        server.land()
        equal(server.sql(COUNT), [[600, 600]])
        again = sluice(table, *asked, "--landed", cwd=project.folder)
        equal((again["rows_erased"], again["proof"]["found"]), (0, 0))
        equal(server.sql(COUNT), [[600, 600]])
        equal(verified(project, server)["erased"], 10)
        server.stop()
        with Server(project) as restarted:
            equal(restarted.sql(COUNT), [[600, 600]])


def what_lands_behind_an_erasure_is_kept():
    """By docs/how-to/erase.md, with nobody who asks the server for rows in between: it has not seen the new log."""
    with Project(SLOW + "storage: {segment: 64KiB}\n") as project:
        with Server(project) as server:
            for batch in range(3):
                server.send(TOPIC, [planted(100 * batch + n) for n in range(100)])
                server.land()
            for number, condition in enumerate(("user_id = 7", "user_id = 8")):
                sluice(project.table_folder(), "--where", condition, "--landed", cwd=project.folder)
                server.send(TOPIC, [planted(1000 + 500 * number + n) for n in range(500)])
                server.land()
            server.send(TOPIC, [planted(2000)])
            server.stop()
        with Server(project) as server:
            equal(server.tables()[TOPIC]["stopped"], "")
            equal(server.sql(COUNT), [[1299, 1299]])
            line = verified(project, server)
            equal((line["accepted"], line["landed"], line["erased"], line["pending"]), (1301, 1299, 2, 0))
            server.stop()


def rows_that_were_deleted_before_stay_explained():
    with Project(SLOW) as project, Server(project) as server:
        table = project.table_folder()

        def expect(landed, removed, erased):
            until(lambda: server.sql(COUNT) == [[landed, landed]], "the server shows it")
            line = verified(project, server)
            equal((line["landed"], line["removed"], line["erased"]), (landed, removed, erased))

        def delete(condition):
            code, out, err = project.command("table", "delete", table, "--where", condition)
            equal(code, 0, out + err)

        server.send(TOPIC, [planted(n) for n in range(100)])
        server.land()
        delete("user_id < 20")
        expect(80, 20, 0)
        sluice(table, "--where", "user_id = 50", "--landed", cwd=project.folder)
        expect(79, 20, 1)
        sluice(table, "--where", "user_id = 60", "--landed", cwd=project.folder)
        expect(78, 20, 2)
        delete("user_id = 70")
        expect(77, 21, 2)
        equal(server.sql("select sum(accepted - landed - removed - expired - erased) from system.ledger "
                         f"where topic = '{TOPIC}'"), [[0]])
        server.stop()


def what_is_still_there_is_found():
    with Project(SLOW) as project, Server(project) as server:
        server.send(TOPIC, [planted(n) for n in range(20)])
        server.land()
        values = f"{project.folder}/values"
        with open(values, "w") as file:
            file.write("/subject-00003-of-many\n")
        table = project.table_folder()
        answer = subprocess.run([os.path.abspath(binary()), "table", "erase", table, "--where", "user_id = 4", "--landed",
                                 "--prove", values, "-o", "json"], capture_output=True, text=True, timeout=120)
        equal(answer.returncode, 1, answer.stderr)
        proof = json.loads(answer.stdout)["proof"]
        assert proof["found"] > 0 and all(where.endswith(": value 1") for where in proof["where"]), proof
        assert "subject-00003" not in answer.stdout + answer.stderr


def mistakes_change_nothing():
    with Project(SLOW) as project, Server(project) as server:
        server.send(TOPIC, [planted(n) for n in range(20)])
        server.land()
        table, folder = project.table_folder(), project.folder
        version = server.tables()[TOPIC]["version"]
        open(f"{folder}/empty", "w").close()
        with open(f"{folder}/short", "w") as file:
            file.write("abc\n")
        assert "say which rows" in sluice(table, "--landed", cwd=folder, expect=1)
        assert "belong together" in sluice(table, "--key", "page", "--landed", cwd=folder, expect=1)
        assert "no values" in sluice(table, "--key", "page", "--values", "empty", "--landed", cwd=folder, expect=1)
        assert "by chance" in sluice(table, "--where", "user_id = 1", "--prove", "short", "--landed", cwd=folder, expect=1)
        assert "no column 'nope'" in sluice(table, "--where", "nope = 1", "--landed", cwd=folder, expect=1)
        equal(server.tables()[TOPIC]["version"], version)


def the_page_is_true():
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs/how-to/erase.md").read_text()
    blocks = [block.split("```")[0] for block in page.split("```sh\n")[1:]]
    equal(len(blocks), 2)
    schema = ('@0x9a41c6de07b35f18;\nusing Sl = import "sluice.capnp";\nstruct UserEvent $Sl.event("shop.user-events") {\n'
              '  eventId @0 :Text $Sl.id;\n  userId @1 :Int64;\n  email @2 :Text;\n}\n')
    with Project(SLOW, schemas={"user_event.capnp": schema}) as project, Server(project) as server:
        server.send(TOPIC, [{"eventId": f"e{n}", "userId": n, "email": "ada@example.org" if n == 3 else f"p{n}@example.com"}
                            for n in range(10)])
        server.land()
        until(lambda: server.tables()[TOPIC]["files"] == 1, "it has landed")
        for block in (blocks[0], blocks[1].replace("127.0.0.1:7117", f"127.0.0.1:{server.port}")):
            program = os.path.abspath(binary())
            done = subprocess.run(["bash", "-euc", block.replace("sluice table", f"{program} table")], cwd=project.folder,
                                  capture_output=True, text=True, timeout=60)
            equal(done.returncode, 0, done.stdout + done.stderr)
        # The first was of the copy.
        until(lambda: server.sql("select count(*) from bronze.shop_user_events") == [[9]], "it is gone")
        code, out, err = project.command("table", "read", f"{project.folder}/copy-of-events", "-o", "ndjson")
        equal((code, out.count("@example.")), (0, 9), err)


run(rows_leave_a_landed_table_and_the_balance_says_so, what_lands_behind_an_erasure_is_kept, rows_that_were_deleted_before_stay_explained,
    what_is_still_there_is_found, mistakes_change_nothing, the_page_is_true)
