"""Workload 5: Zipf keys, one slow worker, one worker killed half way; 4 workers, shaped (full).

Total time, p99, and what must be 0: failed and wrong results.
"""

from __future__ import annotations

import random
import signal
import statistics
import threading
from collections.abc import Callable

from book import Book, Fingerprint, WrongResult, same
from client import Answer
from effort import Effort
from fleet import Fleet, Site, settle, shaped
from s3_data import BLOCKS
from support.network import unavailable

from workloads.prototype import RATE_BYTES_S, THREADS, plain

WORKLOAD = "faults"
REQUESTS = 600
WORKERS = 4
_SQL = "SELECT * FROM read_parquet(?)"
_SLOW_RATE, _SLOW_DELAY_MS = 1e6, 60.0
SCENARIOS = ("Zipf keys", "Zipf keys, one slow worker", "Zipf keys, one worker killed half way")


def _requests(count: int) -> list[tuple[str, list[str]]]:
    dice = random.Random(20260501)
    weights = [1 / (rank + 1) for rank in range(len(BLOCKS))]
    return [(_SQL, [url]) for url in dice.choices(BLOCKS, weights, k=count)]


def _slow(fleet: Fleet, site: Site) -> Callable[[], None]:
    site.workers[0].set(rate_bytes_s=_SLOW_RATE, delay_ms=_SLOW_DELAY_MS)
    return lambda: site.workers[0].set(rate_bytes_s=RATE_BYTES_S, delay_ms=0)


def _kill(fleet: Fleet, after_s: float) -> Callable[[], None]:
    timer = threading.Timer(after_s, lambda: fleet.workers[0].signal(signal.SIGKILL))
    timer.start()

    def mend() -> None:
        timer.join()
        assert fleet.workers[0].popen.wait(5) == -signal.SIGKILL, "it did not die"

    return mend


def _wrong(
    answer: Answer, asked: list[tuple[str, list[str]]], right: dict[str, Fingerprint]
) -> int:
    pairs = zip(answer.prints, asked, strict=True)
    return sum(
        given is not None and not same(given, right[arguments[0]])
        for given, (_, arguments) in pairs
    )


def run(book: Book, effort: Effort) -> None:
    why = unavailable()
    if why is not None:
        for scenario in SCENARIOS:
            book.missing(WORKLOAD, f"{scenario}, total", "Eider, 4 workers", why)
        return
    asked = _requests(effort.repeats(REQUESTS))
    usual_s = 0.5
    with shaped(RATE_BYTES_S, WORKERS) as site:
        with plain(site, "on") as driver:
            prints = driver.run([(_SQL, [url]) for url in BLOCKS], THREADS).prints
            right: dict[str, Fingerprint] = dict(zip(BLOCKS, prints, strict=True))
        for _ in range(effort.trials):
            for scenario in SCENARIOS:
                with Fleet(site, WORKERS) as fleet, fleet.client() as client:
                    mend: Callable[[], None] = lambda: None  # noqa: E731
                    if "slow" in scenario:
                        mend = _slow(fleet, site)
                    elif "killed" in scenario:
                        mend = _kill(fleet, usual_s / 2)
                    try:
                        answer = client.run(asked, THREADS, keep_going=True)
                    finally:
                        mend()
                if scenario == SCENARIOS[0]:
                    usual_s = answer.ms / 1000
                _note(book, scenario, answer, _wrong(answer, asked, right))
                settle()


def _note(book: Book, scenario: str, answer: Answer, wrong: int) -> None:
    system = "Eider, 4 workers"
    p99 = statistics.quantiles(answer.each_ms, n=100)[98]
    book.add(WORKLOAD, f"{scenario}, total", system, "s", answer.ms / 1000)
    book.add(WORKLOAD, f"{scenario}, p99", system, "ms", p99)
    book.add(
        WORKLOAD, f"{scenario}, failed or wrong", system, "results",
        len(answer.errors) + wrong, errors=answer.errors[:3],
    )  # fmt: skip
    book.checks += len(answer.prints)
    if wrong:
        raise WrongResult(f"{scenario}: {wrong} wrong results")
