"""Data directories kept from older programs (tests/fixtures/data) are opened, verified, queried and written to; what a
newer program wrote is refused, and left as it is."""

import hashlib
import json
import os
import re
import shutil
import struct
import tempfile
from pathlib import Path

from server import Project, Server, equal, event, run

KEPT = Path(__file__).resolve().parents[1] / "fixtures/data"
CRC32C = [0] * 256
for number in range(256):
    value = number
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    CRC32C[number] = value


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Kept(Project):
    """A copy of a kept directory."""

    def __init__(self, source):
        self.folder = tempfile.mkdtemp(prefix="sluice-test-")
        shutil.rmtree(self.folder)
        shutil.copytree(source, self.folder)
        os.chmod(self.folder + "/keys/sluice.keys", 0o600)  # Which git does not keep.

    def sums(self, *parts):
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest()
                for part in parts for path in Path(self.folder, part).rglob("*")
                if path.is_file() and path.name not in ("lock", "reserve")}


def verify(project, server):
    code, out, err = project.command("--server", f"127.0.0.1:{server.port}", "-o", "json", "verify", "--full")
    equal(code, 0, out + err)
    return {line["topic"]: line["accepted"] for line in map(json.loads, out.splitlines())}


def each_kept_directory_is_read_and_written():
    kept = sorted(KEPT.iterdir())
    assert len(kept) >= 2, kept
    for source in kept:
        expected = json.loads((source / "expected.json").read_text())
        topic = expected["topic"]
        with Kept(source) as project:
            equal(project.command("journal", "verify")[0], 0, source)
            with Server(project) as server:
                for query, rows in expected["queries"].items():
                    equal(server.sql(query), rows, f"{source.name}: {query}")
                accepted = verify(project, server)
                equal({name: accepted[name] for name in expected["accepted"]}, expected["accepted"], source.name)
                # What it has seen it knows, and it takes what is new.
                receipt = server.send(topic, [expected["seen"]] + [event(n) for n in range(1000, 1010)])
                equal((receipt["duplicate"], receipt["accepted"]), (1, 10), f"{source.name}: {receipt}")
                server.land()
                accepted = verify(project, server)
                equal(accepted[topic], expected["accepted"][topic] + 10, source.name)
                server.stop()
            with Server(project) as server:
                equal(server.sql("select count(*) from bronze.shop_user_events"), [[expected["accepted"][topic] + 10]])
                server.stop()
            equal(project.command("verify", "--full")[0], 0, source)
        print(f"     {source.name}: {sum(expected['accepted'].values())} events", flush=True)


def replaced(path, old, new):
    text = path.read_text()
    assert old in text, f"{path}: {old!r}"
    path.write_text(text.replace(old, new, 1))


def newer_manifest(folder):
    path = folder / "data/journal/manifest"
    text = re.sub(r"^sluice journal \d+", "sluice journal 99", path.read_text().rsplit("checksum ", 1)[0])
    path.write_text(f"{text}checksum {crc32c(text.encode()):08x}\n")
    return "this program knows"


def newer_catalog(folder):
    path = folder / "data/control/topics"
    text = re.sub(r"^sluice catalog \d+", "sluice catalog 99", path.read_text().rsplit("sum ", 1)[0])
    path.write_text(f"{text}sum {crc32c(text.encode())}\n")
    return "newer version"


def newer_keys(folder):
    replaced(folder / "keys/sluice.keys", "sluice keys 2", "sluice keys 99")
    return "format 99, this program knows"


def newer_fingerprints(folder):
    replaced(folder / "data/control/keys", "sluice key fingerprints 1", "sluice key fingerprints 99")
    return "format 99, this program knows"


def newer_tokens(folder):
    (folder / "keys/tokens").write_text("sluice tokens 99\n")
    os.chmod(folder / "keys/tokens", 0o600)
    # They are read when the first address that others can reach asks for one.
    replaced(folder / "sluice.yaml", "127.0.0.1:0", "0.0.0.0:0")
    return "format 99, this program knows"


def active_segment(folder):
    return max((folder / "data/journal").glob("0" * 10 + "*"))


def newer_frame(folder):
    """The first frame of the active segment, whole, but of a version that is not known."""
    path = active_segment(folder)
    data = bytearray(path.read_bytes())
    equal(data[4096:4102], b"SLJF\x01\x00")
    struct.pack_into("<H", data, 4096 + 4, 99)
    struct.pack_into("<I", data, 4096 + 8, 0)
    struct.pack_into("<I", data, 4096 + 8, crc32c(data[4096:4096 + 120]))
    path.write_bytes(data)
    return "frames of format 99"


def newer_segment(folder):
    path = active_segment(folder)
    data = bytearray(path.read_bytes())
    equal(data[:8], b"SLJ\0SEG1")
    data[7:8] = b"9"
    struct.pack_into("<I", data, 68, crc32c(data[:68]))
    path.write_bytes(data)
    return "segments of format 9"


def newer_table(folder):
    log = folder / "data/tables/default/bronze/shop_user_events/_delta_log/00000000000000000000.json"
    text = re.sub(r'"minReaderVersion":\d+,"minWriterVersion":\d+', '"minReaderVersion":99,"minWriterVersion":99',
                  log.read_text())
    assert '"minReaderVersion":99' in text
    log.write_text(text)
    return None  # Landing into it stops with a report; the door stays open.


def what_is_newer_is_refused_and_left_as_it_is():
    source = sorted(KEPT.iterdir())[-1]
    for change in (newer_manifest, newer_catalog, newer_keys, newer_fingerprints, newer_tokens, newer_frame,
                   newer_segment):
        with Kept(source) as project:
            expected = change(Path(project.folder))
            # The journal is opened first, and recovered, as that is where the lock is.
            journal = change in (newer_manifest, newer_frame, newer_segment, newer_keys, newer_tokens)
            parts = ["keys", "data/control", "data/tables"] + ["data/journal"] * journal
            before = project.sums(*parts)
            try:
                Server(project).kill()
                raise AssertionError(f"{change.__name__}: it started")
            except RuntimeError as error:
                assert expected in str(error), f"{change.__name__}: {error}"
            after = project.sums(*parts)
            equal([path for path in before if before[path] != after.get(path)], [], f"{change.__name__}: it changed")
    with Kept(source) as project:
        newer_table(Path(project.folder))
        try:
            Server(project).kill()
            raise AssertionError("it started over a table that it cannot write")
        except RuntimeError as error:
            assert "99" in str(error), error


if __name__ == "__main__":
    run(each_kept_directory_is_read_and_written, what_is_newer_is_refused_and_left_as_it_is)
