"""Reads deploy/alerts.yaml as far as its rules use YAML and PromQL: enough to find what Prometheus would refuse to load."""

import re

DURATION = r"(?:\d+(?:ms|s|m|h|d|w|y))+"
TOKEN = re.compile(rf"""\s*(?:(?P<duration>{DURATION})(?![\w.])|(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)
    |(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<sign>==|!=|>=|<=|=~|!~|[-+*/%^><=(){{}}\[\],]))""", re.VERBOSE)
# What functions take and give. A range is what stands before `[5m]`.
FUNCTIONS = {name: (["range"], "instant") for name in (
    "rate", "irate", "increase", "delta", "idelta", "deriv", "changes", "resets", "avg_over_time", "min_over_time",
    "max_over_time", "sum_over_time", "count_over_time", "last_over_time", "present_over_time", "absent_over_time")}
FUNCTIONS |= {name: (["instant"], "instant") for name in ("abs", "absent", "ceil", "floor", "sqrt", "ln", "sort", "timestamp")}
FUNCTIONS |= {"predict_linear": (["range", "scalar"], "instant"), "histogram_quantile": (["scalar", "instant"], "instant"),
              "quantile_over_time": (["scalar", "range"], "instant"), "clamp_min": (["instant", "scalar"], "instant"),
              "clamp_max": (["instant", "scalar"], "instant"), "scalar": (["instant"], "scalar"),
              "vector": (["scalar"], "instant"), "time": ([], "scalar")}
OF_COUNTERS = {"rate", "irate", "increase", "resets"}
AGGREGATIONS = {"sum", "min", "max", "avg", "count", "group", "stddev"}
BINARY = [{"or"}, {"and", "unless"}, {"==", "!=", ">", "<", ">=", "<="}, {"+", "-"}, {"*", "/", "%"}]  # Loosest first.
COMPARISONS = BINARY[2]


class Wrong(Exception):
    """An expression that is none, with the reason."""


class Expression:
    """One expression. `selectors` are its (metric, [(label, operator, value)], function around it), `kept` the labels that
    `by` names."""

    def __init__(self, text):
        self.tokens, at = [], 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if not found:
                raise Wrong(f"nothing that can stand at '{text[at:at + 20]}'")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self.at, self.selectors, self.kept = 0, [], set()
        self.type = self.binary(0)
        if self.at < len(self.tokens):
            raise Wrong(f"'{self.tokens[self.at][1]}' stands behind the end")
        if self.type != "instant":
            raise Wrong(f"an alert needs an instant vector, this is a {self.type}")

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "the end")

    def take(self, *wanted):
        kind, text = self.peek()
        if wanted and text not in wanted and kind not in wanted:
            raise Wrong(f"found {text}, expected {' or '.join(wanted)}")
        self.at += 1
        return text

    def binary(self, level, around=None):
        if level == len(BINARY):
            return self.unary(around)
        left = self.binary(level + 1, around)
        while self.peek()[1] in BINARY[level]:
            operator = self.take()
            if self.peek()[1] in ("on", "ignoring"):
                self.take()
                self.labels()
            right = self.binary(level + 1, around)
            if "range" in (left, right):
                raise Wrong(f"{operator} of a range")
            if level < 2 and "scalar" in (left, right):
                raise Wrong(f"{operator} of a number")
            if operator in COMPARISONS and (left, right) == ("scalar", "scalar"):
                raise Wrong("two numbers are compared")
            left = "scalar" if (left, right) == ("scalar", "scalar") else "instant"
        return left

    def unary(self, around):
        if self.peek()[1] in ("-", "+"):
            self.take()
            return self.unary(around)
        kind, text = self.peek()
        if kind == "number":
            self.take()
            return "scalar"
        if text == "(":
            self.take()
            inner = self.binary(0, around)
            self.take(")")
            return inner
        if kind != "name" and text != "{":
            raise Wrong(f"found {text}, expected a metric, a number or a function")
        name = self.take() if kind == "name" else ""
        following = self.peek()[1]
        if name in AGGREGATIONS and following in ("by", "without", "("):
            return self.aggregation()
        if following == "(":
            return self.call(name)
        return self.selector(name, around)

    def labels(self):
        self.take("(")
        names = []
        while self.peek()[1] != ")":
            names.append(self.take("name"))
            if self.peek()[1] != ")":
                self.take(",")
        self.take(")")
        return names

    def aggregation(self):
        def grouping():
            if self.peek()[1] in ("by", "without"):
                self.kept.update(self.labels() if self.take() == "by" else self.labels() and ())
        grouping()
        self.take("(")
        if self.binary(0) != "instant":
            raise Wrong("only instant vectors are summed up")
        self.take(")")
        grouping()
        return "instant"

    def call(self, name):
        if name not in FUNCTIONS:
            raise Wrong(f"there is no function {name}")
        wanted, result = FUNCTIONS[name]
        self.take("(")
        for i, expected in enumerate(wanted):
            if i > 0:
                self.take(",")
            found = self.binary(0, around=name)
            if found != expected:
                raise Wrong(f"{name} takes a {expected}, found a {found}")
        self.take(")")
        return result

    def selector(self, name, around):
        matchers = []
        if self.peek()[1] == "{":
            self.take()
            while self.peek()[1] != "}":
                label, operator, value = self.take("name"), self.take("=", "!=", "=~", "!~"), self.take("string")[1:-1]
                if "~" in operator:
                    re.compile(value)
                matchers.append((label, operator, value))
                if self.peek()[1] != "}":
                    self.take(",")
            self.take("}")
        if not name and not matchers:
            raise Wrong("a selector of everything")
        self.selectors.append((name, matchers, around))
        kind = "instant"
        if self.peek()[1] == "[":
            self.take()
            self.take("duration")
            self.take("]")
            kind = "range"
        if self.peek()[1] == "offset":
            self.take()
            self.take("duration")
        return kind


