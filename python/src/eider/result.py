"""What `Client.query` gives: a result in the form that its user wants, and what it cost."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from . import errors
from ._asking import Asking
from ._stream import Stream

if TYPE_CHECKING:
    import pandas
    import polars

    from ._coordinator import Coordinator

# How long to wait for the worker's report of a query that has just ended.
_REPORT_WAIT_MS = 1000


@dataclass(frozen=True)
class Info:
    """Where a query ran, why there, and what it cost.

    Times are in milliseconds. A field is None where it is not known: figures before the query has
    ended, or after the coordinator has forgotten it (it keeps the last 1,000).
    """

    query_id: str | None = None
    #: How often the client asked for the query. More than once: it was told to come back later, or
    #: what had begun was lost; the rest of this is about the last time.
    asked: int | None = None
    #: ``waiting``, ``running``, ``finished`` or ``failed``.
    state: str | None = None
    worker: str | None = None
    location: str | None = None
    #: Why that worker: ``home rank 0``, ``stolen from w2 after 31 ms``.
    reason: str | None = None
    attempt: int | None = None
    queue_ms: float | None = None
    run_ms: float | None = None
    first_batch_ms: float | None = None
    rows: int | None = None
    #: Of Arrow data that the worker streamed.
    bytes: int | None = None
    batches: int | None = None
    #: S3 objects opened.
    s3_opens: int | None = None
    #: Requests sent to S3, retries and hedges among them.
    s3_requests: int | None = None
    #: Of those, LIST.
    s3_list_requests: int | None = None
    #: Bytes that came from S3.
    s3_bytes: int | None = None
    #: Bytes that DuckDB asked of S3 files.
    asked_bytes: int | None = None
    #: Of those, bytes that the cache had.
    cache_bytes: int | None = None
    #: Reads of S3 files that the cache answered in full.
    cache_hits: int | None = None
    #: Reads that waited for S3.
    cache_misses: int | None = None
    #: Waits for a GET that another read had under way.
    shared_fetches: int | None = None
    #: Requests to S3 sent again after a failure.
    retries: int | None = None
    #: Second GETs sent because the first was slow.
    hedges: int | None = None
    #: An estimate, in dollars, of what S3 charges for the requests and bytes.
    cost_usd: float | None = None
    #: The whole record as the coordinator gave it.
    record: dict[str, Any] = field(default_factory=dict, repr=False)


# pandas' types that know NULL.
_PANDAS_TYPES = {
    pa.bool_(): "boolean",
    pa.int8(): "Int8",
    pa.int16(): "Int16",
    pa.int32(): "Int32",
    pa.int64(): "Int64",
    pa.uint8(): "UInt8",
    pa.uint16(): "UInt16",
    pa.uint32(): "UInt32",
    pa.uint64(): "UInt64",
}

_CLAIM_FIELDS = ("state", "worker", "location", "reason", "attempt", "queue_ms")
# Of the worker's report, which comes when the query has ended.
_FIGURES = (
    "run_ms",
    "first_batch_ms",
    "rows",
    "bytes",
    "batches",
    "s3_opens",
    "s3_requests",
    "s3_list_requests",
    "s3_bytes",
    "asked_bytes",
    "cache_bytes",
    "cache_hits",
    "cache_misses",
    "shared_fetches",
    "retries",
    "hedges",
    "cost_usd",
)


def _with_unique_names(table: pa.Table) -> pa.Table:
    given = table.column_names
    taken = set(given)
    if len(taken) == len(given):
        return table
    names: list[str] = []
    for name in given:
        unique, number = name, 0
        while unique in names or (number and unique in taken):
            number += 1
            unique = f"{name}_{number}"
        names.append(unique)
    return table.rename_columns(names)


class Result:
    """The result of one query, which runs already.

    Take it once as a stream (`reader`) or any number of times as a whole (`arrow`, `df`, `pl`,
    `fetchall`: the whole is kept). A whole result whose worker or connection was lost half-way is
    asked for again, from its start, at most twice and within the query's timeout: nobody has seen
    what had come. Dropping the result, or `close`, cancels what is left of the query. Used by one
    thread at a time.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        asking: Asking,
        stream: Stream,
    ) -> None:
        """`asking` has opened `stream`, and may open it again."""
        self._coordinator = coordinator
        self._asking = asking
        self._stream = stream
        self._table: pa.Table | None = None
        self._taken = False
        self._interrupted = False
        self._info: Info | None = None
        self._lock = threading.Lock()

    @property
    def query_id(self) -> str | None:
        """The query's id at the coordinator."""
        return self._stream.claim.query_id

    @property
    def schema(self) -> pa.Schema:
        """The result's columns."""
        return self._stream.schema

    def reader(self) -> pa.RecordBatchReader:
        """The result as a stream of record batches, to be read once.

        Reading raises `eider.Error` when the stream breaks; what came before is not the whole, and
        it is for the caller to ask again (`eider.Error.retryable` says whether that helps). To
        cancel the rest, drop the reader or `close` the result (pyarrow's ``reader.close()`` alone
        does not reach the server).

        Raises:
            ValueError: the result has been taken as a reader already.
        """
        if self._table is not None:
            return self._table.to_reader()
        if self._taken:
            raise ValueError("the result has been taken as a reader already")
        self._taken = True
        return self._stream.reader()

    def arrow(self) -> pa.Table:
        """The whole result as an Arrow table.

        Raises:
            eider.Error: the query failed, or its result broke and was not to be had again.
            ValueError: the result has been taken as a reader already.
        """
        with self._lock:
            if self._table is None:
                if self._taken:
                    raise ValueError("the result has been taken as a reader already")
                self._table = self._read_whole()
            return self._table

    def df(self) -> pandas.DataFrame:
        """The whole result as a pandas DataFrame. Needs ``eider[pandas]``. Raises as `arrow`.

        As in DuckDB, integers and booleans with NULLs among them are of pandas' nullable types, and
        of columns with one name the later ones get ``_1``, ``_2``.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("Result.df() needs pandas: pip install 'eider[pandas]'") from error
        table = _with_unique_names(self.arrow())
        # NaN for NULL would make doubles of integers, which changes those past 2^53.
        frame: pandas.DataFrame = table.to_pandas(integer_object_nulls=True)
        for at, column in enumerate(table.columns):
            name = _PANDAS_TYPES.get(column.type)
            if name is not None and column.null_count:
                kind = pandas.api.types.pandas_dtype(name)
                frame.isetitem(at, column.to_pandas(types_mapper={column.type: kind}.get))
        return frame

    def pl(self) -> polars.DataFrame:
        """The whole result as a polars DataFrame. Needs ``eider[polars]``. Raises as `arrow`.

        Of columns with one name the later ones get ``_1``, ``_2``, as in DuckDB.
        """
        try:
            import polars
        except ImportError as error:
            raise ImportError("Result.pl() needs polars: pip install 'eider[polars]'") from error
        frame = polars.from_arrow(_with_unique_names(self.arrow()))
        if not isinstance(frame, polars.DataFrame):
            raise TypeError("the result is no table")
        return frame

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The whole result as a list of rows. Raises as `arrow`.

        The values are Arrow's, as DuckDB's own export makes them: a HUGEINT is a Decimal, a UUID a
        str, a MAP a list of pairs. BIT and BIGNUM are bytes, TIME WITH TIME ZONE loses its zone and
        a UHUGEINT of 2^127 or more its value: cast these to VARCHAR.

        Raises:
            OverflowError: a date or time that Python has none for, such as ``infinity``.
        """
        table = self.arrow()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    @property
    def info(self) -> Info:
        """Where the query ran and what it cost; asked of the coordinator when it is first wanted.

        Before the result has been read to its end the figures are not there yet.

        Raises:
            eider.ConnectionFailed: the coordinator cannot be reached.
        """
        if self._info is not None:
            return self._info
        claim = self._stream.claim
        known: dict[str, Any] = {
            "worker": claim.worker,
            "reason": claim.reason,
            "queue_ms": claim.queue_ms,
        }
        record: dict[str, Any] = {}
        if claim.query_id is not None:
            wait_ms = _REPORT_WAIT_MS if self._stream.ended else 0
            try:
                record = self._coordinator.record(claim.query_id, wait_ms)
            except errors.NotFound:
                record = {}
        ended = record.get("state") in ("finished", "failed")
        for name in _CLAIM_FIELDS + (_FIGURES if ended else ()):
            if record.get(name) not in (None, ""):
                known[name] = record[name]
        asked = self._asking.asked
        info = Info(query_id=claim.query_id, asked=asked, record=record, **known)
        if ended:
            self._info = info
        return info

    def close(self) -> None:
        """Cancels the query unless its result has been read to the end. Idempotent."""
        self._stream.close()

    def __enter__(self) -> Result:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        claim = self._stream.claim
        return f"<eider.Result query={claim.query_id} worker={claim.worker} ({claim.reason})>"

    def _read_whole(self) -> pa.Table:
        if self._interrupted:
            raise errors.Cancelled("reading it was interrupted", query_id=self.query_id)
        while True:
            try:
                return pa.Table.from_batches(list(self._stream), self._stream.schema)
            except errors.Error as error:
                self._stream = self._asking.again(error)
                self._info = None
            except BaseException:  # KeyboardInterrupt: what had come is gone
                self._interrupted = True
                self._stream.close()
                raise
