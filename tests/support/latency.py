"""Repeats a small query in plain DuckDB and through Eider, one after the other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from support.cluster import Cluster


@dataclass(frozen=True)
class Figure:
    """One way of asking, over its repeats."""

    name: str
    p50_ms: float
    p90_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return (
            f"{self.name:<28} p50 {self.p50_ms:7.3f} ms  p90 {self.p90_ms:7.3f} ms  "
            f"p99 {self.p99_ms:7.3f} ms"
        )


def repeat(ways: dict[str, Callable[[], Any]], repeats: int) -> list[Figure]:
    """Asks each way in turn, so that what else the machine does touches all of them alike."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    warm_up = max(20, repeats // 20)
    for i in range(warm_up + repeats):
        for name, ask in ways.items():
            began = time.perf_counter()
            ask()
            if i >= warm_up:
                times[name].append((time.perf_counter() - began) * 1000)
    figures = []
    for name, measured in times.items():
        cuts = statistics.quantiles(measured, n=100)
        figures.append(Figure(name, statistics.median(measured), cuts[89], cuts[98]))
    return figures


def measure(cluster: Cluster, file: Path, repeats: int) -> list[Figure]:
    """The same query on `file` in plain DuckDB, by relay and by direct delivery."""
    sql = "SELECT * FROM read_parquet(?)"
    arguments = [str(file)]
    with (
        duckdb.connect() as connection,
        cluster.client(delivery="relay") as relay,
        cluster.client(delivery="direct") as direct,
    ):
        return repeat(
            {
                "plain DuckDB, in process": lambda: connection.execute(
                    sql, arguments
                ).to_arrow_table(),
                "Eider, relay": lambda: relay.query(sql, arguments).arrow(),
                "Eider, direct": lambda: direct.query(sql, arguments).arrow(),
            },
            repeats,
        )
