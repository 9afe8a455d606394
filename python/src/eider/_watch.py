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


class Call:
    """A function on its way to another thread, and what became of it there."""

    __slots__ = (
        "_discard",
        "_function",
        "_lock",
        "abandoned",
        "done",
        "error",
        "query_id",
        "result",
        "then",
        "wait",
    )

    def __init__(self, function: Callable[[Call], Any], discard: Callable[[Any], None]) -> None:
        """`discard` gets the function's result when nobody waits for it any more."""
        self._function = function
        self._discard = discard
        #: Set by the function: what to do next on its thread, when the caller has the result.
        self.then: Callable[[], None] | None = None
        #: Set by the function: the query, once it is known.
        self.query_id: str | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        #: The caller has left: what the function has not begun yet it need not begin.
        self.abandoned = False
        #: Watched over once the function has named its query here.
        self.wait = Wait(None, self.abandon)
        self._lock = threading.Lock()  # over `abandoned` and the result
        self.done = threading.Lock()  # held until there is something to see
        self.done.acquire()

    def run(self) -> None:
        try:
            result, error = self._function(self), None
        except BaseException as raised:
            result, error = None, raised
        with self._lock:
            wanted = not self.abandoned
            if wanted:
                self.result, self.error = result, error
                self.done.release()
        if error is not None:
            return
        if not wanted:
            self._discard(result)
        elif self.then is not None:
            self.then()

    def leave(self) -> None:
        """The caller does not wait any more, and wants no result that it has not seen."""
        self.abandon()
        if not self.abandoned and self.error is None:
            self._discard(self.result)  # it came at this very moment

    def abandon(self) -> None:
        """Ends the caller's wait, unless the result is there already."""
        with self._lock:
            if self.done.locked() and not self.abandoned:
                self.abandoned = True
                self.done.release()


class Threads:
    """Runs calls that nothing can interrupt on threads of its own, so that the caller can leave.

    Thread-safe. A thread is kept for the next call. To hand a call over and to be woken costs some
    0.2 ms on an idle machine, most of it the wait for a sleeping core: few are better than many.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._threads = 0

    def run(self, call: Call) -> Any:
        """What the call's function returns. When the caller leaves, the function goes on.

        Raises:
            errors.Error: the watch's verdict, when it broke the call off.
            KeyboardInterrupt: the caller has left.
            Exception: what the function raised.
        """
        self._watch.begin(call.wait)
        self.start(call.run)
        try:
            call.done.acquire()
        except BaseException:  # KeyboardInterrupt
            call.leave()
            raise
        finally:
            self._watch.end(call.wait)
        if call.error is not None:
            raise call.error
        if call.abandoned and call.wait.verdict is not None:
            raise call.wait.verdict
        return call.result

    def start(self, function: Callable[[], None]) -> None:
        """Runs `function`, which does not raise, and does not wait for it."""
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            else:
                self._threads += 1
                threading.Thread(target=self._work, name="eider-direct", daemon=True).start()
        self._calls.put(function)

    def close(self) -> None:
        """Ends the idle threads. Idempotent."""
        with self._lock:
            threads, self._threads = self._threads, 0
        for _ in range(threads):
            self._calls.put(None)

    def _work(self) -> None:
        while (function := self._calls.get()) is not None:
            function()
            del function
            with self._lock:
                self._idle += 1
