"""Every way of reading from S3 gives what plain DuckDB with httpfs gives."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from support import objects
from support.oracle import answer, assert_same
from support.rig import MakeRig, QueryFailed, Rig
from support.s3 import S3Server
from support.s3_record import gets

BUCKET = "same"
# What plain DuckDB reads by name, and reads wrongly where a glob has found it.
ODD_BY_NAME = ["a=b&c.csv", "%41.csv", "a+b.csv", "quote'.csv", "x<y>.csv", '"q".csv']
ODD = [
    "a b.csv",
    "100%.csv",
    "größe.csv",
    "東京.csv",
    "a=b.csv",
    "a;b,c.csv",
    "(1).csv",
    "a~!@$.csv",
    "#hash.csv",
    "a:b.csv",
    ".hidden.csv",
    "no-extension",
]
FOLDER = f"s3://{BUCKET}"


@pytest.fixture(scope="module")
def same(rig: Rig, s3: S3Server) -> Rig:
    """The rig, with objects of every kind in a bucket of their own."""
    s3.make_bucket(BUCKET)
    csv, rows = objects.csv_text(3000), objects.json_lines(3000)
    contents = {
        "small.parquet": objects.small_parquet(),
        "large.parquet": objects.large_parquet(),
        "wide/1.parquet": objects.to_parquet(pa.table({"a": [1, 2], "b": ["x", "y"]})),
        "wide/2.parquet": objects.to_parquet(pa.table({"b": ["z"], "c": [1.5]})),
        "x.csv": csv,
        "x.csv.gz": objects.gz(csv),
        "x.csv.zst": objects.zst(csv),
        "large.csv": objects.csv_text(150_000),
        "large.csv.gz": objects.gz(objects.csv_text(150_000)),
        "large.csv.zst": objects.zst(objects.csv_text(150_000)),
        "semicolons.csv": b"a;b\n1;x\n2;'y;z'\n",
        "no-newline-at-end.csv": b"a,b\n1,2\n3,4",
        "bom.csv": b"\xef\xbb\xbfa,b\n1,2\n",
        "quoted.csv": b'a,b\n1,"two\nlines"\n2,"say ""hi"""\n',
        "x.json": rows,
        "x.json.gz": objects.gz(rows),
        "x.json.zst": objects.zst(rows),
        "array.json": b'[{"a": 1, "b": {"c": [1, 2]}}, {"a": null}]',
        "x.txt": "größer\n".encode() * 999,
        "x.bin": bytes(range(256)) * 4099,
        "empty.txt": b"",
        "one-byte.txt": b"x",
        "tail.parquet": objects.to_parquet(pa.table({"a": list(range(7))})),
    }
    for day in range(5):
        key = f"hive/year=2025/day={day}/part.parquet"
        contents[key] = objects.small_parquet(day + 1, 50)
        contents[f"days/{day}.csv"] = objects.csv_text(20, day + 1)
    for number, name in enumerate(ODD):
        contents[f"odd/{name}"] = b"n\n%d\n" % number
    for number, name in enumerate(ODD_BY_NAME):
        contents[f"by-name/{name}"] = b"n\n%d\n" % number
    for key, content in contents.items():
        s3.put(BUCKET, key, content)
    return rig


@pytest.fixture(scope="module")
def plain(same: Rig) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = same.httpfs()
    # Rows in one order on both sides.
    connection.execute("SET preserve_insertion_order = true")
    yield connection


