"""Every type arrives as plain DuckDB's own Arrow export gives it."""

from __future__ import annotations

import base64
from decimal import Decimal

import duckdb
import eider
import pyarrow as pa
import pytest

from support import http
from support.cluster import Cluster
from support.oracle import answer, assert_same

QUERIES = {
    "all types": "SELECT * FROM test_all_types()",
    "all types, many rows": (
        "SELECT t.*, i FROM range(5000) r(i), test_all_types() t ORDER BY i, t.int NULLS LAST, "
        "t.bool NULLS LAST"
    ),
    "vector types": "SELECT * FROM test_vector_types(NULL::ROW(i INTEGER, j VARCHAR)[])",
    "integers": (
        "SELECT i::TINYINT a, i::SMALLINT b, i::INTEGER c, i::BIGINT d, i::UTINYINT e, "
        "i::USMALLINT f, i::UINTEGER g, i::UBIGINT h FROM range(127) t(i)"
    ),
    "hugeint": "SELECT 170141183460469231731687303715884105727::HUGEINT a, (-5)::HUGEINT b",
    "decimals": (
        "SELECT 1.5::DECIMAL(4,1) a, 12.3456::DECIMAL(9,4) b, 1234567.891::DECIMAL(18,3) c, "
        "99999999999999999999999999.999999999999::DECIMAL(38,12) d"
    ),
    "uuid": "SELECT 'c4c61dba-4b2c-11ee-be56-0242ac120002'::UUID u, NULL::UUID n",
    "times": (
        "SELECT TIMESTAMP '1992-09-20 11:30:00.123456' a, "
        "TIMESTAMPTZ '1992-09-20 11:30:00.123456+02' b, DATE '1992-09-20' c, "
        "TIME '11:30:00.123456' d, TIMETZ '11:30:00+02' e, "
        "'1992-09-20 11:30:00'::TIMESTAMP_S f, '1992-09-20 11:30:00.123'::TIMESTAMP_MS g, "
        "'1992-09-20 11:30:00.123456789'::TIMESTAMP_NS h, TIMESTAMP 'infinity' i"
    ),
    "interval": "SELECT INTERVAL '1 year 2 months 3 days 4.5 seconds' a, INTERVAL '-5 days' b",
    "enum": "SELECT x::ENUM('sad', 'ok', 'happy') e FROM (VALUES ('ok'), (NULL), ('sad')) t(x)",
    "blob and bit": r"SELECT '\x00\xFFabc'::BLOB a, '0101101'::BIT b, ''::BLOB c",
    "strings": "SELECT 'ünïcödé 🦆' a, '' b, NULL::VARCHAR c, chr(0) d, repeat('x', 5000000) e",
    "json": """SELECT '{"a": [1, 2]}'::JSON j""",
    "list": "SELECT [1, NULL, 3] a, []::INT[] b, NULL::INT[] c, [[1], [], NULL] d",
    "array": "SELECT [1, 2, 3]::INT[3] a, NULL::INT[2] b",
    "struct": "SELECT {'a': 1, 'b': {'c': 'x', 'd': [1.5]}} s, NULL::STRUCT(a INT) n",
    "map": "SELECT MAP {'k': 1, 'l': NULL} m, MAP {}::MAP(INT, VARCHAR[]) e",
    "union": (
        "SELECT u FROM (VALUES (union_value(num := 2)::UNION(num INT, str VARCHAR)), "
        "(union_value(str := 'x')::UNION(num INT, str VARCHAR)), (NULL)) t(u)"
    ),
    "nested": "SELECT [{'a': MAP {1: [{'b': NULL, 'c': [DATE '2025-05-01']}]}}] n",
    "floats": "SELECT 'nan'::DOUBLE a, '-inf'::FLOAT b, -0.0::DOUBLE c, 1e308 d",
    "null": "SELECT NULL a, [] b",
    "same names": 'SELECT 1 AS a, 2 AS a, 3 AS "ö ä"',
    "zero rows": "SELECT * FROM test_all_types() WHERE false",
    "zero rows of one column": "SELECT 42 AS x WHERE 1 = 0",
    "10,000 columns": "SELECT COLUMNS(*)::BIGINT FROM (SELECT "
    + ", ".join(f"{i} AS c{i}" for i in range(10_000))
    + ")",
    "many batches": "SELECT i, i::VARCHAR s FROM range(400000) t(i)",
    "pivot": ("PIVOT (VALUES ('a', 1), ('b', 2), ('a', 3)) t(k, v) ON k USING sum(v)"),
    "describe": "DESCRIBE SELECT 1 AS a, 'x' AS b",
    "values": "VALUES (1, 'a'), (2, NULL)",
    "from first": "FROM range(3) t(i) SELECT i * 2 AS d",
}


