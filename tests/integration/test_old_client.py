"""The prototype's clients: they post JSON and decode base64, and know no more of Eider."""

from __future__ import annotations

import base64
import io
import json
import urllib.error
import urllib.request
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from support.cluster import Cluster
from support.oracle import answer, assert_same


def post(cluster: Cluster, path: str, body: dict[str, Any]) -> Any:
    """As `requests.post(url, json=body).json()` does it."""
    request = urllib.request.Request(
        cluster.url + path,
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "python-requests/2.32.3",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert reply.status == 200
        assert reply.headers["Content-Type"].startswith("application/json")
        return json.loads(reply.read())


def test_buckets_query_and_args(
    cluster: Cluster, oracle: duckdb.DuckDBPyConnection, block_urls: list[str]
) -> None:
    file = block_urls[0]
    sql = "SELECT * FROM read_parquet(?);"
    result = post(cluster, "/read", {"buckets": [file], "query": sql, "args": [file]})
    assert set(result) == {"result"}
    stream = io.BytesIO(base64.b64decode(result["result"], validate=True))
    with pa.ipc.open_stream(stream) as reader:
        assert_same(reader.read_all(), answer(oracle, sql, [file]))
    assert stream.read() == b"", "nothing follows Arrow's end"


def test_buckets_may_be_missing_and_args_too(cluster: Cluster, block_urls: list[str]) -> None:
    result = post(cluster, "/read", {"query": f"SELECT count(*) AS n FROM '{block_urls[1]}'"})
    with pa.ipc.open_stream(base64.b64decode(result["result"])) as reader:
        assert reader.read_all().to_pylist() == [{"n": 140}]


def test_write_and_clear_cache(cluster: Cluster) -> None:
    sql = "COPY (SELECT 5 AS n) TO 's3://out/old-client.parquet'"
    post(cluster, "/write", {"buckets": [], "query": sql, "args": []})
    post(cluster, "/clear_cache", {"worker_location": cluster.workers[0].location})
    post(cluster, "/clear_cache", {})
    result = post(cluster, "/read", {"query": "SELECT n FROM 's3://out/old-client.parquet'"})
    with pa.ipc.open_stream(base64.b64decode(result["result"])) as reader:
        assert reader.read_all().to_pylist() == [{"n": 5}]


def test_errors_are_json_with_a_status(cluster: Cluster) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(cluster, "/read", {"query": "SELECT nothing_here"})
    assert caught.value.code == 400
    error = json.loads(caught.value.read())
    assert "nothing_here" in error["error"]
    assert error["code"] == "INVALID_QUERY"


def test_clear_cache_of_an_unknown_worker(cluster: Cluster) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(cluster, "/clear_cache", {"worker_location": "grpc://127.0.0.1:1"})
    assert caught.value.code == 404
