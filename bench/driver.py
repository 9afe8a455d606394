#!/usr/bin/env python3
"""A client process of one system, told what to run by lines of JSON.

    driver.py PEER OPTIONS_JSON

PEER is a module of bench/peers with `connect(options)`. A request is

    {"statements": [[SQL, ARGUMENTS], ...], "threads": 8, "keep_going": false}
    {"stream": SQL}

and its answer has `ms`, `each_ms`, `prints` (rows and column sums, computed after the clock has
stopped; of a stream while it runs), `errors` and `peak_rss`. Statements are taken in order by
whichever thread is free, as the prototype's own client does.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).resolve().parent))


class Session(Protocol):
    """One thread's way to a system."""

    def table(self, sql: str, arguments: list[Any]) -> pa.Table: ...

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]: ...


class Peer(Protocol):
    """A connected system, shared by threads."""

    def session(self) -> Session: ...

    def report(self) -> dict[str, Any]: ...


def column_sum(column: Any) -> float:  # noqa: ANN401
    """A number that does not depend on the order of rows, nor on the width of a type."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_decimal(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return float(pc.sum(column.cast(pa.float64(), safe=False)).as_py() or 0)
    if pa.types.is_temporal(kind):
        days = pa.types.is_date(kind)
        column = column.cast(pa.date32() if days else pa.timestamp("us")).cast(
            pa.int32() if days else pa.int64()
        )
        return float(pc.sum(column).as_py() or 0)
    values = column.to_pylist()
    return float(sum(zlib.crc32(str(value).encode()) for value in values if value is not None))


def fingerprint(table: pa.Table) -> list[Any]:
    return [table.num_rows, [column_sum(column) for column in table.columns]]


def peak_rss() -> int:
    text = Path("/proc/self/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def run(peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
    statements: list[tuple[str, list[Any]]] = [(s, a) for s, a in request["statements"]]
    tables: list[pa.Table | None] = [None] * len(statements)
    each_ms: list[float] = [0.0] * len(statements)
    errors: list[str] = []
    numbers = iter(range(len(statements)))
    lock = threading.Lock()

    def work() -> None:
        session = peer.session()
        while True:
            with lock:
                number = next(numbers, None)
                if number is None or (errors and not request.get("keep_going")):
                    return
            began = time.perf_counter()
            try:
                tables[number] = session.table(*statements[number])
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}"[:500])
            each_ms[number] = (time.perf_counter() - began) * 1000

    count = int(request.get("threads", 1))
    began = time.perf_counter()
    if count == 1:
        work()
    else:
        threads = [threading.Thread(target=work) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    took = (time.perf_counter() - began) * 1000
    prints = [None if table is None else fingerprint(table) for table in tables]
    return {"ms": took, "each_ms": each_ms, "prints": prints, "errors": errors}


def stream(peer: Peer, sql: str) -> dict[str, Any]:
    """Rows and sums of the numeric columns, batch by batch: nothing is kept."""
    session = peer.session()
    rows, size = 0, 0
    sums: dict[int, float] = {}
    began = time.perf_counter()
    first = 0.0
    for batch in session.stream(sql):
        first = first or (time.perf_counter() - began) * 1000
        rows += batch.num_rows
        size += batch.nbytes
        for number, column in enumerate(batch.columns):
            if pa.types.is_integer(column.type):
                sums[number] = sums.get(number, 0.0) + float(pc.sum(column).as_py() or 0)
    took = (time.perf_counter() - began) * 1000
    prints = [[rows, [sums[number] for number in sorted(sums)]]]
    return {"ms": took, "first_ms": first, "bytes": size, "prints": prints, "errors": []}


def main() -> None:
    module = importlib.import_module(f"peers.{sys.argv[1]}")
    peer: Peer = module.connect(json.loads(sys.argv[2]))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "stream" in request:
                answer = stream(peer, request["stream"])
            elif "report" in request:
                answer = peer.report()
            else:
                answer = run(peer, request)
        except Exception as error:
            answer = {"errors": [f"{type(error).__name__}: {error}"[:500]]}
        print(json.dumps({**answer, "peak_rss": peak_rss()}), flush=True)


if __name__ == "__main__":
    main()
