"""Who waits for whom: clients take turns, and a query may say that it is worth more.

The gate in front of S3 keeps every slot taken until all that is to wait does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import eider
import pytest

from support import http
from support.cluster import Cluster, MakeCluster
from support.gate import Gate
from support.s3 import S3Server
from support.waiting import wait_until

FLOOD = 200
# A line holds eight tasks for each slot: with so many it holds the flood and one more.
SLOTS = 26


class Queue:
    """One worker whose slots are held until `go`; what is asked meanwhile waits in its line."""

    def __init__(self, cluster: Cluster, gate: Gate, slots: int, url: str) -> None:
        self.url = cluster.url
        self._cluster = cluster
        self._gate = gate
        self._pool = ThreadPoolExecutor(slots + FLOOD + 20)
        self._clients: list[eider.Client] = []
        self._answers: list[Future[Any]] = []
        self._waiting = 0
        gate.close()
        holder = self.client("holder")
        sql = f"SELECT count(*) AS holds FROM '{url}'"
        for _ in range(slots):
            self._answers.append(self._pool.submit(lambda: holder.query(sql).fetchall()))
        wait_until("the slots are taken", lambda: self._status()["occupied"] == slots, 60)

    def client(self, identity: str, delivery: str = "relay") -> eider.Client:
        one = self._cluster.client(client_id=identity, delivery=delivery)
        self._clients.append(one)
        return one

    def ask(self, count: int, call: Callable[[], Any]) -> None:
        """Has `call` made so many times, and returns when all of them wait."""
        self._answers += [self._pool.submit(call) for _ in range(count)]
        self._waiting += count
        what = f"{self._waiting} wait"
        wait_until(what, lambda: self._status()["waiting"] == self._waiting, 60)

    def go(self) -> dict[str, list[int]]:
        """Lets the slots go; gives for each marker `AS ...` the times of its claims, in order."""
        self._gate.open()
        for answer in self._answers:
            answer.result(60)
        claims: dict[str, list[int]] = {}
        for record in self._cluster.queries():
            marker = record["sql"].split(" AS ")[1].split(" ")[0]
            claims.setdefault(marker, []).append(record["submitted_at_ms"] + record["queue_ms"])
        return {marker: sorted(times) for marker, times in claims.items()}

    def stop(self) -> None:
        self._gate.open()
        self._pool.shutdown(wait=True)
        for client in self._clients:
            client.close()

    def _status(self) -> dict[str, Any]:
        return self._cluster.worker_status("w1")


MakeQueue = Callable[[int], Queue]


@pytest.fixture
def make_queue(
    make_cluster: MakeCluster, s3: S3Server, block_urls: list[str]
) -> Iterator[MakeQueue]:
    gate = Gate(s3.port)
    queues: list[Queue] = []

    def make(slots: int) -> Queue:
        own = make_cluster(
            s3.environment(gate.port),
            workers=1,
            worker_options=["--slots", str(slots), "--threads", "1"],
        )
        queues.append(Queue(own, gate, slots, block_urls[0]))
        return queues[-1]

    yield make
    gate.open()
    for queue in queues:
        queue.stop()
    gate.stop()


def test_a_flood_does_not_starve_the_rest(make_queue: MakeQueue, delivery: str) -> None:
    queue = make_queue(SLOTS)
    flood = queue.client("flood")
    queue.ask(FLOOD, lambda: flood.query("SELECT 1 AS flood").fetchall())
    modest = queue.client("modest", delivery)
    queue.ask(1, lambda: modest.query("SELECT 1 AS modest").fetchall())
    claims = queue.go()
    assert len(claims["flood"]) == FLOOD
    (modest_at,) = claims["modest"]
    before = sum(claimed < modest_at for claimed in claims["flood"])
    print(f"{before} of {FLOOD} queries of the flood were claimed before the one that came last")
    assert before <= SLOTS, "it was more than a round away from its turn"


@pytest.mark.parametrize("way", ["http", "relay", "direct"])
def test_priority_goes_first(make_queue: MakeQueue, way: str) -> None:
    queue = make_queue(1)
    client = queue.client("one", "direct" if way == "direct" else "relay")
    plain = queue.client("one")

    def ask(marker: str, priority: int) -> None:
        sql = f"SELECT 1 AS {marker} "
        if way == "http":
            body = {"query": sql, "priority": priority}
            answer = http.post(queue.url, "/read", body, {"X-Eider-Client": "one"})
            assert answer.status == 200
        else:
            assert client.query(sql, priority=priority).fetchall() == [(1,)]

    queue.ask(1, lambda: ask("low", -10))
    queue.ask(5, lambda: plain.query("SELECT 1 AS plain").fetchall())
    queue.ask(1, lambda: ask("high", 10))
    claims = queue.go()
    assert claims["high"][0] <= claims["plain"][0] <= claims["plain"][-1] <= claims["low"][0]
    assert claims["high"][0] < claims["low"][0]


def test_a_priority_that_is_none(cluster: Cluster) -> None:
    answer = http.post(cluster.url, "/read", {"query": "SELECT 1", "priority": 11})
    assert (answer.status, answer.json()["code"]) == (400, "INVALID_QUERY")
    assert "priority" in answer.json()["error"]