QUERIES = [
    "FROM read_parquet('{f}/small.parquet')",
    "FROM '{f}/large.parquet' ORDER BY id LIMIT 1000 OFFSET 200000",
    "SELECT count(*), sum(v), min(a), max(c) FROM '{f}/large.parquet'",
    "SELECT * FROM '{f}/large.parquet' WHERE id = 123456",
    "SELECT * FROM '{f}/large.parquet' WHERE id IN (5, 399999) ORDER BY id",
    "FROM read_parquet('{f}/small.parquet', file_row_number = true)",
    "FROM read_parquet('{f}/small.parquet', filename = true)",
    "FROM read_parquet('{f}/small.parquet', filename = 'where')",
    "SELECT filename, count(*) AS n FROM '{f}/hive/**/*.parquet' GROUP BY ALL ORDER BY ALL",
    "FROM parquet_schema('{f}/small.parquet')",
    "FROM parquet_metadata('{f}/large.parquet')",
    "FROM parquet_file_metadata('{f}/large.parquet')",
    "FROM parquet_kv_metadata('{f}/small.parquet')",
    "FROM '{f}/hive/*/*/*.parquet' ORDER BY id, v",
    "FROM '{f}/hive/**/*.parquet' WHERE day = 3 ORDER BY id",
    "FROM read_parquet('{f}/hive/**', hive_partitioning = false) ORDER BY id, v",
    "SELECT day, sum(v) FROM '{f}/hive/year=2025/day=[0-2]/*.parquet' GROUP BY ALL ORDER BY 1",
    "SELECT day, count(*) FROM '{f}/hive/year=*/day=*/part.parquet' GROUP BY ALL ORDER BY ALL",
    "FROM read_parquet(['{f}/small.parquet', '{f}/hive/year=2025/day=0/part.parquet'], "
    "hive_partitioning = false) ORDER BY ALL",
    "FROM read_parquet(['{f}/wide/1.parquet', '{f}/wide/2.parquet'], union_by_name = true)",
    "FROM read_parquet('{f}/wide/*.parquet', union_by_name = true, filename = true)",
    "FROM read_csv('{f}/x.csv')",
    "FROM '{f}/x.csv.gz'",
    "FROM '{f}/x.csv.zst'",
    "SELECT count(*), sum(v), max(name) FROM '{f}/large.csv'",
    "SELECT count(*), sum(v), max(name) FROM '{f}/large.csv.gz'",
    "SELECT count(*), sum(v), max(name) FROM '{f}/large.csv.zst'",
    "SELECT count(*), sum(v) FROM read_csv('{f}/large.csv', parallel = false)",
    "FROM read_csv('{f}/large.csv') LIMIT 3",
    "FROM read_csv('{f}/x.csv', all_varchar = true, header = false)",
    "FROM read_csv('{f}/semicolons.csv', quote = '''')",
    "FROM '{f}/no-newline-at-end.csv'",
    "FROM '{f}/bom.csv'",
    "FROM '{f}/quoted.csv'",
    "FROM read_csv('{f}/days/*.csv', filename = true) ORDER BY filename, id",
    "FROM read_csv(['{f}/days/0.csv', '{f}/days/4.csv'], union_by_name = true) ORDER BY v",
    "FROM sniff_csv('{f}/x.csv')",
    "FROM read_json('{f}/x.json')",
    "FROM '{f}/x.json.gz'",
    "FROM read_json('{f}/x.json.zst')",
    "FROM read_json('{f}/array.json')",
    "FROM read_json_objects('{f}/array.json')",
    "FROM read_ndjson_objects('{f}/x.json') LIMIT 9",
    "SELECT filename, size, content FROM read_text('{f}/x.txt')",
    "SELECT filename, size, content FROM read_text('{f}/*.txt') ORDER BY filename",
    "SELECT filename, size, sha256(content) FROM read_blob('{f}/x.bin')",
    "SELECT filename, last_modified, size FROM read_blob('{f}/*.parquet') ORDER BY ALL",
    "SELECT parse_filename(filename), size FROM read_blob(['{f}/x.bin', '{f}/x.txt'])",
    "FROM glob('{f}/*') ORDER BY ALL",
    "FROM glob('{f}/hive/**') ORDER BY ALL",
    "FROM glob('{f}/**/*.csv') WHERE NOT contains(file, 'by-name') ORDER BY ALL",
    "FROM glob('{f}/hive/*/day=1/*') ORDER BY ALL",
    "FROM glob('{f}/nothing*')",
    "FROM glob('{f}/x.csv')",
    "FROM glob('{f}/missing.csv')",
    "FROM glob(['{f}/*.csv', '{f}/*.json']) ORDER BY ALL",
    "SELECT a.id, b.v FROM '{f}/small.parquet' a JOIN '{f}/x.csv' b USING (id) ORDER BY ALL",
    "SELECT count(*) FROM '{f}/large.parquet' a JOIN '{f}/large.parquet' b USING (id)",
    "WITH t AS MATERIALIZED (FROM '{f}/x.json') SELECT sum(id) FROM t",
    "DESCRIBE FROM '{f}/large.parquet'",
    "SUMMARIZE FROM '{f}/x.csv'",
    "SELECT (SELECT max(v) FROM '{f}/small.parquet') - (SELECT min(v) FROM '{f}/x.csv')",
]


