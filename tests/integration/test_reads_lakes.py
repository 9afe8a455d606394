"""Iceberg and Delta tables, where their extension is loaded: the same as plain DuckDB's answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from support import lakes
from support.cluster import MakeCluster
from support.oracle import answer, assert_same
from support.paths import extension
from support.rig import QueryFailed, Rig
from support.s3 import ACCESS_KEY, REGION, SECRET_KEY, S3Server
from support.s3_record import any_request, gets
from support.trap import Trap

BUCKET = "lakes"
PARTS = [lakes.rows(part) for part in range(3)]


@pytest.fixture(scope="module")
def lake(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A worker with both extensions, loaded by their bare names, and one table of each kind."""
    s3.make_bucket(BUCKET)
    lakes.put_iceberg(s3, BUCKET, "ice", PARTS)
    lakes.put_delta(s3, BUCKET, "delta", PARTS)
    folder = tmp_path_factory.mktemp("lakes")
    init = folder / "init.sql"
    init.write_text("INSTALL iceberg;\nLOAD iceberg;\nLOAD delta;\nLOAD 'aws';\n")
    own = Rig(folder, s3, worker_options=["--revalidate", "1h", "--init", str(init)])
    try:
        yield own
    finally:
        own.stop()


@pytest.fixture(scope="module")
def plain(lake: Rig) -> duckdb.DuckDBPyConnection:
    connection = lake.httpfs()
    for name in ("avro", "iceberg", "delta"):
        connection.execute(f"LOAD '{extension(name)}'")
    return connection


QUERIES = [
    "FROM iceberg_scan('{f}/ice') ORDER BY id",
    "SELECT count(*), sum(id) FROM iceberg_scan('{f}/ice/')",
    "SELECT part, max(v) AS m FROM iceberg_scan('{f}/ice/metadata/v1.metadata.json') "
    "GROUP BY part ORDER BY part",
    "SELECT v FROM iceberg_scan('{f}/ice', snapshot_from_id = 7) WHERE id = 777",
    "FROM iceberg_snapshots('{f}/ice')",
    "SELECT file_path, record_count FROM iceberg_metadata('{f}/ice') ORDER BY ALL",
    "FROM delta_scan('{f}/delta') ORDER BY id",
    "SELECT part, min(v) FROM delta_scan('{f}/delta/') GROUP BY 1 ORDER BY 1",
    "SELECT v FROM delta_scan('{f}/delta', version = 0) WHERE id = 777",
    "SELECT i.id, d.v FROM iceberg_scan('{f}/ice') i JOIN delta_scan('{f}/delta') d USING (id) "
    "WHERE i.part = 1 ORDER BY ALL",
]


@pytest.mark.parametrize("sql", QUERIES)
def test_same_cold_and_warm(lake: Rig, plain: duckdb.DuckDBPyConnection, sql: str) -> None:
    sql = sql.format(f=f"s3://{BUCKET}")
    want = answer(plain, sql)
    with lake.cluster.client() as client:
        client.clear_cache()
    assert_same(lake.run(sql).table, want)  # cold
    assert_same(lake.run(sql).table, want)  # warm


def test_a_table_in_a_parameter(lake: Rig) -> None:
    with lake.cluster.client() as client:
        for function, table in (("iceberg_scan", "ice"), ("delta_scan", "delta")):
            sql = f"SELECT count(*) FROM {function}(?)"
            assert client.query(sql, [f"s3://{BUCKET}/{table}"]).fetchall() == [(1200,)]


def test_iceberg_is_read_through_the_cache(lake: Rig, s3: S3Server) -> None:
    url = lakes.put_iceberg(s3, BUCKET, lake.folder(), PARTS)
    sql = f"SELECT sum(id), count(*) FROM iceberg_scan('{url}')"
    with lake.proxy.record() as cold:
        first = lake.run(sql)
    with lake.proxy.record() as warm:
        second = lake.run(sql)
    assert second.rows == first.rows
    assert first.figures["s3_requests"] == cold.count() > 0
    assert warm.matching(any_request) == []
    assert second.figures["s3_requests"] == 0


