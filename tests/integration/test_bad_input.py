"""Each bad input gets its answer, in words that say what to do, and the server goes on serving."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from typing import Any

import eider
import pyarrow as pa
import pytest

from support import http
from support.cluster import Cluster, MakeCluster
from support.data import BUCKET
from support.processes import free_port
from support.s3 import ACCESS_KEY, SECRET_KEY, S3Server


def still_serves(cluster: Cluster) -> None:
    reply = http.post(cluster.url, "/read", {"query": "select 42 as x"})
    assert reply.status == 200, reply.body
    with pa.ipc.open_stream(base64.b64decode(reply.json()["result"])) as reader:
        assert reader.read_all().to_pylist() == [{"x": 42}]


@pytest.fixture(autouse=True)
def serving_afterwards(cluster: Cluster) -> Iterator[None]:
    yield
    assert cluster.coordinator.running
    assert all(worker.process.running for worker in cluster.workers)
    still_serves(cluster)


def refused(
    cluster: Cluster, body: bytes | dict[str, Any], status: int, code: str, path: str = "/read"
) -> str:
    """The error's message, the same for the base64 form and for the stream form."""
    messages = []
    for headers in ({}, {"Accept": http.ARROW_STREAM}):
        reply = http.post(cluster.url, path, body, headers)
        assert (reply.status, reply.whole) == (status, True), reply
        error = reply.json()
        assert set(error) >= {"error", "code", "retryable"}
        assert error["code"] == code, error
        assert error["retryable"] is False
        text = reply.body.decode()
        assert SECRET_KEY not in text and ACCESS_KEY not in text
        assert "Signature" not in text
        messages.append(str(error["error"]))
    return messages[0]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "JSON"),
        (b"select 42", "JSON"),
        (b"{", "JSON"),
        (b'{"query": "select 42"} trailing', "JSON"),
        (b'{"query": "select \xff"}', "JSON"),
        (b"[]", "object"),
        (b'"select 42"', "object"),
        (b"{}", "query"),
        (b'{"args": []}', "query"),
        (b'{"query": 42}', "query"),
        (b'{"query": null}', "query"),
        (b'{"query": ["select 42"]}', "query"),
        (b'{"query": "select 42", "args": "x"}', "args"),
        (b'{"query": "select 42", "args": 1}', "args"),
        (b'{"query": "select 42", "buckets": "s3://b/k"}', "buckets"),
        (b'{"query": "select 42", "buckets": [1]}', "buckets"),
        (b'{"query": "select 42", "buckets": {}}', "buckets"),
        (b'{"query": "select 42", "timeout_ms": "1"}', "timeout_ms"),
        (b'{"query": "select 42", "timeout_ms": -1}', "timeout_ms"),
        (b'{"query": "select 42", "timeout_ms": 1.5}', "timeout_ms"),
        (b'{"query": "select 42", "priority": 11}', "priority"),
        (b'{"query": "select 42", "cache": "always"}', "cache"),
        (b'{"query": "select 42", "qurey": 1}', "qurey"),
        (b'{"query": "select 42", "write": true}', "write"),
        (b'{"query": ""}', "query|statement"),
        (b'{"query": " ; ; -- nothing"}', "query|statement"),
        (b'{"query": "select 42", "args": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "64"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "64"),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else None,
)
def test_body(cluster: Cluster, body: bytes, named: str) -> None:
    message = refused(cluster, body, 400, "INVALID_QUERY")
    assert any(name in message for name in named.split("|")), message


def test_body_of_100_mb_is_refused_without_being_kept(cluster: Cluster) -> None:
    cluster.coordinator.reset_peak()
    before = cluster.coordinator.rss_bytes()
    block = b" " * (1 << 20)
    with http.Connection(cluster.url) as connection:
        connection.send(
            f"POST /read HTTP/1.1\r\nHost: {connection.host}\r\n"
            f"Content-Length: {100 << 20}\r\n\r\n".encode()
        )
        try:
            for _ in range(100):
                connection.send(block)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it need not read what it will not take
        try:
            reply = connection.read_answer()
        except ConnectionError:
            reply = None
    if reply is not None:
        assert reply.status == 413
        assert reply.json()["code"] == "INVALID_QUERY"
    assert cluster.coordinator.peak_rss_bytes() - before < 32 << 20


