#!/usr/bin/env python3
"""A week of earthquakes as nested GeoJSON: sent, sent again, updated; and asked for in SQL.

What SQL finds is compared with the source; exit code 1 if anything differs.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
from running import Running  # noqa: E402

DATA = "vega-datasets/package/data/earthquakes.json"


def source():
    deps = Path(os.environ.get("SLUICE_DEPS", ROOT / ".deps")) / "unpacked"
    for group in ("quakes", "flights"):
        if (deps / group / DATA).exists():
            return json.loads((deps / group / DATA).read_text())["features"]
    sys.exit("error: the quakes are not here; `./dev example quakes` fetches them")


def envelope(feature):
    """Each version of a quake is an event of its own: known by the quake and when it was updated."""
    at = datetime.datetime.fromtimestamp(feature["properties"]["time"] / 1000, datetime.timezone.utc)
    return {"event": "quakes", "event_id": f"{feature['id']}/{feature['properties']['updated']}",
            "metadata": {"published": at.isoformat().replace("+00:00", "Z")}, "content": feature}


def corrected(feature):
    properties = feature["properties"]
    return {**feature, "properties": {**properties, "mag": round(properties["mag"] - 0.1, 2), "status": "reviewed",
                                      "updated": properties["updated"] + 60_000}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(ROOT / "build/release/sluice"))
    parser.add_argument("--keep", help="keep the project in this folder")
    arguments = parser.parse_args()
    features = source()
    strongest = sorted(features, key=lambda f: (-f["properties"]["mag"], f["id"]))[:3]
    folder = arguments.keep or tempfile.mkdtemp(prefix="sluice-quakes-")
    os.makedirs(f"{folder}/schemas", exist_ok=True)
    shutil.copy(HERE / "schemas/quake.capnp", f"{folder}/schemas/")
    Path(f"{folder}/sluice.yaml").write_text("version: 1\nproject: quakes\nserve: {http: 127.0.0.1:0}\nland: {every: 10s}\n")
    wrong = 0

    def check(what, found, expected):
        nonlocal wrong
        wrong += found != expected
        print(f"  {'equal    ' if found == expected else 'DIFFERENT'}  {what}: {found}"
              + ("" if found == expected else f", expected {expected}"))

    with Running(arguments.binary, folder) as server:
        counts = ("received", "accepted", "duplicate", "error")
        for what, rows, expected in (
                ("a week", features, [len(features), len(features), 0, 0]),
                ("the same week again", features, [len(features), 0, len(features), 0]),
                ("three corrections", [corrected(f) for f in strongest], [3, 3, 0, 0])):
            receipt = server.send([envelope(feature) for feature in rows])
            check(what + ": received, accepted, duplicate, error", [receipt[name] for name in counts], expected)
        check("quakes", server.sql("select count(distinct id), count(*) from bronze.quakes")[0],
              [len(features), len(features) + 3])
        check("felt by", server.sql("select sum(properties.felt) from bronze.quakes where properties.status <> 'reviewed'")[0][0],
              sum(f["properties"]["felt"] or 0 for f in features if f["properties"]["status"] != "reviewed"))
        check("deepest, km", server.sql("select max(geometry.coordinates[3]) from bronze.quakes")[0][0],
              max(f["geometry"]["coordinates"][2] for f in features))
        check("days", server.sql("select count(distinct event_date) from bronze.quakes")[0][0],
              len({f["properties"]["time"] // 86_400_000 for f in features}))
        query = (HERE / "quakes.sql").read_text()
        for feature in strongest:
            check(f"magnitude of {feature['id']} after its correction",
                  server.sql("select properties.mag from bronze.quakes where id = "
                             f"'{feature['id']}' order by properties.updated desc limit 1")[0][0],
                  corrected(feature)["properties"]["mag"])
        print("\nthe strongest, as of the newest word on each (quakes.sql)")
        for row in server.sql(query):
            print("  {:>4}  {:<45} {:<10} {:>6} km  {}".format(*row))
    verified = subprocess.run([arguments.binary, "-C", folder, "verify", "quakes"], capture_output=True, text=True)
    check("exit code of `sluice verify quakes`", verified.returncode, 0)
    if not arguments.keep:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
