"""Where the packages of other engines lie, as tools/fetch.py unpacked them."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEPS = Path(os.environ.get("SLUICE_DEPS", ROOT / ".deps"))
UNPACKED = DEPS / "unpacked"
SPARK = UNPACKED / "spark"
FLIGHTS = UNPACKED / "flights/vega-datasets/package/data/flights-3m.parquet"
SKIPPED = 77  # What ctest takes for "did not run".


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def use_deltalake():
    """Makes deltalake and pyarrow importable, or ends the program as skipped."""
    if sys.version_info[:2] != (3, 11):
        skip("the pinned packages are for Python 3.11")
    if not (UNPACKED / "interop/deltalake").exists():
        skip("deltalake is not there; `./dev test` fetches it")
    sys.path[:0] = [str(UNPACKED / "pyarrow")] + [
        str(UNPACKED / "interop" / name) for name in ("deltalake", "arro3-core", "deprecated", "wrapt", "typing-extensions")]


def use_duckdb():
    if not (UNPACKED / "flights/duckdb").exists():
        skip("the flights are not there; `./dev test --interop` fetches them")
    sys.path.insert(0, str(UNPACKED / "flights/duckdb"))


def use_spark():
    """Makes pyspark importable and tells it where its jars are."""
    home = next(SPARK.glob("pyspark/pyspark-*/deps"), None)
    if home is None:
        skip("Spark is not there; `./dev test --interop` fetches it")
    os.environ.update(SPARK_HOME=str(home), PYSPARK_PYTHON=sys.executable, TZ="UTC")
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    sys.path[:0] = [str(home.parent), str(SPARK / "py4j")]


def delta_jars():
    return [str(jar) for name in ("delta-spark_2.13", "delta-storage", "antlr4-runtime")
            for jar in (SPARK / name).glob("*.jar")]