def test_announced_length_past_the_limit_is_413_at_once(cluster: Cluster) -> None:
    with http.Connection(cluster.url) as connection:
        connection.send(
            f"POST /read HTTP/1.1\r\nHost: {connection.host}\r\n"
            f"Content-Length: {100 << 20}\r\n\r\n".encode()
        )
        reply = connection.read_answer()
    assert reply.status == 413
    assert reply.json()["code"] == "INVALID_QUERY"
    assert "8" in reply.json()["error"], "names the limit"


def test_chunked_body_past_the_limit_is_413(cluster: Cluster) -> None:
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with http.Connection(cluster.url) as connection:
        connection.send(
            f"POST /read HTTP/1.1\r\nHost: {connection.host}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        try:
            for _ in range(20):
                connection.send(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        # Reset while we were still sending: refused all the same.
        with contextlib.suppress(ConnectionError):
            assert connection.read_answer().status == 413


def test_sql_of_1_mb(cluster: Cluster) -> None:
    sql = "select 42 -- " + "x" * (1 << 20)
    message = refused(cluster, {"query": sql}, 400, "INVALID_QUERY")
    assert "query" in message and len(message) < 2000


def test_sql_just_below_1_mb_runs(cluster: Cluster) -> None:
    sql = "select 42 -- ".ljust((1 << 20) - 1, "x")
    assert http.post(cluster.url, "/read", {"query": sql}).status == 200


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELEC 42", "SELEC"),
        ("SELECT 1 +", "syntax error"),
        ("SELECT (((1)", "syntax error"),
        ("SELECT no_such_function(1)", "no_such_function"),
        ("SELECT no_such_column FROM range(3)", "no_such_column"),
        ("SELECT * FROM no_such_table", "no_such_table"),
        ("SELECT 'x'::INTEGER", "x"),
        ("SELECT " + "(" * 20000 + "1" + ")" * 20000, ""),
    ],
    ids=lambda value: value[:40],
)
def test_sql_that_duckdb_refuses(cluster: Cluster, sql: str, named: str) -> None:
    message = refused(cluster, {"query": sql}, 400, "INVALID_QUERY")
    assert named in message


@pytest.mark.parametrize(
    ("sql", "position"),
    [("SELECT 1\n  FORM x", "LINE 2"), ("SELECT no_such_column FROM range(3)", "LINE 1")],
)
def test_duckdbs_message_keeps_its_position(cluster: Cluster, sql: str, position: str) -> None:
    message = refused(cluster, {"query": sql}, 400, "INVALID_QUERY")
    assert position in message
    assert "^" in message


WRITES = [
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE x",
    "COPY (SELECT 1) TO 's3://out/x.parquet'",
    "CREATE TABLE t (a INT)",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE TYPE e AS ENUM ('a')",
    "DROP TABLE t",
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "SET threads = 1",
    "SET GLOBAL memory_limit = '1TB'",
    "RESET threads",
    "ATTACH 's3://out/x.db' AS x",
    "DETACH x",
    "USE memory",
    "PRAGMA database_list",
    "PRAGMA threads = 1",
    "CHECKPOINT",
    "BEGIN",
    "COMMIT",
    "EXPORT DATABASE 's3://out/db'",
    "IMPORT DATABASE 's3://out/db'",
    "VACUUM",
    "PREPARE p AS SELECT 1",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 's3://out/x.parquet'",
    "EXPLAIN COPY (SELECT 1) TO 's3://out/x.parquet'",
    "EXPLAIN ANALYZE CREATE TABLE t (a INT)",
    "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
    "explain /* x */ analyze /* y */ copy (select 1) to 's3://out/x.parquet'",
]


