"""Workload 4: TPC-H SF1, 22 queries, one after the other.

local   plain DuckDB on local Parquet files, against one Eider worker whose cache is warm; the
        S3 server on loopback: what the engine's worth is where no network is in the way
shaped  S3 30 ms away behind links of 60 MB/s, cold and warm, with a distributed engine (full)
scans   ClickBench-like scans of one big file, lineitem, on the same network (full)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import datasets
from book import Book, WrongResult
from client import Answer, Driver, DriverError
from datasets import local_table, table_url, tpch_queries, views
from effort import Effort
from fleet import Fleet, Site, loopback, settle, shaped
from s3_data import FOLDER
from setups import SetupError, venv
from support.network import unavailable
from support.paths import extension

WORKLOAD = "analytics"
LOCAL = "TPC-H SF1, 22 queries, warm, one machine"
COLD = "TPC-H SF1 on S3, shaped, cold"
WARM = "TPC-H SF1 on S3, shaped, warm"
SCANS_COLD = "scans of one big file, shaped, cold"
SCANS_WARM = "scans of one big file, shaped, warm"
EIDER, LOCAL_DUCKDB, PLAIN = "Eider, 1 worker", "DuckDB 1.5.5, local files", "DuckDB 1.5.5"
DAFT = "Daft 0.7.26 on Ray"
RATE_BYTES_S = 60e6

_SCANS = (
    "SELECT count(*) FROM lineitem",
    "SELECT count(*) FROM lineitem WHERE l_discount <> 0",
    "SELECT sum(l_quantity), count(*), avg(l_extendedprice) FROM lineitem",
    "SELECT count(DISTINCT l_partkey) FROM lineitem",
    "SELECT l_returnflag, count(*) AS c FROM lineitem GROUP BY l_returnflag ORDER BY c DESC",
    "SELECT l_suppkey, count(*) AS c FROM lineitem GROUP BY l_suppkey ORDER BY c DESC, l_suppkey "
    "LIMIT 10",
    "SELECT count(*) FROM lineitem WHERE l_comment LIKE '%furiously%'",
    "SELECT l_shipmode, min(l_comment) FROM lineitem GROUP BY l_shipmode ORDER BY l_shipmode",
    "SELECT l_orderkey, l_linenumber FROM lineitem WHERE l_comment LIKE '%special%' "
    "ORDER BY l_extendedprice DESC, l_orderkey, l_linenumber LIMIT 10",
)


def _statements(queries: list[str]) -> list[tuple[str, list[str]]]:
    return [(query, []) for query in queries]


def _init_file() -> Path:
    file = FOLDER / "views.sql"
    file.write_text(";\n".join(views(table_url)) + ";\n")
    return file


class Runnable:
    """Which of TPC-H's queries the distributed engine runs; all systems have a case of those."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def case(self, case: str) -> str:
        return f"{case}, the {len(self.numbers)} queries that Daft runs"

    def note(self, book: Book, case: str, system: str, each_ms: list[float]) -> None:
        if self.numbers and len(self.numbers) < len(each_ms):
            total = sum(each_ms[number - 1] for number in self.numbers) / 1000
            book.add(WORKLOAD, self.case(case), system, "s", total)


def _note(
    book: Book, case: str, system: str, question: str, answer: Answer, peaks: dict[str, int]
) -> None:
    for number, print_of in enumerate(answer.prints, 1):
        book.check(f"{question} Q{number}", system, [print_of])
    book.add(
        WORKLOAD, case, system, "s", answer.ms / 1000,
        each_ms=[round(ms, 1) for ms in answer.each_ms],
        peaks={"client": answer.peak_rss, **peaks},
    )  # fmt: skip


def local(book: Book, effort: Effort) -> None:
    queries = _statements(tpch_queries())
    worker = ["--init", str(_init_file()), "--revalidate", "never"]
    with (
        loopback() as site,
        Fleet(site, 1, worker) as fleet,
        fleet.client() as eider,
        Driver("plain", {"init": views(local_table)}) as plain,
        contextlib.ExitStack() as exits,
    ):
        systems = {EIDER: eider, LOCAL_DUCKDB: plain}
        try:
            newer = Driver("plain", {"init": views(local_table)}, python=venv("duckdb2"))
            systems["DuckDB 2.0.0, local files"] = exits.enter_context(newer)
        except (SetupError, DriverError) as error:
            book.missing(WORKLOAD, LOCAL, "DuckDB 2.0.0, local files", str(error))
        for trial in range(effort.trials + 1):
            for name, driver in systems.items():
                answer = driver.run(queries)
                if trial > 0:  # the first fills caches, the kernel's too
                    peaks = fleet.peaks() if name == EIDER else {}
                    _note(book, LOCAL, name, "TPC-H", answer, peaks)


