#!/usr/bin/env python3
"""Checks what the compiler does not: module layers, privacy of internal/, doors to libraries, banned calls,
and that every error code has its row in docs/reference/errors.md.

Prints each finding with file and line, then `N files, N findings`; exits 1 if there is any.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BANNED = [  # Pattern, what to use instead, modules that may.
    (r"\bstd::(?:chrono::)?(?:system|steady|high_resolution)_clock::now\b", "os::Clock", {"os", "base", "api"}),
    (r"\b(?:std::)?rand\(\)|\bstd::random_device\b", "os::Random", {"os"}),
    (r"\bsleep_for\b|\bsleep_until\b|\busleep\(|\bnanosleep\(", "a condition variable or a timer", set()),
    (r"\bstd::(?:o|i)?fstream\b", "os::Disk", {"cli"}),
    (r"\b(?:fopen|::open|::creat)\(", "os::Disk", {"os"}),
    (r"\bcatch \(\.\.\.\) \{\s*\}", "handling the failure", set()),
    (r"\bassert\(", "SLUICE_CHECK", set()),
    (r"\bsprintf\(|\bstrcpy\(|\bstrcat\(|\batoi\(", "fmt or from_chars", set()),
    (r"\bstd::thread\b.*\bdetach\(", "a joined thread", set()),
]
DOORS = [  # Header, modules that may include it.
    (r"<duckdb", {"duck"}),
    (r"<boost/", {"api"}),
    (r"<yaml-cpp/", {"server"}),
    (r"<CLI/", {"cli"}),
    (r"<capnp/|<kj/", {"event", "decode"}),
    (r"<zlib\.h|<zstd\.h", {"api"}),
    (r"<openssl/", {"privacy", "api", "govern"}),
    (r"<(?:arrow|parquet)/(?!type_fwd\.h)", {"columnar", "decode", "privacy", "store", "journal", "lake", "land",
                                           "stream", "duck", "worker", "sql", "ingest", "ledger"}),
]
BAD_NAMES = re.compile(r"(?:^|_)(?:util|utils|common|helper|helpers|manager|misc)(?:_|\.|$)")
LINES_MAX = 700


def modules():
    found = {}
    for file in sorted((ROOT / "sluice").glob("*/CMakeLists.txt")):
        text = file.read_text()
        match = re.search(r"sluice_module\((\w+)\s+LAYER\s+(\d+)([^)]*)\)", text, re.S)
        if match:
            deps = re.search(r"DEPS\s+([\w\s]*?)(?:LINK|$)", match.group(3), re.S)
            found[match.group(1)] = (int(match.group(2)), set(deps.group(1).split()) if deps else set())
    return found


def check_file(path, known, findings):
    name = str(path.relative_to(ROOT))
    module = path.relative_to(ROOT / "sluice").parts[0]
    _, deps = known[module]
    lines = path.read_text().splitlines()

    def report(number, text):
        findings.append(f"{name}:{number}: {text}")

    if BAD_NAMES.search(path.name):
        report(1, "the name says nothing; name the concept")
    if len(lines) > LINES_MAX:
        report(1, f"{len(lines)} lines; split it ({LINES_MAX} at most)")
    if path.suffix == ".h":
        if not lines or lines[0] != "#pragma once":
            report(1, "a header begins with #pragma once")
        if len(lines) < 2 or lines[1] != "/// \\file":
            report(2, "a header says what it is for: /// \\file")
    is_test = path.stem.endswith("_test") or path.stem.endswith("_bench")
    for number, line in enumerate(lines, 1):
        if "NOLINT" in line:
            continue
        include = re.match(r'#include "sluice/(\w+)/(.*)"', line)
        if include:
            other, rest = include.groups()
            if other != module and other not in deps:
                report(number, f"module {module} does not name {other} in its DEPS")
            if other != module and rest.startswith("internal/"):
                report(number, f"{other}/internal is private to {other}")
            continue
        for pattern, allowed in DOORS:
            if re.match(r"#include " + pattern, line):
                if module not in allowed:
                    report(number, f"this library is behind the door of {', '.join(sorted(allowed))}")
                elif path.suffix == ".h" and path.parent.name != "internal" and "arrow" in pattern \
                        and path.name != "arrow_bridge.h":
                    report(number, "public headers include arrow/type_fwd.h only")
        code = line.split("//")[0]
        for pattern, instead, allowed in BANNED:
            if module not in allowed and not is_test and re.search(pattern, code):
                report(number, f"use {instead}")


def main():
    known = modules()
    findings = []
    for module, (layer, deps) in known.items():
        for dep in deps:
            if dep not in known:
                findings.append(f"sluice/{module}/CMakeLists.txt:1: there is no module {dep}")
            elif known[dep][0] >= layer:
                findings.append(f"sluice/{module}/CMakeLists.txt:1: layer {layer} may not use {dep} "
                                f"(layer {known[dep][0]})")
    files = [path for path in sorted((ROOT / "sluice").rglob("*")) if path.suffix in (".h", ".cc")]
    for path in files:
        if path.relative_to(ROOT / "sluice").parts[0] in known:
            check_file(path, known, findings)
    known_codes = set(re.findall(r"^\| (SL\d{4}) \|", (ROOT / "docs/reference/errors.md").read_text(), re.M))
    used = {}
    for path in files:
        if path.stem.endswith("_test"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for code in re.findall(r'"(SL\d{4})', line.split("//")[0]):
                used.setdefault(code, f"{path.relative_to(ROOT)}:{number}")
    findings += [f"{place}: {code} is not in docs/reference/errors.md" for code, place in sorted(used.items())
                 if code not in known_codes]
    findings += [f"docs/reference/errors.md:1: {code} is used nowhere" for code in sorted(known_codes - set(used))]
    for finding in findings:
        print(finding)
    print(f"{len(files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