@pytest.mark.parametrize("sql", QUERIES)
def test_same_cold_and_warm(same: Rig, plain: duckdb.DuckDBPyConnection, sql: str) -> None:
    sql = sql.format(f=FOLDER)
    want = answer(plain, sql)
    with same.cluster.client() as client:
        client.clear_cache()
    assert_same(same.run(sql).table, want)  # cold
    assert_same(same.run(sql).table, want)  # warm


@pytest.mark.parametrize("cache", ["passive", "off", "refresh"])
@pytest.mark.parametrize("sql", QUERIES[::5])
def test_same_in_every_mode(
    same: Rig, plain: duckdb.DuckDBPyConnection, sql: str, cache: str
) -> None:
    sql = sql.format(f=FOLDER)
    assert_same(same.run(sql, cache=cache).table, answer(plain, sql))


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n"])
@pytest.mark.parametrize("file", ["small.parquet", "x.csv.gz", "hive/*/*/*.parquet", "days/*.csv"])
def test_schemes(same: Rig, plain: duckdb.DuckDBPyConnection, scheme: str, file: str) -> None:
    reader = "read_parquet" if file.endswith("parquet") else "read_csv"
    sql = f"FROM {reader}('{scheme}://{BUCKET}/{file}', filename = true) ORDER BY ALL"
    assert_same(same.run(sql).table, answer(plain, sql))


def test_schemes_share_what_is_cached(same: Rig) -> None:
    content = objects.small_parquet()
    url = same.fresh("small.parquet", content)
    key = url.partition("://")[2].partition("/")[2]
    with same.proxy.record() as seen:
        for scheme in ("s3", "s3a", "s3n"):
            same.run(f"SELECT sum(v) FROM '{scheme}{url.removeprefix('s3')}'")
    assert seen.bytes <= len(content) * 3  # one copy would be better, three are right
    assert 1 <= len(seen.matching(gets(key))) <= 3


@pytest.mark.parametrize(
    "name", [f"odd/{name}" for name in ODD] + [f"by-name/{name}" for name in ODD_BY_NAME]
)
def test_odd_names(same: Rig, plain: duckdb.DuckDBPyConnection, name: str) -> None:
    escaped = name.replace("'", "''")
    sql = f"FROM read_csv('{FOLDER}/{escaped}', header = true, filename = true)"
    try:
        want = answer(plain, sql)
    except duckdb.Error:
        pytest.skip("plain DuckDB does not read it")
    assert want.num_rows == 1
    assert_same(same.run(sql).table, want)


def test_odd_names_by_a_glob(same: Rig, plain: duckdb.DuckDBPyConnection) -> None:
    sql = f"FROM read_csv('{FOLDER}/odd/*', header = true, filename = true) ORDER BY ALL"
    want = answer(plain, sql)
    assert want.num_rows >= len(ODD) - 1
    assert_same(same.run(sql).table, want)


