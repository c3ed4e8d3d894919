#!/usr/bin/env python3
"""Runs clang-format, clang-tidy and tools/tidy.py over the project; pinned by Python wheel.

    lint.py [--fix] [--deps DIR] [--tidy]     --fix formats in place; --tidy adds clang-tidy (minutes)
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def program(deps, name):
    subprocess.run([sys.executable, str(ROOT / "tools/fetch.py"), str(deps), "lint"], check=True)
    found = next((deps / "unpacked/lint").rglob(f"bin/{name}"), None)
    if found is None:
        sys.exit(f"error: {name} is not in the fetched packages")
    found.chmod(0o755)
    return str(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fix", action="store_true")
    parser.add_argument("--tidy", action="store_true")
    parser.add_argument("--deps", type=Path, default=ROOT / ".deps")
    arguments = parser.parse_args()
    files = [str(p) for p in sorted((ROOT / "sluice").rglob("*")) if p.suffix in (".h", ".cc")]
    clang_format = program(arguments.deps.resolve(), "clang-format")
    mode = ["-i"] if arguments.fix else ["--dry-run", "--Werror"]
    failed = subprocess.run([clang_format, *mode, *files], check=False).returncode != 0
    if arguments.tidy:
        clang_tidy = program(arguments.deps.resolve(), "clang-tidy")
        sources = [f for f in files if f.endswith(".cc")]
        with ThreadPoolExecutor(2) as pool:
            codes = list(pool.map(lambda f: subprocess.run(
                [clang_tidy, "-p", str(ROOT / "build/test"), "--quiet", f], check=False,
                stderr=subprocess.DEVNULL).returncode, sources))
        failed |= any(codes)
    failed |= subprocess.run([sys.executable, str(ROOT / "tools/tidy.py")], check=False).returncode != 0
    print("lint failed" if failed else "lint passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
