#!/usr/bin/env python3
"""Plain DuckDB with httpfs at its defaults, as a user has it today, told what to run by lines.

The same protocol as engine_reads.cc (its head has the description), so that both are measured in
the same shape: a process of its own, results as Arrow, all of them read.

    plain_reads.py HTTPFS_EXTENSION
"""

from __future__ import annotations

import json
import os
import queue
import resource
import sys
import threading
import time
from typing import Any

import duckdb


def connect(httpfs: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"LOAD '{httpfs}'")
    scheme, _, host = os.environ.get("AWS_ENDPOINT_URL", "").partition("://")
    if host:
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{os.environ['AWS_ACCESS_KEY_ID']}', "
            f"SECRET '{os.environ['AWS_SECRET_ACCESS_KEY']}', "
            f"REGION '{os.environ['AWS_REGION']}', ENDPOINT '{host}', URL_STYLE 'path', "
            f"USE_SSL {scheme == 'https'})"
        )
    return connection


def cpu_ms() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1000


def run(
    connection: duckdb.DuckDBPyConnection, statements: list[str], threads: int
) -> dict[str, Any]:
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for statement in statements:
        waiting.put(statement)
    rows: list[int] = []
    errors: list[str] = []

    def work() -> None:
        cursor = connection.cursor()
        try:
            while True:
                rows.append(cursor.execute(waiting.get_nowait()).to_arrow_table().num_rows)
        except queue.Empty:
            pass
        except Exception as error:
            errors.append(str(error))

    cpu, start = cpu_ms(), time.perf_counter()
    if threads == 1:
        work()
    else:
        running = [threading.Thread(target=work) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    took, cpu_took = (time.perf_counter() - start) * 1000, cpu_ms() - cpu
    if errors:
        return {"error": errors[0]}
    return {"ms": took, "cpu_ms": cpu_took, "rows": sum(rows), "figures": []}


def main() -> None:
    connection = connect(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        if request.get("command") == "clear":
            connection.execute("SET enable_external_file_cache=false")
            connection.execute("SET enable_external_file_cache=true")
        else:
            answer = run(connection, request["statements"], request.get("threads", 1))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
