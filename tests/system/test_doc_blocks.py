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

from server import SLOW, Project, Server, binary, equal, event, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
# What a line of a block that is not marked as shell begins with if it is one.
PROGRAMS = {"sluice", "./dev", "curl", "python3", "export", "cd", "git", "docker", "npm", "echo", "kill", "openssl", "sudo"}
TUTORIAL = "test_tutorial.the_tutorial_works_as_it_stands"
CHANGES = "test_table_changes.the_page_of_changes_is_true"
PROGRAM_BLOCKS = "test_how_to.each_program_sends_its_event"
# A page's blocks in their order: the test that runs each; or, with a space in it, why none does.
CLAIMS = {
    "README.md": ["it sets up the machine and builds: done by hand on a bare one (docs/status.md)",
                  "test_tutorial.the_readme_works_as_it_stands"],
    "docs/explanation/guarantees.md": ["test_doc_blocks.a_damaged_journal_is_repaired_as_the_page_says",
                                       "test_doc_blocks.the_balance_is_checked_as_the_page_says"],
    "docs/how-to/backup.md": ["test_doc_blocks.a_backup_comes_back_as_the_page_says"],
    "docs/how-to/change-tables.md": [CHANGES] * 5,
    "docs/how-to/erase.md": ["test_erasure.the_page_is_true"] * 2,
    "docs/how-to/maintenance.md": ["test_maintenance.the_page_is_true"],
    "docs/how-to/send-events.md": [PROGRAM_BLOCKS] * 3,
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


if __name__ == "__main__":
    run(blocks_are_found, each_block_is_run_by_a_test, a_backup_comes_back_as_the_page_says,
        tokens_are_made_and_revoked_as_the_page_says, a_damaged_journal_is_repaired_as_the_page_says,
        the_balance_is_checked_as_the_page_says)
