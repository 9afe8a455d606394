"""A write over an object that was read before: the next read sees it, on every worker.

The workers never ask S3 again by themselves (`--revalidate never`): what makes them see the new
content is the write alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from support import objects
from support.rig import BUCKET, QueryFailed, Rig
from support.s3 import S3Server

SQL = "SELECT min(v // 1000000), max(v // 1000000), count(*) FROM read_parquet({files})"


@pytest.fixture(scope="module")
def pair(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two workers."""
    one = Rig(
        tmp_path_factory.mktemp("pair"), s3, workers=2, worker_options=["--revalidate", "never"]
    )
    yield one
    refusals = one.proxy.refusals
    one.stop()
    assert refusals == []


def on_both_workers(rig: Rig, url: str) -> list[str]:
    """Queries that read `url` with another file, which sets their worker: one for each worker.

    They have run: every worker has the object in its cache.
    """
    queries: dict[str, str] = {}
    for _ in range(64):
        other = rig.fresh("other.parquet", objects.small_parquet(1, 10))
        sql = SQL.format(files=[url, other])
        queries.setdefault(rig.run(sql).worker, sql)
        if len(queries) == 2:
            return list(queries.values())
    raise AssertionError("64 keys and all have the same home")


def copy(rig: Rig, number: int, rows: int, target: str, options: str = "FORMAT parquet") -> None:
    """Writes a version of some rows."""
    select = f"SELECT {number} * 1000000 + i % 1000 AS v, i % 3 AS part FROM range({rows}) t(i)"
    rig.run(f"COPY ({select}) TO '{target}' ({options})", path="/write")


@pytest.mark.parametrize("rows", [500, 400_000], ids=["small", "large"])
def test_copy_over_an_object(pair: Rig, rows: int) -> None:
    url = f"s3://{BUCKET}/{pair.folder()}/written.parquet"
    copy(pair, 1, rows, url)
    queries = on_both_workers(pair, url)
    for number in (2, 3):
        copy(pair, number, rows + number, url)
        for sql in queries:
            assert pair.run(sql).rows == [(1, number, rows + number + 10)], "stale"
        assert pair.run(SQL.format(files=[url])).rows == [(number, number, rows + number)]


def test_csv_over_an_object(pair: Rig) -> None:
    url = f"s3://{BUCKET}/{pair.folder()}/written.csv"
    sql = f"SELECT min(v // 1000000), max(v // 1000000), count(*) FROM '{url}'"
    for number in (1, 2, 3):
        copy(pair, number, 1000, url, "FORMAT csv, HEADER")
        assert pair.run(sql).rows == [(number, number, 1000)]


def test_a_new_object_is_in_the_list(pair: Rig) -> None:
    """Lists that the workers keep are dropped by a write under their prefix."""
    folder = f"s3://{BUCKET}/{pair.folder()}"
    sql = SQL.format(files=f"'{folder}/*.parquet'")
    for number in (1, 2, 3):
        copy(pair, number, 100, f"{folder}/{number}.parquet")
        assert pair.run(sql).rows == [(1, number, 100 * number)]


def test_partitioned_write_over_a_folder(pair: Rig) -> None:
    folder = f"s3://{BUCKET}/{pair.folder()}"
    sql = SQL.format(files=f"'{folder}/*/*.parquet'")
    options = "FORMAT parquet, PARTITION_BY (part), OVERWRITE_OR_IGNORE"
    for number in (1, 2):
        copy(pair, number, 300 * number, folder, options)
        assert pair.run(sql).rows == [(number, number, 300 * number)]


def test_a_write_that_fails(pair: Rig) -> None:
    """What is read after it is what S3 then has, whatever that is."""
    url = f"s3://{BUCKET}/{pair.folder()}/written.parquet"
    copy(pair, 1, 500, url)
    sql = SQL.format(files=[url])
    assert pair.run(sql).rows == [(1, 1, 500)]
    select = "SELECT CASE WHEN i = 400000 THEN error('no such luck') ELSE i END AS v"
    with pytest.raises(QueryFailed):
        pair.run(f"COPY ({select} FROM range(500000) t(i)) TO '{url}'", path="/write")
    try:
        want = pair.plain_rows(sql)
    except duckdb.Error:
        with pytest.raises(QueryFailed):
            pair.run(sql)
    else:
        assert pair.run(sql).rows == want


def test_an_object_that_was_missing(pair: Rig) -> None:
    """That it was not there is not remembered past the write."""
    url = f"s3://{BUCKET}/{pair.folder()}/written.parquet"
    sql = SQL.format(files=[url])
    with pytest.raises(QueryFailed) as failed:
        pair.run(sql)
    assert failed.value.code == "NOT_FOUND"
    copy(pair, 1, 500, url)
    assert pair.run(sql).rows == [(1, 1, 500)]