Start = Callable[[contextlib.ExitStack, Site], tuple[Driver, Callable[[], dict[str, int]]]]


def _eider(workers: int) -> Start:
    def start(
        exits: contextlib.ExitStack, site: Site
    ) -> tuple[Driver, Callable[[], dict[str, int]]]:
        options = ["--init", str(_init_file())]
        fleet = exits.enter_context(Fleet(site, workers, options))
        return exits.enter_context(fleet.client()), fleet.peaks

    return start


def _plain(exits: contextlib.ExitStack, site: Site) -> tuple[Driver, Callable[[], dict[str, int]]]:
    options = {"httpfs": str(extension("httpfs")), "init": views(table_url)}
    driver = Driver("plain", options, site.endpoint.environment, site.desk)
    return exits.enter_context(driver), dict


def _daft(exits: contextlib.ExitStack, site: Site) -> tuple[Driver, Callable[[], dict[str, int]]]:
    tables = {name: table_url(name) for name in datasets.TABLES}
    driver = Driver(
        "daft_ray",
        {"tables": tables, "processes": 2, "address": site.desk.address if site.desk else ""},
        site.endpoint.environment,
        site.desk,
        venv("daft"),
        timeout_s=900,
    )
    return exits.enter_context(driver), dict


def far(book: Book, effort: Effort) -> None:
    """Each trial anew, so that the first pass is cold; the second is warm."""
    systems: dict[str, Start] = {EIDER: _eider(1), "Eider, 4 workers": _eider(4), PLAIN: _plain}
    questions = (
        ("TPC-H", _statements(tpch_queries()), COLD, WARM),
        ("scans", _statements(list(_SCANS)), SCANS_COLD, SCANS_WARM),
    )
    with shaped(RATE_BYTES_S, 4) as site:
        runnable = daft(book, site)
        for _ in range(effort.trials):
            for name, start in systems.items():
                for question, queries, cold, warm in questions:
                    with contextlib.ExitStack() as exits:
                        driver, peaks = start(exits, site)
                        for case in (cold, warm):
                            answer = driver.run(queries)
                            _note(book, case, name, question, answer, peaks())
                            if question == "TPC-H":
                                runnable.note(book, case, name, answer.each_ms)
                    settle()


def _wrong(book: Book, number: int, answer: Answer) -> str:
    """Why the query does not count; empty: it does."""
    if answer.errors:
        return answer.errors[0]
    try:
        book.check(f"TPC-H Q{number}", DAFT, answer.prints)
    except WrongResult as error:
        return f"another result (it computes with doubles): {error}"
    return ""


def daft(book: Book, site: Site) -> Runnable:
    """Once a run: it takes its time. A query that it cannot run is named."""
    runnable = Runnable()
    queries = tpch_queries()
    try:
        with contextlib.ExitStack() as exits:
            driver, _ = _daft(exits, site)
            for case in (COLD, WARM):
                failed: list[str] = []
                each_ms: dict[int, float] = {}
                for number, query in enumerate(queries, 1):
                    answer = driver.run([(query, [])], keep_going=True)
                    why = _wrong(book, number, answer)
                    if why:
                        failed.append(f"Q{number}: {' '.join(why.split())[:160]}")
                    else:
                        each_ms[number] = answer.ms
                total = sum(each_ms.values()) / 1000
                if not failed:
                    book.add(WORKLOAD, case, DAFT, "s", total)
                    continue
                runnable.numbers = sorted(each_ms)
                why = f"it ran {len(each_ms)} of 22 queries, in {total:.1f} s; {failed[0]}"
                book.missing(WORKLOAD, case, DAFT, why)
                book.add(WORKLOAD, runnable.case(case), DAFT, "s", total, failed=failed)
    except (SetupError, DriverError) as error:
        for case in (COLD, WARM):
            book.missing(WORKLOAD, case, DAFT, str(error)[:400])
    return runnable


def run(book: Book, effort: Effort) -> None:
    datasets.make_tpch()
    local(book, effort)
    if not effort.full:
        return
    why = unavailable()
    if why is None:
        far(book, effort)
    else:
        for case in (COLD, WARM):
            book.missing(WORKLOAD, case, EIDER, why)
