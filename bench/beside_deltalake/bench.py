"""The lines of bench/lake.py, and the folder that their tables lie in."""

import subprocess
from pathlib import Path

from beside_deltalake.processes import compare


class Bench:
    """A table is made when the first line asks for it. `given`: the arguments of bench/lake.py."""

    def __init__(self, given, folder):
        self.given, self.folder, self.lines = given, Path(folder), []
        self.rows = self.folder / "rows.arrow"

    def wants(self, name):
        return not self.given.only or self.given.only in name

    def line(self, name, make, ours, theirs, prepare=None, result=None):
        """`ours`: words for lake_operations; `theirs`: a process; `make` makes what both need, once."""
        if not self.wants(name):
            return
        if make:
            make()
        commands = {"sluice": [self.given.operations, *map(str, ours)], "deltalake": theirs}
        self.lines.append(compare(name, commands, self.given.repeats, prepare, result))

    def operate(self, *words):
        subprocess.run([self.given.operations, *map(str, words)], check=True, stdout=subprocess.DEVNULL)

    def make_rows(self):
        if not self.rows.exists():
            self.operate("rows", self.rows, self.given.rows)
