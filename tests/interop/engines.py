"""Three engines that read and write one Delta table, with one face: sluice/lake, deltalake, Spark.

A table is a folder; its rows are lists of dictionaries with plain Python values (timestamps in UTC, structs
as dictionaries). Each engine has `read(path)`, `append(path, rows, schema)` and what else its `can` names.
"""

import datetime
import json
import os
import subprocess
import tempfile

import deltalake
import packages
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

UTC = datetime.timezone.utc


class Refused(Exception):
    """The engine said no, with its reason; nothing was written."""


def plain(value):
    """One form for the values that the engines give."""
    if isinstance(value, float) and value != value:
        return "nan"
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def plain_rows(rows):
    return [{name: plain(value) for name, value in row.items()} for row in rows]


def partition_text(value):
    """A partition value as the log writes it."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value)


class Sluice:
    """sluice/lake, through sluice_table_driver."""
    name = "sluice"
    can = ("append", "grow", "checkpoint", "shorten", "clean", "compact", "delete", "update", "merge", "vacuum",
           "restore")

    def __init__(self, driver, folder):
        self.folder = folder
        self.scratch = tempfile.mkdtemp(prefix="driver-", dir=folder)
        self.process = subprocess.Popen([driver, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.transactions = {}

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def _ask(self, command, path, *words):
        line = "\t".join((command, os.path.relpath(path, self.folder), *words))
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the driver died at: {line}")
        outcome, _, text = answer.rstrip("\n").partition(" ")
        if outcome != "ok":
            raise Refused(f"{command}: {text}")
        return text

    def _write(self, schema, rows, name="rows", metadata=None):
        path = f"{self.scratch}/{name}.arrow"
        schema = schema.with_metadata(metadata)
        table = pyarrow.Table.from_pylist(rows, schema)
        with pyarrow.OSFile(path, "wb") as file, pyarrow.ipc.new_file(file, schema) as writer:
            writer.write_table(table)
        return path

    def create(self, path, schema, partition, properties):
        self._ask("create", path, self._write(schema, []), ",".join(partition),
                  *(f"{key}={value}" for key, value in properties.items()))

    def append(self, path, rows, schema, partition=()):
        groups = {}
        for row in rows:
            groups.setdefault(tuple(row.get(column) for column in partition), []).append(row)
        inner = pyarrow.schema([field for field in schema if field.name not in partition])
        files = []
        for number, (values, members) in enumerate(groups.items()):
            metadata = {c: partition_text(v) for c, v in zip(partition, values) if v is not None}
            files.append(self._write(inner, members, f"rows{number}", metadata))
        self._append(path, files)

    def append_file(self, path, file):
        """Appends the rows of an Arrow IPC file to a table without partitions."""
        self._append(path, [str(file)])

    def _append(self, path, files):
        version = self.transactions.get(path, 0) + 1
        self._ask("append", path, "driver", str(version), *files)
        self.transactions[path] = version

    def grow(self, path, field):
        self._ask("add", path, self._write(pyarrow.schema([field]), []))

    def alter(self, path, kind, column, more=""):
        """One change of the table itself; `more` may be a field, whose type is meant."""
        if isinstance(more, pyarrow.Field):
            more = self._write(pyarrow.schema([more]), [], "field")
        self._ask("alter", path, kind, column, more)

    def restore(self, path, version):
        self._ask("restore", path, str(version))

    def rename(self, path, old, new):
        self.alter(path, "rename", old, new)

    def drop(self, path, column):
        self.alter(path, "drop", column)

    def widen(self, path, field):
        self.alter(path, "widen", field.name, field)

    def checkpoint(self, path):
        self._ask("checkpoint", path)

    def shorten(self, path):
        """Compacts the log; `compact` is what other engines do to files."""
        self._ask("compact", path)

    def clean(self, path):
        self._ask("clean", path)

    def compact(self, path):
        self._ask("optimize", path)

    def delete(self, path, low, high):
        self._ask("delete", path, f"id >= {low} and id < {high}")

    def update(self, path, column, literal, low, high):
        self._ask("update", path, column, literal, f"id >= {low} and id < {high}")

    def merge(self, path, rows, schema):
        self._ask("merge", path, "id", self._write(schema, rows))

    def vacuum(self, path):
        self._ask("vacuum", path)

    def transaction(self, path):
        answer = self._ask("transaction", path, "driver")
        return None if answer == "none" else int(answer)

    def read(self, path):
        out = f"{self.scratch}/read.arrow"
        self._ask("read", path, out)
        with pyarrow.OSFile(out) as file:
            return plain_rows(pyarrow.ipc.open_file(file).read_all().to_pylist())


class Deltalake:
    """delta-rs, through its Python package."""
    name = "deltalake"
    can = ("append", "grow", "append_and_grow", "checkpoint", "clean", "compact", "delete", "update", "merge", "vacuum",
           "restore")
    can_mapped = ("append", "checkpoint")  # Of a table whose columns are mapped.

    def close(self):
        pass

    def create(self, path, schema, partition, properties):
        deltalake.DeltaTable.create(path, schema=deltalake.Schema.from_arrow(schema), partition_by=list(partition),
                                    configuration=properties)

    def append(self, path, rows, schema, partition=()):
        del partition
        deltalake.write_deltalake(path, pyarrow.Table.from_pylist(rows, schema), mode="append")

    def append_and_grow(self, path, rows, schema):
        deltalake.write_deltalake(path, pyarrow.Table.from_pylist(rows, schema), mode="append", schema_mode="merge")

    def grow(self, path, field):
        added = deltalake.Schema.from_arrow(pyarrow.schema([field])).fields
        deltalake.DeltaTable(path).alter.add_columns(added)

    def checkpoint(self, path):
        deltalake.DeltaTable(path).create_checkpoint()

    def clean(self, path):
        deltalake.DeltaTable(path).cleanup_metadata()

    def compact(self, path):
        deltalake.DeltaTable(path).optimize.compact()

    def delete(self, path, low, high):
        deltalake.DeltaTable(path).delete(f"id >= {low} and id < {high}")

    def update(self, path, column, literal, low, high):
        deltalake.DeltaTable(path).update({f'"{column}"': literal}, predicate=f"id >= {low} and id < {high}")

    def merge(self, path, rows, schema):
        (deltalake.DeltaTable(path).merge(pyarrow.Table.from_pylist(rows, schema), "target.id = source.id",
                                          source_alias="source", target_alias="target")
         .when_matched_update_all().when_not_matched_insert_all().execute())

    def vacuum(self, path):
        deltalake.DeltaTable(path).vacuum(0, dry_run=False, enforce_retention_duration=False)

    def restore(self, path, version):
        deltalake.DeltaTable(path).restore(version)

    def transaction(self, path):
        return deltalake.DeltaTable(path).transaction_version("driver")

    def read(self, path):
        table = deltalake.DeltaTable(path)
        # Its Arrow reader refuses these, or reads mapped columns (reader version 2) as nulls; its SQL does neither.
        protocol = table.protocol()
        features = {"v2Checkpoint", "columnMapping", "deletionVectors"} & set(protocol.reader_features or ())
        if features or protocol.min_reader_version == 2:
            return plain_rows(self.sql(path, "select * from t").to_pylist())
        return plain_rows(table.to_pyarrow_table().to_pylist())

    def sql(self, path, text):
        builder = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(path))
        return pyarrow.table(builder.execute(text).read_all())

    def columns(self, path):
        return [field.name for field in deltalake.DeltaTable(path).schema().fields]

    def read_ids(self, path, low, high):
        """Rows by a filter that statistics may answer."""
        found = self.sql(path, f"select id from t where id >= {low} and id < {high}")
        return sorted(found["id"].to_pylist())


class Spark:
    """Delta's reference implementation, in one local session."""
    name = "spark"
    can = ("append", "grow", "append_and_grow", "checkpoint", "clean", "compact", "delete", "update", "merge", "vacuum",
           "restore")

    def __init__(self, folder):
        from pyspark.sql import SparkSession
        self.folder = folder
        self.spark = (
            SparkSession.builder.master("local[2]").appName("interop")
            .config("spark.jars", ",".join(packages.delta_jars()))
            .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
            .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
            .config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2").config("spark.driver.memory", "2g")
            .config("spark.databricks.delta.snapshotPartitions", "2")
            .config("spark.databricks.delta.retentionDurationCheck.enabled", "false")
            .config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
            .config("spark.sql.warehouse.dir", f"{folder}/warehouse")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "2")
            .config("spark.sql.ansi.enabled", "true").getOrCreate())
        self.spark.sparkContext.setLogLevel("OFF")

    def close(self):
        self.spark.stop()

    def sql(self, text):
        return self.spark.sql(text).collect()

    def _types(self, schema):
        from pyspark.sql.types import StructType
        return StructType.fromJson(json.loads(deltalake.Schema.from_arrow(schema).to_json()))

    def _column(self, field):
        return f"`{field.name}` {self._types(pyarrow.schema([field]))[0].dataType.simpleString()}"

    def create(self, path, schema, partition, properties):
        columns = ", ".join(self._column(field) for field in schema)
        by = f"partitioned by ({', '.join(f'`{c}`' for c in partition)})" if partition else ""
        more = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
        self.spark.sql(f"create table delta.`{path}` ({columns}) using delta {by} "
                       + (f"tblproperties ({more})" if more else ""))

    def _frame(self, rows, schema):
        path = f"{self.folder}/spark-rows.parquet"
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path)
        return self.spark.read.schema(self._types(schema)).parquet(path)

    def append(self, path, rows, schema, partition=()):
        del partition
        self._frame(rows, schema).coalesce(1).write.format("delta").mode("append").save(path)

    def append_and_grow(self, path, rows, schema):
        self._frame(rows, schema).coalesce(1).write.format("delta").mode("append").option(
            "mergeSchema", "true").save(path)

    def grow(self, path, field):
        self.spark.sql(f"alter table delta.`{path}` add columns ({self._column(field)})")

    def _snapshot(self, path):
        log = self.spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(self.spark._jsparkSession, path)
        none = self.spark._jvm.scala.Option.empty()
        return log, log.update(False, none, none), none

    def checkpoint(self, path):
        log, snapshot, none = self._snapshot(path)
        log.checkpoint(snapshot, none)

    def clean(self, path):
        log, snapshot, _ = self._snapshot(path)
        log.doLogCleanup(snapshot)

    def compact(self, path):
        self.sql(f"optimize delta.`{path}`")

    def delete(self, path, low, high):
        self.sql(f"delete from delta.`{path}` where id >= {low} and id < {high}")

    def update(self, path, column, literal, low, high):
        self.sql(f"update delta.`{path}` set `{column}` = {literal} where id >= {low} and id < {high}")

    def merge(self, path, rows, schema):
        self._frame(rows, schema).createOrReplaceTempView("source")
        self.sql(f"merge into delta.`{path}` as target using source on target.id = source.id "
                 "when matched then update set * when not matched then insert *")

    def vacuum(self, path):
        self.sql(f"vacuum delta.`{path}` retain 0 hours")

    def restore(self, path, version):
        self.sql(f"restore table delta.`{path}` to version as of {version}")

    def rename(self, path, old, new):
        self.sql(f"alter table delta.`{path}` rename column `{old}` to `{new}`")

    def drop(self, path, column):
        self.sql(f"alter table delta.`{path}` drop column `{column}`")

    def widen(self, path, field):
        kind = self._types(pyarrow.schema([field]))[0].dataType.simpleString()
        self.sql(f"alter table delta.`{path}` alter column `{field.name}` type {kind}")

    def columns(self, path):
        return self.spark.read.format("delta").load(path).columns

    def read(self, path):
        rows = self.spark.read.format("delta").load(path).collect()
        return plain_rows(row.asDict(recursive=True) for row in rows)

    def read_ids(self, path, low, high):
        rows = self.sql(f"select id from delta.`{path}` where id >= {low} and id < {high}")
        return sorted(row[0] for row in rows)

    def bounds(self, path):
        """What Spark answers from the statistics in the log, where all files have them."""
        return tuple(self.sql(f"select count(*), min(id), max(id) from delta.`{path}`")[0])
