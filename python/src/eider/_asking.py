"""When a query is asked for again, and for how long: the asks of one query of the user's."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import errors
from ._stream import Stream

# Times that a query is asked for again because something broke under it: its worker, or the
# coordinator when it had the query already. A query that breaks what runs it must not go on so.
MAX_RETRIES = 2
# Asks of one query for whatever reason, overloaded coordinators included.
MAX_ASKS = 1_000
# For how long an overloaded coordinator is asked, from its first refusal in a row on.
MAX_OVERLOADED_S = 300.0
# For how long a coordinator is tried that takes no connection: it may be restarting.
MAX_AWAY_S = 15.0
# Where an overloaded coordinator does not say when to come back.
DEFAULT_RETRY_AFTER_S = 1.0
# A wait for an overloaded coordinator is longer than what it asked for by at most so many times,
# and in the end by at most so many. It begins wide, so that a crowd comes back spread out, and
# narrows, so that who has waited for long asks more often than who has just come.
MAX_SPREAD = 2.0
MIN_SPREAD = 0.1
# Waits after other failures: up to base * 2^n, and never longer than the cap.
BASE_S = 0.1
CAP_S = 1.0
# What must be left of the time after a wait, so that it makes sense to ask.
MIN_ROOM_S = 0.01

#: Failures that say nothing against the query: another worker, or another start of the same one,
#: may well answer it. PERMISSION_DENIED is retryable for a ticket that came too late, or for a
#: worker that had restarted; CANCELLED for one that did not reach its worker at all while the
#: slot was kept for it, as over a connection that was cut.
_PASSING = (
    errors.WorkerLost,
    errors.ConnectionFailed,
    errors.PermissionDenied,
    errors.Cancelled,
)


class Patience:
    """Decides whether one query is asked for again, and after what wait.

    Pure: the time (in seconds, monotonic) and the dice come from the caller.
    """

    def __init__(self, timeout: float | None, now: float, *, write: bool = False) -> None:
        """`write`: asked again only where it has surely not begun, that is when OVERLOADED."""
        self.asked = 0
        self._deadline = None if timeout is None else now + timeout
        self._write = write
        self._retries = 0
        self._row = ""  # what has failed ...
        self._row_length = 0  # ... so often in a row
        self._row_began = now

    def left_s(self, now: float) -> float | None:
        """The seconds until the deadline; None when there is none."""
        return None if self._deadline is None else max(self._deadline - now, 0.001)

    def opened(self) -> None:
        """The query's result has begun."""
        self._row = ""

    def wait_s(self, error: errors.Error, now: float, dice: float) -> float | None:
        """The wait before the query is asked for again; None: the error is final.

        `dice` is from 0 to 1: those who failed together do not come back together.
        """
        if self.asked >= MAX_ASKS or (self._write and not isinstance(error, errors.Overloaded)):
            return None
        if isinstance(error, errors.Overloaded):
            length = self._lengthen("overloaded", now)
            after_ms = error.retry_after_ms
            least = DEFAULT_RETRY_AFTER_S if after_ms is None else max(after_ms, 1) / 1000
            most = least * (1 + max(MAX_SPREAD / length, MIN_SPREAD))
            room = self._row_began + MAX_OVERLOADED_S - now
        elif isinstance(error, errors.ConnectionFailed) and not error.sent:
            length = self._lengthen("away", now)
            most = min(BASE_S * 2.0 ** min(length, 16), CAP_S)
            least = most / 2
            room = self._row_began + MAX_AWAY_S - now
        elif isinstance(error, _PASSING) and error.retryable:
            if self._retries >= MAX_RETRIES:
                return None
            self._retries += 1
            least, most = 0.0, min(BASE_S * 2**self._retries, CAP_S)
            room = float("inf")
        else:
            return None
        if self._deadline is not None:
            room = min(room, self._deadline - now)
        if least > room - MIN_ROOM_S:
            return None
        # What is left of the room is for the query itself.
        return min(least + dice * (most - least), least + (room - least) / 2)

    def _lengthen(self, row: str, now: float) -> int:
        if self._row != row:
            self._row, self._row_length, self._row_began = row, 0, now
        self._row_length += 1
        return self._row_length


class Asking:
    """One query of the user's, asked for as often as `Patience` has it. One thread at a time."""

    def __init__(
        self,
        fields: Mapping[str, Any],
        send: Callable[[bytes, float | None], Stream],
        closed: threading.Event,
        *,
        write: bool = False,
    ) -> None:
        """`fields` is the request's body; `send` sends it, within so many seconds, once.

        `closed` ends every wait.
        """
        self._fields = fields
        self._send = send
        self._closed = closed
        timeout_ms = fields.get("timeout_ms")
        timeout = timeout_ms / 1000 if type(timeout_ms) is int and timeout_ms > 0 else None
        self._text = _encode(fields)
        self._began = time.monotonic()
        self._patience = Patience(timeout, self._began, write=write)

    @property
    def asked(self) -> int:
        """How often the query was asked for."""
        return self._patience.asked

    def open(self) -> Stream:
        """Asks until the result begins.

        Raises:
            errors.Error: the query failed, or was asked for as often or for as long as it may be.
            ValueError: the client is closed.
        """
        while True:
            if self._closed.is_set():
                raise ValueError("the client is closed")
            left_s = self._patience.left_s(time.monotonic())
            body = self._body(left_s)
            self._patience.asked += 1
            try:
                stream = self._send(body, left_s)
            except errors.Error as error:
                self._wait(error)
            else:
                self._patience.opened()
                return stream

    def again(self, error: errors.Error) -> Stream:
        """A result that begins anew, after one that broke with `error` and that nobody has seen.

        Raises:
            errors.Error: `error` itself when it is final; or as `open`.
        """
        self._wait(error)
        return self.open()

    def _wait(self, error: errors.Error) -> None:
        wait_s = self._patience.wait_s(error, time.monotonic(), random.random())  # noqa: S311
        if wait_s is not None and not self._closed.wait(wait_s):
            return
        if self.asked > 1:
            took_s = time.monotonic() - self._began
            error.message += f" (asked {self.asked} times in {took_s:.1f} s)"
        raise error

    def _body(self, left_s: float | None) -> bytes:
        if self.asked == 0 or left_s is None:
            return self._text
        return _encode({**self._fields, "timeout_ms": max(1, int(left_s * 1000))})


def _encode(fields: Mapping[str, Any]) -> bytes:
    text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")