@pytest.mark.parametrize("name", QUERIES)
def test_schema_and_values_equal_plain_duckdb(
    client: eider.Client, oracle: duckdb.DuckDBPyConnection, name: str
) -> None:
    sql = QUERIES[name]
    assert_same(client.query(sql).arrow(), answer(oracle, sql))


@pytest.mark.parametrize("name", ["all types", "zero rows", "many batches", "nested"])
def test_base64_form_holds_the_same(
    cluster: Cluster, oracle: duckdb.DuckDBPyConnection, name: str
) -> None:
    reply = http.post(cluster.url, "/read", {"query": QUERIES[name]})
    assert reply.status == 200, reply.body
    with pa.ipc.open_stream(base64.b64decode(reply.json()["result"], validate=True)) as reader:
        assert_same(reader.read_all(), answer(oracle, QUERIES[name]))


def test_s3_files_equal_plain_duckdb(
    client: eider.Client,
    oracle: duckdb.DuckDBPyConnection,
    block_urls: list[str],
    blocks_glob: str,
) -> None:
    for sql in (
        f"SELECT * FROM read_parquet('{block_urls[0]}')",
        f"FROM '{block_urls[4]}'",
        f"SELECT date, count(*), sum(size), max(timestamp) FROM '{blocks_glob}' "
        "GROUP BY date ORDER BY date",
        f"SELECT * FROM read_parquet({block_urls[:3]!r}, hive_partitioning = true) ORDER BY number",
    ):
        assert_same(client.query(sql).arrow(), answer(oracle, sql))


def test_buckets_and_args_as_the_demo_sends_them(
    client: eider.Client, oracle: duckdb.DuckDBPyConnection, block_urls: list[str]
) -> None:
    file = block_urls[6]
    reader = client.read(
        {"buckets": [file], "query": "SELECT * FROM read_parquet(?);", "args": [file]}
    )
    want = answer(oracle, "SELECT * FROM read_parquet(?)", [file])
    got = reader.read_all()
    assert_same(got, want)
    assert got.to_pandas().equals(want.to_pandas())


def test_every_form_of_a_result(client: eider.Client) -> None:
    sql = "SELECT i, i / 4 AS q, 'n' || i AS s FROM range(5) t(i)"
    assert client.query(sql).df()["s"].tolist() == ["n0", "n1", "n2", "n3", "n4"]
    assert client.query(sql).pl()["i"].to_list() == [0, 1, 2, 3, 4]
    assert client.query(sql).fetchall()[3] == (3, 0.75, "n3")
    assert [b.num_rows for b in client.query(sql).reader()] == [5]
    assert client.query("SELECT 1.10::DECIMAL(5,2)").fetchall() == [(Decimal("1.10"),)]


def test_variant_has_no_arrow_form_and_the_error_names_the_cast(client: eider.Client) -> None:
    with pytest.raises(eider.InvalidQuery, match=r"(?i)variant(.|\n)*cast") as caught:
        client.query("SELECT 42::VARIANT AS v").arrow()
    assert not caught.value.retryable
    assert client.query("SELECT 42::VARIANT::VARCHAR AS v").fetchall() == [("42",)]


def test_an_error_in_mid_stream_raises(client: eider.Client) -> None:
    """The cast fails at a row that comes batches after the first ones."""
    sql = (
        "SELECT (CASE WHEN i = 2999990 THEN 'no number' ELSE i::VARCHAR END)::BIGINT AS n "
        "FROM range(3000000) t(i)"
    )
    seen = 0
    with pytest.raises(eider.InvalidQuery, match="no number"):
        for batch in client.query(sql).reader():
            seen += batch.num_rows
    assert 0 < seen < 2_999_990, "the first batches come before the error"
    with pytest.raises(eider.InvalidQuery, match="no number"):
        client.query(sql).arrow()
    assert client.query("SELECT 42").fetchall() == [(42,)]
