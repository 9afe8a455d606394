"""What the Python client asks for again by itself: right rows, each once, or a typed error.

A result is held half-way in the client: it is larger than everything between the worker and the
client can buffer, so the worker is in the middle of it when it is killed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import eider
import pytest
from eider._asking import Patience
from eider._direct import Direct
from eider._stream import Stream

from support.cluster import Cluster, MakeCluster
from support.waiting import wait_until

ROWS = 80_000
ROW_BYTES = 1_000
# 80 MB: many times what outlet, gRPC and sockets hold together.
SQL = f"SELECT i, rpad(i::VARCHAR, {ROW_BYTES}, 'x') AS s FROM range({ROWS}) t(i)"


class Held:
    """The next result of a client is held after its third batch, until it is let go."""

    BATCHES = 3

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self._go_on = threading.Event()
        self._taken = 0
        following = Stream.__next__

        def next_batch(stream: Stream) -> Any:
            if self._taken == self.BATCHES:
                self.reached.set()
                assert self._go_on.wait(60)
            self._taken += 1
            return following(stream)

        monkeypatch.setattr(Stream, "__next__", next_batch)

    def let_go(self) -> None:
        self._go_on.set()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    one = Held(monkeypatch)
    yield one
    one.let_go()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a client has failed and thinks about asking again."""
    failed = threading.Event()
    wait_s = Patience.wait_s

    def noted(patience: Patience, *arguments: Any) -> float | None:
        failed.set()
        return wait_s(patience, *arguments)

    monkeypatch.setattr(Patience, "wait_s", noted)
    return failed


def asked_of(own: Cluster, marker: str = "rpad") -> list[dict[str, Any]]:
    """The coordinator's records of the queries that hold `marker`, the newest first."""
    return [record for record in own.queries() if marker in record["sql"]]


def kill_its_worker(own: Cluster) -> str:
    """Kills the worker that runs the query, in the middle of its result; gives its id."""
    record = asked_of(own)[0]
    assert record["state"] == "running"
    own.worker(record["worker"]).process.kill()
    return str(record["worker"])


FORMS: dict[str, Callable[[eider.Result], list[int]]] = {
    "arrow": lambda result: result.arrow()["i"].to_pylist(),
    "df": lambda result: result.df()["i"].tolist(),
    "pl": lambda result: result.pl()["i"].to_list(),
    "fetchall": lambda result: [row[0] for row in result.fetchall()],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_worker_killed_under_a_whole_result(
    make_cluster: MakeCluster, held: Held, delivery: str, form: str
) -> None:
    own = make_cluster(workers=2)
    with own.client(delivery=delivery) as client, ThreadPoolExecutor(1) as threads:
        result = client.query(SQL, timeout=60)
        whole = threads.submit(FORMS[form], result)
        assert held.reached.wait(30)
        victim = kill_its_worker(own)
        held.let_go()
        assert whole.result(60) == list(range(ROWS))
        info = result.info
    assert (info.asked, info.rows, info.state) == (2, ROWS, "finished")
    assert info.worker != victim
    newest, oldest = asked_of(own)
    assert newest["id"] == info.query_id
    assert oldest["worker"] == victim
    lost = wait_until("the first one is over", lambda: own.query_status(oldest["id"])["error"])
    assert lost["code"] == "WORKER_LOST"


def test_a_worker_killed_under_a_reader(
    make_cluster: MakeCluster, held: Held, delivery: str
) -> None:
    own = make_cluster(workers=2)
    with own.client(delivery=delivery) as client, ThreadPoolExecutor(1) as threads:
        reader = client.query(SQL, timeout=60).reader()
        seen: list[int] = []

        def read() -> None:
            for batch in reader:
                seen.append(batch.num_rows)

        reading = threads.submit(read)
        assert held.reached.wait(30)
        kill_its_worker(own)
        held.let_go()
        with pytest.raises(eider.WorkerLost) as caught:
            reading.result(60)
    assert caught.value.code == "WORKER_LOST"
    assert caught.value.retryable
    assert len(seen) >= held.BATCHES
    assert sum(seen) < ROWS
    assert len(asked_of(own)) == 1, "nobody asked again"


def test_a_coordinator_that_restarts_between_queries(
    make_cluster: MakeCluster, waiting: threading.Event, delivery: str
) -> None:
    own = make_cluster(workers=2)
    with own.client(delivery=delivery) as client, ThreadPoolExecutor(1) as threads:
        assert client.query("SELECT 42").fetchall() == [(42,)]
        own.coordinator.kill()
        asked = threads.submit(lambda: client.query("SELECT 43", timeout=60))
        assert waiting.wait(30), "it did not notice"
        own.start_coordinator()
        result = asked.result(60)
        assert result.fetchall() == [(43,)]
        assert result.info.asked is not None
        assert result.info.asked >= 2


def test_a_coordinator_that_stays_away(make_cluster: MakeCluster, delivery: str) -> None:
    own = make_cluster(workers=1)
    with own.client(delivery=delivery) as client:
        assert client.query("SELECT 42").fetchall() == [(42,)]
        own.coordinator.kill()
        with pytest.raises(eider.ConnectionFailed, match=r"\(asked \d+ times in ") as caught:
            client.query("SELECT 43", timeout=1)
    assert caught.value.retryable
    assert str(own.port if delivery == "relay" else own.flight_port) in caught.value.message


def test_a_coordinator_killed_under_a_whole_result(
    make_cluster: MakeCluster, held: Held, waiting: threading.Event
) -> None:
    own = make_cluster(workers=2)
    with own.client() as client, ThreadPoolExecutor(1) as threads:
        result = client.query(SQL, timeout=60)
        whole = threads.submit(FORMS["arrow"], result)
        assert held.reached.wait(30)
        own.coordinator.kill()
        held.let_go()
        assert waiting.wait(30)
        own.start_coordinator()
        assert whole.result(60) == list(range(ROWS))
        assert result.info.asked is not None
        assert result.info.asked >= 2


def test_a_write_is_asked_for_once(make_cluster: MakeCluster, waiting: threading.Event) -> None:
    own = make_cluster(workers=2)
    # It computes for long enough to be killed under it.
    sql = "COPY (SELECT sum(i * i) FROM range(1000000000000) t(i)) TO 's3://out/retried.parquet'"
    with own.client() as client, ThreadPoolExecutor(1) as threads:
        writing = threads.submit(client.write, {"query": sql})
        record = wait_until(
            "it runs", lambda: next((q for q in asked_of(own, "COPY") if q["worker"]), None)
        )
        started = lambda: own.worker_status(record["worker"])["occupied"] == 1  # noqa: E731
        wait_until("it has begun", started)
        own.worker(record["worker"]).process.kill()
        with pytest.raises(eider.Error) as caught:
            writing.result(60)
    assert caught.value.code == "WORKER_LOST"
    assert not caught.value.retryable
    assert waiting.is_set()
    assert len(asked_of(own, "COPY")) == 1


def test_a_client_that_comes_too_late_for_its_claim(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slot was given back after 5 s; it asks for another one."""
    get = Direct._get
    late: list[str] = []

    def get_late(direct: Direct, *arguments: Any) -> Any:
        query_id = arguments[-1].query_id
        if not late:
            late.append(query_id)
            wait_until("the claim expires", lambda: cluster.query_status(query_id)["error"])
        return get(direct, *arguments)

    monkeypatch.setattr(Direct, "_get", get_late)
    with cluster.client(delivery="direct") as client:
        result = client.query("SELECT 42 AS late")
        assert result.fetchall() == [(42,)]
        assert result.query_id not in late
        assert result.info.asked == 2
