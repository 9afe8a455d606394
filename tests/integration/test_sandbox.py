"""What SQL may not reach: other functions, other hosts, local files - on the worker too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import eider
import pyarrow.flight as flight
import pytest

from support import http
from support.cluster import Cluster, MakeCluster
from support.data import BUCKET
from support.s3 import SECRET_KEY
from support.sealing import error_of, reseal
from support.trap import Trap
from support.waiting import wait_until

# Each runs (or shows) SQL or secrets that the statement's own text does not.
HIDDEN_SQL = [
    "SELECT * FROM query('select 1')",
    "SELECT * FROM QUERY('select 1')",
    "FROM \"query\"('select 1')",
    "FROM \"QuErY\"('select 1')",
    "FROM query/* */('select 1')",
    "FROM query\n--x\n('select 1')",
    "FROM main.query('select 1')",
    "FROM system.main.query('select 1')",
    "FROM query('sel' || 'ect 1')",
    "FROM query($$select 1$$)",
    "SELECT (SELECT x FROM query('select 1 as x'))",
    "WITH q AS (FROM query('select 1')) FROM q",
    "WITH q AS MATERIALIZED (FROM query('select 1')) SELECT 1",
    "SELECT 1 WHERE EXISTS (FROM query('select 1'))",
    "SELECT * FROM range(3) t(i), LATERAL (FROM query('select 1'))",
    "SELECT 1 UNION ALL FROM query('select 1')",
    "EXPLAIN FROM query('select 1')",
    "EXPLAIN ANALYZE FROM query('select 1')",
    "DESCRIBE FROM query('select 1')",
    "SUMMARIZE FROM query('select 1')",
    "PIVOT (SELECT 'a' AS k, 1 AS v FROM query('select 1')) ON k USING sum(v)",
    "SELECT list_transform([1], x -> (SELECT count(*) FROM query('select 1')))",
    "FROM query_table('duckdb_secrets')",
    "FROM query_table(['a', 'b'])",
    "FROM Query_Table('x')",
    "FROM duckdb_secrets()",
    "FROM DUCKDB_SECRETS()",
    'FROM "duckdb_secrets"()',
    "FROM duckdb_secrets(redact = false)",
    "SELECT (SELECT count(*) FROM duckdb_secrets())",
    "FROM which_secret('s3://b/k', 's3')",
    "FROM json_execute_serialized_sql(json_serialize_sql('FROM duckdb_secrets()'))",
    "FROM json_execute_serialized_sql(json_serialize_sql('select 1'))",
]
INSTALLS = [
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '/tmp/x.duckdb_extension'",
    "install spatial",
    "FORCE INSTALL httpfs",
    "EXPLAIN ANALYZE LOAD httpfs",
    "UPDATE EXTENSIONS",
]
LOCAL_FILES = [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto(['/etc/passwd'])",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM '/etc/passwd.csv'",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'file:/etc/passwd'",
    "SELECT * FROM 'file:///etc/passwd.csv'",
    "SELECT * FROM read_text('file:/etc/passwd')",
    "SELECT * FROM read_text('file:///etc/passwd')",
    "SELECT * FROM read_text('FILE:///etc/passwd')",
    "SELECT * FROM read_text('/etc/' || 'passwd')",
    "SELECT * FROM read_text('../../../../../../../etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM glob('/etc/pass' || 'wd')",
    "SELECT * FROM glob('file:///etc/*')",
    "SELECT * FROM glob('*')",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "EXPLAIN ANALYZE SELECT * FROM read_text('/etc/passwd')",
]
# `{port}` is the trap's.
OTHER_HOSTS = [
    "FROM 's3://b/k.parquet?s3_endpoint=127.0.0.1:{port}'",
    "FROM read_parquet('s3://b/k?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM read_parquet(['s3://b/k?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false'])",
    "FROM read_parquet('s3://b/k?s3_use_ssl=false&S3_ENDPOINT=127.0.0.1:{port}')",
    "FROM read_parquet('s3://b/k?s3_region=x')",
    "FROM read_parquet('s3://b/k?s3_access_key_id=x&s3_secret_access_key=y')",
    "FROM read_parquet('S3://b/k?s3_endpoint=127.0.0.1:{port}')",
    "FROM read_parquet('s3a://b/k?s3_endpoint=127.0.0.1:{port}')",
    "FROM read_parquet('s3n://b/k?s3_endpoint=127.0.0.1:{port}')",
    "FROM read_parquet('gs://b/k?s3_endpoint=127.0.0.1:{port}')",
    "FROM read_parquet('gcs://b/k?s3_endpoint=127.0.0.1:{port}')",
    "FROM read_parquet('r2://b/k?s3_endpoint=127.0.0.1:{port}')",
    "FROM read_csv('s3://b/k?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM read_json('s3://b/k?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM read_text('s3://b/k?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM read_blob('s3://b/k?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM parquet_metadata('s3://b/k?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM parquet_schema('s3://b/k?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM sniff_csv('s3://b/k?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM glob('s3://b/*?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM read_parquet('s3://b/*.parquet?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM read_parquet('s3://b/k?s3_' || 'endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "FROM read_parquet(concat('s3://b/k', chr(63), 's3_endpoint=127.0.0.1:{port}'))",
    "FROM read_parquet(replace('s3://b/k!s3_endpoint=127.0.0.1:{port}', '!', '?'))",
    "FROM read_parquet(['s3://b/k?' || x || '127.0.0.1:{port}' for x in ['s3_endpoint=']])",
    "FROM read_text('s3://b/k?s3_' || 'endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "SELECT (SELECT count(*) FROM 's3://b/k.csv?s3_endpoint=127.0.0.1:{port}')",
    "EXPLAIN ANALYZE FROM 's3://b/k.csv?s3_endpoint=127.0.0.1:{port}'",
    "FROM 'http://127.0.0.1:{port}/x.parquet'",
    "FROM read_parquet('http://127.0.0.1:{port}/x.parquet')",
    "FROM read_parquet('HTTP://127.0.0.1:{port}/x.parquet')",
    "FROM read_csv('http://127.0.0.1:{port}/x.csv')",
    "FROM read_text('http://127.0.0.1:{port}/x')",
    "FROM read_text('https://127.0.0.1:{port}/x')",
    "FROM read_text('ht' || 'tp://127.0.0.1:{port}/x')",
    "FROM read_parquet('hf://datasets/a/b/c.parquet')",
]


@pytest.fixture
def trap() -> Iterator[Trap]:
    one = Trap()
    yield one
    one.stop()


def read(cluster: Cluster, sql: str, path: str = "/read", **fields: Any) -> http.Answer:
    return http.post(cluster.url, path, {"query": sql, **fields})


def denied(reply: http.Answer) -> str:
    assert reply.status == 403, reply.body
    error = reply.json()
    assert error["code"] == "PERMISSION_DENIED"
    assert error["retryable"] is False
    assert SECRET_KEY not in error["error"]
    return str(error["error"])


def denied_by_worker(cluster: Cluster, sql: str, args: Any = (), write: bool = False) -> None:
    """A ticket with a right MAC for such SQL, as if the coordinator had let it pass."""
    location, ticket = cluster.direct_ticket({"query": "SELECT 1"})
    worker = next(w for w in cluster.workers if w.location == location)
    forged = reseal(cluster.key, ticket, sql=sql, args=list(args), write=write)
    with (
        worker.flight() as client,
        pytest.raises((flight.FlightError, OSError, ValueError, KeyError)) as caught,
    ):
        client.do_get(flight.Ticket(forged), flight.FlightCallOptions(timeout=30)).read_all()
    assert error_of(caught.value)["code"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("sql", HIDDEN_SQL + INSTALLS)
def test_refused_functions_and_statements(cluster: Cluster, sql: str) -> None:
    denied(read(cluster, sql))
    denied_by_worker(cluster, sql)


@pytest.mark.parametrize("sql", LOCAL_FILES)
def test_local_files(cluster: Cluster, sql: str) -> None:
    denied(read(cluster, sql))
    denied_by_worker(cluster, sql)


@pytest.mark.parametrize("sql", OTHER_HOSTS)
def test_other_hosts(cluster: Cluster, trap: Trap, sql: str) -> None:
    sql = sql.format(port=trap.port)
    denied(read(cluster, sql))
    denied_by_worker(cluster, sql)
    assert not trap.touched(), "somebody connected to the host that the SQL named"


def test_other_host_in_a_parameter_or_the_files(cluster: Cluster, trap: Trap) -> None:
    url = f"s3://b/k?s3_endpoint=127.0.0.1:{trap.port}&s3_use_ssl=false"
    denied(read(cluster, "FROM read_parquet(?)", args=[url]))
    denied(read(cluster, "FROM read_parquet($u)", args={"u": url}))
    denied(read(cluster, "FROM read_parquet(?)", args=[[url]]))
    denied(read(cluster, "FROM read_parquet(?)", args=[{"type": "VARCHAR", "value": url}]))
    head, tail = url.split("?")
    denied(read(cluster, "FROM read_parquet(? || chr(63) || ?)", args=[head, tail]))
    # Nothing opens what only the list of files names; it is refused all the same.
    assert read(cluster, "SELECT 1", buckets=[url]).status == 403
    denied_by_worker(cluster, "FROM read_parquet(?)", [url])
    denied_by_worker(cluster, "FROM read_parquet(? || chr(63) || ?)", [head, tail])
    assert not trap.touched()


def test_local_file_in_a_parameter(cluster: Cluster) -> None:
    denied(read(cluster, "FROM read_text(?)", args=["/etc/passwd"]))
    denied(read(cluster, "FROM read_text(?)", args=[["/etc/passwd"]]))
    denied_by_worker(cluster, "FROM read_text(?)", ["/etc/passwd"])


def test_other_host_on_the_write_path(cluster: Cluster, trap: Trap, tmp_path: Path) -> None:
    target = f"s3://out/x.csv?s3_endpoint=127.0.0.1:{trap.port}&s3_use_ssl=false"
    denied(read(cluster, f"COPY (SELECT 1) TO '{target}'", "/write"))
    denied_by_worker(cluster, f"COPY (SELECT 1) TO '{target}'", write=True)
    denied(read(cluster, f"COPY (SELECT 1) TO 'http://127.0.0.1:{trap.port}/x.csv'", "/write"))
    local = tmp_path / "x.csv"
    denied(read(cluster, f"COPY (SELECT 1) TO '{local}'", "/write"))
    denied_by_worker(cluster, f"COPY (SELECT 1) TO '{local}'", write=True)
    denied(read(cluster, "COPY (FROM query('select 1')) TO 's3://out/q.csv'", "/write"))
    denied(read(cluster, "COPY (FROM read_text('/etc/passwd')) TO 's3://out/q.csv'", "/write"))
    assert not local.exists()
    assert not trap.touched()


def test_a_read_ticket_does_not_write(cluster: Cluster) -> None:
    location, ticket = cluster.direct_ticket({"query": "SELECT 1"})
    worker = next(w for w in cluster.workers if w.location == location)
    forged = reseal(
        cluster.key, ticket, sql="EXPLAIN ANALYZE COPY (SELECT 1) TO 's3://out/forged.csv'"
    )
    with (
        worker.flight() as client,
        pytest.raises((flight.FlightError, OSError, ValueError, KeyError)) as caught,
    ):
        client.do_get(flight.Ticket(forged)).read_all()
    assert error_of(caught.value)["code"] == "INVALID_QUERY"
    assert read(cluster, "FROM 's3://out/forged.csv'").status == 404


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM duckdb_settings()",
        "SELECT current_setting('s3_secret_access_key') AS s",
        "SELECT getvariable('x') AS s",
        "SELECT * FROM duckdb_logs",
        "SELECT * FROM duckdb_functions()",
        "SELECT getenv('AWS_SECRET_ACCESS_KEY') AS s",
    ],
)
def test_no_other_way_to_the_secret(cluster: Cluster, sql: str) -> None:
    reply = http.post(cluster.url, "/read", {"query": sql}, {"Accept": http.ARROW_STREAM})
    assert SECRET_KEY.encode() not in reply.body
    assert reply.status in (200, 400, 403)


def test_the_sandbox_cannot_be_opened(cluster: Cluster) -> None:
    for sql in (
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "PRAGMA enable_external_access",
        "SELECT * FROM enable_logging(storage = 'file', storage_path = '/tmp/eider-log')",
        "CALL enable_logging(storage = 'file', storage_path = '/tmp/eider-log')",
    ):
        assert read(cluster, sql).status in (400, 403), sql
    denied(read(cluster, "SELECT * FROM read_text('/etc/passwd')"))


@pytest.fixture(scope="module")
def open_cluster(
    s3: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cluster, Path]]:
    """A worker with `--allow-path` and an `--init` file whose views and macros reach too far."""
    folder = tmp_path_factory.mktemp("open")
    (folder / "allowed").mkdir()
    (folder / "allowed-not").mkdir()
    (folder / "allowed/a.csv").write_text("n\n1\n2\n")
    (folder / "allowed-not/secret.csv").write_text("n\n3\n")
    (folder / "secret.csv").write_text("n\n4\n")
    init = folder / "init.sql"
    init.write_text(
        "CREATE VIEW shown AS SELECT 7 AS n;\n"
        "CREATE VIEW hidden_secrets AS SELECT name FROM duckdb_secrets();\n"
        "CREATE VIEW hidden_query AS SELECT * FROM query('select 1 as n');\n"
        "CREATE MACRO hidden_macro() AS TABLE SELECT name FROM duckdb_secrets();\n"
        "CREATE MACRO any_query(q) AS TABLE SELECT * FROM query(q);\n"
        "CREATE MACRO any_file(f) AS TABLE SELECT * FROM read_text(f);\n"
        "CREATE MACRO count_secrets() AS (SELECT count(*) FROM duckdb_secrets());\n"
        "CREATE SCHEMA inner_schema;\n"
        "CREATE VIEW inner_schema.nested AS FROM hidden_secrets;\n"
    )
    own = Cluster(
        folder,
        s3.environment(),
        workers=2,
        worker_options=["--allow-path", str(folder / "allowed"), "--init", str(init)],
    )
    try:
        yield own, folder
    finally:
        own.stop()


@pytest.mark.parametrize(
    "sql",
    [
        "FROM hidden_secrets",
        "FROM hidden_query",
        "FROM hidden_macro()",
        "FROM any_query('select 1')",
        "FROM any_query('FROM duckdb_secrets()')",
        "SELECT count_secrets()",
        "FROM inner_schema.nested",
        "SELECT 1 WHERE 1 IN (SELECT n FROM hidden_query)",
        "FROM any_file('/etc/passwd')",
        "FROM any_file('file:///etc/passwd')",
    ],
)
def test_refused_through_views_and_macros(open_cluster: tuple[Cluster, Path], sql: str) -> None:
    own, _ = open_cluster
    denied(read(own, sql))
    denied_by_worker(own, sql)


def test_init_file_makes_what_queries_see(open_cluster: tuple[Cluster, Path]) -> None:
    own, _ = open_cluster
    assert own.client().query("FROM shown").fetchall() == [(7,)]


def test_allow_path_allows_that_path_only(open_cluster: tuple[Cluster, Path]) -> None:
    own, folder = open_cluster
    client = own.client()
    for sql in (
        f"SELECT sum(n) FROM '{folder}/allowed/a.csv'",
        f"SELECT sum(n) FROM read_csv('{folder}/allowed/*.csv')",
    ):
        assert client.query(sql).fetchall() == [(3,)]
    for path in (
        f"{folder}/secret.csv",
        f"{folder}/allowed/../secret.csv",
        f"{folder}/allowed-not/secret.csv",
        f"{folder}/allow*/secret.csv",
        "/etc/passwd",
    ):
        denied(read(own, f"FROM read_text('{path}')"))
        denied_by_worker(own, f"FROM read_text('{path}')")


def test_allowed_path_is_not_written(open_cluster: tuple[Cluster, Path]) -> None:
    own, folder = open_cluster
    target = folder / "allowed/written.csv"
    reply = read(own, f"COPY (SELECT 1) TO '{target}'", "/write")
    assert reply.status in (400, 403), reply.body
    assert not target.exists()


def test_s3_still_works_beside(open_cluster: tuple[Cluster, Path], block_urls: list[str]) -> None:
    own, _ = open_cluster
    rows = own.client().query(f"SELECT count(*) FROM '{block_urls[0]}'").fetchall()
    assert rows == [(140,)]


def test_globs_with_classes_work_beside_the_refusal(cluster: Cluster) -> None:
    pattern = f"s3://{BUCKET}/v1.0/btc/blocks/date=2025-05-0[1-9]/*.parquet"
    with cluster.client() as client:
        assert client.query(f"SELECT count(*) FROM '{pattern}'").fetchall() == [(9 * 140,)]
        with pytest.raises(eider.Error):
            client.query("FROM 's3://b/k?s3_endpoint=x'").arrow()


def test_refusal_names_what_was_refused(cluster: Cluster) -> None:
    assert "query" in denied(read(cluster, "FROM query('select 1')"))
    assert "duckdb_secrets" in denied(read(cluster, "FROM duckdb_secrets()"))
    assert "s3_" in denied(read(cluster, "FROM 's3://b/k?s3_endpoint=x:1'"))
    assert "/etc/passwd" in denied(read(cluster, "FROM read_text('/etc/passwd')"))


def test_what_a_refused_query_leaves(make_cluster: MakeCluster) -> None:
    """A refusal on the worker frees its slot and is in the query's record."""
    own = make_cluster(workers=1, worker_options=["--slots", "1"])
    for _ in range(3):
        denied(read(own, "FROM read_text('/etc/' || 'passwd')"))
    wait_until("the slot is free", lambda: own.worker_status("w1")["occupied"] == 0)
    newest = own.queries()[0]
    assert newest["state"] == "failed"
    assert newest["error"]["code"] == "PERMISSION_DENIED"
    assert json.dumps(newest).count(SECRET_KEY) == 0
