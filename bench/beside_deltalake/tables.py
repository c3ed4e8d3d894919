"""Tables that bench/lake.py measures with: logs made by hand, and copies that a run may change."""

import json
import os
import random
import shutil
import struct
import uuid
import zlib

SCHEMA = json.dumps({"type": "struct", "fields": [
    {"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in
    (("id", "long"), ("v", "double"))]})


def make_log(table, files, commits):
    """A log of adds whose data files do not exist: opening a table reads none of them."""
    log = table / "_delta_log"
    log.mkdir(parents=True)
    generator = random.Random(1)
    head = ('{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}\n'
            '{"metaData":' + json.dumps({"id": "x", "format": {"provider": "parquet", "options": {}},
                                         "schemaString": SCHEMA, "partitionColumns": [], "configuration": {},
                                         "createdTime": 1}) + "}\n")
    (log / f"{0:020}.json").write_text(head)
    for commit in range(commits):
        lines = []
        for i in range(files // commits):
            first = (commit * (files // commits) + i) * 100
            stats = json.dumps({"numRecords": 100, "minValues": {"id": first}, "maxValues": {"id": first + 99},
                                "nullCount": {"id": 0}}, separators=(",", ":"))
            lines.append(json.dumps({"add": {
                "path": f"part-{generator.getrandbits(128):032x}.parquet", "partitionValues": {}, "size": 12345,
                "modificationTime": 1700000000000, "dataChange": True, "stats": stats}}, separators=(",", ":")))
        (log / f"{commit + 1:020}.json").write_text("\n".join(lines) + "\n")


Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def delete_every(table, step):
    """Deletes every `step`th row of each file by a deletion vector, as an engine with such would."""
    log = table / "_delta_log"
    lines, last = [], max(int(file.stem) for file in log.glob("*.json"))
    head = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"],
            "writerFeatures": ["deletionVectors"]}
    for commit in sorted(log.glob("*.json")):
        for line in commit.read_text().splitlines():
            add = json.loads(line).get("add")
            if not add:
                continue
            rows = json.loads(add["stats"])["numRecords"]
            deleted = range(0, rows, step)
            blocks = [[row & 0xFFFF for row in deleted if row >> 16 == block] for block in range((rows >> 16) + 1)]
            blocks = [(number, block) for number, block in enumerate(blocks) if block]
            header = b"".join(struct.pack("<HH", number, len(block) - 1) for number, block in blocks)
            offset, offsets = 8 + 8 * len(blocks), b""
            for _, block in blocks:
                assert len(block) <= 4096
                offsets += struct.pack("<I", offset)
                offset += 2 * len(block)
            body = b"".join(struct.pack(f"<{len(block)}H", *block) for _, block in blocks)
            bitmap = struct.pack("<IQIII", 1681511377, 1, 0, 12346, len(blocks)) + header + offsets + body
            name = uuid.uuid4()
            text = ""
            for word in struct.unpack(">4I", name.bytes):
                text += "".join(Z85[word // 85 ** power % 85] for power in (4, 3, 2, 1, 0))
            (table / f"deletion_vector_{name}.bin").write_bytes(
                b"\x01" + struct.pack(">I", len(bitmap)) + bitmap + struct.pack(">I", zlib.crc32(bitmap)))
            lines.append({"remove": {"path": add["path"], "deletionTimestamp": 1, "dataChange": True,
                                     "extendedFileMetadata": True, "partitionValues": {}, "size": add["size"]}})
            add["deletionVector"] = {"storageType": "u", "pathOrInlineDv": text, "offset": 1, "sizeInBytes": len(bitmap),
                                     "cardinality": len(deleted)}
            lines.append({"add": add})
    (log / f"{last + 1:020}.json").write_text(
        "\n".join(json.dumps(line) for line in [{"protocol": head}, *lines]) + "\n")


def make_dead_files(table, files, commits):
    """A table of one file that is there, and `files` that were compacted away; their bytes are no Parquet, and nobody reads
    them."""
    make_log(table, files, commits)
    log = table / "_delta_log"
    removes = []
    for commit in sorted(log.glob("*.json")):
        for line in commit.read_text().splitlines():
            add = json.loads(line).get("add")
            if add:
                (table / add["path"]).write_bytes(b"x" * 1000)
                removes.append({"remove": {"path": add["path"], "deletionTimestamp": 1700000000001, "dataChange": False,
                                           "extendedFileMetadata": True, "partitionValues": {}, "size": add["size"]}})
    (table / "living.parquet").write_bytes(b"x" * 1000)
    living = {"add": {"path": "living.parquet", "partitionValues": {}, "size": 1000, "modificationTime": 1700000000001,
                      "dataChange": False, "stats": '{"numRecords":100}'}}
    (log / f"{commits + 1:020}.json").write_text("\n".join(json.dumps(line) for line in [*removes, living]) + "\n")


def copy_table(source, target):
    """The same files under another folder, by hard links: neither engine writes into a file that is there."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=os.link)
