#!/usr/bin/env python3
"""Ingest against DuckDB's bare COPY of the same file, and the door's other shapes of load. bench/README.md says what
is measured and how to repeat it.

    ingest.py [--quick] [--runs N] [--rows N] [--only NAME,..] [--sluice PROGRAM] [--no-save]
"""

import argparse
import contextlib
import http.client
import json
import os
import platform
import resource
import shutil
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPS = Path(os.environ.get("SLUICE_DEPS", ROOT / ".deps"))
DUCKDB = DEPS / "unpacked/ingest/duckdb"
LOAD_BEFORE = round(os.getloadavg()[0], 1)  # Of others: more than a little of it spoils the figures.
SECONDS_A_TICK = 1 / os.sysconf("SC_CLK_TCK")

FLAT = """@0x9a41c6de07b35f21;
using Sl = import "sluice.capnp";
struct Click $Sl.event("shop.clicks") {
  eventId @0 :Text $Sl.id;  ts      @1 :Int64 $Sl.eventTime;  type    @2 :Text;  userId  @3 :Int64;  email @4 :Text;
  url     @5 :Text;         amount  @6 :Float64;              country @7 :Text;  session @8 :Text;   ok    @9 :Bool;
}
"""
BIG = """@0x9a41c6de07b35f23;
using Sl = import "sluice.capnp";
struct Document $Sl.event("shop.documents") {
  eventId @0 :Text $Sl.id;  ts @1 :Int64 $Sl.eventTime;  body @2 :Text;
}
"""
# The same columns for DuckDB, so that it need not guess.
COLUMNS = ("{eventId: 'VARCHAR', ts: 'BIGINT', type: 'VARCHAR', userId: 'BIGINT', email: 'VARCHAR', url: 'VARCHAR', "
           "amount: 'DOUBLE', country: 'VARCHAR', session: 'VARCHAR', ok: 'BOOLEAN'}")
CHECK = "select count(*), count(distinct event_id), sum(user_id), round(sum(amount), 2), count(*) filter (where ok) from "


def wide_schema():
    fields = ["eventId :Text $Sl.id", "ts :Int64 $Sl.eventTime"]
    fields += [f"text{i} :Text" for i in range(38)] + [f"count{i} :Int64" for i in range(30)]
    fields += [f"value{i} :Float64" for i in range(20)] + [f"flag{i} :Bool" for i in range(10)]
    lines = [f"  {field.split(' ', 1)[0]} @{number} {field.split(' ', 1)[1]};\n" for number, field in enumerate(fields)]
    return ('@0x9a41c6de07b35f22;\nusing Sl = import "sluice.capnp";\n'
            'struct Wide $Sl.event("shop.wide") {\n' + "".join(lines) + "}\n")


def quiet_schemas(topics):
    """A file for each topic."""
    fields = FLAT[FLAT.index("{"):]
    return {f"quiet{i}.capnp": f'@0x{0x9a41c6de07b40000 + i:x};\nusing Sl = import "sluice.capnp";\n'
                               f'struct Quiet $Sl.event("quiet.t{i}") {fields}' for i in range(topics)}


def say(text):
    print(text, flush=True)


