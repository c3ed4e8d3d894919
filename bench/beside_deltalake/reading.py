"""Opening, listing, appending, asking."""

import shutil
import subprocess

from beside_deltalake.processes import timed
from beside_deltalake.tables import delete_every, make_log


class Tables:
    """`log`: 300,000 files that do not exist; `new`: whatever the line makes."""

    def __init__(self, bench):
        self.bench, self.log, self.new = bench, bench.folder / "log", bench.folder / "new"

    def make_log(self):
        if not self.log.exists():
            make_log(self.log, self.bench.given.files, 300)

    def forget_checkpoint(self, _who=None):
        for file in [*(self.log / "_delta_log").glob("*checkpoint*"), *(self.log / "_delta_log").glob("*.crc")]:
            file.unlink()

    def make_checkpoint(self):
        self.make_log()
        self.forget_checkpoint()
        subprocess.run(timed("", f"DeltaTable({str(self.log)!r}).create_checkpoint()"), check=True,
                       stdout=subprocess.DEVNULL)

    def fresh(self, _who=None):
        shutil.rmtree(self.new, ignore_errors=True)

    def make_spread(self):
        self.fresh()
        self.bench.operate("spread", self.new, 10000, 100)
        self.bench.operate("checkpoint", self.new)

    def make_vectors(self):
        self.fresh()
        self.bench.make_rows()
        self.bench.operate("append", self.new, self.bench.rows)
        delete_every(self.new, 20)

    def question(self, sql):
        return timed("", f"QueryBuilder().register('t', DeltaTable({str(self.new)!r})).execute({sql!r}).read_all()")


def measure_log(bench):
    tables = Tables(bench)
    log = str(tables.log)
    bench.line("open from 301 commits", tables.make_log, ["open", log], timed("", f"DeltaTable({log!r})"))
    bench.line("list all files", tables.make_log, ["list", log], timed("", f"DeltaTable({log!r}).file_uris()"))
    bench.line("open and write a checkpoint", tables.make_log, ["checkpoint", log],
               timed("", f"DeltaTable({log!r}).create_checkpoint()"), tables.forget_checkpoint)
    bench.line("open from a checkpoint", tables.make_checkpoint, ["open", log], timed("", f"DeltaTable({log!r})"))
    shutil.rmtree(tables.log, ignore_errors=True)


def measure_rows(bench):
    tables = Tables(bench)
    new, rows = str(tables.new), bench.given.rows
    small = ("import pyarrow\npath = %r\n"
             "rows = pyarrow.table({'id': [1, 2, 3], 'value': [.1, .2, .3], 'name': ['a', 'b', 'c']})" % new)
    bench.line("1,000 commits of 3 rows", None, ["commits", new, 1000],
               timed(small, "for _ in range(1000): write_deltalake(path, rows, mode='append')"), tables.fresh)
    read = f"import pyarrow\ntable = pyarrow.ipc.open_file(pyarrow.OSFile({str(bench.rows)!r})).read_all()"
    bench.line(f"append {rows:,} rows x 5 columns", bench.make_rows, ["append", new, bench.rows],
               timed(read, f"write_deltalake({new!r}, table)"), tables.fresh)
    one = "select count(*), max(name) from t where id between 500000 and 500099"
    bench.line("1 of 10,000 files by a condition", tables.make_spread, ["query", new, one], tables.question(one))
    everything = "select count(*), sum(id), sum(value), count(distinct city) from t"
    bench.line(f"scan of {rows:,} rows, 5 % deleted by vectors", tables.make_vectors, ["query", new, everything],
               tables.question(everything))
    tables.fresh()
