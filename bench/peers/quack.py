#!/usr/bin/env python3
"""Quack, DuckDB's own client and server over HTTP (an extension; it needs httpfs on both sides).

quack.py PORT QUACK_EXTENSION HTTPFS_EXTENSION     serves until its standard input ends
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa

TOKEN = "bench-token"


def _loaded(*extensions: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for extension in extensions:
        connection.execute(f"LOAD '{extension}'")
    return connection


class Session:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._cursor = connection.cursor()

    def table(self, sql: str, arguments: list[Any]) -> pa.Table:
        return self._asked(sql, arguments).to_arrow_table()

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        yield from self._asked(sql, []).to_arrow_reader(122_880)

    def _asked(self, sql: str, arguments: list[Any]) -> duckdb.DuckDBPyConnection:
        for value in arguments:  # it takes no parameters
            sql = sql.replace("?", f"'{value}'", 1)
        quoted = sql.replace("'", "''")
        return self._cursor.execute(f"FROM remote.query('{quoted}')")


class Quack:
    """Options: `port`, `quack`, `httpfs` (the extensions' files)."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._connection = _loaded(options["httpfs"], options["quack"])
        self._connection.execute(f"CREATE SECRET (TYPE quack, TOKEN '{TOKEN}')")
        self._connection.execute(f"ATTACH 'quack:127.0.0.1:{options['port']}' AS remote")

    def session(self) -> Session:
        return Session(self._connection)

    def report(self) -> dict[str, Any]:
        return {"version": duckdb.__version__}


connect = Quack


def serve() -> None:
    port, quack, httpfs = sys.argv[1:]
    connection = _loaded(httpfs, quack)
    connection.execute(f"CALL quack_serve('quack:127.0.0.1:{port}', token := '{TOKEN}')")
    print("serving", flush=True)
    sys.stdin.read()
    os._exit(0)  # its listener outlives the connection


if __name__ == "__main__":
    serve()
