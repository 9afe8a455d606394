"""The larger data, made when a workload first wants them and kept beside s3_data's."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy
import pyarrow as pa
import pyarrow.parquet as pq
import s3_data
from s3_data import FOLDER
from support import data
from support.paths import extension
from support.s3 import S3Server

WIDE_FILES = 30
WIDE = [f"s3://wide/part-{number:02}.parquet" for number in range(WIDE_FILES)]
_WIDE_COLUMNS = 10
_WIDE_ROWS = 312_500  # 25 MB of doubles that do not compress
TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
MANY = 3_000
_MANY_ROWS = 20


def many(count: int) -> list[str]:
    """The first of 3,000 small files."""
    return [f"s3://many/day-{number:04}.parquet" for number in range(count)]


def local_table(name: str) -> Path:
    return FOLDER / f"{name}.parquet"


def table_url(name: str) -> str:
    return f"s3://tpch/{name}.parquet"


def views(place: Callable[[str], str | Path]) -> list[str]:
    """TPC-H's tables by their names."""
    return [f"CREATE VIEW {name} AS FROM read_parquet('{place(name)}')" for name in TABLES]


def tpch_queries() -> list[str]:
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension('tpch')}'")
    rows = connection.execute("SELECT query FROM tpch_queries() ORDER BY query_nr").fetchall()
    return [str(row[0]).strip().rstrip(";") for row in rows]


def make_wide() -> None:
    def fill(server: S3Server) -> None:
        for number, url in enumerate(WIDE):
            dice = numpy.random.default_rng(number)
            columns = {f"c{n}": dice.random(_WIDE_ROWS) for n in range(_WIDE_COLUMNS)}
            out = io.BytesIO()
            pq.write_table(pa.table(columns), out, compression="none", use_dictionary=False)
            s3_data.put(server, url, out.getvalue())

    _once("wide", "30 files of 25 MB", fill)


def make_many() -> None:
    def fill(server: S3Server) -> None:
        contents = [data.parquet_bytes(data.blocks(day, _MANY_ROWS)) for day in range(1, 31)]
        for number, url in enumerate(many(MANY)):
            s3_data.put(server, url, contents[number % len(contents)])

    _once("many", "3,000 files of 12 KB", fill)


def make_tpch() -> None:
    s3_data.make()

    def fill(server: S3Server) -> None:
        connection = duckdb.connect()
        connection.execute(f"LOAD '{extension('tpch')}'")
        connection.execute("CALL dbgen(sf=1)")
        for name in TABLES:
            if name != "lineitem":  # s3_data has it
                connection.execute(f"COPY {name} TO '{local_table(name)}' (FORMAT parquet)")
                s3_data.put(server, table_url(name), local_table(name).read_bytes())
        connection.close()

    _once("tpch", "TPC-H SF1's other tables", fill)


def _once(bucket: str, what: str, fill: Callable[[S3Server], None]) -> None:
    s3_data.make()
    ready = FOLDER / f"ready-{bucket}-1"
    if ready.exists():
        return
    print(f"making the data (once): {what}", flush=True)
    with s3_data.locked(), s3_data.writing() as server:
        with contextlib.suppress(Exception):
            server.make_bucket(bucket)
        fill(server)
        ready.touch()
