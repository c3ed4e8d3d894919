#!/usr/bin/env python3
"""Makes what assets.cc includes: embed.py OUT FOLDER|FILE..

Files of a folder are served under their paths in it, a file by its own under its name. Writes OUT/N.gz for each and
OUT/assets.inc, which has a line ASSET(number, path, type, etag, size, kept, file) for each.
"""

import gzip
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json",
}


def files(roots):
    for root in map(pathlib.Path, roots):
        if root.is_file():
            yield "/" + root.name, root
        for file in sorted(path for path in root.rglob("*") if path.is_file()):
            yield "/" + file.relative_to(root).as_posix(), file


def main(out, *roots):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (path, file) in enumerate(files(roots)):
        data = file.read_bytes()
        kept = str(path.startswith("/assets/")).lower()  # The name has a hash: it never changes.
        etag = hashlib.sha256(data).hexdigest()[:20]
        packed = out / f"{number}.gz"
        packed.write_bytes(gzip.compress(data, 9, mtime=0))
        lines.append(f'ASSET({number}, "{"/" if path == "/index.html" else path}", "{TYPES[file.suffix]}", '
                     f'"{etag}", {len(data)}, {kept}, "{packed.resolve().as_posix()}")\n')
    (out / "assets.inc").write_text("".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