def test_names_that_plain_duckdb_lists_wrongly(same: Rig) -> None:
    sql = f"FROM read_csv('{FOLDER}/by-name/*', header = true, filename = true)"
    got = sorted(same.run(sql).rows)
    want = [(n, f"{FOLDER}/by-name/{name}") for n, name in enumerate(ODD_BY_NAME)]
    assert got == want


@pytest.mark.parametrize(
    "sql",
    [
        "FROM '{f}/missing.parquet'",
        "FROM '{f}/nothing/*.parquet'",
        "FROM read_csv(['{f}/x.csv', '{f}/missing.csv'])",
        "FROM read_parquet('{f}/x.csv')",
        "FROM read_parquet('{f}/empty.txt')",
        "FROM read_parquet('{f}/one-byte.txt')",
        "FROM '{f}/wide/*.parquet'",
    ],
)
def test_what_plain_duckdb_refuses_is_refused(
    same: Rig, plain: duckdb.DuckDBPyConnection, sql: str
) -> None:
    sql = sql.format(f=FOLDER)
    with pytest.raises(duckdb.Error):
        answer(plain, sql)
    with pytest.raises(QueryFailed) as failed:
        same.run(sql)
    assert failed.value.code in ("INVALID_QUERY", "NOT_FOUND"), failed.value


def seal(plain: duckdb.DuckDBPyConnection, url: str, config: str) -> None:
    plain.execute(
        f"COPY (SELECT i AS id, hash(i) AS h FROM range(200000) t(i)) TO '{url}' "
        f"(FORMAT parquet, ENCRYPTION_CONFIG {config})"
    )


def assert_sealed(own: Rig, plain: duckdb.DuckDBPyConnection, url: str, config: str) -> None:
    """Again and again: DuckDB's own cache of footers breaks on the second read of such a file."""
    relation = f"read_parquet('{url}', encryption_config = {config})"
    for sql in (
        f"SELECT count(*), sum(id), max(h) FROM {relation}",
        f"FROM {relation} WHERE id = 150000",
    ):
        want = answer(plain, sql)
        for _ in range(3):
            assert_same(own.run(sql).table, want)
    with pytest.raises(QueryFailed) as failed:
        own.run(f"FROM '{url}'")
    assert failed.value.code == "INVALID_QUERY"


def test_encrypted_parquet(make_rig: MakeRig, tmp_path: Path) -> None:
    """The key comes in the --init file; the footer is encrypted too."""
    pragma = "PRAGMA add_parquet_key('key128', '0123456789112345')"
    init = tmp_path / "init.sql"
    init.write_text(pragma + ";\n")
    own = make_rig("--init", str(init))
    plain = own.httpfs()
    plain.execute(pragma)
    url = own.fresh("sealed.parquet", b"")
    seal(plain, url, "{footer_key: 'key128'}")
    assert_sealed(own, plain, url, "{footer_key: 'key128'}")


def test_encrypted_parquet_with_the_key_in_the_query(same: Rig) -> None:
    plain = same.httpfs()
    url = same.fresh("sealed.parquet", b"")
    key = base64.b64encode(b"0123456789112345").decode()
    config = f"{{footer_key_value: '{key}'}}"
    seal(plain, url, config)
    assert_sealed(same, plain, url, config)


def test_hugely_parallel_readers_give_the_same(same: Rig) -> None:
    """Many queries of different parts of one cold file at once."""
    url = same.fresh("large.parquet", objects.large_parquet())
    queries = [
        f"SELECT sum(v), count(*), min(id) FROM '{url}' "
        f"WHERE id BETWEEN {n * 12_000} AND {n * 12_000 + 40_000}"
        for n in range(32)
    ]
    running = [same.start(sql) for sql in queries]
    connection = same.httpfs()
    for sql, one in zip(queries, running, strict=True):
        assert one.result(120).rows == connection.execute(sql).fetchall()
