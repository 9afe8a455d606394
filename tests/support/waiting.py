"""Bounded waiting on a condition: the tests never sleep for a time and hope."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

_POLL_S = 0.02


def wait_until(what: str, condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Polls until `condition` gives something true and returns it; fails naming `what`."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what} (last: {value!r})")
        time.sleep(_POLL_S)