@pytest.mark.parametrize("sql", WRITES)
def test_what_the_read_path_does_not_allow(cluster: Cluster, sql: str) -> None:
    message = refused(cluster, {"query": sql}, 400, "INVALID_QUERY")
    assert "SELECT" in message or "one at a time" in message, f"names what is allowed: {message}"


def test_a_refused_write_writes_nothing(cluster: Cluster, s3: S3Server) -> None:
    sql = "EXPLAIN ANALYZE COPY (SELECT 1) TO 's3://out/refused.parquet'"
    refused(cluster, {"query": sql}, 400, "INVALID_QUERY")
    for path in ("/read", "/write"):
        missing = {"query": "SELECT * FROM 's3://out/refused.parquet'"}
        if path == "/read":
            refused(cluster, missing, 404, "NOT_FOUND", path)


@pytest.mark.parametrize(
    "sql",
    [
        "PIVOT (VALUES ('a', 1), ('b', 2)) t(k, v) ON k USING sum(v)",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "DESCRIBE SELECT 1",
        "SUMMARIZE SELECT 1 AS a",
        "SELECT 42;",
        "SELECT 42; ;; -- the end",
        "SHOW TABLES",
        "VALUES (1)",
        "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 5) FROM t",
        "SELECT 'CREATE TABLE; DROP x; COPY'",
        'SELECT 1 AS "INSTALL httpfs"',
        "SELECT 'query(''x'')', 'file:///etc/passwd'",
    ],
)
def test_what_the_read_path_does_allow(cluster: Cluster, sql: str) -> None:
    reply = http.post(cluster.url, "/read", {"query": sql})
    assert reply.status == 200, reply.body


def test_write_path(cluster: Cluster) -> None:
    url = "s3://out/written.parquet"
    reply = http.post(
        cluster.url, "/write", {"query": f"COPY (SELECT 1 AS a UNION ALL SELECT 2) TO '{url}'"}
    )
    assert reply.status == 200, reply.body
    assert cluster.client().query(f"SELECT sum(a) FROM '{url}'").fetchall() == [(3,)]


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("INSTALL httpfs", 403, "PERMISSION_DENIED"),
        ("LOAD json", 403, "PERMISSION_DENIED"),
        ("COPY (SELECT 1) TO '/tmp/eider-should-not-exist.csv'", 403, "PERMISSION_DENIED"),
        ("SET threads = 1", 400, "INVALID_QUERY"),
        ("ATTACH '/tmp/x.db'", 400, "INVALID_QUERY"),
        ("SELECT 1; SELECT 2", 400, "INVALID_QUERY"),
    ],
)
def test_write_path_refuses_too(cluster: Cluster, sql: str, status: int, code: str) -> None:
    refused(cluster, {"query": sql}, status, code, "/write")


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        (f"s3://{BUCKET}/no/such/object.parquet", 404, "NOT_FOUND"),
        (f"s3://{BUCKET}/no/such/*.parquet", 404, "NOT_FOUND"),
        ("s3://no-such-bucket/object.parquet", 404, "NOT_FOUND"),
        ("s3://No_Bucket/object.parquet", 400, "INVALID_QUERY"),
        ("s3://b/object.parquet", 400, "INVALID_QUERY"),
        ("s3://broken/not-parquet.parquet", 400, "INVALID_QUERY"),
        ("s3://broken/truncated.parquet", 400, "INVALID_QUERY"),
        ("s3://broken/cut-in-the-middle.parquet", 400, "INVALID_QUERY"),
        ("s3://broken/empty.parquet", 400, "INVALID_QUERY"),
        ("s3://broken/bytes-missing.parquet", 400, "INVALID_QUERY"),
    ],
)
def test_object_that_is_no_good(cluster: Cluster, url: str, status: int, code: str) -> None:
    message = refused(cluster, {"query": f"SELECT * FROM read_parquet('{url}')"}, status, code)
    assert url in message


