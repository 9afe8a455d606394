"""The prototype by its HTTP API: POST /read with a base64 of an Arrow stream in the answer.

Eider keeps that API, so this adapter also runs against Eider.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa


class Session:
    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def table(self, sql: str, arguments: list[Any]) -> pa.Table:
        body = {"buckets": arguments, "query": sql, "args": arguments}
        answer = self._client.post("/read", json=body)
        answer.raise_for_status()
        content = base64.b64decode(answer.json()["result"])
        return pa.ipc.open_stream(io.BytesIO(content)).read_all()

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        yield from self.table(sql, []).to_batches()


class Prototype:
    """Options: `url`."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._client = httpx.Client(base_url=options["url"], timeout=300, trust_env=False)

    def session(self) -> Session:
        return Session(self._client)

    def report(self) -> dict[str, Any]:
        return {}


connect = Prototype
