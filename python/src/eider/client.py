"""The client: one object for each coordinator, shared by all threads."""

from __future__ import annotations

import numbers
import os
import re
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, get_args

import pyarrow as pa

from ._asking import Asking
from ._coordinator import Coordinator
from ._stream import Stream
from .params import Params, encode_params
from .result import Result

#: How a query uses its worker's cache: ``use`` reads and fills it, ``passive`` reads it and adds
#: nothing, ``off`` reads from S3 alone, ``refresh`` reads from S3 and fills it.
CacheMode = Literal["use", "passive", "off", "refresh"]
#: How a result travels: through the coordinator, or straight from the worker.
Delivery = Literal["relay", "direct"]

_MAX_PRIORITY = 10  # and as far below zero


class Client:
    """A coordinator's client.

    Thread-safe: make one and share it. It connects when it is first used, and keeps connections.
    After a fork the child may go on with it by `relay`; for `direct` it needs one of its own, as
    gRPC does not survive a fork.
    A context manager: leaving it closes them.
    """

    def __init__(
        self,
        url: str,
        *,
        delivery: Delivery = "relay",
        timeout: float | None = None,
        client_id: str | None = None,
        flight_url: str | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            url: the coordinator's HTTP address, such as ``http://127.0.0.1:5000``.
            delivery: ``"relay"`` takes results through the coordinator in one round trip (small
                results), ``"direct"`` from the worker itself over Arrow Flight (large ones).
            timeout: seconds that each query may take, waiting included; None: the server's own.
            client_id: the identity that the server's fairness goes by; by default one for the
                process.
            flight_url: the coordinator's Flight address, such as ``grpc://127.0.0.1:5001``; by
                default its HTTP port + 1.

        Raises:
            ValueError: an argument makes no sense.
        """
        _check_delivery(delivery)
        _check_timeout(timeout)
        identity = _process_identity() if client_id is None else client_id
        if not re.fullmatch(r"[!-~]{1,128}", identity):
            raise ValueError("client_id must be 1 to 128 printable ASCII characters, no spaces")
        self._delivery: Delivery = delivery
        self._timeout = timeout
        self._client_id = identity
        self._flight_url = _check_flight_url(flight_url)
        self._coordinator = Coordinator(url, identity)
        self._direct: Any = None  # made when first used: Flight takes a while to import
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def read(
        self, body: Mapping[str, Any], delivery: Delivery | None = None
    ) -> pa.RecordBatchReader:
        """Runs a query given as the body of ``POST /read``.

        `body` has ``query`` and may have ``args`` (Python values, as for `query`), ``buckets``,
        ``cache``, ``timeout_ms`` and ``priority``.

        Returns:
            A reader that streams. Reading raises `eider.Error` when the stream breaks, for
            `eider.WorkerLost` too: what was read already cannot be taken back. Dropping the reader
            before its end cancels the query.

        Raises:
            eider.Error: the query failed before its result began; until then it is asked for again
                as by `query`.
            TypeError, ValueError: an argument has no SQL value.
        """
        return self._asking(body, delivery).open().reader()

    def query(
        self,
        sql: str,
        params: Params = None,
        files: Sequence[str] | None = None,
        timeout: float | None = None,
        delivery: Delivery | None = None,
        *,
        cache: CacheMode | None = None,
        priority: int | None = None,
    ) -> Result:
        """Runs one SQL statement that reads.

        Until its result begins, nothing has been delivered, and it is asked for again by itself:
        when its worker was lost (twice at most), while the coordinator is overloaded (when that
        says to come back; for five minutes at most), and while it takes no connection, as when it
        restarts (for 15 seconds at most). All of it within `timeout`.

        Args:
            sql: the statement; ``?``, ``$1`` or ``$name`` stand for parameters.
            params: a list or tuple for positional and a dict for named parameters. None, bool, int
                of any size, float, Decimal, str, bytes, datetime, date, time, timedelta, UUID,
                lists and dicts (structs) of these.
            files: the URLs that it reads, where the SQL does not name them itself.
            timeout: seconds that it may take; by default the client's.
            delivery: by default the client's.
            cache: how it uses the cache; by default ``"use"``.
            priority: -10 to 10; of queries that wait for the same worker, higher ones go first.

        Returns:
            The result, running: `Result.reader`, `Result.arrow`, `Result.df`, ...

        Raises:
            eider.Error: the query failed before its result began.
            TypeError, ValueError: a parameter has no SQL value, or another argument makes no sense.
        """
        body: dict[str, Any] = {"query": _check_sql(sql)}
        if params is not None:
            body["args"] = params
        if files is not None:
            body["buckets"] = _check_files(files)
        if timeout is not None:
            body["timeout_ms"] = _to_ms(timeout)
        if cache is not None:
            body["cache"] = _check_cache(cache)
        if priority is not None:
            body["priority"] = _check_priority(priority)
        asking = self._asking(body, delivery)
        return Result(self._coordinator, asking, asking.open())

    def write(self, body: Mapping[str, Any]) -> pa.Table:
        """Runs a statement that writes, such as ``COPY ... TO 's3://...'``; waits for its end.

        `body` is as for `read`. A write is never retried: after `WorkerLost` or `ConnectionFailed`
        it may have run or not. Only while the coordinator is overloaded, which it says before a
        statement begins, is it asked again as a query is.

        Returns:
            What the statement gives: for COPY the count of rows.

        Raises:
            eider.Error: it failed.
            TypeError, ValueError: an argument has no SQL value.
        """

        def send(text: bytes, timeout: float | None) -> Stream:
            return self._coordinator.relay("/write", text, timeout)

        stream = Asking(self._fields(body), send, self._closed, write=True).open()
        return pa.Table.from_batches(list(stream), stream.schema)

    def explain(
        self, sql: str, params: Params = None, files: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Where the statement would run now, and why; it is not run.

        Args: as for `query`.

        Returns:
            The answer of ``POST /v1/explain``: ``key``, ``worker``, ``reason``, ``workers``, ...

        Raises:
            eider.Error: the statement would be refused.
            TypeError, ValueError: a parameter has no SQL value.
        """
        self._check_open()
        body: dict[str, Any] = {"query": _check_sql(sql)}
        if params is not None:
            body["args"] = encode_params(params)
        if files is not None:
            body["buckets"] = _check_files(files)
        answer = self._coordinator.call("POST", "/v1/explain", body)
        return answer if isinstance(answer, dict) else {}

    def clear_cache(self, worker_location: str | None = None) -> int:
        """Clears the cache of the worker at `worker_location`, or of all workers.

        Returns:
            How many workers' caches were cleared.

        Raises:
            eider.NotFound: there is no such worker.
            eider.Error: it failed.
        """
        self._check_open()
        body = {} if worker_location is None else {"worker_location": worker_location}
        answer = self._coordinator.call("POST", "/clear_cache", body)
        return int(answer.get("cleared", 0)) if isinstance(answer, dict) else 0

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ValueError("the client is closed")

    def close(self) -> None:
        """Closes the connections; no query can be run after it. Idempotent."""
        self._closed.set()
        self._coordinator.close()
        with self._lock:
            direct, self._direct = self._direct, None
        if direct is not None:
            direct.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<eider.Client {self._coordinator.url} delivery={self._delivery}>"

    def _fields(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request's body as it is sent."""
        fields = dict(body)
        if "args" in fields:
            fields["args"] = encode_params(fields["args"])
        if self._timeout is not None and "timeout_ms" not in fields:
            fields["timeout_ms"] = _to_ms(self._timeout)
        return fields

    def _asking(self, body: Mapping[str, Any], delivery: Delivery | None) -> Asking:
        """What asks for a query that reads."""
        how = _check_delivery(delivery or self._delivery)

        def send(text: bytes, timeout: float | None) -> Stream:
            if how == "relay":
                return self._coordinator.relay("/read", text, timeout)
            stream: Stream = (self._direct or self._make_direct()).open(text, timeout)
            return stream

        return Asking(self._fields(body), send, self._closed)

    def _make_direct(self) -> Any:
        from ._direct import Direct

        with self._lock:
            if self._direct is None:
                self._direct = Direct(self._coordinator, self._client_id, self._flight_address)
            return self._direct

    def _flight_address(self) -> str:
        if self._flight_url is not None:
            return self._flight_url
        host = self._coordinator.host
        host = f"[{host}]" if ":" in host else host
        return f"grpc://{host}:{self._coordinator.port + 1}"


def _process_identity() -> str:
    host = re.sub(r"[^!-~]", "-", socket.gethostname())[:64] or "host"
    return f"python-{host}-{os.getpid()}"


def _check_cache(mode: str) -> str:
    modes = get_args(CacheMode)
    if mode not in modes:
        raise ValueError(f"cache must be one of {', '.join(modes)}, not {mode!r}")
    return mode


def _check_priority(priority: int) -> int:
    if type(priority) is not int or not -_MAX_PRIORITY <= priority <= _MAX_PRIORITY:
        raise ValueError(f"priority must be from -10 to 10, not {priority!r}")
    return priority


def _check_delivery(delivery: Delivery) -> Delivery:
    if delivery not in ("relay", "direct"):
        raise ValueError(f"delivery must be 'relay' or 'direct', not {delivery!r}")
    return delivery


def _check_flight_url(url: str | None) -> str | None:
    if url is not None and not re.fullmatch(r"grpc(\+tcp|\+tls|\+unix)?://\S+", str(url)):
        raise ValueError(f"flight_url must be like grpc://host:5001, not {url!r}")
    return url


def _check_sql(sql: str) -> str:
    if not isinstance(sql, str):
        raise TypeError(f"sql must be a string, not {sql!r:.64}")
    return sql


def _check_files(files: Sequence[str] | str) -> list[str]:
    listed = [files] if isinstance(files, str) else files
    if not isinstance(listed, Iterable) or not all(isinstance(file, str) for file in listed):
        raise TypeError(f"files must be a URL or a list of URLs, not {files!r:.64}")
    return list(listed)


def _check_timeout(timeout: float | None) -> None:
    if timeout is None:
        return
    if not isinstance(timeout, numbers.Real) or not 0 < timeout < 1e9:
        raise ValueError(f"timeout must be a positive number of seconds, not {timeout!r}")


def _to_ms(timeout: float) -> int:
    _check_timeout(timeout)
    return max(1, round(float(timeout) * 1000))
