"""Every block of shell commands in README, docs and examples is run by some test; this one knows which, and runs the rest.

A new block fails here until its page's list in CLAIMS has a place for it: the test that runs it, or why none can.
"""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from server import SLOW, Project, Server, Skip, binary, equal, event, run, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
# What a line of a block that is not marked as shell begins with if it is one.
PROGRAMS = {"sluice", "./dev", "curl", "python3", "export", "cd", "git", "docker", "npm", "echo", "kill", "openssl", "sudo"}
TUTORIAL = "test_tutorial.the_tutorial_works_as_it_stands"
CHANGES = "test_table_changes.the_page_of_changes_is_true"
PROGRAM_BLOCKS = "test_how_to.each_program_sends_its_event"
MENDING = "test_doc_blocks.errors_are_mended_as_the_page_says"
CAPTURE = "test_doc_blocks.pages_send_as_the_page_says"
SERVING = "test_doc_blocks.others_are_served_as_the_page_says"
# A page's blocks in their order: the test that runs each; or, with a space in it, why none does.
CLAIMS = {
    "README.md": ["it sets up the machine and builds: done by hand on a bare one (docs/status.md)",
                  "test_tutorial.the_readme_works_as_it_stands"],
    "docs/explanation/guarantees.md": ["test_doc_blocks.a_damaged_journal_is_repaired_as_the_page_says",
                                       "test_doc_blocks.the_balance_is_checked_as_the_page_says"],
    "docs/how-to/backup.md": ["test_doc_blocks.a_backup_comes_back_as_the_page_says"],
    "docs/how-to/capture-pages.md": [CAPTURE] * 2,
    "docs/how-to/change-tables.md": [CHANGES] * 5,
    "docs/how-to/erase.md": ["test_erasure.the_page_is_true"] * 2,
    "docs/how-to/maintenance.md": ["test_maintenance.the_page_is_true"],
    "docs/how-to/mend-errors.md": [MENDING] * 4,
    "docs/how-to/send-events.md": [PROGRAM_BLOCKS] * 3,
    "docs/how-to/serve-others.md": [SERVING] * 4,
    "docs/how-to/service.md": ["it needs a machine under systemd; the unit's own command is run by test_service"],
    # Written by the program: the tree, and a line of usage for each command.
    "docs/reference/cli.md": "test_command_line.the_reference_is_what_the_program_says",
    "docs/reference/tokens.md": ["test_doc_blocks.tokens_are_made_and_revoked_as_the_page_says"],
    "docs/tutorial/first-minute.md": [TUTORIAL] * 9,
    "examples/flights/README.md": ["three million flights to fetch and send: `./dev example flights`, by hand and in `./dev test --interop`"],
}


def blocks(page, kinds=("sh", "console", "bash")):
    """The shell blocks of a page: fenced ones that say so, and fenced or indented ones that look like it."""
    found = []
    text = page.read_text()
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
    for match in fence.finditer(text):
        if match[1] in kinds or (not match[1] and looks_like_shell(match[2])):
            found.append((match.start(), match[2]))
    rest = fence.sub(lambda match: "." * len(match[0]), text)  # Of the same length, so that places stay.
    for match in re.finditer(r"(?:(?<=\n\n)|\A)((?: {4}.*\n|\n(?= {4}))+)", rest):
        if looks_like_shell(match[1]):
            found.append((match.start(), re.sub("^    ", "", match[1], flags=re.M)))
    return [block for _, block in sorted(found)]


def looks_like_shell(text):
    return any(line.removeprefix("$ ").split(" ")[0] in PROGRAMS for line in map(str.strip, text.splitlines()))


def each_block_is_run_by_a_test():
    missing = []
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        found, claims = blocks(page), CLAIMS.get(name, [])
        if isinstance(claims, str):
            claims = [claims] * len(found)
        if len(found) != len(claims):
            missing.append(f"{name} has {len(found)} blocks of commands, CLAIMS knows {len(claims)}")
        for claim in claims:
            if " " in claim:
                continue
            file, function = claim.split(".")
            path = pathlib.Path(__file__).parent / f"{file}.py"
            if not path.exists() or f"\ndef {function}():" not in path.read_text():
                missing.append(f"{name}: there is no test {claim}")
    equal(missing, [])
    equal(set(CLAIMS) - {str(page.relative_to(ROOT)) for page in PAGES}, set(), "pages that are gone")


