"""The coordinator's HTTP API: requests, errors, and results by `relay`."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from . import errors
from ._answer import NotConnected, Response
from ._http import Pool
from ._stream import Claim, Stream

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_ACCEPT_STREAM = {
    "Content-Type": "application/json",
    "Accept": "application/vnd.apache.arrow.stream",
}
_ACCEPT_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
# How long to wait for the answer to a status call, in seconds.
_STATUS_TIMEOUT_S = 10.0
# How much longer than the query's own timeout to wait: the server knows better why it ended.
GRACE_S = 5.0


class Coordinator:
    """Calls of the HTTP API. Thread-safe."""

    def __init__(self, url: str, client_id: str) -> None:
        self._pool = Pool(url, {"X-Eider-Client": client_id})
        self.host = self._pool.host
        self.port = self._pool.port
        self.url = self._pool.url

    def close(self) -> None:
        """Closes the idle connections."""
        self._pool.close()

    def relay(self, path: str, body: bytes, timeout: float | None) -> Stream:
        """Runs the query in `body` by POST; gives its result once its schema is there.

        Raises:
            errors.Error: as the server answered, or ConnectionFailed.
        """
        response = self._send(
            "POST",
            path,
            body=body,
            headers=_ACCEPT_STREAM,
            timeout=None if timeout is None else timeout + GRACE_S,
            repeatable=path == "/read",
        )
        if response.status != 200:
            raise self._error(response)
        return _RelayStream(self, response)

    def call(self, method: str, path: str, value: object = None) -> Any:
        """A short call: JSON in, JSON out.

        Raises:
            errors.Error: as the server answered, or ConnectionFailed.
        """
        body = b"" if value is None else json.dumps(value).encode()
        response = self._send(
            method, path, body=body, headers=_ACCEPT_JSON, timeout=_STATUS_TIMEOUT_S
        )
        if response.status not in (200, 202, 204):
            raise self._error(response)
        text = self._body(response)
        try:
            return json.loads(text) if text else {}
        except ValueError:
            raise errors.Internal(f"{method} {path} at {self.url} gave no JSON") from None

    def record(self, query_id: str, wait_ms: int) -> dict[str, Any]:
        """What the coordinator knows of a query, after waiting up to `wait_ms` for its end.

        Raises:
            errors.Error: NotFound when it has forgotten it, or as `call`.
        """
        value = self.call("GET", f"/v1/queries/{quote(query_id, safe='')}?wait_ms={wait_ms}")
        if not isinstance(value, dict):
            raise errors.Internal("the coordinator's record of the query is no JSON object")
        return value

    def why_broken(self, query_id: str | None) -> errors.Error | None:
        """The error that a query whose stream broke ended with; None when that is not known."""
        if query_id is None:
            return None
        try:
            record = self.record(query_id, wait_ms=1000)
        except errors.Error:
            return None
        return errors.from_object(record.get("error"), query_id)

    def _send(self, method: str, path: str, **options: Any) -> Response:
        try:
            return self._pool.request(method, path, **options)
        except TimeoutError as error:
            raise errors.DeadlineExceeded(f"no answer from {self.url} in time") from error
        except OSError as error:
            failed = errors.ConnectionFailed(f"{error} ({method} {path} at {self.url})")
            failed.sent = not isinstance(error, NotConnected)
            raise failed from error

    def _body(self, response: Response) -> bytes:
        try:
            return response.read_all(_MAX_ANSWER_BYTES)
        except TimeoutError as error:
            raise errors.DeadlineExceeded(f"no answer from {self.url} in time") from error
        except OSError as error:
            raise errors.ConnectionFailed(f"{error} ({self.url})") from error
        finally:
            response.close()

    def _error(self, response: Response) -> errors.Error:
        """The error in an answer that is none of success."""
        text = self._body(response)
        error = errors.from_json(text, response.headers.get("x-eider-query-id"))
        if error is None:
            start = text[:200].decode("utf-8", "replace")
            return errors.Internal(
                f"{self.url} answered {response.status} without an Eider error: {start!r}"
            )
        seconds = _count(response.headers.get("retry-after"))
        if error.retry_after_ms is None and seconds is not None:
            error.retry_after_ms = seconds * 1000
        return error


class _Source:
    """A response's body as the file that Arrow's IPC reader reads.

    Arrow takes a stream that is cut between two messages for a whole one. It asks for more bytes
    exactly as long as it has not seen the end-of-stream marker, so whoever asks past the body's
    end has not seen it: that is an error here, never an end.
    """

    def __init__(self, response: Response) -> None:
        self._response = response
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        data = self._response.read(size)
        if len(data) < size:
            raise _Short("the body ended before Arrow's end-of-stream marker")
        return data

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


class _Short(OSError):
    """A body that ended properly with a stream in it that did not."""


class _RelayStream(Stream):
    """A result that comes through the coordinator."""

    def __init__(self, coordinator: Coordinator, response: Response) -> None:
        headers = response.headers
        super().__init__(
            Claim(
                query_id=headers.get("x-eider-query-id"),
                worker=headers.get("x-eider-worker"),
                reason=headers.get("x-eider-reason"),
                queue_ms=_count(headers.get("x-eider-queue-ms")),
            )
        )
        self._coordinator = coordinator
        self._response = response
        self._closed = False
        try:
            self._batches = pa.ipc.open_stream(_Source(response))
            self.schema = self._batches.schema
        except BaseException as error:
            self.close()
            raise self._typed(error) from error

    def _next(self) -> pa.RecordBatch | None:
        if self._closed:
            raise errors.Cancelled("the result was closed", query_id=self.claim.query_id)
        try:
            return self._batches.read_next_batch()
        except StopIteration:
            pass
        except BaseException as error:
            raise self._typed(error) from error
        try:
            # Past Arrow's marker there must be the last chunk, and nothing before it.
            if self._response.read(1):
                raise _Short("bytes follow Arrow's end-of-stream marker")
        except BaseException as error:
            raise self._typed(error) from error
        return None

    def close(self) -> None:
        self._closed = True
        self._response.close()

    def _typed(self, error: BaseException) -> BaseException:
        """What a failed read is to the user."""
        if not isinstance(error, (OSError, pa.ArrowException)):
            return error  # KeyboardInterrupt, MemoryError
        query_id = self.claim.query_id
        if isinstance(error, TimeoutError):
            return errors.DeadlineExceeded("no more of the result in time", query_id=query_id)
        self._response.close()
        known = self._coordinator.why_broken(query_id)
        if known is not None:
            return known
        if isinstance(error, pa.ArrowException) and not isinstance(error, OSError):
            return errors.Internal(f"the result is no Arrow stream: {error}", query_id=query_id)
        return errors.ConnectionFailed(
            f"the result broke before it was whole: {error} ({self._coordinator.url})",
            query_id=query_id,
        )


def _count(text: str | None) -> int | None:
    """The number that a header says; None where it says none."""
    return int(text) if text and re.fullmatch("[0-9]{1,9}", text) else None
