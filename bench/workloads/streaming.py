"""Workload 3: large results to a client on the same machine: MB/s, peak memory of each process."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import s3_data
from book import Book
from client import Driver
from effort import Effort
from fleet import Fleet, Site, settle
from quack_server import QuackServer
from s3_data import LOCAL_LINEITEM, Endpoint
from setups import SetupError, venv

WORKLOAD = "streaming"
BIGINTS = "60 million rows of two bigints"
LINEITEM = "TPC-H lineitem SF1"
COORDINATOR = "peak memory of the coordinator"
_ROWS = 60_000_000
QUACK = "Quack 1.5.5"


def questions(effort: Effort) -> dict[str, str]:
    rows = _ROWS // 20 if effort.tiny else _ROWS
    return {
        BIGINTS: f"SELECT range AS a, range * 2 AS b FROM range({rows})",
        LINEITEM: f"SELECT * FROM read_parquet('{LOCAL_LINEITEM}')",
    }


def _peak(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def run(book: Book, effort: Effort) -> None:
    s3_data.make()
    wanted = questions(effort)
    with contextlib.ExitStack() as exits:
        site = Site("loopback", Endpoint({}), None, None, [])
        options = ["--allow-path", str(LOCAL_LINEITEM)]
        fleet = exits.enter_context(Fleet(site, 1, options, needs_s3=False))
        clients: dict[str, Callable[[], Driver]] = {
            "Eider, direct": lambda: fleet.client("direct"),
            "Eider, relay": lambda: fleet.client("relay"),
            "DuckDB 1.5.5, in process": lambda: Driver("plain", {}),
        }
        servers: dict[str, Callable[[], dict[str, int]]] = {
            "Eider, direct": fleet.peaks,
            "Eider, relay": fleet.peaks,
        }
        try:
            server = exits.enter_context(QuackServer())
            clients[QUACK] = server.client
            servers[QUACK] = lambda: {"server": _peak(server.pid)}
        except (SetupError, RuntimeError) as error:
            for case in wanted:
                book.missing(WORKLOAD, case, QUACK, str(error))
        try:
            python = venv("duckdb2")
            clients["DuckDB 2.0.0, in process"] = lambda: Driver("plain", {}, python=python)
        except SetupError as error:
            for case in wanted:
                book.missing(WORKLOAD, case, "DuckDB 2.0.0, in process", str(error))
        _trials(book, effort, wanted, clients, servers)
        peak = fleet.peaks()["coordinator"] / 2**20
        book.add(WORKLOAD, COORDINATOR, "Eider", "MiB", peak)


def _trials(
    book: Book,
    effort: Effort,
    wanted: dict[str, str],
    clients: dict[str, Callable[[], Driver]],
    servers: dict[str, Callable[[], dict[str, int]]],
) -> None:
    for _ in range(effort.trials):
        for case, sql in wanted.items():
            for name, client in clients.items():
                with client() as driver:
                    answer = driver.stream(sql)
                book.check(f"stream {case}", name, answer.prints)
                peaks = {"client": answer.peak_rss, **servers.get(name, dict)()}
                book.add(
                    WORKLOAD, case, name, "s", answer.ms / 1000,
                    peaks=peaks, bytes=answer.bytes, first_ms=answer.first_ms,
                )  # fmt: skip
                settle()
