"""Workload 2: a small query of a local file, warm, in one client process; loopback.

p50 and p99 of one client that asks each system in turn, and requests a second of 1, 8 and 64
threads. Every system is asked from this process, and plain DuckDB runs in it.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import duckdb
import eider
from book import Book
from driver import Peer, fingerprint
from effort import Effort
from fleet import Fleet, Site
from peer_server import PeerServer
from peers.flight_alone import connect as connect_flight
from peers.quack import connect as connect_quack
from quack_server import QuackServer
from s3_data import FOLDER, Endpoint
from setups import SetupError
from support import data
from support.latency import repeat
from support.processes import free_port

WORKLOAD = "latency"
P50, P99 = "one client, p50", "one client, p99"
FLIGHT_ALONE = "Flight alone"
REPEATS = 1000
REQUESTS = 1600
_SQL = "SELECT * FROM read_parquet(?)"

Ask = Callable[[], Any]


def rate_case(threads: int) -> str:
    return f"requests a second, {threads} thread{'s' * (threads > 1)}"


def _file() -> Path:
    file = FOLDER / "latency.parquet"
    FOLDER.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data.parquet_bytes(data.blocks(1)))
    return file


class Ways:
    """How each system is asked; `thread()` gives a new thread's own."""

    def __init__(self, exits: contextlib.ExitStack, book: Book, file: Path) -> None:
        site = Site("loopback", Endpoint({}), None, None, [])
        fleet = exits.enter_context(Fleet(site, 1, ["--allow-path", str(file)], needs_s3=False))
        connection = exits.enter_context(duckdb.connect())
        arguments = [str(file)]
        self.fleet = fleet
        self._make: dict[str, Callable[[], Ask]] = {
            "DuckDB 1.5.5": lambda: _plain(connection, arguments)
        }
        deliveries: tuple[Literal["direct", "relay"], ...] = ("direct", "relay")
        for delivery in deliveries:
            client = exits.enter_context(
                eider.Client(fleet.url, flight_url=fleet.flight_url, delivery=delivery)
            )
            self._make[f"Eider, {delivery}"] = functools.partial(_eider, client, arguments)
        port = free_port()
        exits.enter_context(PeerServer("flight_alone", str(port)))
        flight = connect_flight({"port": port})
        self._make[FLIGHT_ALONE] = lambda: _peer(flight, arguments)
        try:
            server = exits.enter_context(QuackServer())
            quack = connect_quack(server.options)
            self._make["Quack 1.5.5"] = lambda: _peer(quack, arguments)
        except (SetupError, RuntimeError, duckdb.Error) as error:
            book.missing(WORKLOAD, P50, "Quack 1.5.5", str(error), "ms")

    def names(self) -> list[str]:
        return list(self._make)

    def thread(self, name: str) -> Ask:
        return self._make[name]()


def _plain(connection: duckdb.DuckDBPyConnection, arguments: list[str]) -> Ask:
    cursor = connection.cursor()
    return lambda: cursor.execute(_SQL, arguments).to_arrow_table()


def _peer(peer: Peer, arguments: list[str]) -> Ask:
    session = peer.session()
    return lambda: session.table(_SQL, list(arguments))


def _eider(client: eider.Client, arguments: list[str]) -> Ask:
    return lambda: client.query(_SQL, arguments).arrow()


def _rate(make: Callable[[], Ask], threads: int, requests: int) -> float:
    asks = [make() for _ in range(threads)]
    for ask in asks:
        ask()  # connections and what is made at first use
    left = iter(range(requests))
    lock = threading.Lock()
    errors: list[BaseException] = []

    def work(ask: Ask) -> None:
        try:
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                ask()
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=work, args=(ask,)) for ask in asks]
    began = time.perf_counter()
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    took = time.perf_counter() - began
    if errors:
        raise errors[0]
    return requests / took


def run(book: Book, effort: Effort) -> None:
    repeats = effort.repeats(REPEATS if effort.full else REPEATS // 2)
    requests = effort.repeats(REQUESTS if effort.full else REQUESTS // 2)
    counts = (1, 8, 64) if effort.full else (1, 8)
    with contextlib.ExitStack() as exits:
        ways = Ways(exits, book, _file())
        asks = {name: ways.thread(name) for name in ways.names()}
        for name, ask in asks.items():
            book.check("small query", name, [fingerprint(ask())])
        for _ in range(effort.trials):
            for figure in repeat(asks, repeats):
                book.add(WORKLOAD, P50, figure.name, "ms", figure.p50_ms)
                book.add(WORKLOAD, P99, figure.name, "ms", figure.p99_ms)
            for threads in counts:
                for name in asks:
                    rate = _rate(
                        functools.partial(ways.thread, name),
                        threads,
                        requests,
                    )
                    book.add(WORKLOAD, rate_case(threads), name, "per s", rate)
