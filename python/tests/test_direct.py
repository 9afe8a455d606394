"""Results straight from the worker, over Flight."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

import eider
from eider import Client
from eider._asking import Patience
from stubs import (
    QUERY_ID,
    TABLE,
    Answer,
    FlightStub,
    HttpStub,
    Request,
    error_object,
    flight_error,
    json_answer,
    record,
)

Serve = Callable[[Callable[[Request], Answer]], HttpStub]
Connect = Callable[..., Client]
LOST = error_object("WORKER_LOST", retryable=True)


@pytest.fixture
def client(serve: Serve, fleet: FlightStub, connect: Connect) -> Client:
    """Of a coordinator that says, of any query, that its worker was lost."""
    http = serve(lambda request: json_answer(record(LOST)))
    return connect(http.url, delivery="direct", flight_url=fleet.url, client_id="me")


def test_a_whole_result(client: Client, fleet: FlightStub) -> None:
    result = client.query("SELECT ?", [1])
    assert result.query_id == QUERY_ID
    assert result.arrow().equals(TABLE)
    assert client.read({"query": "q"}).read_all().equals(TABLE)
    assert fleet.commands == [{"query": "SELECT ?", "args": [1]}, {"query": "q"}]


def test_delivery_by_query(serve: Serve, fleet: FlightStub, connect: Connect) -> None:
    http = serve(lambda request: json_answer({}))
    client = connect(http.url, flight_url=fleet.url)
    assert client.query("q", delivery="direct").arrow().equals(TABLE)
    assert client.read({"query": "q"}, delivery="direct").read_all().equals(TABLE)
    assert http.requests == []


def test_it_waits_for_its_claim(client: Client, fleet: FlightStub) -> None:
    fleet.waits = 2
    assert client.query("q").arrow().equals(TABLE)
    assert fleet.commands[1:] == [{"wait_for": QUERY_ID}] * 2


def test_an_error_of_the_coordinator(client: Client, fleet: FlightStub) -> None:
    fleet.info_error = flight_error("INVALID_QUERY", message="no such column")
    with pytest.raises(eider.InvalidQuery) as caught:
        client.query("q")
    assert caught.value.message == "no such column"


def test_an_error_of_the_worker(client: Client, fleet: FlightStub) -> None:
    fleet.get_errors = [flight_error("NOT_FOUND")]
    with pytest.raises(eider.NotFound) as caught:
        client.query("q")
    assert caught.value.query_id == QUERY_ID


@pytest.mark.parametrize("batches", [0, 1, 9])
def test_an_error_in_mid_stream(client: Client, fleet: FlightStub, batches: int) -> None:
    fleet.break_after = batches
    fleet.mid_error = flight_error("RESOURCE_EXHAUSTED")
    reader = client.read({"query": "q"})
    for _ in range(batches):
        reader.read_next_batch()
    for _ in range(2):
        with pytest.raises(eider.ResourceExhausted):
            reader.read_next_batch()
    with pytest.raises(eider.ResourceExhausted):
        client.query("q").df()


def test_an_untyped_break_is_looked_up(client: Client, fleet: FlightStub) -> None:
    fleet.break_after = 2
    fleet.mid_error = RuntimeError("boom")
    with pytest.raises(eider.WorkerLost) as caught:
        client.read({"query": "q"}).read_all()
    assert caught.value.message == "what happened"


def test_a_lost_worker_is_retried_for_a_whole_result(client: Client, fleet: FlightStub) -> None:
    fleet.get_errors = [flight_error("WORKER_LOST", retryable=True)] * 2
    assert client.query("q").arrow().equals(TABLE)
    assert len(fleet.commands) == 3


def test_a_whole_result_that_broke_is_asked_for_again(
    client: Client, fleet: FlightStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the client knows what arrived: three batches, which count for nothing."""
    fleet.break_after = 3
    fleet.mid_error = flight_error("WORKER_LOST", retryable=True)
    wait_s = Patience.wait_s

    def mended(patience: Patience, *arguments: Any) -> float | None:
        fleet.break_after = None
        return wait_s(patience, *arguments)

    monkeypatch.setattr(Patience, "wait_s", mended)
    result = client.query("q", timeout=60)
    assert result.arrow().equals(TABLE)
    assert result._asking.asked == 2
    first, second = (command["timeout_ms"] for command in fleet.commands)
    assert first == 60_000 >= second > 30_000


