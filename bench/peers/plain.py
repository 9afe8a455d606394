"""DuckDB in the client's own process, with httpfs where S3 is read: what a user has today.

Also DuckDB 2.0 from a virtual environment of its own, without httpfs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa


def secret() -> str:
    """CREATE SECRET by the AWS names of the environment."""
    scheme, _, host = os.environ["AWS_ENDPOINT_URL"].partition("://")
    return (
        f"CREATE SECRET (TYPE s3, KEY_ID '{os.environ['AWS_ACCESS_KEY_ID']}', "
        f"SECRET '{os.environ['AWS_SECRET_ACCESS_KEY']}', "
        f"REGION '{os.environ['AWS_REGION']}', ENDPOINT '{host}', URL_STYLE 'path', "
        f"USE_SSL {scheme == 'https'})"
    )


class Session:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._cursor = connection.cursor()

    def table(self, sql: str, arguments: list[Any]) -> pa.Table:
        return self._cursor.execute(sql, arguments or None).to_arrow_table()

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        yield from self._cursor.execute(sql).to_arrow_reader(122_880)


class Plain:
    """Options: `httpfs` (the extension's file), `settings` and `init` (statements)."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._connection = duckdb.connect()
        if "httpfs" in options:
            self._connection.execute(f"LOAD '{options['httpfs']}'")
            self._connection.execute(secret())
        for statement in options.get("init", []):
            self._connection.execute(statement)
        self._connection.execute("SELECT 1").fetchall()

    def session(self) -> Session:
        return Session(self._connection)

    def report(self) -> dict[str, Any]:
        return {"version": duckdb.__version__}


connect = Plain
