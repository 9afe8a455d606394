"""What a coordinator learns from its workers: what still runs, who is gone, who never came."""

from __future__ import annotations

import signal
import time
from typing import Any

from support import http
from support.background import Background
from support.cluster import Cluster, MakeCluster
from support.waiting import wait_until

ROWS = 60_000_000


def test_killed_with_queries_under_way_does_not_overfill(make_cluster: MakeCluster) -> None:
    """What the worker runs for its old coordinator takes slots of the new one."""
    own = make_cluster(workers=1, worker_options=["--slots", "2"])
    client = own.client(delivery="direct")
    # Each waits for its reader: neither ends before it is read to its end.
    first, second = (client.query(f"SELECT i FROM range({ROWS}) t(i)").reader() for _ in range(2))
    rows = second.read_next_batch().num_rows
    first.read_next_batch()
    wait_until("both run", lambda: own.worker_status("w1")["occupied"] == 2)

    own.coordinator.kill()
    own.start_coordinator()
    # It may be there before the worker is, and then waits for it: not more than its slots come.
    asked = Background(
        lambda: own.client(timeout=60).query("SELECT 42 AS third").fetchall(),
    )

    def up() -> dict[str, Any] | None:
        return next((w for w in own.workers_status() if w["state"] == "up"), None)

    worker = wait_until("the worker is up", up)
    assert worker["slots"] == 2
    wait_until("what it runs is known", lambda: own.worker_status("w1")["occupied"] == 2, 1)
    record = wait_until("the third is known", lambda: own.query_of("AS third"))
    heard = own.worker_status("w1")

    # Two more heartbeats: time enough to do it wrong.
    def beaten_twice() -> bool:
        status = own.worker_status("w1")
        assert status["occupied"] == 2
        return time.monotonic() - began > 2 and status["last_event_ms"] < 1_000

    began = time.monotonic()
    wait_until("two more heartbeats", beaten_twice)
    assert heard["state"] == "up"
    assert own.query_status(record["id"])["state"] == "waiting"
    assert own.query_status(record["id"])["attempts"] == []
    assert not asked.done

    first.close()
    del first
    assert asked.result() == [(42,)]
    after = own.query_status(record["id"])
    assert len(after["attempts"]) == 1, "the worker had a slot for it when it was sent there"
    assert own.worker_status("w1")["occupied"] == 1
    # And the other one has not noticed anything.
    for batch in second:
        rows += batch.num_rows
    assert rows == ROWS
    wait_until("all slots are free", lambda: own.worker_status("w1")["occupied"] == 0)


def noticed_down(own: Cluster, worker_id: str) -> tuple[float, float]:
    """Seconds until the worker is down, and the longest pause between two looks among them."""
    began = looked = time.monotonic()
    pause_s = 0.0
    while own.worker_status(worker_id)["state"] != "down":
        now = time.monotonic()
        pause_s, looked = max(pause_s, now - looked), now
        assert now - began < 30, "it was never noticed"
    now = time.monotonic()
    return now - began, max(pause_s, now - looked)


def test_killed_is_noticed_at_once(make_cluster: MakeCluster) -> None:
    own = make_cluster(workers=2)
    own.worker("w1").process.kill()
    noticed_s, pause_s = noticed_down(own, "w1")
    assert noticed_s < 0.5 + 2 * pause_s
    assert own.worker_status("w2")["state"] == "up"


def test_frozen_is_noticed_in_three_seconds(make_cluster: MakeCluster) -> None:
    own = make_cluster(workers=2)
    own.worker("w1").process.signal(signal.SIGSTOP)
    try:
        noticed_s, pause_s = noticed_down(own, "w1")
        # Not before: a second's heartbeat may have come just before the freeze.
        assert 1.9 < noticed_s < 4 + 2 * pause_s
        assert own.worker_status("w2")["state"] == "up"
    finally:
        own.worker("w1").process.signal(signal.SIGCONT)
    own.wait_up(2)


def test_a_claim_whose_client_never_comes_gives_its_slot_back(make_cluster: MakeCluster) -> None:
    own = make_cluster(workers=1, worker_options=["--slots", "1"])
    own.direct_ticket({"query": "SELECT 1 AS never_fetched"})
    claimed_at = time.monotonic()
    assert own.worker_status("w1")["occupied"] == 1
    result = own.client().query("SELECT 42")
    assert result.fetchall() == [(42,)]
    assert 4 < time.monotonic() - claimed_at < 20, "a claim expires after 5 s"
    lost = own.query_of("never_fetched")
    assert lost is not None and lost["state"] == "failed"


def test_a_query_that_waits_too_long_is_turned_away(make_cluster: MakeCluster) -> None:
    own = make_cluster(
        workers=1,
        worker_options=["--slots", "1"],
        coordinator_options=["--max-wait", "1s"],
    )
    with own.client() as client:
        reader = client.query("SELECT i FROM range(1000000000000) t(i)").reader()
        reader.read_next_batch()
        asked_at = time.monotonic()
        answer = http.post(own.url, "/read", {"query": "SELECT 42"})
        assert time.monotonic() - asked_at >= 1
        assert answer.status == 503
        assert answer.json()["code"] == "OVERLOADED"
        assert "waited" in answer.json()["error"]
        assert reader.read_next_batch().num_rows > 0
