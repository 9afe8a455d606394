"""Workload 6: time and cost as files and workers grow, on the shaped network (full).

Each file once, cold: S3's requests, bytes and dollars are of that pass. Plain DuckDB beside it
has no such figures of its own.
"""

from __future__ import annotations

import datasets
from book import Book, Fingerprint
from client import Driver
from effort import Effort
from fleet import Fleet, Site, settle, shaped
from support.network import unavailable

from workloads.prototype import RATE_BYTES_S, plain

WORKLOAD = "growth"
FILES = (30, 300, 3_000)
WORKERS = (1, 2, 4, 8)
THREADS = 16
_BATCH = 900  # the coordinator keeps the records of the last 1,000 queries
_SQL = "SELECT * FROM read_parquet(?)"


def case(files: int) -> str:
    return f"{files} files, each once, cold"


def _system(workers: int) -> str:
    return f"Eider, {workers} worker{'s' * (workers > 1)}"


def run(book: Book, effort: Effort) -> None:
    why = unavailable()
    if why is not None:
        book.missing(WORKLOAD, case(FILES[0]), _system(1), why)
        return
    datasets.make_many()
    counts = FILES[:2] if effort.tiny else FILES
    with shaped(RATE_BYTES_S, max(WORKERS)) as site:
        for _ in range(effort.trials):
            for files in counts:
                asked = [(_SQL, [url]) for url in datasets.many(files)]
                for workers in WORKERS:
                    _trial(book, site, workers, files, asked)
                    settle()
                with plain(site, "on") as driver:
                    seconds, prints, _ = _in_batches(driver, asked)
                book.check(case(files), "DuckDB 1.5.5", prints)
                book.add(WORKLOAD, case(files), "DuckDB 1.5.5", "s", seconds)


def _in_batches(
    driver: Driver, asked: list[tuple[str, list[str]]]
) -> tuple[float, list[Fingerprint], dict[str, float]]:
    """Seconds, answers and figures of all."""
    seconds = 0.0
    prints: list[Fingerprint] = []
    sums: dict[str, float] = {}
    for start in range(0, len(asked), _BATCH):
        answer = driver.run(asked[start : start + _BATCH], THREADS)
        seconds += answer.ms / 1000
        prints += answer.prints
        for name, value in driver.report().items():
            if isinstance(value, float):
                sums[name] = sums.get(name, 0.0) + value
    return seconds, prints, sums


def _trial(
    book: Book, site: Site, workers: int, files: int, asked: list[tuple[str, list[str]]]
) -> None:
    with Fleet(site, workers) as fleet, fleet.client() as driver:
        seconds, prints, figures = _in_batches(driver, asked)
        book.check(case(files), _system(workers), prints)
        book.add(
            WORKLOAD, case(files), _system(workers), "s", seconds,
            figures=figures, peaks=fleet.peaks(),
        )  # fmt: skip