def blocks_are_found():
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder, "page.md")
        page.write_text("# A\n\n```sh\none\n```\ntext\n```yaml\nsluice: no\n```\n\n    sluice two\n    more\n\n    and more\n\n"
                        "```\n$ curl three\n```\n\n    from nothing\n\n- item\n    sluice no block\n\n```\nplain\n```\n")
        equal(blocks(page), ["one\n", "sluice two\nmore\n\nand more\n", "$ curl three\n"])


def page_blocks(name, ours):
    """The blocks of a page that one of our tests claims."""
    found = blocks(ROOT / name)
    return [block for block, claim in zip(found, CLAIMS[name]) if claim == f"test_doc_blocks.{ours}"]


def shell(project, text, *replaced, options="-euo pipefail", **environment):
    """Runs a block in the project's folder; returns what it prints."""
    for old, new in replaced:
        assert old in text, f"{old} is not in:\n{text}"
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as programs:
        os.symlink(os.path.abspath(binary()), f"{programs}/sluice")
        done = subprocess.run(["bash", *options.split(), "-c", text], cwd=project.folder, text=True, capture_output=True,
                              timeout=120, env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", **environment})
    equal(done.returncode, 0, f"{text}\n{done.stdout}{done.stderr}")
    return done.stdout


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"there is no {program}")


def at(server):
    return "127.0.0.1:7117", f"127.0.0.1:{server.port}"


def a_backup_comes_back_as_the_page_says():
    block, = page_blocks("docs/how-to/backup.md", "a_backup_comes_back_as_the_page_says")
    with Project() as project, tempfile.TemporaryDirectory() as elsewhere:
        with Server(project) as server:
            server.send("shop.user-events", [event(n) for n in range(10)])
            os.makedirs(f"{elsewhere}/srv/shop")
            os.mkdir(f"{elsewhere}/backups")
            shell(project, block, ("/backups", f"{elsewhere}/backups"), ("/srv", f"{elsewhere}/srv"))
            server.stop()
        shutil.copytree(f"{project.folder}/keys", f"{elsewhere}/srv/shop/keys", dirs_exist_ok=True)
        with Server(Restored(f"{elsewhere}/srv/shop")) as server:
            equal(server.sql("select count(*) from bronze.shop_user_events"), [[10]])


Restored = collections.namedtuple("Restored", "folder")


def tokens_are_made_and_revoked_as_the_page_says():
    block, = page_blocks("docs/reference/tokens.md", "tokens_are_made_and_revoked_as_the_page_says")
    with Project() as project:
        project.command("token", "create", "--scope", "read:*")
        number = project.command("token", "list", "-o", "csv")[1].splitlines()[1].split(",")[0]
        shell(project, block, ID=number)
        states = [line.split(",")[1:3] for line in project.command("token", "list", "-o", "csv")[1].splitlines()[1:]]
        equal(states, [["revoked", "read:*"], ["valid", "send:shop.*"]])


def a_damaged_journal_is_repaired_as_the_page_says():
    block, = page_blocks("docs/explanation/guarantees.md", "a_damaged_journal_is_repaired_as_the_page_says")
    with Project(SLOW) as project:
        with Server(project) as server:
            for batch in range(3):
                server.send("shop.user-events", [event(10 * batch + n) for n in range(10)])
            server.kill()
        segment = max(pathlib.Path(project.folder, "data/journal").glob("0*"), key=lambda path: path.stat().st_size)
        bytes_ = bytearray(segment.read_bytes())
        at_event = bytes_.index(b"e15")  # In the middle of the second request's rows.
        bytes_[at_event] ^= 1
        segment.write_bytes(bytes_)
        out = shell(project, block, options="-u")  # What finds damage ends with 1.
        equal((out.count('"e5"'), out.count('"e25"')), (1, 1), out)
        equal(project.command("journal", "verify")[0], 0)
        with Server(project) as server:
            equal(server.sql("select count(*) from bronze.shop_user_events"), [[20]])