@pytest.mark.parametrize("word", ["1", "'not found'", "'No space left'", "'HTTP 403'", "'://'"])
def test_the_words_of_the_sql_say_nothing_of_its_error(cluster: Cluster, word: str) -> None:
    sql = f"SELECT {word} FROM read_csv('s3://broken/x?.csv')"
    refused(cluster, {"query": sql}, 400, "INVALID_QUERY")


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO 's3://out'",
        "COPY (SELECT a FROM 's3://broken/plain.csv.gz' t(a)) TO 's3://out/x.parquet'",
    ],
)
def test_what_no_second_try_mends(cluster: Cluster, sql: str) -> None:
    refused(cluster, {"query": sql}, 400, "INVALID_QUERY", "/write")


def test_a_number_beyond_a_double(cluster: Cluster) -> None:
    body = b'{"query": "SELECT ?", "args": [1e999]}'
    assert "beyond a double" in refused(cluster, body, 400, "INVALID_QUERY")


def test_sql_with_a_nul_is_not_cut_there(cluster: Cluster) -> None:
    message = refused(cluster, {"query": "SELECT 1\0, 2"}, 400, "INVALID_QUERY")
    assert "byte 8" in message


def test_a_type_too_deep_for_arrow(cluster: Cluster) -> None:
    sql = "SELECT " + "[" * 70 + "1" + "]" * 70
    assert "cast it" in refused(cluster, {"query": sql}, 400, "INVALID_QUERY")


def test_a_defect_of_duckdbs_shows_no_address(cluster: Cluster) -> None:
    message = refused(cluster, {"query": "FROM repeat_row(1, num_rows=>-5)"}, 500, "INTERNAL")
    assert "Stack Trace" not in message


def test_flight_has_the_limits_of_http(cluster: Cluster) -> None:
    padding = " " * (1 << 20)
    with cluster.client(delivery="direct") as client:
        with pytest.raises(eider.InvalidQuery, match="fewer than 1048576"):
            client.query("SELECT 1" + padding).arrow()
        with pytest.raises(eider.InvalidQuery, match="more than 8388608"):
            client.query("SELECT len(?)", ["x" * (9 << 20)]).arrow()


def test_missing_object_is_the_same_error_by_direct_delivery(cluster: Cluster) -> None:
    url = f"s3://{BUCKET}/no/such/object.parquet"
    with (
        cluster.client(delivery="direct") as client,
        pytest.raises(eider.NotFound, match="no/such/object") as caught,
    ):
        client.query(f"SELECT * FROM '{url}'").arrow()
    assert caught.value.code == "NOT_FOUND"
    assert not caught.value.retryable


def test_wrong_credentials(make_cluster: MakeCluster, s3: S3Server, block_urls: list[str]) -> None:
    wrong = {**s3.environment(), "AWS_SECRET_ACCESS_KEY": "not-the-secret-8d1f"}
    own = make_cluster(wrong, workers=1, ready=False)
    reply = http.post(own.url, "/read", {"query": f"SELECT * FROM '{block_urls[0]}'"})
    assert reply.status == 403, reply.body
    assert reply.json()["code"] == "PERMISSION_DENIED"
    assert block_urls[0] in reply.json()["error"]  # as the query names it, not by its endpoint
    text = reply.body.decode()
    assert "not-the-secret-8d1f" not in text and ACCESS_KEY not in text
    assert "not-the-secret-8d1f" not in own.logs() and ACCESS_KEY not in own.logs()
    still_serves(own)


def test_s3_that_does_not_answer(
    make_cluster: MakeCluster, s3: S3Server, block_urls: list[str]
) -> None:
    own = make_cluster(s3.environment(free_port()), workers=1, ready=False)
    assert http.get(own.url, "/healthz").status == 200
    ready = http.get(own.url, "/readyz")
    assert ready.status == 503
    assert ready.json()["error"], "says what is missing"
    reply = http.post(own.url, "/read", {"query": f"SELECT * FROM '{block_urls[0]}'"})
    assert reply.status == 502, reply.body
    assert reply.json()["code"] == "STORAGE_UNAVAILABLE"
    assert reply.json()["retryable"] is True
    assert block_urls[0].split("/")[-1] in reply.json()["error"]
    still_serves(own)
