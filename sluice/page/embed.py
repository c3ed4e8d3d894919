#!/usr/bin/env python3
"""Makes what assets.cc includes of a folder of files: embed.py FOLDER OUT.

Writes OUT/N.gz for each file and OUT/assets.inc, which has a line ASSET(number, path, type, etag, size, kept) for each.
"""

import gzip
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json",
}


def main(folder, out):
    folder, out = pathlib.Path(folder), pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, file in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        data = file.read_bytes()
        path = "/" + file.relative_to(folder).as_posix()
        kept = str(path.startswith("/assets/")).lower()  # The name has a hash: it never changes.
        etag = hashlib.sha256(data).hexdigest()[:20]
        packed = out / f"{number}.gz"
        packed.write_bytes(gzip.compress(data, 9, mtime=0))
        lines.append(f'ASSET({number}, "{"/" if path == "/index.html" else path}", "{TYPES[file.suffix]}", '
                     f'"{etag}", {len(data)}, {kept}, "{packed.resolve().as_posix()}")\n')
    (out / "assets.inc").write_text("".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
