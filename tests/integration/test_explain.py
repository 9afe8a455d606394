"""EXPLAIN ROUTE: where a query would run and why, without running it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from support import http
from support.cluster import Cluster, MakeCluster, Worker
from support.gate import Gate
from support.paths import eider_binary
from support.processes import clean_environment
from support.s3 import S3Server
from support.waiting import wait_until


@pytest.fixture
def gate(s3: S3Server) -> Iterator[Gate]:
    one = Gate(s3.port)
    yield one
    one.stop()


def explain(cluster: Cluster, sql: str, **fields: Any) -> dict[str, Any]:
    answer = http.post(cluster.url, "/v1/explain", {"query": sql, **fields})
    assert answer.status == 200, answer.body
    route: dict[str, Any] = answer.json()
    return route


def eider(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(eider_binary()), "explain", *arguments],
        env=clean_environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_names_what_the_query_will_get(cluster: Cluster, block_urls: list[str]) -> None:
    with cluster.client() as client:
        for url in block_urls[:5]:
            before = len(cluster.queries())
            route = explain(cluster, "SELECT count(*) FROM read_parquet(?)", args=[url])
            assert len(cluster.queries()) == before, "it was not run"
            assert route["key"] == url
            assert route["files"] == [url]
            assert route["writes"] is False
            assert route["waits"] is False
            assert route["cache_mode"] == "use"
            assert route["cost_ms"] > 0
            assert isinstance(route["hot"], bool)
            assert route["steal_after_ms"] >= 0
            first = route["workers"][0]
            assert set(first) == {
                *("id", "rank", "home", "slots", "occupied", "waiting"),
                *("load_ms", "bound_ms", "passed_over"),
            }
            assert (first["rank"], first["home"]) == (0, True)
            assert route["worker"] == first["id"]
            assert first["passed_over"] == ""
            result = client.query(f"SELECT count(*) FROM '{url}'")
            result.fetchall()
            assert (result.info.worker, result.info.reason) == (route["worker"], route["reason"])


def test_a_set_has_one_key_and_no_file_none(
    cluster: Cluster, block_urls: list[str], blocks_glob: str
) -> None:
    route = explain(cluster, "SELECT 1", buckets=[block_urls[1], block_urls[0]])
    assert route["key"].startswith("set:")
    assert route["files"] == sorted(block_urls[:2])
    assert explain(cluster, f"FROM '{blocks_glob}'")["key"] == blocks_glob.split("date=")[0]
    route = explain(cluster, "SELECT 42")
    assert route["key"] is None
    assert route["files"] == []
    assert route["worker"] in {w.id for w in cluster.workers}
    assert explain(cluster, "SELECT 42", cache="off")["cache_mode"] == "off"


def test_refuses_what_read_refuses(cluster: Cluster) -> None:
    bodies: list[dict[str, Any]] = [
        {"query": "SELEC 1"},
        {"query": "SELECT 1; SELECT 2"},
        {"query": "FROM 's3://b/k.parquet?s3_endpoint=evil:1'"},
        {"query": "COPY (SELECT 1) TO 's3://out/k.parquet'"},
        {"query": "INSTALL httpfs"},
        {"query": "SELECT 1", "where": 1},
        {"args": []},
        {"query": "SELECT 1", "cache": "full"},
    ]
    for body in bodies:
        read = http.post(cluster.url, "/read", body)
        explained = http.post(cluster.url, "/v1/explain", body)
        assert read.status >= 400, body
        assert (explained.status, explained.json()) == (read.status, read.json()), body
    assert http.get(cluster.url, "/v1/explain").status == 405
    writes = {"query": "COPY (SELECT 1) TO 's3://out/explained.parquet'", "write": True}
    assert http.post(cluster.url, "/v1/explain", writes).json()["writes"] is True
    assert http.post(cluster.url, "/read", writes).status == 400


def test_shows_the_load_that_others_make(make_cluster: MakeCluster, block_urls: list[str]) -> None:
    own = make_cluster(workers=2, worker_options=["--slots", "2"])
    url = block_urls[0]
    home = explain(own, f"FROM '{url}'")["worker"]
    client = own.client(delivery="direct")
    readers = []

    def run_one() -> None:
        reader = client.query("SELECT i FROM range(1000000000000) t(i)", files=[url]).reader()
        reader.read_next_batch()
        readers.append(reader)

    run_one()
    run_one()
    wait_until("its slots are taken", lambda: own.worker_status(home)["occupied"] == 2)
    route = explain(own, f"FROM '{url}'")
    first = route["workers"][0]
    assert (first["id"], first["rank"], first["occupied"], first["slots"]) == (home, 0, 2, 2)
    assert first["load_ms"] > 0
    assert first["passed_over"] != ""
    assert route["worker"] != home
    assert route["waits"] is False
    assert route["reason"].startswith("overflow rank 1")
    run_one()
    run_one()
    wait_until("all are full", lambda: all(w["occupied"] == 2 for w in own.workers_status()))
    route = explain(own, f"FROM '{url}'")
    assert route["waits"] is True
    assert route["worker"] in {w.id for w in own.workers}
    shown = eider("--url", own.url, f"FROM '{url}'")
    assert shown.returncode == 0, shown.stderr
    assert "it would wait in the line of " + route["worker"] in shown.stdout


def test_a_worker_that_cannot_read_is_passed_over(
    make_cluster: MakeCluster, s3: S3Server, gate: Gate, block_urls: list[str]
) -> None:
    """It is up but not ready until it has read from S3: its files go elsewhere meanwhile."""
    own = make_cluster(workers=1, announced=True)
    gate.close()
    blind = Worker(
        own,
        "blind",
        ["--coordinator", own.url, "--s3-endpoint", f"http://127.0.0.1:{gate.port}"],
    )
    own.workers.append(blind)

    def is_up() -> bool:
        return any(w["id"] == "blind" and w["state"] == "up" for w in own.workers_status())

    wait_until("it is up", is_up)
    wait_until("it is held back", lambda: own.worker_status("blind")["held_back"])
    assert own.worker_status("blind")["ready"] is False
    routes = [explain(own, f"FROM '{url}'") for url in block_urls]
    assert {route["worker"] for route in routes} == {"w1"}
    assert all([w["id"] for w in route["held_back"]] == ["blind"] for route in routes)
    shown = eider("--url", own.url, "SELECT 1")
    assert "held back: blind, as " in shown.stdout
    with own.client() as client:
        result = client.query(f"SELECT count(*) FROM '{block_urls[0]}'")
        assert result.fetchall() == [(140,)]
        assert result.info.worker == "w1"
    assert "eider_workers_held_back 1" in http.get(own.url, "/metrics").body.decode()
    gate.open()
    own.wait_up(2)
    wait_until("it is not held back", lambda: not own.worker_status("blind")["held_back"])
    assert {explain(own, f"FROM '{url}'")["worker"] for url in block_urls} == {"w1", "blind"}


def test_learns_what_a_file_costs(make_cluster: MakeCluster, block_urls: list[str]) -> None:
    own = make_cluster(workers=1)
    url = block_urls[0]
    assert explain(own, f"FROM '{url}'")["cost_ms"] == 1
    with own.client() as client:
        result = client.query("SELECT sum(hash(i)) FROM range(30000000) t(i)", files=[url])
        result.fetchall()
        run_ms = result.info.run_ms
    assert run_ms is not None and run_ms > 2

    def learned() -> float:
        cost: float = explain(own, f"FROM '{url}'")["cost_ms"]
        return cost if cost > 1 else 0

    cost_ms = wait_until("its cost is learned", learned)
    assert cost_ms == pytest.approx(run_ms, rel=0.9)


def test_the_command(cluster: Cluster, block_urls: list[str]) -> None:
    url = block_urls[0]
    done = eider("--url", cluster.url, "SELECT * FROM read_parquet(?)", "-p", url)
    assert done.returncode == 0, done.stderr
    route = explain(cluster, f"FROM '{url}'")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{route['worker']} would run it at once: {route['reason']}"
    assert lines[1] == f"key: {url}"
    assert "home" in done.stdout and "it is this one" in done.stdout
    as_json = eider("--url", cluster.url, "--format", "json", "-", stdin=f"FROM '{url}'")
    assert json.loads(as_json.stdout)["worker"] == route["worker"]
    copy = "COPY (SELECT 1) TO 's3://out/k.parquet'"
    assert json.loads(eider("--url", cluster.url, "-f", "json", "--write", copy).stdout)["writes"]
    bad = eider("--url", cluster.url, "SELEC 1")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "INVALID_QUERY" in bad.stderr
    assert eider("--format", "xml", "SELECT 1").returncode == 2


def test_python(cluster: Cluster, block_urls: list[str]) -> None:
    with cluster.client() as client:
        route = client.explain("SELECT * FROM read_parquet(?)", [block_urls[0]])
    assert route["key"] == block_urls[0]
    assert route["worker"] in {w.id for w in cluster.workers}