def test_delta_reads_its_data_through_the_cache(lake: Rig, s3: S3Server) -> None:
    """Its log is read anew each time, by the extension itself."""
    url = lakes.put_delta(s3, BUCKET, lake.folder(), PARTS)
    sql = f"SELECT sum(id), count(*) FROM delta_scan('{url}')"
    with lake.proxy.record() as cold:
        first = lake.run(sql)
    with lake.proxy.record() as warm:
        assert lake.run(sql).rows == first.rows
    assert len({request.key for request in cold.matching(gets(".parquet"))}) == len(PARTS)
    assert warm.matching(gets(".parquet")) == []
    assert warm.matching(gets("_delta_log")) != []


def test_queries_of_one_table_have_one_home(make_cluster: MakeCluster, tmp_path: Path) -> None:
    init = tmp_path / "init.sql"
    init.write_text("LOAD iceberg; LOAD delta;")
    own = make_cluster(workers=3, worker_options=["--init", str(init)])
    with own.client() as client:
        for table in range(4):
            url = f"s3://{BUCKET}/none-{table}"
            homes = set()
            for name in (url, url + "/", url + "/metadata/v1.metadata.json"):
                sql = f"FROM iceberg_scan('{name}') -- {table}"
                with pytest.raises(Exception, match="none-"):
                    client.query(sql).fetchall()
                found = own.query_of(sql)
                assert found is not None
                homes.add(found["worker"])
            assert len(homes) == 1


def code_of(rig: Rig, sql: str) -> str:
    with pytest.raises(QueryFailed) as failed:
        rig.run(sql)
    assert "root:" not in failed.value.message  # of /etc/passwd
    assert SECRET_KEY not in failed.value.message
    return failed.value.code


@pytest.fixture
def trap() -> Iterator[Trap]:
    one = Trap()
    yield one
    one.stop()


OUTSIDE = [
    "/etc/passwd",
    "file:///etc/passwd",
    "http://127.0.0.1:{port}/x",
    "https://127.0.0.1:{port}/x",
    "s3://b/k?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false",
]


@pytest.mark.parametrize("named", ["data_file", "manifest", "manifest_list"])
@pytest.mark.parametrize("outside", OUTSIDE)
def test_iceberg_metadata_reaches_nothing_else(
    lake: Rig, s3: S3Server, trap: Trap, named: str, outside: str
) -> None:
    where: dict[str, Any] = {named: outside.format(port=trap.port)}
    url = lakes.put_iceberg(s3, BUCKET, lake.folder(), PARTS[:1], **where)
    assert code_of(lake, f"SELECT * FROM iceberg_scan('{url}')") == "PERMISSION_DENIED"
    assert not trap.touched()
    assert lake.run("SELECT 42").rows == [(42,)]


@pytest.mark.parametrize("named", ["data_file", "manifest", "manifest_list"])
def test_a_missing_file_of_an_iceberg_table_is_an_error(
    lake: Rig, s3: S3Server, named: str
) -> None:
    """The extension of DuckDB 1.5.5 ends the process where a manifest cannot be read."""
    where: dict[str, Any] = {named: f"s3://{BUCKET}/missing/x"}
    url = lakes.put_iceberg(s3, BUCKET, lake.folder(), PARTS[:1], **where)
    for sql in ("FROM iceberg_scan('{}')", "EXPLAIN FROM iceberg_scan('{}') LIMIT 0"):
        if named == "data_file" and "EXPLAIN" in sql:
            continue
        assert code_of(lake, sql.format(url)) == "NOT_FOUND"
    assert lake.run("SELECT 42").rows == [(42,)]


