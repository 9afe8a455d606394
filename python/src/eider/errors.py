"""The errors of Eider: one class for each code of the closed set that the server gives."""

from __future__ import annotations

import json
from typing import Any, ClassVar


class Error(Exception):
    """The base of every error that Eider gives.

    Attributes:
        code: the name in the API, such as ``"INVALID_QUERY"``.
        message: what happened, and where possible what to do.
        retryable: whether the same request may well succeed when it is sent again. Where the
            client may send it again by itself it has done so: this error came last.
        query_id: the query that it happened to, or None when it never became one.
        retry_after_ms: when to come back; only with ``OVERLOADED``.
    """

    code: str = "INTERNAL"
    _default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        retryable: bool | None = None,
        query_id: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = self._default_retryable if retryable is None else retryable
        self.query_id = query_id
        self.retry_after_ms = retry_after_ms

    def __str__(self) -> str:
        where = f" (query {self.query_id})" if self.query_id else ""
        return f"{self.code}: {self.message}{where}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process pools by pickle, which would lose the keyword arguments.
        return (_rebuild, (type(self), self.message, self.__dict__.copy()))


def _rebuild(cls: type[Error], message: str, state: dict[str, Any]) -> Error:
    error = cls(message)
    error.__dict__.update(state)
    return error


class InvalidQuery(Error):
    """The SQL, the parameters or the request are wrong; the message says where."""

    code = "INVALID_QUERY"


class NotFound(Error):
    """An object, a bucket or a query that is not there."""

    code = "NOT_FOUND"


class PermissionDenied(Error):
    """Storage refused, or the statement does what a client may not do."""

    code = "PERMISSION_DENIED"


class Overloaded(Error):
    """Too many queries wait, and this one has not begun.

    The client has waited as it was told and asked again, until the query's deadline or for five
    minutes.
    """

    code = "OVERLOADED"
    _default_retryable = True


class DeadlineExceeded(Error):
    """The query did not end within its timeout."""

    code = "DEADLINE_EXCEEDED"


class Cancelled(Error):
    """The query was cancelled, by its client or by an operator."""

    code = "CANCELLED"


class WorkerLost(Error):
    """The worker died or became unreachable under the query.

    A reader raises it once rows may have been delivered: what came before is not the whole. Calls
    that give a whole result, and queries whose result had not begun, have been tried again. After
    a write it is not retryable: the write may have taken place.
    """

    code = "WORKER_LOST"
    _default_retryable = True


class Poisoned(Error):
    """Several workers died under this query, so it is refused for a while."""

    code = "POISONED"


class StorageUnavailable(Error):
    """S3 did not answer, or kept failing."""

    code = "STORAGE_UNAVAILABLE"
    _default_retryable = True


class ResourceExhausted(Error):
    """The query needs more memory, or its result is larger, than is allowed."""

    code = "RESOURCE_EXHAUSTED"


class Internal(Error):
    """A defect in Eider, or an answer that is none of Eider's."""

    code = "INTERNAL"


class ConnectionFailed(Error):
    """The coordinator cannot be reached, or its connection broke before the result was whole.

    A query that reads has been tried again, for as long as a restart takes.

    Attributes:
        sent: whether the request may have reached the coordinator; a write whose request was not
            sent has not run.
    """

    code = "CONNECTION_FAILED"
    _default_retryable = True
    sent = True


_BY_CODE: dict[str, type[Error]] = {
    cls.code: cls
    for cls in (
        InvalidQuery,
        NotFound,
        PermissionDenied,
        Overloaded,
        DeadlineExceeded,
        Cancelled,
        WorkerLost,
        Poisoned,
        StorageUnavailable,
        ResourceExhausted,
        Internal,
    )
}


def from_object(value: object, query_id: str | None = None) -> Error | None:
    """The error in a JSON object ``{"error", "code", "retryable"}``; None when it is none."""
    if not isinstance(value, dict) or not isinstance(value.get("code"), str):
        return None
    retryable = value.get("retryable")
    retry_after_ms = value.get("retry_after_ms")
    error = _BY_CODE.get(value["code"], Internal)(
        str(value.get("error", "")),
        retryable=retryable if isinstance(retryable, bool) else None,
        query_id=query_id,
        retry_after_ms=retry_after_ms if isinstance(retry_after_ms, int) else None,
    )
    # A newer server may know a code that this client does not: the name is kept.
    error.code = value["code"]
    return error


def from_json(text: bytes, query_id: str | None = None) -> Error | None:
    """The same from the JSON text; None when it is no JSON or no error."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return from_object(value, query_id)
