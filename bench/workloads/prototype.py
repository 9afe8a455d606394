"""Workload 1: 30 files of blocks x 3 reads each, 8 client threads; and its wide form.

narrow  SELECT * FROM read_parquet(?) of 30 files of 53 KB, 90 requests, links of 60 MB/s
wide    a full-width aggregate of 30 files of 25 MB, links of 20 MB/s: these are the limit
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import datasets
from book import Book
from client import Driver
from datasets import WIDE
from effort import Effort, no_prototype
from fleet import Fleet, Site, loopback, settle, shaped
from prototype_fleet import PrototypeFleet, start_unknown
from s3_data import BLOCKS
from support.network import unavailable
from support.paths import extension

NARROW = "prototype"
WIDE_FORM = "wide"
RATE_BYTES_S = 60e6
WIDE_RATE_BYTES_S = 20e6
THREADS = 8
READS = 3
CACHES = ("on", "off")
_NARROW_SQL = "SELECT * FROM read_parquet(?)"
_WIDE_SQL = "SELECT sum(COLUMNS(*)) FROM read_parquet(?)"


def narrow_statements() -> list[tuple[str, list[str]]]:
    return [(_NARROW_SQL, [url]) for url in BLOCKS * READS]


def wide_statements() -> list[tuple[str, list[str]]]:
    return [(_WIDE_SQL, [url]) for url in WIDE]


def case(site: Site, workers: int, cache: str) -> str:
    return f"{site.name}, {workers} worker{'s' * (workers > 1)}, cache {cache}"


def plain_case(site: Site, cache: str) -> str:
    return f"{site.name}, one process, cache {cache}"


def plain(site: Site, cache: str, heads: bool = False) -> Driver:
    """DuckDB with httpfs; `heads`: it keeps what its HEADs said, which no default does."""
    init = []
    if cache == "off":
        init.append("SET enable_external_file_cache=false")
    if heads:
        init.append("SET enable_http_metadata_cache=true")
    options = {"httpfs": str(extension("httpfs")), "init": init}
    return Driver("plain", options, site.endpoint.environment, site.desk)


def _client(fleet: Fleet, cache: str) -> Driver:
    """Without a cache its queries say so too: then no worker is better for a file than another."""
    return fleet.client(cache="use" if cache == "on" else "off")


def _eider_trial(book: Book, site: Site, workers: int, cache: str) -> None:
    with Fleet(site, workers, ["--cache", cache]) as fleet, _client(fleet, cache) as driver:
        answer = driver.run(narrow_statements(), THREADS)
        figures = driver.report()
        book.check("narrow", "Eider", answer.prints)
        seconds = answer.ms / 1000
        book.add(
            NARROW, case(site, workers, cache), "Eider", "s", seconds,
            peaks=fleet.peaks(), figures=figures,
        )  # fmt: skip


def _plain_trial(book: Book, site: Site, cache: str, heads: bool) -> None:
    name = "DuckDB 1.5.5, HEADs kept" if heads else "DuckDB 1.5.5"
    with plain(site, cache, heads) as driver:
        answer = driver.run(narrow_statements(), THREADS)
        book.check("narrow", name, answer.prints)
        where = plain_case(site, cache)
        book.add(
            NARROW, where, name, "s", answer.ms / 1000, peaks={"client": answer.peak_rss}
        )  # fmt: skip


def _prototype_trial(book: Book, site: Site, workers: int, cache: str) -> None:
    with PrototypeFleet(site, workers, cache) as fleet, fleet.client() as driver:
        answer = driver.run(narrow_statements(), THREADS)
        book.check("narrow", "prototype", answer.prints)
        book.add(NARROW, case(site, workers, cache), "prototype", "s", answer.ms / 1000)


def narrow(book: Book, effort: Effort, site: Site) -> None:
    counts = (1, 2, 4) if site.shaped else (1, 2)
    steps: list[Callable[[], None]] = []
    why = no_prototype() or start_unknown()
    for cache in CACHES:
        steps.append(partial(_plain_trial, book, site, cache, heads=False))
        for count in counts:
            steps.append(partial(_eider_trial, book, site, count, cache))
            if why is None:
                steps.append(partial(_prototype_trial, book, site, count, cache))
            else:
                book.missing(NARROW, case(site, count, cache), "prototype", why)
    steps.append(partial(_plain_trial, book, site, "on", heads=True))
    for _ in range(effort.trials):
        for step in steps:
            step()
            settle()


def _wide_trial(book: Book, site: Site, workers: int, cache: str, passes: int) -> None:
    with Fleet(site, workers, ["--cache", cache]) as fleet, _client(fleet, cache) as driver:
        for number in range(1, passes + 1):
            answer = driver.run(wide_statements(), THREADS)
            book.check("wide", "Eider", answer.prints)
            where = case(site, workers, cache) + (f", read {number}" if passes > 1 else "")
            book.add(
                WIDE_FORM, where, "Eider", "s", answer.ms / 1000,
                peaks=fleet.peaks(), figures=driver.report(),
            )  # fmt: skip


def _wide_plain_trial(book: Book, site: Site) -> None:
    with plain(site, "on") as driver:
        answer = driver.run(wide_statements(), THREADS)
        book.check("wide", "DuckDB 1.5.5", answer.prints)
        book.add(WIDE_FORM, plain_case(site, "on"), "DuckDB 1.5.5", "s", answer.ms / 1000)


def wide(book: Book, effort: Effort, site: Site) -> None:
    for trial in range(effort.trials):
        _wide_trial(book, site, 1, "off", 1)
        _wide_trial(book, site, 4, "off", 1)
        _wide_trial(book, site, 4, "on", 3)
        if effort.full:
            _wide_trial(book, site, 2, "off", 1)
        if effort.full or trial == 0:
            _wide_plain_trial(book, site)


def run(book: Book, effort: Effort) -> None:
    datasets.make_wide()
    why = unavailable()
    if why is None:
        with shaped(RATE_BYTES_S, 4) as site:
            narrow(book, effort, site)
        with shaped(WIDE_RATE_BYTES_S, 4) as site:
            wide(book, effort, site)
    else:
        book.note(f"no shaped network: {why}; loopback alone")
        for workload in (NARROW, WIDE_FORM):
            book.missing(workload, "shaped", "Eider", why)
    if effort.full or why is not None:
        with loopback() as site:
            narrow(book, effort, site)
