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
        """`ours`: words for lake_operations, or for lake_query; `theirs`: a process; `make` makes what both need, once."""
        if not self.wants(name):
            return
        if make:
            make()
        program, words = Path(self.given.operations), ours
        if ours[0] == "query":
            program, words = program.with_name("lake_query"), ours[1:]
        commands = {"sluice": [str(program), *map(str, words)], "deltalake": theirs}
        self.lines.append(compare(name, commands, self.given.repeats, prepare, result))

    def operate(self, *words):
        subprocess.run([self.given.operations, *map(str, words)], check=True, stdout=subprocess.DEVNULL)

    def make_rows(self):
        if not self.rows.exists():
            self.operate("rows", self.rows, self.given.rows)
