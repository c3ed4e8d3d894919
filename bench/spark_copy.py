#!/usr/bin/env python3
"""Spark's way of what `ingest.py` asks of DuckDB: NDJSON to date-partitioned zstd Parquet, in one session that stays.

    spark_copy.py SOURCE

Reads the folder of a result a line, writes it, and answers with a line of JSON: wall and CPU seconds, of the JVM and of
Python, and the JVM's peak memory. Exits 77 where Spark or Java is not there (`./dev test --interop` fetches both).
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests/interop"))

from ingest import cpu_seconds  # noqa: E402
from packages import skip, use_spark  # noqa: E402

COLUMNS = ("eventId STRING, ts BIGINT, type STRING, userId BIGINT, email STRING, url STRING, amount DOUBLE, country STRING, "
           "session STRING, ok BOOLEAN")


def used_by_both(jvm):
    return cpu_seconds(jvm) + cpu_seconds(os.getpid())


def memory_peak(jvm):
    status = Path(f"/proc/{jvm}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main():
    use_spark()
    if not shutil.which("java"):
        skip("there is no Java")
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import col, timestamp_millis, to_date
    spark = (SparkSession.builder.master(f"local[{os.cpu_count()}]").appName("bench")
             .config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false")
             .config("spark.driver.memory", "4g").config("spark.ui.showConsoleProgress", "false")
             .config("spark.hadoop.parquet.compression.codec.zstd.level", "1").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    jvm = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
    print(json.dumps({"version": spark.version}), flush=True)
    for line in sys.stdin:
        begin, used = time.monotonic(), used_by_both(jvm)
        rows = spark.read.schema(COLUMNS).json(sys.argv[1])
        rows = (rows.withColumnRenamed("eventId", "event_id").withColumnRenamed("userId", "user_id")
                .withColumn("event_date", to_date(timestamp_millis(col("ts")))))
        rows.write.partitionBy("event_date").option("compression", "zstd").parquet(line.strip())
        print(json.dumps({"seconds": time.monotonic() - begin, "cpu_seconds": used_by_both(jvm) - used,
                          "rss_peak": memory_peak(jvm)}), flush=True)
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