def the_balance_is_checked_as_the_page_says():
    block, = page_blocks("docs/explanation/guarantees.md", "the_balance_is_checked_as_the_page_says")
    with Project() as project, Server(project) as server:
        server.send("shop.user-events", [event(n) for n in range(10)])
        server.land()
        out = shell(project, block)
        assert out.count("shop.user-events") >= 2, out


def errors_are_mended_as_the_page_says():
    groups, one, replay, drop = page_blocks("docs/how-to/mend-errors.md", "errors_are_mended_as_the_page_says")
    with Project() as project, Server(project) as server:
        server.send("shop.user-events", [event(1), {**event(2), "userId": "seven"}])
        server.send("", [{"event": "shop.orders", "event_id": "o1", "content": {"orderId": "o1"}}])
        out = shell(project, groups)
        assert "shop.user-events,SL3012,userId,1\n" in out, out
        shell(project, one)
        until(lambda: server.sql("select user_id from bronze.shop_user_events where event_id = 'e2'") == [[7]], "it is mended")
        pathlib.Path(project.folder, "schemas/order.capnp").write_text(
            '@0xf3a1c2d4e5b69788;\nusing Sl = import "sluice.capnp";\nstruct Order $Sl.event("shop.orders") {\n'
            "  orderId @0 :Text $Sl.id;\n}\n")
        shell(project, replay)
        equal(server.sql("select order_id from bronze.shop_orders"), [["o1"]])
        server.send("shop.user-events", [{**event(3), "userId": []}])
        shell(project, drop)
        equal(server.sql("select count(*) from system.errors where state = 'dropped'"), [[1]])
        equal(server.get("/v1/overview")[1]["open_errors"], 0)


def fenced(name, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", (ROOT / name).read_text(), re.S | re.M)


def pages_send_as_the_page_says():
    needs("curl")
    page = "docs/how-to/capture-pages.md"
    keys, tried = page_blocks(page, "pages_send_as_the_page_says")
    settings, = fenced(page, "yaml")
    schema, = fenced(page, "capnp")
    with Project(settings, schemas={"page_click.capnp": schema}) as project, Server(project) as server:
        shell(project, keys)
        out = shell(project, tried, at(server))
        assert '"received":1,"accepted":1' in out and "SL4032" in out and "checkout,2026-01-05T10:00:00" in out, out
        # The same batch once more.
        assert '"accepted":0,"duplicate":1' in shell(project, tried, at(server))


def others_are_served_as_the_page_says():
    needs("curl", "openssl")
    page = "docs/how-to/serve-others.md"
    tokens, certificate, asked, revoked = page_blocks(page, "others_are_served_as_the_page_says")
    settings, = fenced(page, "yaml")
    with Project() as project:
        shell(project, tokens)
        shell(project, certificate)
        equal(os.stat(f"{project.folder}/admin.token").st_mode & 0o077, 0)
        assert "0.0.0.0:7117" in settings, settings
        with open(f"{project.folder}/sluice.yaml", "w") as file:
            file.write("version: 1\n" + settings.replace("7117", "0"))
        with Server(project) as server:
            out = shell(project, asked, ("localhost:7117", f"localhost:{server.port}"))
            assert '"accepted":1' in out and out.endswith("event_id\nt1\n"), out
            shell(project, revoked)
            equal([line.split(",")[1] for line in project.command("token", "list", "-o", "csv")[1].splitlines()[1:]],
                  ["valid", "revoked", "valid"])


if __name__ == "__main__":
    run(blocks_are_found, each_block_is_run_by_a_test, a_backup_comes_back_as_the_page_says,
        tokens_are_made_and_revoked_as_the_page_says, a_damaged_journal_is_repaired_as_the_page_says,
        the_balance_is_checked_as_the_page_says, errors_are_mended_as_the_page_says, pages_send_as_the_page_says,
        others_are_served_as_the_page_says)
