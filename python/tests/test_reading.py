"""How far ahead of its consumer a result is read."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from eider._coordinator import Coordinator
from eider._direct import _AHEAD, _Reading
from eider._stream import Claim
from eider._watch import Threads, Watch

BATCH = pa.record_batch({"a": [1]})


class Reader:
    """A worker's stream of so many batches, then `end`."""

    schema = BATCH.schema

    def __init__(self, batches: int, end: BaseException) -> None:
        self.read = 0
        self.cancelled = False
        self._batches = batches
        self._end = end

    def read_chunk(self) -> Any:
        self.read += 1
        if self.read > self._batches:
            raise self._end
        return SimpleNamespace(data=BATCH)

    def cancel(self) -> None:
        self.cancelled = True


class Later:
    """Threads whose work the test does."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def start(self, function: Callable[[], None]) -> None:
        self.calls.append(function)


def reading_of(reader: Reader, threads: Later) -> _Reading:
    watch = Watch(cast(Coordinator, None))
    claim = Claim("q", "w1", "home", 0)
    return _Reading(cast(Threads, threads), watch, claim, cast(Any, reader))


def test_it_reads_no_further_ahead_than_it_may() -> None:
    reader, threads = Reader(10, StopIteration()), Later()
    reading = reading_of(reader, threads)
    reading.read_ahead()
    assert reader.read == _AHEAD
    assert reading.next() is BATCH
    assert reading.next() is BATCH
    assert len(threads.calls) == 1, "it goes on once, however often it is asked"
    assert reader.read == _AHEAD
    threads.calls.pop()()
    assert reader.read == 2 * _AHEAD


@pytest.mark.parametrize("end", [StopIteration(), pa.ArrowInvalid("broken")])
def test_after_the_end_nothing_is_read(end: BaseException) -> None:
    reader, threads = Reader(1, end), Later()
    reading = reading_of(reader, threads)
    reading.read_ahead()
    assert reading.next() is BATCH
    assert reading.next() is (None if isinstance(end, StopIteration) else end)
    assert reader.read == 2
    assert not threads.calls
    reading.close()
    assert reader.cancelled
