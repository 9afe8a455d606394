#!/usr/bin/env python3
"""DuckDB behind Arrow Flight and nothing else: what the transport costs on this machine.

One DoGet a query and one process: no coordinator, ticket, limit, error or cancellation.

flight_alone.py PORT     serves until its standard input ends
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import flight


class Session:
    def __init__(self, client: flight.FlightClient) -> None:
        self._client = client

    def table(self, sql: str, arguments: list[Any]) -> pa.Table:
        return self._asked(sql, arguments).read_all()

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        for chunk in self._asked(sql, []):
            yield chunk.data

    def _asked(self, sql: str, arguments: list[Any]) -> flight.FlightStreamReader:
        return self._client.do_get(flight.Ticket(json.dumps([sql, arguments])))


class FlightAlone:
    """Options: `port`."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._client = flight.FlightClient(f"grpc://127.0.0.1:{options['port']}")

    def session(self) -> Session:
        return Session(self._client)

    def report(self) -> dict[str, Any]:
        return {"version": pa.__version__}


connect = FlightAlone


class _Server(flight.FlightServerBase):  # type: ignore[misc]
    def __init__(self, port: int) -> None:
        super().__init__(f"grpc://127.0.0.1:{port}")
        self._connection = duckdb.connect()
        self._threads = threading.local()

    def do_get(
        self, context: flight.ServerCallContext, ticket: flight.Ticket
    ) -> flight.RecordBatchStream:
        if not hasattr(self._threads, "cursor"):
            self._threads.cursor = self._connection.cursor()
        sql, arguments = json.loads(ticket.ticket)
        found = self._threads.cursor.execute(sql, arguments)
        return flight.RecordBatchStream(found.to_arrow_reader(122_880))


def serve() -> None:
    server = _Server(int(sys.argv[1]))
    threading.Thread(target=server.serve, daemon=True).start()
    print("serving", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    serve()
