"""How busy this machine is: bounds in milliseconds are for one that is free."""

from __future__ import annotations

import os
import threading
import time


class Busy:
    """How much later than asked for this machine lets a sleeper go on, at its worst, in `ms`.

    A context: it measures while it is entered.
    """

    def __enter__(self) -> Busy:
        self._worst_s = 0.0
        self._stop = False
        self._thread = threading.Thread(target=self._measure)
        self._thread.start()
        return self

    def _measure(self) -> None:
        while not self._stop:
            began = time.monotonic()
            time.sleep(0.005)
            self._worst_s = max(self._worst_s, time.monotonic() - began - 0.005)

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()
        self.ms = self._worst_s * 1000


def sharers() -> float:
    """How many want each core of this machine: what takes 50 ms of a core's time takes longer."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
