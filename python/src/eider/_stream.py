"""A result on its way, the same for both deliveries."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Claim:
    """What is known of a query when its result begins."""

    query_id: str | None
    worker: str | None
    reason: str | None
    queue_ms: int | None


class Stream(abc.ABC):
    """An iterator over a result's record batches. Used by one thread at a time.

    It ends only at the result's proper end; a result that broke raises its typed error, and again
    each time it is asked. Dropping the stream, or `close`, cancels what is left of the query.
    """

    schema: pa.Schema

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.ended = False
        self._failure: BaseException | None = None

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        if self._failure is not None:
            raise self._failure
        if self.ended:
            raise StopIteration
        try:
            batch = self._next()
        except BaseException as error:
            self._failure = error
            self.close()
            raise
        if batch is None:
            self.ended = True
            raise StopIteration
        return batch

    def __del__(self) -> None:
        self.close()

    def reader(self) -> pa.RecordBatchReader:
        """The stream as Arrow's own reader, which raises this stream's errors as they are."""
        return pa.RecordBatchReader.from_batches(self.schema, self)

    @abc.abstractmethod
    def _next(self) -> pa.RecordBatch | None:
        """The next batch; None at the proper end. Raises an `eider.Error`."""

    @abc.abstractmethod
    def close(self) -> None:
        """Cancels the query unless it has ended. Idempotent."""