def rules_of(text):
    """The rules of a file as dicts: alert, expr, for, severity, summary."""
    rules, folded = [], None
    for line in text.splitlines():
        stripped = line.split("   #")[0].strip()
        if folded is not None and line.startswith(" " * 10):
            rules[-1]["expr"] += " " + stripped
            continue
        folded = None
        key, _, value = stripped.removeprefix("- ").partition(":")
        value = value.strip()
        if key == "alert":
            rules.append({"alert": value})
        elif key == "expr":
            folded = True if value == ">-" else None
            rules[-1]["expr"] = "" if folded else value
        elif key in ("for", "summary"):
            rules[-1][key] = value.strip('"')
        elif key == "labels":
            rules[-1]["severity"] = re.fullmatch(r"\{severity: (\w+)\}", value)[1]
    return rules


def check(rule, metrics):
    """Raises Wrong where the rule means nothing on a server with these `metrics`: name -> labels that it has."""
    expression = Expression(rule["expr"])
    labels = set(expression.kept)
    for name, matchers, around in expression.selectors:
        if name == "up":  # Prometheus' own.
            continue
        if name not in metrics:
            raise Wrong(f"not in /metrics: {name}")
        for label, _, _ in matchers:
            if label not in metrics[name]:
                raise Wrong(f"{name} has no label {label}")
        counts = re.search(r"_(total|count|bucket|sum|early)$", name)
        if around in OF_COUNTERS and not counts:
            raise Wrong(f"{around} of {name}, which is no counter")
        if not around and counts:
            raise Wrong(f"{name} only grows: ask for its rate")
        if not expression.kept:
            labels |= metrics[name]
    for label in re.findall(r"\$labels\.(\w+)", rule["summary"]):
        if label not in labels:
            raise Wrong(f"the summary names a label that the alert does not have: {label}")
    if not re.fullmatch(DURATION, rule.get("for", "0s")):
        raise Wrong(f"'{rule['for']}' is no duration")
    if rule["severity"] not in ("page", "ticket"):
        raise Wrong(f"an unknown severity: {rule['severity']}")
