"""Waits on a worker that can be broken off: Flight alone would wait for a frozen one for ever."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from . import errors
from ._coordinator import Coordinator

# A worker silent for this long makes the client ask the coordinator what became of the query.
_SILENCE_S = 3.0
# When the coordinator says that the query ended well, its last bytes may still be on their way;
# past this they are not.
_LAST_BYTES_S = 30.0
# Between two looks.
_PERIOD_S = 1.0


class Wait:
    """One blocking call to a worker, made on behalf of a query. Used once."""

    __slots__ = ("break_off", "query_id", "since", "verdict")

    def __init__(self, query_id: str | None, break_off: Callable[[], None]) -> None:
        self.query_id = query_id
        self.break_off = break_off
        self.since = time.monotonic()
        #: Why it was broken off; None when it was not.
        self.verdict: errors.Error | None = None


class Watch:
    """Looks up, at the coordinator, the queries whose worker has been silent for some seconds.

    The coordinator notices a lost worker by its missing heartbeats. When the query has failed
    there, the wait ends with that error. Thread-safe; one daemon thread, from the first wait on.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._waits: dict[int, Wait] = {}  # single operations on it are atomic
        self._lock = threading.Lock()
        self._started = False
        self._stop = threading.Event()

    def begin(self, wait: Wait) -> None:
        """Watches over `wait` until `end`."""
        self._waits[id(wait)] = wait
        if not self._started:
            self._start()

    def end(self, wait: Wait) -> None:
        """The call has returned."""
        self._waits.pop(id(wait), None)

    def close(self) -> None:
        """Ends the thread. Idempotent."""
        self._stop.set()

    def look(self, now: float) -> None:
        """Looks once, as at `now` of time.monotonic()."""
        for wait in list(self._waits.values()):
            silent_s = now - wait.since
            if silent_s < _SILENCE_S or wait.query_id is None or wait.verdict is not None:
                continue
            why = self._verdict(wait.query_id, silent_s)
            if why is not None:
                wait.verdict = why
                wait.break_off()

    def _verdict(self, query_id: str, silent_s: float) -> errors.Error | None:
        try:
            record = self._coordinator.record(query_id, wait_ms=0)
        except errors.Error:
            return None  # a coordinator that is away says nothing about the worker
        error = errors.from_object(record.get("error"), query_id)
        if error is None and record.get("state") == "finished" and silent_s > _LAST_BYTES_S:
            return errors.WorkerLost(
                "the worker ended the query, but the rest of its result did not arrive",
                query_id=query_id,
            )
        return error

    def _start(self) -> None:
        with self._lock:
            if not self._started:
                self._started = True
                args = (weakref.ref(self), self._stop)
                threading.Thread(
                    target=_look_on, args=args, name="eider-watch", daemon=True
                ).start()


def _look_on(watch: weakref.ref[Watch], stop: threading.Event) -> None:
    while not stop.wait(_PERIOD_S):
        alive = watch()
        if alive is None:
            return
        alive.look(time.monotonic())
        del alive


class _Call:
    """A function on its way to another thread, and what became of it there."""

    __slots__ = ("_lock", "abandoned", "discard", "done", "error", "function", "result")

    def __init__(self, function: Callable[[], Any], discard: Callable[[Any], None]) -> None:
        self.function = function
        self.discard = discard
        self.result: Any = None
        self.error: BaseException | None = None
        self.abandoned = False
        self._lock = threading.Lock()  # over `abandoned` and the result
        self.done = threading.Lock()  # held until there is something to see
        self.done.acquire()

    def run(self) -> None:
        try:
            result, error = self.function(), None
        except BaseException as raised:
            result, error = None, raised
        with self._lock:
            if not self.abandoned:
                self.result, self.error = result, error
                self.done.release()
                return
        if error is None:
            self.discard(result)

    def abandon(self) -> None:
        """Ends the caller's wait, unless the result is there already."""
        with self._lock:
            if self.done.locked() and not self.abandoned:
                self.abandoned = True
                self.done.release()


class Opener:
    """Runs calls that nothing can interrupt on threads of its own, so that the caller can leave.

    Thread-safe. Threads are kept for the next call; the handover costs some 20 microseconds.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._threads = 0

    def run(
        self, query_id: str | None, function: Callable[[], Any], discard: Callable[[Any], None]
    ) -> Any:
        """`function()`, watched over where there is a query to watch.

        When the caller leaves - the watch ends its wait, or a KeyboardInterrupt - the call goes on,
        and `discard` gets its result.

        Raises:
            errors.Error: the watch's verdict, when it broke the call off.
            Exception: what `function` raised.
        """
        call = _Call(function, discard)
        wait = Wait(query_id, call.abandon)
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            else:
                self._spawn()
        self._calls.put(call)
        self._watch.begin(wait)
        try:
            call.done.acquire()
        except BaseException:  # KeyboardInterrupt
            call.abandon()
            if not call.abandoned and call.error is None:
                discard(call.result)  # it came at this very moment
            raise
        finally:
            self._watch.end(wait)
        if call.error is not None:
            raise call.error
        if call.abandoned and wait.verdict is not None:
            raise wait.verdict
        return call.result

    def close(self) -> None:
        """Ends the idle threads. Idempotent."""
        with self._lock:
            threads, self._threads = self._threads, 0
        for _ in range(threads):
            self._calls.put(None)

    def _spawn(self) -> None:
        self._threads += 1
        threading.Thread(target=self._work, name="eider-open", daemon=True).start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run()
            del call
            with self._lock:
                self._idle += 1
