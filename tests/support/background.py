"""A call on another thread, while the test goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Background:
    """A call on another thread, and its outcome."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:
            self._error = error

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self, timeout_s: float = 40) -> Any:
        self._thread.join(timeout_s)
        assert self.done, f"no answer within {timeout_s:g} s"
        if self._error is not None:
            raise self._error
        return self._value