def folder_bytes(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def cpu_seconds(pid):
    """User and system time of a process and all that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(fields[i]) for i in range(11, 15)) * SECONDS_A_TICK


def median(values):
    return statistics.median(values)


def quantile(values, part):
    values = sorted(values)
    return values[int(part * (len(values) - 1))]


class Server:
    """One run of the program over a fresh project of its own."""

    def __init__(self, program, folder, schemas, settings=""):
        self.folder = Path(folder)
        (self.folder / "schemas").mkdir(parents=True)
        serve = "" if "serve:" in settings else "serve: {http: 127.0.0.1:0}\n"
        (self.folder / "sluice.yaml").write_text("version: 1\n" + serve + settings)
        self.tls = ssl._create_unverified_context() if "tls:" in settings else None
        for name, text in schemas.items():
            (self.folder / "schemas" / name).write_text(text)
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen([program, "-C", folder, "--log-format", "json", "serve"],
                                        stdout=self.log, stderr=self.log)
        self.port = self._port()
        self.pss = []  # Bytes, sampled while watch() lasts.

    def _port(self):
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in (self.folder / "log").read_text().splitlines():
                if '"event":"serving"' in line:
                    return int(json.loads(line)["port"])
            time.sleep(0.02)
        raise RuntimeError("the server did not start:\n" + (self.folder / "log").read_text())

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def _pss(self):
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        return 0

    @contextlib.contextmanager
    def watch(self):
        stop = threading.Event()
        self.pss = [self._pss()]

        def sample():
            while not stop.wait(0.2):
                self.pss.append(self._pss())

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.pss.append(self._pss())

    def ask(self, method, target):
        connection = (http.client.HTTPSConnection("127.0.0.1", self.port, timeout=600, context=self.tls) if self.tls else
                      http.client.HTTPConnection("127.0.0.1", self.port, timeout=600))
        connection.request(method, target)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{target}: {answer.status} {body.decode()}")
        return json.loads(body)

    def table(self, topic):
        return next(t for t in self.ask("GET", "/v1/admin/tables")["tables"] if t["topic"] == topic)

    def table_folder(self, name):
        return self.folder / "data/tables/default/bronze" / name

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=120) != 0:
            raise RuntimeError("the server failed:\n" + (self.folder / "log").read_text())


def landed_files(table):
    """The files of the table by its Delta log, and the last offset that its txn covers."""
    files, offset = {}, -1
    for commit in sorted((table / "_delta_log").glob("*.json")):
        for line in commit.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                files[action["add"]["path"]] = action["add"]["size"]
            elif "remove" in action:
                files.pop(action["remove"]["path"], None)
            elif "txn" in action:
                offset = max(offset, action["txn"]["version"])
    return {str(table / path): size for path, size in files.items()}, offset


class Bench:
    def __init__(self, arguments, work):
        self.arguments = arguments
        self.work = Path(work)
        self.program = str(Path(arguments.sluice).resolve())
        self.generator = str(Path(arguments.generator).resolve())
        self.results = {}
        self.number = 0

    def fresh(self, name):
        self.number += 1
        folder = self.work / f"{name}-{self.number}"
        shutil.rmtree(folder, ignore_errors=True)
        return str(folder)

    def events(self, shape, rows):
        """The file of so many events; made once, kept with the dependencies."""
        folder = DEPS / "bench"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{shape}-{rows}.ndjson"
        if not path.exists():
            say(f"making {rows:,} {shape} events ...")
            with open(path.with_suffix(".part"), "w") as out:
                subprocess.run([self.generator, "generate", shape, str(rows)], stdout=out, check=True)
            path.with_suffix(".part").rename(path)
        with open(path, "rb") as file:  # Into the page cache: what is measured is not this disk.
            while file.read(16 << 20):
                pass
        return path

    def generate_and_send(self, server, *words):
        done = subprocess.run([self.generator, *words], stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"load generator failed; the server says:\n{(server.folder / 'log').read_text()[-2000:]}")
        return json.loads(done.stdout)

    def send(self, server, topic, path, rows, connections, requests_max=None, skipped=0):
        words = ["send", f"tls:{server.port}" if server.tls else server.port, f"/v1/events/{topic}", path, rows, connections]
        if requests_max:
            words += [requests_max, skipped]
        return self.generate_and_send(server, *[str(word) for word in words])

    # ---- Bulk ingest beside DuckDB.

    def sluice_run(self, shape, schema, topic, table, path, rows, tls=False):
        folder = self.fresh("sluice")
        settings = ""
        if tls:
            settings = f"serve: {{http: 127.0.0.1:0, tls: {{certificate: {self.work}/chain.pem, key: {self.work}/chain.key}}}}\n"
        server = Server(self.program, folder, {"schema.capnp": schema}, settings)
        with server.watch():
            begin, cpu = time.monotonic(), server.cpu_seconds()
            client = self.send(server, topic, path, 1000 if shape != "big" else 100, self.arguments.connections)
            acked = time.monotonic() - begin
            acked_cpu = server.cpu_seconds() - cpu
            server.ask("POST", "/v1/admin/land")
            seconds, cpu = time.monotonic() - begin, server.cpu_seconds() - cpu
        files, offset = landed_files(server.table_folder(table))
        if client["accepted"] != rows or offset != rows - 1:
            raise RuntimeError(f"{client['accepted']} of {rows} events accepted, landed up to offset {offset}")
        server.stop()
        result = {"seconds": seconds, "cpu_seconds": cpu, "seconds_to_last_ack": acked,
                  "cpu_seconds_to_last_ack": acked_cpu, "client_cpu_seconds": client["cpu_seconds"],
                  "ack_p50_ms": client["p50_us"] / 1000, "ack_p99_ms": client["p99_us"] / 1000,
                  "put_off": client["put_off"], "pss_peak": max(server.pss), "pss_median": median(server.pss),
                  "bytes": sum(files.values()), "files": len(files), "check": self.check(list(files)) if shape == "flat" else None}
        shutil.rmtree(folder)
        return result

    def duckdb(self, code):
        """Runs Python with the pinned DuckDB, apart from this process; returns what it prints."""
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(DUCKDB)},
                              stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip()

    def check(self, files):
        return self.duckdb(f"import duckdb\nduckdb.sql('SET enable_progress_bar = false')\nprint(duckdb.sql(\"\"\"{CHECK} read_parquet({files})\"\"\").fetchall()[0])")

    def duckdb_run(self, path, partitioned):
        folder = self.fresh("duckdb")
        os.makedirs(folder)
        select = "* RENAME (eventId AS event_id, userId AS user_id)"
        if partitioned:
            select += ", epoch_ms(ts)::DATE AS event_date"
        options = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"
        target = f"{folder}/table" if partitioned else f"{folder}/one.parquet"
        if partitioned:
            options += ", PARTITION_BY (event_date)"
        code = (f"import duckdb, json, resource, time\n"
                f"db = duckdb.connect()\ndb.execute('SET enable_progress_bar = false')\nbegin, used = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)\n"
                f"db.sql(\"\"\"COPY (SELECT {select} FROM read_json('{path}', format='newline_delimited', "
                f"columns={COLUMNS})) TO '{target}' ({options})\"\"\")\n"
                f"seconds, now = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_SELF)\n"
                f"print(json.dumps({{'seconds': seconds, 'cpu_seconds': now.ru_utime + now.ru_stime - used.ru_utime - "
                f"used.ru_stime, 'rss_peak': now.ru_maxrss * 1024}}))")
        result = json.loads(self.duckdb(code))
        files = [str(p) for p in Path(folder).rglob("*.parquet")]
        result |= {"bytes": folder_bytes(folder), "files": len(files), "check": self.check(files)}
        shutil.rmtree(folder)
        return result

    @contextlib.contextmanager
    def spark(self, path):
        """Yields what converts the file with a Spark that stays and so gets warm, or None where there is none."""
        with subprocess.Popen([sys.executable, "-B", str(ROOT / "bench/spark_copy.py"), str(path)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "SLUICE_DEPS": str(DEPS)}) as peer:
            first = peer.stdout.readline()
            if not first.startswith("{"):
                say(f"   without Spark: {first.strip() or 'it does not start'}")
                yield None
                return
            self.results["spark"] = json.loads(first)["version"]

            def run():
                folder = self.fresh("spark")
                peer.stdin.write(f"{folder}\n")
                peer.stdin.flush()
                result = json.loads(peer.stdout.readline())
                files = [str(p) for p in Path(folder).rglob("*.parquet")]
                result |= {"bytes": sum(os.path.getsize(file) for file in files), "files": len(files), "check": self.check(files)}
                shutil.rmtree(folder)
                return result
            yield run
            peer.stdin.close()

    def bulk(self):
        rows = self.arguments.rows
        path = self.events("flat", rows)
        with self.spark(path) as spark:
            self.bulk_beside(path, rows, spark)

    def bulk_beside(self, path, rows, spark):
        say(f"== bulk: {rows:,} flat events, {path.stat().st_size / rows:.0f} bytes each, 1,000 a request")
        runs = {"sluice": [], "duckdb partitioned": [], "duckdb single file": []} | ({"spark partitioned": []} if spark else {})
        warm = self.arguments.runs > 1
        for number in range(-1 if warm else 0, self.arguments.runs):
            round_of = {"sluice": self.sluice_run("flat", FLAT, "shop.clicks", "shop_clicks", path, rows),
                        "duckdb partitioned": self.duckdb_run(path, True),
                        "duckdb single file": self.duckdb_run(path, False)} | ({"spark partitioned": spark()} if spark else {})
            if len({run["check"] for run in round_of.values()}) != 1:
                raise RuntimeError(f"the engines disagree: {[run['check'] for run in round_of.values()]}")
            for name, run in round_of.items():
                if number >= 0:
                    runs[name].append(run)
                say(f"   {'warm-up' if number < 0 else f'run {number + 1}'} {name}: {rows / run['seconds']:,.0f} events/s, "
                    f"{rows / run['cpu_seconds']:,.0f} events/CPU-s, {run['bytes'] / 1e6:.1f} MB")
        self.results["bulk"] = {"rows": rows, "bytes_an_event": path.stat().st_size / rows, "runs": runs}

    def variants(self):
        """The bulk file once more: with a field hashed, and through TLS; the plain way beside them, in turns."""
        rows = self.arguments.rows
        path = self.events("flat", rows)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-keyout", f"{self.work}/chain.key", "-out", f"{self.work}/chain.pem"],
                       check=True, capture_output=True)
        hashed = FLAT.replace("email @4 :Text;", 'email @4 :Text $Sl.pii("contact") $Sl.hash(hmacSha256);')
        assert hashed != FLAT
        say("== variants")
        runs = {"plain": [], "one hashed field": [], "TLS": []}
        for _ in range(min(self.arguments.runs, 3)):
            for name in runs:
                run = self.sluice_run("flat", hashed if name == "one hashed field" else FLAT, "shop.clicks", "shop_clicks", path, rows,
                                      tls=name == "TLS")
                runs[name].append(run)
                say(f"   {name}: {rows / run['seconds']:,.0f} events/s, {rows / run['cpu_seconds']:,.0f} events/CPU-s")
        self.results["variants"] = {"rows": rows, "runs": runs}

    def alone(self):
        """Sluice without its peers: for work on it."""
        rows = self.arguments.rows
        path = self.events("flat", rows)
        runs = [self.sluice_run("flat", FLAT, "shop.clicks", "shop_clicks", path, rows) for _ in range(self.arguments.runs)]
        for run in runs:
            say(f"   {rows / run['seconds']:,.0f} events/s, {rows / run['cpu_seconds']:,.0f} events/CPU-s "
                f"({rows / run['cpu_seconds_to_last_ack']:,.0f} to the last answer), {run['bytes'] / 1e6:.1f} MB, PSS median "
                f"{run['pss_median'] / 2**20:.0f} peak {run['pss_peak'] / 2**20:.0f} MiB, ack p50 {run['ack_p50_ms']:.1f} "
                f"p99 {run['ack_p99_ms']:.1f} ms, put off {run['put_off']}")
        self.results["alone"] = runs

    def other_shapes(self):
        out = {}
        for shape, schema, topic, table, rows in (("wide", wide_schema(), "shop.wide", "shop_wide", 200_000),
                                                  ("big", BIG, "shop.documents", "shop_documents", 30_000)):
            if self.arguments.quick:
                rows //= 5
            path = self.events(shape, rows)
            run = self.sluice_run(shape, schema, topic, table, path, rows)
            megabytes = path.stat().st_size / 1e6
            run |= {"rows": rows, "megabytes": megabytes}
            out[shape] = run
            say(f"== {shape}: {path.stat().st_size / rows:.0f} bytes an event: {rows / run['seconds']:,.0f} events/s, "
                f"{rows / run['cpu_seconds']:,.0f} events/CPU-s, {megabytes / run['cpu_seconds']:,.0f} MB/CPU-s, "
                f"PSS {run['pss_peak'] / 2**20:.0f} MiB")
        self.results["shapes"] = out

    # ---- One event a request.

    def device_sync(self, size=4096, count=400):
        """Milliseconds of write + fdatasync at the end of a preallocated file: what an answer waits for at least."""
        took = []
        with tempfile.NamedTemporaryFile(dir=self.work) as file:
            os.posix_fallocate(file.fileno(), 0, size * count)
            block = os.urandom(size)
            for i in range(count):
                begin = time.perf_counter()
                os.pwrite(file.fileno(), block, i * size)
                os.fdatasync(file.fileno())
                took.append((time.perf_counter() - begin) * 1000)
        return {"p50_ms": quantile(took, 0.5), "p99_ms": quantile(took, 0.99)}

    def singles(self):
        path = self.events("flat", self.arguments.rows)
        out = []
        server = Server(self.program, self.fresh("singles"), {"schema.capnp": FLAT})
        say("== one event a request")
        sent = 1000
        self.send(server, "shop.clicks", path, 1, 4, sent)
        for connections in (1, 4, 10, 50):
            requests = (500 if self.arguments.quick else 4000) * (1 if connections == 1 else 4)
            before = self.device_sync()
            cpu = server.cpu_seconds()
            client = self.send(server, "shop.clicks", path, 1, connections, requests, sent)
            sent += requests
            if client["accepted"] != requests:
                raise RuntimeError(f"{client['accepted']} of {requests} events accepted")
            cpu = server.cpu_seconds() - cpu
            after = self.device_sync()
            run = {"connections": connections, "requests": requests, "requests_s": requests / client["seconds"],
                   "cpu_us_a_request": cpu / requests * 1e6, "ack_p50_ms": client["p50_us"] / 1000,
                   "ack_p99_ms": client["p99_us"] / 1000, "sync_p50_ms": (before["p50_ms"] + after["p50_ms"]) / 2,
                   "sync_p99_ms": (before["p99_ms"] + after["p99_ms"]) / 2}
            out.append(run)
            say(f"   {connections:>3} connections: {run['requests_s']:,.0f}/s, ack p50 {run['ack_p50_ms']:.2f} p99 "
                f"{run['ack_p99_ms']:.2f} ms; bare sync p50 {run['sync_p50_ms']:.2f} p99 {run['sync_p99_ms']:.2f} ms; "
                f"{run['cpu_us_a_request']:.0f} us of CPU a request")
        server.stop()
        self.results["singles"] = out

    def topics(self):
        topics, seconds = 1000, 10 if self.arguments.quick else 30
        folder = self.fresh("topics")
        server = Server(self.program, folder, quiet_schemas(topics))
        with server.watch():
            self.generate_and_send(server, "trickle", str(server.port), "/v1/events/quiet.t", str(topics), "3", "4")
            cpu, begin = server.cpu_seconds(), time.monotonic()
            client = self.generate_and_send(server, "trickle", str(server.port), "/v1/events/quiet.t", str(topics),
                                            str(seconds), "4")
            core = (server.cpu_seconds() - cpu) / (time.monotonic() - begin)
            cpu, begin = server.cpu_seconds(), time.monotonic()
            time.sleep(5)
            idle = (server.cpu_seconds() - cpu) / (time.monotonic() - begin)
        self.results["topics"] = {"topics": topics, "events_s": client["accepted"] / client["seconds"], "core": core,
                                  "core_idle": idle, "pss_peak": max(server.pss), "ack_p50_ms": client["p50_us"] / 1000,
                                  "ack_p99_ms": client["p99_us"] / 1000}
        say(f"== {topics:,} topics, 1 event/s each: {core * 100:.1f} % of a core, {idle * 100:.1f} % when idle, ack p50 "
            f"{client['p50_us'] / 1000:.2f} p99 {client['p99_us'] / 1000:.2f} ms, PSS {max(server.pss) / 2**20:.0f} MiB")
        server.stop()
        shutil.rmtree(folder)


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    dirty = subprocess.run(["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, capture_output=True,
                           text=True).stdout.strip()
    version = next(iter(DUCKDB.glob("duckdb-*.dist-info")), Path("duckdb-?.")).name.split("-")[1].removesuffix(".dist")
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "memory_gib":
            round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30), "commit": commit + ("+" if dirty else ""),
            "duckdb": version, "load_before": LOAD_BEFORE, "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime())}


def report(results):
    m = results["machine"]
    lines = [f"# Ingest, {m['date']}", "",
             f"Commit {m['commit']}; {m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, Linux {m['kernel']}, load {m['load_before']} "
             f"before; DuckDB {m['duckdb']}. Medians; what is measured stands in bench/README.md.", ""]
    if "bulk" in results:
        bulk = results["bulk"]
        runs = bulk["runs"]
        rows = bulk["rows"]

        def rate(name, key):
            return median([rows / run[key] for run in runs[name]])
        lines += [f"## {rows:,} events of {bulk['bytes_an_event']:.0f} bytes, {len(runs['sluice'])} alternating runs", "",
                  "| | events/s | events a CPU-second | MB on disk | files | memory peak |", "|---|---|---|---|---|---|"]
        for name in runs:
            memory = ("PSS " + format(median([r["pss_peak"] for r in runs[name]]) / 2**20, ".0f") if name == "sluice" else
                      "RSS " + format(median([r["rss_peak"] for r in runs[name]]) / 2**20, ".0f"))
            lines.append(f"| {name} | {rate(name, 'seconds'):,.0f} | {rate(name, 'cpu_seconds'):,.0f} | "
                         f"{median([r['bytes'] for r in runs[name]]) / 1e6:.1f} | {runs[name][0]['files']} | {memory} MiB |")
        s = runs["sluice"]
        per_cpu = rate("sluice", "cpu_seconds")
        lines += ["", f"- Per CPU-second: {per_cpu / rate('duckdb partitioned', 'cpu_seconds'):.2f} x DuckDB partitioned, "
                  f"{per_cpu / rate('duckdb single file', 'cpu_seconds'):.2f} x DuckDB single file"
                  + (f", {per_cpu / rate('spark partitioned', 'cpu_seconds'):.1f} x Spark {results['spark']}." if "spark" in results else "."),
                  f"- Spread of Sluice: {min(rows / r['cpu_seconds'] for r in s):,.0f} to "
                  f"{max(rows / r['cpu_seconds'] for r in s):,.0f} events a CPU-second; the client takes "
                  f"{median([r['client_cpu_seconds'] for r in s]):.1f} CPU-seconds besides.",
                  f"- To the last answer: {median([rows / r['cpu_seconds_to_last_ack'] for r in s]):,.0f} events a CPU-second; "
                  f"answers p50 {median([r['ack_p50_ms'] for r in s]):.1f}, p99 {median([r['ack_p99_ms'] for r in s]):.1f} ms, "
                  f"put off {median([r['put_off'] for r in s]):.0f}.",
                  f"- PSS: median {median([r['pss_median'] for r in s]) / 2**20:.0f}, peak "
                  f"{max(r['pss_peak'] for r in s) / 2**20:.0f} MiB.",
                  f"- All engines agree on {s[0]['check']}: rows, ids, sums.", ""]
    if "variants" in results:
        variants = results["variants"]
        lines += ["## The same file, another way", "", "| | events/s | events a CPU-second | MB on disk | PSS peak MiB |", "|---|---|---|---|---|"]
        for name, of in variants["runs"].items():
            lines.append(f"| {name} | {median([variants['rows'] / r['seconds'] for r in of]):,.0f} | "
                         f"{median([variants['rows'] / r['cpu_seconds'] for r in of]):,.0f} | {median([r['bytes'] for r in of]) / 1e6:.1f} | "
                         f"{median([r['pss_peak'] for r in of]) / 2**20:.0f} |")
        lines.append("")
    if "singles" in results:
        lines += ["## One event a request", "", "| connections | requests/s | ack p50 ms | ack p99 ms | bare sync p50 ms | "
                  "bare sync p99 ms | CPU us a request |", "|---|---|---|---|---|---|---|"]
        lines += [f"| {r['connections']} | {r['requests_s']:,.0f} | {r['ack_p50_ms']:.2f} | {r['ack_p99_ms']:.2f} | "
                  f"{r['sync_p50_ms']:.2f} | {r['sync_p99_ms']:.2f} | {r['cpu_us_a_request']:.0f} |" for r in results["singles"]]
        lines.append("")
    if "shapes" in results:
        lines += ["## Other events", "", "| | bytes | events/s | events a CPU-second | MB a CPU-second | PSS peak MiB |",
                  "|---|---|---|---|---|---|"]
        lines += [f"| {name} | {r['megabytes'] * 1e6 / r['rows']:.0f} | {r['rows'] / r['seconds']:,.0f} | "
                  f"{r['rows'] / r['cpu_seconds']:,.0f} | {r['megabytes'] / r['cpu_seconds']:.0f} | {r['pss_peak'] / 2**20:.0f} |"
                  for name, r in results["shapes"].items()]
        lines.append("")
    if "topics" in results:
        t = results["topics"]
        lines += [f"## {t['topics']:,} topics, one event a second each", "",
                  f"{t['core'] * 100:.1f} % of a core ({t['core_idle'] * 100:.1f} % when nothing comes), ack p50 "
                  f"{t['ack_p50_ms']:.2f}, p99 {t['ack_p99_ms']:.2f} ms, PSS {t['pss_peak'] / 2**20:.0f} MiB.", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one run of 500,000 events, short scenarios")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--only", default="bulk,variants,singles,topics,shapes")
    parser.add_argument("--sluice", default=ROOT / "build/release/sluice")
    parser.add_argument("--generator", default=ROOT / "build/release/bench/load_generator")
    parser.add_argument("--work", help="folder for data of the runs; default: a temporary one beside the results")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or (500_000 if arguments.quick else 5_000_000)
    arguments.runs = arguments.runs or (1 if arguments.quick else 5)
    subprocess.run([sys.executable, str(ROOT / "tools/fetch.py"), str(DEPS), "ingest"], check=True)
    work = Path(arguments.work or tempfile.mkdtemp(prefix="bench-", dir=ROOT / "build"))
    work.mkdir(parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    bench = Bench(arguments, work)
    scenarios = {"bulk": bench.bulk, "variants": bench.variants, "alone": bench.alone, "singles": bench.singles, "topics": bench.topics, "shapes": bench.other_shapes}
    try:
        for name in arguments.only.split(","):
            scenarios[name]()
    finally:
        if not arguments.work:
            shutil.rmtree(work, ignore_errors=True)
    results = {"machine": machine(), **bench.results}
    text = report(results)
    say("\n" + text)
    if not arguments.no_save:
        target = ROOT / "bench/results" / f"ingest-{time.strftime('%Y-%m-%d', time.gmtime())}"
        target.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
        target.with_suffix(".md").write_text(text)
        say(f"kept in {target}.json and .md")


if __name__ == "__main__":
    main()
