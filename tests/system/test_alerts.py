"""deploy/alerts.yaml holds expressions that Prometheus can evaluate on what /metrics has; what the shares of memory are."""

import os
import re

from alert_rules import Expression, Wrong, check, rules_of
from server import Project, Server, equal, event, run

TOPIC = "shop.user-events"
RULES = os.path.join(os.path.dirname(__file__), "../../deploy/alerts.yaml")


def metrics_of(server):
    text = server.ask("GET", "/metrics")[1].decode()
    names = {}  # With the labels that each has.
    for line in text.splitlines():
        if line and line[0] != "#":
            name, _, labels = line.rsplit(" ", 1)[0].partition("{")
            names.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return names, text


def rules_name_what_there_is():
    with Project("land: {every: 1h}\nlimits: {memory: 256MiB}\n") as project, Server(project) as server:
        server.send(TOPIC, [event(i) for i in range(10)] + ["bad\n"])
        server.land()
        names, text = metrics_of(server)
        with open(RULES) as file:
            text_of_rules = file.read()
        rules = rules_of(text_of_rules)
        equal([len(rules), len({rule["alert"] for rule in rules})], [text_of_rules.count("- alert:")] * 2)
        assert len(rules) >= 10, rules
        for rule in rules:
            try:
                check(rule, names)
            except (Wrong, re.error, KeyError) as reason:
                raise AssertionError(f"{rule['alert']}: {reason!r}") from None
        for part, share in (("bodies", 32), ("queue", 32), ("tail", 64), ("land", 48), ("maintenance", 32), ("dedupe", 48)):
            assert f'sluice_memory_budget_bytes{{part="{part}"}} {share << 20}' in text, text
        assert re.search(r'sluice_memory_bytes\{part="dedupe"\} [1-9]', text), text
        server.stop()


def expressions_that_are_none_are_found():
    for text in ("rate(a_total[5m])) > 0", "rate(a_total[5m]", "rate(a_total) > 0", "rat(a_total[5m]) > 0", "a{b=c} > 0",
                 'a{b="c" > 0', 'a{b~"c"} > 0', "a > > 0", "a >", "a[5m] > 0", "a[5] > 0", "a[5x] > 0", "1 > 0", "5", "",
                 "a b", "sum by topic (a) > 0", "histogram_quantile(a, 0.99) > 1", "predict_linear(a[1h]) < 0", "a{} or 1",
                 "{} > 0", "a = 1", "a @@ 1", "sum(a[5m]) > 0"):
        try:
            Expression(text)
        except Wrong:
            continue
        raise AssertionError(f"taken: {text}")
    for text in ("a", "-a > 1e3", "sum by (x, y) (rate(a_total[5m])) > 0.05 * sum(b) by (x)", 'a{b="c", d=~"e|f",} / b > .5',
                 "a > 0 and on (x) increase(b_count[1h30m]) == 0 or absent(c)", "predict_linear(a[1h], 6 * 3600) < 0",
                 "(time() - a) > 60", "histogram_quantile(0.99, rate(a_bucket[5m])) > 1"):
        Expression(text)
    metrics = {"a_total": {"topic"}, "b": {"part"}}
    rule = {"alert": "A", "expr": "rate(a_total[5m]) > 0", "severity": "page", "summary": "{{ $labels.topic }}"}
    check(rule, metrics)
    for wrong in ({"expr": "rate(b[5m]) > 0"}, {"expr": "a_total > 0"}, {"expr": 'rate(a_total{part="x"}[5m]) > 0'},
                  {"expr": "c > 0"}, {"summary": "{{ $labels.part }}"}, {"for": "five"}, {"severity": "loud"},
                  {"expr": "sum by (part) (rate(a_total[5m])) > 0"}):
        try:
            check(rule | wrong, metrics)
        except Wrong:
            continue
        raise AssertionError(f"taken: {wrong}")


if __name__ == "__main__":
    run(expressions_that_are_none_are_found, rules_name_what_there_is)