def test_a_reader_does_not_retry(client: Client, fleet: FlightStub) -> None:
    fleet.break_after = 3
    fleet.mid_error = flight_error("WORKER_LOST", retryable=True)
    with pytest.raises(eider.WorkerLost) as caught:
        client.query("q").reader().read_all()
    assert caught.value.retryable
    assert len(fleet.commands) == 1


def test_a_ticket_that_came_too_late_is_asked_for_again(client: Client, fleet: FlightStub) -> None:
    fleet.get_errors = [flight_error("PERMISSION_DENIED", retryable=True)]
    assert client.query("q").arrow().equals(TABLE)
    assert len(fleet.commands) == 2


def test_a_full_worker_is_asked_again(client: Client, fleet: FlightStub) -> None:
    fleet.get_errors = [flight_error("OVERLOADED", retryable=True, retry_after_ms=1)] * 3
    assert client.query("q").arrow().equals(TABLE)
    assert len(fleet.commands) == 4


def test_a_coordinator_that_forgot_a_waiting_query(client: Client, fleet: FlightStub) -> None:
    """It restarted between two polls: the query is asked for anew."""
    fleet.waits = 1
    fleet.wait_errors = [flight_error("NOT_FOUND")]
    assert client.query("q").arrow().equals(TABLE)
    assert fleet.commands == [{"query": "q"}, {"wait_for": QUERY_ID}, {"query": "q"}]


def test_a_lost_worker_gives_up_in_the_end(client: Client, fleet: FlightStub) -> None:
    fleet.break_after = 2
    fleet.mid_error = flight_error("WORKER_LOST", retryable=True)
    with pytest.raises(eider.WorkerLost):
        client.query("q").arrow()
    assert len(fleet.commands) == 3


def test_an_unreachable_coordinator(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = connect(f"http://127.0.0.1:{port - 1}", delivery="direct")
    with pytest.raises(eider.ConnectionFailed, match=f"{port}.*asked ") as caught:
        client.query("q")
    assert not caught.value.sent


def test_a_frozen_worker_before_the_schema(client: Client, fleet: FlightStub) -> None:
    """Nothing in Flight ends this wait; the watch does, once the coordinator knows."""
    fleet.hold = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.read, {"query": "q"})
        _look_until_done(client, waiting)
        with pytest.raises(eider.WorkerLost):
            waiting.result()
    assert len(fleet.commands) == 3  # the first try and both retries


def test_a_frozen_worker_in_mid_stream(client: Client, fleet: FlightStub) -> None:
    fleet.hold, fleet.hold_after = threading.Event(), 3
    reader = client.read({"query": "q"})
    for _ in range(3):
        reader.read_next_batch()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(reader.read_next_batch)
        _look_until_done(client, waiting)
        with pytest.raises(eider.WorkerLost):
            waiting.result()


def test_a_slow_query_is_left_alone(serve: Serve, fleet: FlightStub, connect: Connect) -> None:
    """Silence alone is no verdict: the coordinator says that the query runs."""
    http = serve(lambda request: json_answer(record(state="running")))
    client = connect(http.url, delivery="direct", flight_url=fleet.url)
    fleet.hold, fleet.hold_after = threading.Event(), 3
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.query("q").arrow)
        assert fleet.held.wait(10)
        while not http.requests:  # until it has looked at a wait
            client._direct._watch.look(time.monotonic() + 1000)
        fleet.hold.set()
        assert waiting.result().equals(TABLE)


def _look_until_done(client: Client, waiting: Future[Any]) -> None:
    """Has the watch look from a future in which the wait is a long one."""
    while not wait([waiting], timeout=0.01).done:
        if client._direct is not None:
            client._direct._watch.look(time.monotonic() + 10)


def test_what_is_dropped_is_cancelled(client: Client, fleet: FlightStub) -> None:
    fleet.hold, fleet.hold_after = threading.Event(), 3
    reader = client.read({"query": "q"})
    reader.read_next_batch()
    assert fleet.held.wait(10)
    del reader
    fleet.hold.set()
    # The server sees it at its next batch, or has ended by the cancellation already.
    assert client.query("q").arrow().equals(TABLE)


def test_one_client_for_eight_threads(client: Client) -> None:
    with ThreadPoolExecutor(8) as threads:
        tables = list(threads.map(lambda _: client.query("q").arrow(), range(100)))
    assert all(table.equals(TABLE) for table in tables)


def test_an_overloaded_coordinator(client: Client, fleet: FlightStub) -> None:
    fleet.info_error = flight_error("OVERLOADED", retryable=True, retry_after_ms=60_000)
    with pytest.raises(eider.Overloaded):
        client.query("q", timeout=1)
    assert len(fleet.commands) == 1
