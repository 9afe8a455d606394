"""A DuckDB that has failed for good is rebuilt, and nothing is sent to it meanwhile.

DuckDB 1.5.5 has a race of its own (duckdb/duckdb#22352: a window function over an empty input) that
ends in an INTERNAL error, after which the instance refuses everything. It takes some tries.
"""

from __future__ import annotations

import time

import pytest

from support import http
from support.background import Background
from support.cluster import Cluster, MakeCluster
from support.waiting import wait_until

_TRY_FOR_S = 60


def _racing(copies: int = 8) -> str:
    branches = (
        "(SELECT x, count() OVER () AS n FROM (SELECT x FROM c WHERE x >= {k} UNION ALL SELECT x "
        "FROM c WHERE NOT EXISTS (SELECT 1 FROM c WHERE x >= {k})) ORDER BY x DESC LIMIT 5)"
    )
    union = " UNION ALL ".join(f"FROM {branches.format(k=5000 + k)}" for k in range(copies))
    return f"WITH c AS (SELECT i AS x FROM range(1) t(i)) {union}"


def break_the_engine(own: Cluster) -> None:
    began = time.monotonic()
    while (answer := http.post(own.url, "/read", {"query": _racing()})).status == 200:
        if time.monotonic() - began > _TRY_FOR_S:
            pytest.skip(f"DuckDB's race was not met in {_TRY_FOR_S} s")
    assert (answer.status, answer.json()["code"]) == (500, "INTERNAL"), answer.body
    assert answer.json()["retryable"] is False


def test_it_is_rebuilt_and_its_slots_are_withdrawn_meanwhile(make_cluster: MakeCluster) -> None:
    own = make_cluster(workers=1, worker_options=["--threads", "4", "--slots", "4"])
    # It must be let go before the engine is: that is what the rebuild waits for.
    held = own.client().query("SELECT i FROM range(1000000000000) t(i)").reader()
    held.read_next_batch()
    break_the_engine(own)
    status = wait_until("it says so", lambda: not (w := own.worker_status("w1"))["ready"] and w)
    assert status["state"] == "up"
    assert status["not_ready_why"] == "the engine is being rebuilt"
    wait_until("it is held back", lambda: own.worker_status("w1")["held_back"])
    assert http.get(own.url, "/readyz").status == 503
    asked = Background(lambda: own.client().query("SELECT 42 AS meanwhile").fetchall())
    wait_until("the next one has been sent and refused", lambda: _attempts(own) > 1)
    assert not asked.done
    held.close()
    del held
    assert asked.result() == [(42,)], "it was not lost on the broken engine"
    own.wait_up(1)
    assert "the engine was rebuilt" in own.workers[0].process.log()
    for _ in range(8):
        assert own.client().query("SELECT 43").fetchall() == [(43,)]


def test_another_worker_takes_over(make_cluster: MakeCluster) -> None:
    own = make_cluster(workers=2, worker_options=["--threads", "4"])
    break_the_engine(own)
    for _ in range(20):
        assert own.client().query("SELECT 42").fetchall() == [(42,)]
    own.wait_up(2)


def _attempts(own: Cluster) -> int:
    record = own.query_of("AS meanwhile")
    return len(record["attempts"]) if record else 0
