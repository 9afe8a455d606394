"""When a query is asked for again, decided without a clock or a coordinator."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pyarrow as pa
import pytest

import eider
from eider import errors
from eider._asking import (
    BASE_S,
    CAP_S,
    DEFAULT_RETRY_AFTER_S,
    MAX_ASKS,
    MAX_AWAY_S,
    MAX_OVERLOADED_S,
    MAX_RETRIES,
    MAX_SPREAD,
    MIN_SPREAD,
    Asking,
    Patience,
)
from eider._stream import Claim, Stream

LOST = errors.WorkerLost("gone")
BUSY = errors.Overloaded("full", retry_after_ms=2_000)


@pytest.fixture(autouse=True)
def short_waits() -> None:
    """The waits are as they are: nobody sits them out."""


def away() -> errors.ConnectionFailed:
    error = errors.ConnectionFailed("refused")
    error.sent = False
    return error


def test_a_lost_worker_is_retried_so_often() -> None:
    patience = Patience(None, 0.0)
    waits = [patience.wait_s(LOST, float(n), 1.0) for n in range(MAX_RETRIES + 1)]
    assert waits == [2 * BASE_S, 4 * BASE_S, None]


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidQuery("no"),
        errors.Poisoned("no"),
        errors.DeadlineExceeded("no"),
        errors.Cancelled("no"),
        errors.StorageUnavailable("S3 was asked often enough by its worker"),
        errors.Internal("no", retryable=True),
        errors.PermissionDenied("no"),
        errors.WorkerLost("a write's", retryable=False),
    ],
)
def test_what_is_not_retried(error: errors.Error) -> None:
    assert Patience(None, 0.0).wait_s(error, 0.0, 0.5) is None


def test_a_ticket_that_came_too_late_is_asked_for_again() -> None:
    late = errors.PermissionDenied("expired", retryable=True)
    assert Patience(None, 0.0).wait_s(late, 0.0, 1.0) == 2 * BASE_S


def test_a_ticket_that_did_not_reach_its_worker_is_asked_for_again() -> None:
    lost = errors.Cancelled("nobody came for the slot", retryable=True)
    assert Patience(None, 0.0).wait_s(lost, 0.0, 1.0) == 2 * BASE_S


def test_retry_after_is_the_least() -> None:
    patience = Patience(None, 0.0)
    for _ in range(20):
        assert patience.wait_s(BUSY, 0.0, 0.0) == 2.0


def test_who_has_waited_for_long_asks_more_often() -> None:
    patience = Patience(None, 0.0)
    waits = [patience.wait_s(BUSY, 0.0, 1.0) or 0 for _ in range(30)]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] == 2 * (1 + MAX_SPREAD)
    assert waits[-1] == 2 * (1 + MIN_SPREAD)


def test_without_a_retry_after() -> None:
    assert Patience(None, 0.0).wait_s(errors.Overloaded("full"), 0.0, 0.0) == DEFAULT_RETRY_AFTER_S


def test_a_retry_after_past_the_deadline_is_final() -> None:
    assert Patience(1.9, 10.0).wait_s(BUSY, 10.0, 0.0) is None
    assert Patience(2.1, 10.0).wait_s(BUSY, 10.0, 0.0) == 2.0
    # The jitter leaves the query something of its time.
    assert Patience(2.1, 10.0).wait_s(BUSY, 10.0, 1.0) == pytest.approx(2.05)


def test_overload_ends_in_the_end() -> None:
    patience = Patience(None, 0.0)
    assert patience.wait_s(BUSY, 0.0, 0.0) is not None
    assert patience.wait_s(BUSY, MAX_OVERLOADED_S - 2.1, 0.0) is not None
    assert patience.wait_s(BUSY, MAX_OVERLOADED_S - 1.9, 0.0) is None


def test_a_row_of_refusals_begins_anew_after_an_answer() -> None:
    patience = Patience(None, 0.0)
    assert patience.wait_s(BUSY, 0.0, 0.0) is not None
    patience.opened()
    assert patience.wait_s(BUSY, 2 * MAX_OVERLOADED_S, 0.0) is not None


def test_a_coordinator_that_is_away() -> None:
    patience = Patience(None, 0.0)
    now, asks = 0.0, 0
    while (wait_s := patience.wait_s(away(), now, 0.5)) is not None:
        assert 0 < wait_s <= CAP_S
        now, asks = now + wait_s, asks + 1
    assert MAX_AWAY_S - CAP_S <= now <= MAX_AWAY_S
    assert asks > 10
    assert Patience(None, 0.0).wait_s(away(), 0.0, 0.0) == BASE_S


def test_a_deadline_shorter_than_that() -> None:
    patience = Patience(1.0, 0.0)
    now, asks = 0.0, 0
    while (wait_s := patience.wait_s(away(), now, 1.0)) is not None:
        now, asks = now + wait_s, asks + 1
    assert now < 1.0
    assert 2 <= asks <= 10


def test_what_may_have_been_sent_is_retried_as_a_lost_worker_is() -> None:
    """A query that breaks its coordinator must not go on doing so."""
    patience = Patience(None, 0.0)
    reset = errors.ConnectionFailed("reset")
    waits = [patience.wait_s(error, 0.0, 1.0) for error in (LOST, away(), reset, away(), reset)]
    assert None not in waits[:-1]
    assert waits[-1] is None


def test_asks_are_bounded() -> None:
    patience = Patience(None, 0.0)
    patience.asked = MAX_ASKS
    assert patience.wait_s(BUSY, 0.0, 0.0) is None


@pytest.mark.parametrize("error", [LOST, away(), errors.ConnectionFailed("reset")])
def test_a_write_is_never_retried(error: errors.Error) -> None:
    assert Patience(None, 0.0, write=True).wait_s(error, 0.0, 0.0) is None


def test_a_write_that_was_refused_has_not_begun() -> None:
    assert Patience(None, 0.0, write=True).wait_s(BUSY, 0.0, 0.0) == 2.0


class Rows(Stream):
    def __init__(self) -> None:
        super().__init__(Claim("id", "w1", "home rank 0", 0))
        self.schema = pa.schema([])

    def _next(self) -> None:
        return None

    def close(self) -> None:
        pass


def asking(answers: list[errors.Error | None], sent: list[Any], **options: Any) -> Asking:
    def send(text: bytes, timeout: float | None) -> Stream:
        sent.append((json.loads(text), timeout))
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return Rows()

    fields = {"query": "q", **options}
    return Asking(fields, send, threading.Event())


def soon() -> errors.Overloaded:
    return errors.Overloaded("full", retry_after_ms=1)


def test_each_ask_has_what_is_left_of_the_timeout() -> None:
    sent: list[Any] = []
    one = asking([soon(), away(), LOST, None], sent, timeout_ms=60_000)
    one.open()
    assert one.asked == 4
    assert sent[0][0] == {"query": "q", "timeout_ms": 60_000}
    limits = [body["timeout_ms"] for body, _ in sent]
    assert limits == sorted(limits, reverse=True)
    assert 50_000 < limits[-1] < 60_000
    assert all(
        abs(limit - timeout * 1000) < 2 for limit, (_, timeout) in zip(limits, sent, strict=True)
    )


def test_no_timeout_is_made_up() -> None:
    sent: list[Any] = []
    asking([soon(), None], sent).open()
    assert sent == [({"query": "q"}, None)] * 2


def test_the_last_error_says_how_often() -> None:
    sent: list[Any] = []
    with pytest.raises(eider.WorkerLost, match=r"gone \(asked 3 times in \d+\.\d s\)"):
        asking([eider.WorkerLost("gone") for _ in range(3)], sent).open()
    assert len(sent) == 3


def test_a_closed_client_ends_the_wait() -> None:
    closed = threading.Event()

    def send(text: bytes, timeout: float | None) -> Stream:
        closed.set()
        raise eider.Overloaded("full", retry_after_ms=60_000)

    began = time.monotonic()
    with pytest.raises(eider.Overloaded):
        Asking({"query": "q"}, send, closed).open()
    assert time.monotonic() - began < 30
