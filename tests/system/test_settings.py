"""Settings of the project file reach what they are for, where no other test would miss them."""

import gzip
import json
import re
import socket
import time

from server import SCHEMA, SLOW, Project, Server, equal, event, run, until

TOPIC = "shop.user-events"


def sealing_day(project):
    with open(f"{project.folder}/keys/sluice.keys") as file:
        return int(re.search(r"^sealing (\d+) ", file.read(), re.MULTILINE).group(1))


def set_sealing_day(project, day):
    with open(f"{project.folder}/keys/sluice.keys", "r+") as file:
        text = re.sub(r"^sealing \d+ ", f"sealing {day} ", file.read(), flags=re.MULTILINE)
        file.seek(0)
        file.write(text)
        file.truncate()


def keys_of_error_payloads_are_destroyed_after_their_retention():
    today = int(time.time() // 86400)
    for retain, first in (("30d", today - 39), ("50d", today - 40)):
        with Project(SLOW + f"errors: {{retain: {retain}}}\n") as project:
            with Server(project) as server:
                server.stop()
            set_sealing_day(project, today - 40)
            with Server(project) as server:
                if retain == "30d":
                    until(lambda: sealing_day(project) == first, "the key of one day is destroyed")
                server.stop()
            equal(sealing_day(project), first)


def files_are_compressed_as_is_set():
    page = "Bellwether" * 300
    for compression, found in (("none", True), ("zstd", False)):
        with Project(f"land: {{every: 1h, compression: {compression}}}\n") as project, Server(project) as server:
            # Differing values, for which there is no dictionary that would have each once.
            server.send(TOPIC, [event(i, page=f"{page}{i}") for i in range(50)])
            server.land()
            commit = project.commits()[-1]
            [path] = [action["add"]["path"] for action in commit if "add" in action]
            with open(f"{project.table_folder()}/{path}", "rb") as file:
                equal(file.read().count(page.encode()) >= 50, found, compression)


def a_topic_has_a_horizon_of_its_own():
    settings = SLOW + f"topics: {{{TOPIC}: {{dedup: {{horizon: 800ms}}}}}}\n"
    other = SCHEMA.replace("0x9a41c6de07b35f18", "0x9a41c6de07b35f19").replace(TOPIC, "other.topic")
    with Project(settings, {"user_event.capnp": SCHEMA, "other.capnp": other}) as project, Server(project) as server:
        numbers = iter(range(100, 1_000_000))
        equal(server.send(TOPIC, [event(1)])["accepted"], 1)
        equal(server.send("other.topic", [event(1)])["accepted"], 1)

        def forgotten():
            server.send(TOPIC, [event(next(numbers))])  # Time passes with what comes.
            return server.send(TOPIC, [event(1)])["accepted"] == 1

        until(forgotten, "the horizon of the topic is past")
        equal(server.send("other.topic", [event(1)])["duplicate"], 1, "the others have a day")


def the_limit_of_bodies_holds_for_what_is_compressed():
    body = "".join(json.dumps(event(i, page="p" * 1000)) + "\n" for i in range(100)).encode()
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    for limit, status in (("50KiB", 413), ("500KiB", 200)):
        with Project(SLOW + f"limits: {{body: {limit}}}\n") as project, Server(project) as server:
            equal(server.ask("POST", f"/v1/events/{TOPIC}", gzip.compress(body), headers)[0], status, limit)


def a_query_has_the_memory_that_is_set():
    sql = "select length(list(md5(range::varchar))) from range(1500000)"
    for limit, status in (("64MiB", 422), ("768MiB", 200)):
        with Project(SLOW + f"limits: {{query_memory: {limit}}}\n") as project, Server(project) as server:
            found, answer = server.ask("POST", "/v1/sql", sql, {"Content-Type": "text/plain"})
            equal(found, status, answer)
            equal(json.loads(answer).get("code"), "SL2202" if status == 422 else None)


def bodies_under_way_count_against_their_share():
    with Project(SLOW) as project, Server(project) as server, socket.create_connection(("127.0.0.1", server.port)) as sender:
        head = f"POST /v1/events/{TOPIC} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n"
        sender.sendall(head.encode() + b" " * 1_000_000)

        def taken():
            metrics = server.ask("GET", "/metrics")[1].decode()
            return float(re.search(r'^sluice_memory_bytes\{part="bodies"\} (\S+)$', metrics, re.MULTILINE).group(1))

        until(lambda: taken() >= 1_000_000, "its bytes are counted")


def a_folder_with_the_projects_own_in_it_is_not_outside():
    with Project(SLOW) as project:
        with open(f"{project.folder}/sluice.yaml") as file:
            settings = file.read()
        for folder in (project.folder, project.folder + "/keys", project.folder + "/data", "/"):
            with open(f"{project.folder}/sluice.yaml", "w") as file:
                file.write(settings + f"sql: {{external: [\"{folder}\"]}}\n")
            try:
                Server(project).kill()
                raise AssertionError(f"queries may read {folder}")
            except RuntimeError as refused:
                assert "has the project's own folder" in str(refused), refused


run(keys_of_error_payloads_are_destroyed_after_their_retention, files_are_compressed_as_is_set,
    a_topic_has_a_horizon_of_its_own, the_limit_of_bodies_holds_for_what_is_compressed, a_query_has_the_memory_that_is_set,
    bodies_under_way_count_against_their_share,
    a_folder_with_the_projects_own_in_it_is_not_outside)
