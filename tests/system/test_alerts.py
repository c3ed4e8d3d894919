"""deploy/alerts.yaml names only what /metrics has, and says what the shares of memory are."""

import os
import re

from server import Project, Server, event, run

TOPIC = "shop.user-events"
RULES = os.path.join(os.path.dirname(__file__), "../../deploy/alerts.yaml")


def metrics_of(server):
    text = server.ask("GET", "/metrics")[1].decode()
    return {line.split(" ")[0].split("{")[0] for line in text.splitlines() if line and line[0] != "#"}, text


def rules_name_what_there_is():
    with Project("land: {every: 1h}\nlimits: {memory: 256MiB}\n") as project, Server(project) as server:
        server.send(TOPIC, [event(i) for i in range(10)] + ["bad\n"])
        server.land()
        names, text = metrics_of(server)
        with open(RULES) as file:
            wanted = set(re.findall(r"sluice_[a-z_]+", "".join(line for line in file if "summary" not in line)))
        assert len(wanted) >= 10, wanted
        assert not wanted - names, f"not in /metrics: {sorted(wanted - names)}"
        for part, share in (("bodies", 32), ("queue", 32), ("tail", 64), ("land", 48), ("maintenance", 32), ("dedupe", 48)):
            assert f'sluice_memory_budget_bytes{{part="{part}"}} {share << 20}' in text, text
        assert re.search(r'sluice_memory_bytes\{part="dedupe"\} [1-9]', text), text
        server.stop()


if __name__ == "__main__":
    run(rules_name_what_there_is)
