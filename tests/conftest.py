"""Fixtures: one S3 server and one cluster for all, and a factory for tests that break theirs."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import duckdb
import eider
import pytest

from support import data
from support.cluster import Cluster, MakeCluster
from support.data import BUCKET, DAYS
from support.oracle import plain_duckdb
from support.rig import BUCKET as READS
from support.rig import MakeRig, Rig
from support.s3 import S3Server
from support.s3_proxy import S3Proxy

_clusters: list[Cluster] = []
_log_sizes: dict[Path, int] = {}

# The oracle runs in this process, in the time zone that the processes under test get.
os.environ["TZ"] = "UTC"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A bucket of 30 days of blocks, and one of objects that are no good."""
    server = S3Server(tmp_path_factory.mktemp("s3-server"))
    try:
        server.make_bucket(BUCKET)
        for day in range(1, DAYS + 1):
            server.put(BUCKET, data.block_key(day), data.parquet_bytes(data.blocks(day)))
        server.make_bucket("broken")
        whole = data.parquet_bytes(data.blocks(1))
        server.put("broken", "not-parquet.parquet", b"this is no Parquet file, only text. " * 99)
        server.put("broken", "truncated.parquet", whole[: len(whole) // 2])
        server.put("broken", "cut-in-the-middle.parquet", whole[:2000] + whole[5000:])
        server.put("broken", "empty.parquet", b"")
        server.put("broken", "bytes-missing.parquet", b"PAR1" + whole[4000:])
        server.put("broken", "plain.csv.gz", b"a,b\n1,2\n")
        server.make_bucket("out")
        server.make_bucket(READS)
        yield server
    finally:
        server.stop()


@pytest.fixture
def s3_proxy(s3: S3Server) -> Iterator[S3Proxy]:
    """At the S3 server's door, for one test: to count requests and to spoil them."""
    proxy = S3Proxy(s3.port)
    try:
        yield proxy
    finally:
        proxy.stop()


@pytest.fixture(scope="session")
def block_urls() -> list[str]:
    return [f"s3://{BUCKET}/{data.block_key(day)}" for day in range(1, DAYS + 1)]


@pytest.fixture(scope="session")
def blocks_glob() -> str:
    return f"s3://{BUCKET}/v1.0/btc/blocks/date=2025-05-*/*.parquet"


@pytest.fixture(scope="session")
def cluster(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers. For tests that leave it as they found it."""
    shared = Cluster(
        tmp_path_factory.mktemp("cluster"),
        s3.environment(),
        worker_options=["--memory-limit", "1GB"],
        coordinator_options=["--max-json-result", "32MB"],
    )
    _clusters.append(shared)
    try:
        yield shared
    finally:
        _clusters.remove(shared)
        shared.stop()


@pytest.fixture
def make_cluster(s3: S3Server, tmp_path: Path) -> Iterator[MakeCluster]:
    """Makes clusters for one test's own use, to kill and freeze."""
    made: list[Cluster] = []

    def make(s3_environment: dict[str, str] | None = None, **options: Any) -> Cluster:
        folder = tmp_path / f"cluster-{len(made)}"
        folder.mkdir()
        one = Cluster(folder, s3_environment or s3.environment(), **options)
        made.append(one)
        _clusters.append(one)
        return one

    yield make
    for one in made:
        _clusters.remove(one)
        one.stop()


def _run_rig(rig: Rig) -> Iterator[Rig]:
    _clusters.append(rig.cluster)
    try:
        yield rig
        # The proxy is stricter than S3: what it refuses is a defect of ours.
        assert rig.proxy.refusals == []
    finally:
        _clusters.remove(rig.cluster)
        rig.stop()


@pytest.fixture(scope="module")
def rig(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One worker behind the proxy, with metadata that stays valid while the tests run."""
    options = ["--revalidate", "1h"]
    yield from _run_rig(Rig(tmp_path_factory.mktemp("rig"), s3, worker_options=options))


@pytest.fixture
def make_rig(s3: S3Server, tmp_path: Path) -> Iterator[MakeRig]:
    """Makes rigs for one test's own use."""
    made: list[Rig] = []

    def make(*worker_options: str, **options: Any) -> Rig:
        folder = tmp_path / f"rig-{len(made)}"
        folder.mkdir()
        made.append(Rig(folder, s3, worker_options=worker_options, **options))
        _clusters.append(made[-1].cluster)
        return made[-1]

    yield make
    refusals = [refusal for one in made for refusal in one.proxy.refusals]
    for one in made:
        _clusters.remove(one.cluster)
        one.stop()
    assert refusals == []


@pytest.fixture(params=["relay", "direct"])
def delivery(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(cluster: Cluster, delivery: str) -> Iterator[eider.Client]:
    """A client of the shared cluster, once for each delivery."""
    with cluster.client(delivery=delivery) as one:
        yield one


@pytest.fixture(scope="session")
def oracle(s3: S3Server) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = plain_duckdb(s3.port)
    yield connection
    connection.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    _log_sizes.clear()
    for one in _clusters:
        for process in one.processes:
            _log_sizes[process.log_path] = process.log_path.stat().st_size
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the processes logged during a test that failed."""
    report = yield
    if report.failed and call.when == "call":
        for one in _clusters:
            for process in one.processes:
                seen = _log_sizes.get(process.log_path, 0)
                text = process.log_path.read_bytes()[seen:].decode(errors="replace")
                if text:
                    report.sections.append((f"log of {process.name}", text[-6000:]))
    return report