@pytest.mark.parametrize("outside", OUTSIDE)
def test_delta_data_reaches_nothing_else(lake: Rig, s3: S3Server, trap: Trap, outside: str) -> None:
    """What its log calls a data file is below the table's folder, or refused."""
    named = outside.format(port=trap.port)
    url = lakes.put_delta(s3, BUCKET, lake.folder(), PARTS[:1], data_file=named)
    assert code_of(lake, f"SELECT * FROM delta_scan('{url}')") in {
        "PERMISSION_DENIED",
        "NOT_FOUND",
    }
    assert not trap.touched()


@pytest.mark.parametrize("function", ["delta_scan", "delta_list_files", "iceberg_scan"])
@pytest.mark.parametrize(
    "table",
    ["/etc", "file:///etc", "./x", "http://127.0.0.1:{port}/x", "az://account/x", *OUTSIDE[-1:]],
)
def test_tables_elsewhere_are_refused(lake: Rig, trap: Trap, function: str, table: str) -> None:
    table = table.format(port=trap.port)
    assert code_of(lake, f"FROM {function}('{table}')") == "PERMISSION_DENIED"
    assert code_of(lake, f"FROM {function}('{table[:3]}' || '{table[3:]}')") == "PERMISSION_DENIED"
    assert not trap.touched()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT write_blob('s3://lakes/written', 'x'::BLOB)",
        "FROM copy_dir('s3://lakes/ice', 's3://lakes/copied')",
        "FROM set_iceberg_table_properties('x', {'a': 'b'})",
        "FROM delta_set_transaction_version('x', 'y', 1, 2)",
        "FROM load_aws_credentials()",
    ],
)
def test_what_their_extensions_add_and_queries_may_not(lake: Rig, sql: str) -> None:
    assert code_of(lake, sql) == "PERMISSION_DENIED"


@pytest.mark.parametrize("function", ["iceberg_scan", "delta_scan"])
def test_without_the_extension_the_error_names_the_way_out(rig: Rig, function: str) -> None:
    with pytest.raises(QueryFailed) as failed:
        rig.run(f"FROM {function}('s3://{BUCKET}/none')")
    assert failed.value.code == "INVALID_QUERY"
    assert f"LOAD {function.removesuffix('_scan')};" in failed.value.message
    assert "--init" in failed.value.message
    assert "INSTALL" not in failed.value.message


@pytest.mark.parametrize("chain", ["env", "config"])
def test_the_credential_chain_of_aws(
    make_cluster: MakeCluster, s3: S3Server, tmp_path: Path, chain: str
) -> None:
    """Keys in a section that Eider itself does not read, or in the environment."""
    s3_folder = f"chain-{chain}"
    url = s3.put("reads", f"{s3_folder}/x.csv", b"n\n42\n")
    credentials = tmp_path / "credentials"
    credentials.write_text(
        f"[chained]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n"
    )
    config = tmp_path / "config"
    config.write_text(f"[profile chained]\nregion={REGION}\n")
    profile = ", PROFILE 'chained'" if chain == "config" else ""
    init = tmp_path / "init.sql"
    init.write_text(
        "LOAD aws;\n"
        f"CREATE SECRET chained (TYPE s3, PROVIDER credential_chain, CHAIN '{chain}'{profile}, "
        f"REGION '{REGION}', ENDPOINT '127.0.0.1:{s3.port}', URL_STYLE 'path', USE_SSL false);\n"
    )
    environment = {"AWS_EC2_METADATA_DISABLED": "true"}
    if chain == "env":
        # The endpoint is the secret's alone: without it, these go to AWS itself.
        environment |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    else:
        environment |= {"AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
        environment |= {"AWS_CONFIG_FILE": str(config)}
    own = make_cluster(environment, workers=1, worker_options=["--init", str(init)], ready=False)
    with own.client() as client:
        assert client.query(f"SELECT n FROM '{url}'").fetchall() == [(42,)]
