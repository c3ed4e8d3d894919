"""The forms in which events come over HTTP, beside plain JSON."""

import gzip
import json
import subprocess

from server import Project, Server, Skip, equal, event, run

NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(*events):
    return "".join(json.dumps(one) + "\n" for one in events).encode()


def gzip_is_taken_within_the_limit():
    with Project("limits: {body: 100KiB}\n") as project, Server(project) as server:
        headers = {**NDJSON, "Content-Encoding": "gzip"}
        body = gzip.compress(lines(*[event(n) for n in range(200)]))
        status, receipt = server.post("/v1/events/shop.user-events", body, headers)
        equal((status, receipt["accepted"]), (200, 200))
        status, problem = server.post("/v1/events/shop.user-events", gzip.compress(b" " * 50_000_000), headers)
        equal((status, problem["code"]), (413, "SL4130"))
        status, problem = server.post("/v1/events/shop.user-events", body[:-9], headers)
        equal((status, problem["code"]), (400, "SL4005"))
        status, problem = server.post("/v1/events/shop.user-events", lines(event(1)), headers)
        equal((status, problem["code"]), (400, "SL4005"))
        status, given, _ = server.ask_whole("POST", "/v1/events/shop.user-events", body,
                                            {**NDJSON, "Content-Encoding": "br"})
        equal((status, given["Accept-Encoding"]), (415, "gzip, zstd"))
        equal(server.sql("select count(*) from bronze.shop_user_events"), [[200]])


def zstd_is_taken():
    try:
        packed = subprocess.run(["zstd", "-c"], input=lines(event(1), event(2)), capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise Skip("there is no zstd program here; api.ContentCodingTest has the codings themselves")
    with Project() as project, Server(project) as server:
        status, receipt = server.post("/v1/events/shop.user-events", packed, {**NDJSON, "Content-Encoding": "zstd"})
        equal((status, receipt["accepted"]), (200, 2))


run(gzip_is_taken_within_the_limit, zstd_is_taken)
