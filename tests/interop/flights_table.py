"""A landed table among other engines: they read it, write it and tidy it up while events go on landing.

usage: flights_table.py PATH/TO/sluice [--real] [--spark]

Sends flights (generated ones, or the 3,000,000 real ones), and lets deltalake, or Spark, read the table, append
rows, write a checkpoint, compact, vacuum and add a column meanwhile. SQL, both engines and the sender's own
count must agree at the end, after a kill, and after everything was compacted and vacuumed.
"""

import argparse
import datetime
import http.client
import json
import random
import sys
import tempfile
import threading
import time

import packages

packages.use_deltalake()
sys.path.append(str(packages.ROOT / "tests/system"))

import deltalake  # noqa: E402
import pyarrow  # noqa: E402
import pyarrow.compute as compute  # noqa: E402
import pyarrow.parquet  # noqa: E402

from engines import Deltalake, Spark, UTC, plain  # noqa: E402
from server import Project, Server, equal  # noqa: E402

ROWS_A_REQUEST = 1000
SCHEMA = (packages.ROOT / "examples/flights/schemas/flights.capnp").read_text()
QUERIES = {  # The same text for every engine.
    "totals": "select count(*), sum(delay), sum(distance), count(distinct origin), count(distinct destination), "
              "min(event_time), max(event_time) from {t} where {own}",
    "by origin": "select origin, count(*), sum(delay), min(delay), max(delay) from {t} where {own} group by origin",
    "by date": "select event_date, count(*), sum(distance) from {t} where {own} group by event_date",
    "ours": "select count(_offset), min(_offset), max(_offset), count(distinct _offset), count(distinct _id) "
            "from {t} where {own}",
    "foreign": "select count(*), sum(distance) from {t} where _offset is null",
}
OWN = "_offset is not null"


