"""A query that nobody waits for stops at whatever step DuckDB is.

Between some steps DuckDB does not look at its interrupt, and how long they are depends on how many
threads it counts (src/engine/instance.cc). So each of these queries is begun again and again, and
given up ever later, until it ends before that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from support import http
from support.busy import Busy, sharers
from support.cluster import Cluster
from support.waiting import wait_until

FREE_MS = 200
TRIES = 3
STEP_CPU_S = 0.35

STEPS = {
    "groups": "SELECT sum(n) FROM (SELECT i, count(*) AS n FROM "
    "(SELECT (random() * 20000000)::BIGINT AS i FROM range(20000000)) GROUP BY i)",
    "join": "SELECT count(*) FROM range(12000000) a(i) "
    "JOIN (SELECT hash(j) AS h, j FROM range(3000000) t(j)) ON i = h",
    "sort": "SELECT sum(h) FROM (SELECT hash(i) AS h, i FROM range(8000000) t(i) "
    "ORDER BY h LIMIT 7900000)",
}


@pytest.fixture(scope="module", params=[1, 2])
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """One worker, of as many threads."""
    made = Cluster(
        tmp_path_factory.mktemp("steps"),
        {},
        workers=1,
        worker_options=["--threads", str(request.param), "--memory-limit", "8GiB"],
        ready=False,
    )
    yield made
    made.stop()


def give_up(cluster: Cluster, sql: str, cpu_s: float) -> float | None:
    """Begins the query and gives it up after that much of the worker's processor time.

    Returns the milliseconds until its slot was free; None if it ended before that.
    """
    worker = cluster.workers[0].process
    began_cpu_s = worker.cpu_s()
    with http.Connection(cluster.url) as connection, http.Connection(cluster.url) as poll:

        def occupied() -> int:
            poll.send(f"GET /v1/workers HTTP/1.1\r\nHost: {poll.host}\r\n\r\n".encode())
            return int(poll.read_answer().json()["workers"][0]["occupied"])

        connection.post("/read", {"query": sql})
        answered = threading.Thread(target=connection.read_answer, daemon=True)
        answered.start()
        wait_until(
            "it has come that far or ended",
            lambda: worker.cpu_s() - began_cpu_s >= cpu_s or not answered.is_alive(),
            60,
        )
        if not answered.is_alive():
            return None
        record = next(query for query in cluster.queries() if query["sql"] == sql)
        at = time.monotonic()
        http.get(cluster.url, f"/v1/queries/{record['id']}", method="DELETE")
        while occupied() > 0:
            assert time.monotonic() < at + 30, "the slot is not free after 30 s"
            time.sleep(0.001)  # the spacing of looks; what is measured is a time
        free_ms = (time.monotonic() - at) * 1000
        answered.join(20)
        return free_ms


@pytest.mark.parametrize("what", STEPS)
def test_stops_at_any_step(cluster: Cluster, what: str) -> None:
    moments = 0
    worst_ms = 0.0
    while True:
        cpu_s = 0.05 + moments * STEP_CPU_S
        tries = []
        for _ in range(TRIES):
            with Busy() as busy:
                free_ms = give_up(cluster, STEPS[what], cpu_s)
            if free_ms is None or free_ms <= sharers() * FREE_MS + 2 * busy.ms:
                break
            tries.append((round(free_ms), round(busy.ms)))
        else:
            pytest.fail(f"after {cpu_s:.2f} s; free, and what the machine was late by: {tries} ms")
        if free_ms is None:
            break
        worst_ms = max(worst_ms, free_ms)
        moments += 1
    print(f"{what}: given up at {moments} moments, free after {worst_ms:.0f} ms at most")
    assert moments >= 2, "it is over before anything can be seen"
