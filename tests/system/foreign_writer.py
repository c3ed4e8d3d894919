"""Another engine that writes our Delta tables: plain Parquet and hand-written commits."""

import json
import os
import sys
import time
import uuid

from server import Skip


def parquet():
    """pyarrow, of the environment or of the pinned libraries."""
    deps = os.environ.get("SLUICE_DEPS", f"{os.path.dirname(os.path.abspath(__file__))}/../../.deps")
    sys.path.append(f"{deps}/unpacked/pyarrow")
    try:
        import pyarrow.parquet
    except ImportError as reason:
        raise Skip(f"pyarrow is neither installed nor in {deps}: {reason}")
    return pyarrow


def commit(folder, actions):
    """Puts a commit behind the newest, as an engine would: never over another's."""
    log = f"{folder}/_delta_log"
    text = "".join(json.dumps(action) + "\n" for action in actions)
    while True:
        version = 1 + max(int(name[:20]) for name in os.listdir(log) if name.endswith(".json") and name[0].isdigit())
        try:
            with open(f"{log}/{version:020}.json", "x") as file:
                file.write(text)
            return version
        except FileExistsError:
            continue


def info(operation):
    return {"commitInfo": {"timestamp": int(time.time() * 1000), "operation": operation,
                           "engineInfo": "foreign-writer"}}


def append(folder, date, columns):
    """Appends rows to the table; columns it does not name are absent from the file, which means null."""
    pyarrow = parquet()
    name = f"event_date={date}/part-00000-{uuid.uuid4()}.c000.snappy.parquet"
    os.makedirs(f"{folder}/event_date={date}", exist_ok=True)
    table = pyarrow.table(columns)
    pyarrow.parquet.write_table(table, f"{folder}/{name}")
    return commit(folder, [info("WRITE"), {"add": {
        "path": name, "partitionValues": {"event_date": date}, "size": os.path.getsize(f"{folder}/{name}"),
        "modificationTime": int(time.time() * 1000), "dataChange": True,
        "stats": json.dumps({"numRecords": table.num_rows})}}])


def live_files(folder, upto=None):
    """The `add` actions in force at a version, by path, read from the commits alone."""
    live = {}
    log = f"{folder}/_delta_log"
    for name in sorted(n for n in os.listdir(log) if n.endswith(".json") and n[0].isdigit()):
        if upto is not None and int(name[:20]) > upto:
            break
        for line in open(f"{log}/{name}"):
            action = json.loads(line)
            if "add" in action:
                live[action["add"]["path"]] = action["add"]
            if "remove" in action:
                live.pop(action["remove"]["path"], None)
    return live


def restore(folder, version):
    """What Delta's RESTORE commits: files that came later are removed, those that went are back; no `txn`."""
    now, then = live_files(folder), live_files(folder, version)
    actions = [{"remove": {"path": path, "deletionTimestamp": int(time.time() * 1000), "dataChange": True,
                           "extendedFileMetadata": True, "partitionValues": add["partitionValues"],
                           "size": add["size"]}} for path, add in now.items() if path not in then]
    actions += [{"add": add} for path, add in then.items() if path not in now]
    return commit(folder, [info("RESTORE"), *actions])
