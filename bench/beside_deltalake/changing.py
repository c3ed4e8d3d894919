"""Changing rows, and keeping files in order. Each run works on a fresh copy of the same table; both results are compared."""

import shutil

from beside_deltalake.processes import ask, timed
from beside_deltalake.tables import copy_table, make_dead_files

# How many rows, which ids, and which value stands in the row of which id and name.
CONTENT = ("select count(*), sum(id), sum(cast(value * 1000000 as bigint)), "
           "bit_xor(id * 31 + cast(value * 1000000 as bigint) + character_length(name)) from t")


class Changes:
    """`plain` and `marking`, which differ in whether rows leave by vectors, are copied to `table` before each run."""

    def __init__(self, bench):
        self.bench = bench
        self.plain, self.marking = bench.folder / "plain", bench.folder / "marking"
        self.source, self.table = bench.folder / "source.arrow", bench.folder / "table"

    def make_plain(self):
        if not self.plain.exists():
            self.bench.make_rows()
            self.bench.operate("append", self.plain, self.bench.rows)

    def make_marking(self):
        self.make_plain()
        if not self.marking.exists():
            self.bench.operate("vectors", self.marking, self.bench.rows)

    def make_source(self):
        if not self.source.exists():
            self.bench.operate("source", self.source, self.bench.given.rows // 100, self.bench.given.rows)

    def both_ways(self, name, ours, theirs, make=None):
        """With vectors and by copies: deltalake writes no vectors, and is the peer of both."""
        for how, folder, make_table in ((", by vectors", self.marking, self.make_marking),
                                        (", by copies", self.plain, self.make_plain)):
            if not self.bench.wants(name + how):
                continue
            make_table()
            sources = {"sluice": folder, "deltalake": self.plain}
            self.bench.line(name + how, make, ours, theirs, lambda who, sources=sources: copy_table(sources[who], self.table),
                            lambda: ask(self.table, CONTENT))

    def one_way(self, name, folder, make, ours, theirs, result=None):
        self.bench.line(name, make, ours, theirs, lambda _: copy_table(folder, self.table),
                        result or (lambda: ask(self.table, CONTENT)))


def measure_changes(bench):
    changes = Changes(bench)
    table, rows = str(changes.table), bench.given.rows
    opened = f"table = DeltaTable({table!r})"
    changes.both_ways(f"delete 1 % of {rows:,} rows", ["delete", table, "id % 100 = 7"],
                      timed("", f"{opened}\ntable.delete('id % 100 = 7')"))
    changes.both_ways(f"update 1 % of {rows:,} rows", ["update", table, "value", "value + 1", "id % 100 = 7"],
                      timed("", f"{opened}\ntable.update(updates={{'value': 'value + 1'}}, predicate='id % 100 = 7')"))
    read = f"import pyarrow\nsource = pyarrow.ipc.open_file(pyarrow.OSFile({str(changes.source)!r})).read_all()"
    changes.both_ways(
        f"merge {rows // 100:,} into {rows:,} rows", ["merge", table, changes.source],
        timed(read, f"{opened}\ntable.merge(source, 'target.id = source.id', source_alias='source', target_alias='target')"
              ".when_matched_update_all().when_not_matched_insert_all().execute()"), changes.make_source)
    shutil.rmtree(changes.marking, ignore_errors=True)


def make_some(bench, table):
    """Fewer rows, since deltalake takes half a minute to put 10,000,000 in order."""
    rows = bench.folder / "some.arrow"
    bench.operate("rows", rows, bench.given.rows // 5)
    bench.operate("append", table, rows)


def measure_maintenance(bench):
    changes = Changes(bench)
    table, rows = str(changes.table), bench.given.rows
    small, dead = bench.folder / "small", bench.folder / "dead"
    opened = f"table = DeltaTable({table!r})"
    changes.one_way(f"compact 1,000 files of {rows // 1000:,} rows", small,
                    lambda: bench.operate("spread", small, 1000, rows // 1000), ["compact", table],
                    timed("", f"{opened}\ntable.optimize.compact(target_size={128 << 20})"))
    shutil.rmtree(small, ignore_errors=True)
    some = bench.folder / "some"
    changes.one_way(f"cluster {rows // 5:,} rows by two columns", some, lambda: make_some(bench, some),
                    ["cluster", table, "value", "city"], timed("", f"{opened}\ntable.optimize.z_order(['value', 'city'])"))
    for folder in (some, changes.plain):
        shutil.rmtree(folder, ignore_errors=True)
    changes.one_way("vacuum 100,000 files", dead, lambda: make_dead_files(dead, 100_000, 100), ["vacuum", table],
                    timed("", f"{opened}\ntable.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)"),
                    lambda: sorted(file.name for file in changes.table.glob("*.parquet")) == ["living.parquet"] or "wrong")
    shutil.rmtree(changes.table, ignore_errors=True)
