"""The invariant checker itself: it finds what it is there to find."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from chaos.drill import SLACK_S, judge, schedule
from chaos.faults import ALL, Fault
from chaos.load import Outcome
from chaos.questions import Asked, Question

RIGHT = Outcome(1, "one key", "relay", "SELECT 42", start=100, end=101, timeout_s=30)
LOST = replace(RIGHT, result="error", code="WORKER_LOST", retryable=True)
POISONED = replace(RIGHT, result="error", code="POISONED")
KILLED = Fault("killed", ["w1"], start=100.2, end=100.4, losses=1)


def test_what_is_as_designed() -> None:
    assert judge(RIGHT, []) is None
    assert judge(LOST, []) is None
    assert judge(replace(RIGHT, end=RIGHT.start + 30 + SLACK_S - 0.1), []) is None


@pytest.mark.parametrize(
    "outcome",
    [
        replace(RIGHT, result="wrong"),
        replace(RIGHT, result="untyped"),
        replace(RIGHT, result="hangs"),
        replace(RIGHT, end=RIGHT.start + 30 + SLACK_S + 0.1),
        replace(LOST, end=RIGHT.start + 30 + SLACK_S + 0.1),
        replace(LOST, retryable=False),
        replace(LOST, code="DEADLINE_EXCEEDED", retryable=False),
        POISONED,
    ],
)
def test_what_is_not(outcome: Outcome) -> None:
    assert judge(outcome, [KILLED]) is not None


def test_only_two_deaths_poison() -> None:
    other = replace(KILLED, workers=["w2"])
    assert judge(POISONED, [KILLED, other]) is None
    assert judge(POISONED, [KILLED, replace(other, losses=0)]) is not None
    assert judge(POISONED, [KILLED, replace(other, start=90, end=95)]) is not None
    assert judge(POISONED, [KILLED, replace(other, start=102, end=105)]) is not None


def table(*rows: tuple[int, str | None]) -> pa.Table:
    return pa.table({"id": [r[0] for r in rows], "name": [r[1] for r in rows]})


ROWS = ((1, "a"), (2, None), (2, "b"), (2, "b"))


@pytest.mark.parametrize("ordered", [True, False])
def test_an_answer_is_compared_row_by_row(ordered: bool) -> None:
    asked = Asked(Question("any", "SELECT", ordered=ordered), table(*ROWS))
    assert asked.difference(table(*ROWS)) is None
    # Arrived in other pieces.
    pieces = pa.concat_tables([table(*ROWS[:1]), table(*ROWS[1:])])
    assert asked.difference(pieces) is None
    assert asked.difference(table(*ROWS[:3])) is not None, "a row is missing"
    assert asked.difference(table(*ROWS, ROWS[0])) is not None, "a row came twice"
    assert asked.difference(table((1, "a"), (2, None), (2, "b"), (2, "c"))) is not None
    assert asked.difference(table((1, "a"), (2, None), (2, None), (2, "b"))) is not None
    assert asked.difference(table()) is not None
    assert asked.difference(table(*ROWS).rename_columns(["id", "nom"])) is not None
    assert (asked.difference(table(*reversed(ROWS))) is None) == (not ordered)


def test_a_schedule_is_its_seeds() -> None:
    count = len(ALL)
    first = list(schedule(7, 3 * count))
    assert first == list(schedule(7, 3 * count))
    assert first != list(schedule(8, 3 * count))
    assert sorted(first[:count]) == sorted(ALL)
    assert len(first) == 3 * count