def generated(rows):
    generator = random.Random(7)
    begin = datetime.datetime(2001, 1, 1)
    airports = [a + b + c for a in "ABC" for b in "LMN" for c in "XYZ"]
    return pyarrow.table({
        "date": pyarrow.array([begin + datetime.timedelta(minutes=i * 14400 // rows) for i in range(rows)],
                              pyarrow.timestamp("ms")),
        "delay": pyarrow.array([generator.randrange(-60, 500) for _ in range(rows)], pyarrow.int32()),
        "distance": pyarrow.array([generator.randrange(50, 4000) for _ in range(rows)], pyarrow.int32()),
        "origin": [generator.choice(airports) for _ in range(rows)],
        "destination": [generator.choice(airports) for _ in range(rows)]})


def expected_of(source):
    """What the queries must answer, from the source alone."""
    times = source["date"].cast(pyarrow.timestamp("us", "UTC"))
    source = source.append_column("event_date", times.cast(pyarrow.date32()))

    def groups(key, *aggregates):
        table = source.group_by(key).aggregate(aggregates)
        names = [f"{column}_{what}" for column, what in aggregates]
        return list(zip(*(table[name].to_pylist() for name in [key, *names])))

    def total(what, column):
        return getattr(compute, what)(source[column]).as_py()

    rows = source.num_rows
    return {
        "totals": [(rows, total("sum", "delay"), total("sum", "distance"), total("count_distinct", "origin"),
                    total("count_distinct", "destination"), compute.min(times).as_py(), compute.max(times).as_py())],
        "by origin": groups("origin", ("delay", "count"), ("delay", "sum"), ("delay", "min"), ("delay", "max")),
        "by date": groups("event_date", ("distance", "count"), ("distance", "sum")),
        "ours": [(rows, 0, rows - 1, rows, rows)],
    }


def plain_set(rows):
    return sorted((tuple(plain(value) for value in row) for row in rows), key=repr)


def ask_deltalake(path, text):
    result = Deltalake().sql(path, text.format(t="t", own=OWN))
    return list(zip(*(column.to_pylist() for column in result.columns)))


class Check:
    def __init__(self, project, engine, source):
        self.project = project
        self.engine = engine
        self.source = source
        self.path = project.table_folder("flights")
        self.sent = 0
        self.foreign = []  # Distances of the rows that the other engine appended.
        self.lost_races = 0
        self.server = None

    def post(self, begin, rows):
        columns = [column.to_pylist() for column in self.source.slice(begin, rows).columns]
        body = "".join(
            f'{{"event":"flights","producer":"flights","sequence":{number},"content":{{"date":'
            f'"{date.isoformat()}Z","delay":{delay},"distance":{distance},"origin":"{origin}",'
            f'"destination":"{destination}"}}}}\n'
            for number, (date, delay, distance, origin, destination) in enumerate(zip(*columns), begin))
        return self.server.send("", [body])

    def send(self, rows):
        """Sends the next rows of the source."""
        end = min(self.sent + rows, self.source.num_rows)
        while self.sent < end:
            count = min(ROWS_A_REQUEST, end - self.sent)
            equal(self.post(self.sent, count)["accepted"], count, "accepted")
            self.sent += count

    def send_again(self, rows):
        self.server.connection = None
        receipt = self.post(0, rows)
        equal((receipt["duplicate"], receipt["error"]), (rows, 0), "duplicates and errors of what was sent again")

    def landed(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request("GET", "/v1/admin/tables")
        tables = {table["topic"]: table for table in json.loads(connection.getresponse().read())["tables"]}
        connection.close()
        equal(tables["flights"].get("stopped") or "", "", "landing stopped")
        return tables["flights"]["landed_offset"]

    def wait_landed(self):
        deadline = time.monotonic() + 120
        while self.landed() != self.sent - 1:
            if time.monotonic() > deadline:
                raise AssertionError(f"landed only {self.landed()} of {self.sent}")
            time.sleep(0.05)

    def wait_landing(self, failures):
        """Waits until more has landed than now."""
        before = self.landed()
        deadline = time.monotonic() + 60
        while self.landed() == before and not failures:
            if time.monotonic() > deadline:
                raise AssertionError(f"nothing has landed behind offset {before} for a minute")
            time.sleep(0.02)

    def race(self, action):
        """The other engine may lose its races against our landings; then it tries again."""
        for _ in range(20):
            try:
                return action()
            except Exception as error:  # Each engine has many kinds.
                if "oncurrent" not in str(error) and "conflict" not in str(error).lower():
                    raise
                self.lost_races += 1
        raise AssertionError("the other engine never won a race in 20 tries")

    def append_foreign(self, note=None):
        schema = pyarrow.schema(deltalake.DeltaTable(self.path).schema().to_arrow())
        rows = []
        for date in (datetime.date(2001, 3, 1), datetime.date(2030, 1, 1), None):
            distance = 10 ** 6 + len(self.foreign)
            self.foreign.append(distance)
            row = dict.fromkeys(schema.names)
            time_of = date and datetime.datetime(date.year, date.month, date.day, 12, tzinfo=UTC)
            row.update(event_date=date, event_time=time_of, delay=0, distance=distance, origin="OTHER")
            if note is not None:
                row["note"] = note
            rows.append(row)
        fields = [pyarrow.field(f.name, plain_type(f.type)) for f in schema]
        self.race(lambda: self.engine.append(self.path, rows, pyarrow.schema(fields)))

    def check_all(self, what):
        self.server.connection = None  # The other engine may have taken longer than the server waits.
        expected = expected_of(self.source.slice(0, self.sent))
        expected["foreign"] = [(len(self.foreign), sum(self.foreign) if self.foreign else None)]
        for name, text in QUERIES.items():
            equal(plain_set(ask_deltalake(self.path, text)), plain_set(expected[name]), f"{what}: deltalake, {name}")
            if isinstance(self.engine, Spark):
                rows = self.engine.sql(text.format(t=f"delta.`{self.path}`", own=OWN))
                equal(plain_set(rows), plain_set(expected[name]), f"{what}: Spark, {name}")
        self.check_sql(expected, what)
        print(f"{what}: {self.sent:,} rows and {len(self.foreign)} foreign ones equal", flush=True)

    def check_sql(self, expected, what):
        # What others commit is seen within a second. Until then a query may also miss a file that another
        # engine removed without any grace.
        deadline = time.monotonic() + 10
        text = QUERIES["foreign"].format(t="bronze.flights", own=OWN)
        while time.monotonic() < deadline:
            status, _ = self.server.ask("POST", "/v1/sql", text, {"Content-Type": "text/plain"})
            if status == 200 and plain_set(self.server.sql(text)) == plain_set(expected["foreign"]):
                break
            equal(status in (200, 503), True, f"{what}: status {status}")
            time.sleep(0.05)
        for name, text in QUERIES.items():
            rows = self.server.sql(text.format(t="bronze.flights", own=OWN))
            wanted = [[as_json(value) for value in row] for row in expected[name]]
            equal(sorted(rows, key=repr), sorted(wanted, key=repr), f"{what}: SQL, {name}")

    def check_types(self):
        fields = {f["name"]: f["type"] for f in json.loads(
            deltalake.DeltaTable(self.path).schema().to_json())["fields"]}
        wanted = {"event_time": "timestamp", "event_date": "date", "_id": "binary", "_offset": "long", "delay": "integer",
                  "origin": "string", "_received_at": "timestamp", "_partition": "integer", "_tenant": "string"}
        equal({name: fields.get(name) for name in wanted}, wanted, "types")
        table = deltalake.DeltaTable(self.path)
        equal(table.metadata().partition_columns, ["event_date"], "partition columns")
        ids = table.to_pyarrow_table(columns=["_id"])["_id"]
        equal(set(compute.binary_length(ids).to_pylist()), {16}, "bytes of _id")

    def while_events_land(self):
        """The other engine works on the table while a sender goes on."""
        stop = threading.Event()
        failures = []

        def send():
            try:
                while not stop.is_set() and self.sent < self.source.num_rows:
                    self.send(self.source.num_rows // 4000)
                    stop.wait(0.1)
            except Exception as error:
                failures.append(error)

        before = self.sent
        sender = threading.Thread(target=send)
        sender.start()
        try:
            note = pyarrow.field("note", pyarrow.string())
            for work in (self.append_foreign, lambda: self.race(lambda: self.engine.checkpoint(self.path)),
                         self.append_foreign, lambda: self.race(lambda: self.engine.compact(self.path)),
                         self.append_foreign, lambda: self.race(lambda: self.engine.grow(self.path, note)),
                         lambda: self.append_foreign("seen")):
                work()
                self.wait_landing(failures)
        finally:
            stop.set()
            sender.join()
        if failures:
            raise failures[0]
        assert self.sent > before, "nothing was sent meanwhile"

    def run(self):
        with Server(self.project) as self.server:
            for rows in (100, 100, self.source.num_rows // 2):  # So that there is something to compact.
                self.send(rows)
                self.wait_landed()
            self.check_types()
            self.check_all("landed")
            self.while_events_land()
            self.wait_landed()
            self.check_all("with others")
            self.server.kill()
        with Server(self.project) as self.server:
            self.check_all("after a kill")
            self.send_again(1000)
            self.engine.compact(self.path)
            self.engine.vacuum(self.path)
            self.check_all("compacted and vacuumed")
            self.server.connection = None
            self.send(self.source.num_rows)
            self.wait_landed()
            self.check_all("all sent")
            self.server.stop()
        notes = ask_deltalake(self.path, "select note, count(*) from {t} where note is not null group by note")
        equal(notes, [("seen", 3)], "the column that another engine added")


def plain_type(kind):
    """Types that pyarrow makes from lists: no views."""
    if kind in (pyarrow.string_view(), pyarrow.large_string()):
        return pyarrow.string()
    if kind in (pyarrow.binary_view(), pyarrow.large_binary()):
        return pyarrow.binary()
    return kind


def as_json(value):
    if isinstance(value, datetime.datetime):
        return plain(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--real", action="store_true", help="the 3,000,000 flights of vega-datasets")
    parser.add_argument("--rows", type=int, default=20_000, help="generated flights")
    parser.add_argument("--spark", action="store_true")
    arguments = parser.parse_args()
    if arguments.spark:
        packages.use_spark()
    source = pyarrow.parquet.read_table(packages.FLIGHTS) if arguments.real else generated(arguments.rows)
    settings = (f"land: {{every: {'2s' if arguments.real else '200ms'}}}\n"
                "topics: {flights: {dedup: {by: producer}}}\n")
    with tempfile.TemporaryDirectory(prefix="sluice-flights-") as scratch, \
            Project(settings, {"flights.capnp": SCHEMA}) as project:
        engine = Spark(scratch) if arguments.spark else Deltalake()
        check = Check(project, engine, source)
        check.run()
        engine.close()
    print(f"equal: {check.sent:,} rows, {len(check.foreign)} foreign ones by {engine.name}, "
          f"which lost {check.lost_races} races")


if __name__ == "__main__":
    main()
