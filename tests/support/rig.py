"""Workers whose S3 is behind the counting and spoiling proxy, and queries with their figures."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from support import http
from support.cluster import Cluster
from support.oracle import plain_duckdb
from support.s3 import S3Server
from support.s3_proxy import S3Proxy
from support.waiting import wait_until

BUCKET = "reads"

_numbers = itertools.count(1)


class QueryFailed(Exception):
    """A query's error as the API gives it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Outcome:
    """A query's whole result, and how to learn what it cost."""

    table: pa.Table
    query_id: str
    worker: str
    seconds: float
    record: Callable[[], dict[str, Any]]

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        return list(zip(*(column.to_pylist() for column in self.table.columns), strict=True))

    @property
    def figures(self) -> dict[str, Any]:
        """The query's record, which has what it cost when it has ended."""
        return self.record()

    @property
    def hedges(self) -> int:
        return int(self.figures.get("hedges", 0))


class Rig:
    """One proxy and one cluster behind it; `stop` ends both."""

    def __init__(
        self,
        folder: Path,
        s3: S3Server,
        workers: int = 1,
        worker_options: Sequence[str] = (),
        memory_limit: str = "1GB",
        **options: Any,
    ) -> None:
        self.s3 = s3
        self.proxy = S3Proxy(s3.port)
        self._plain: list[duckdb.DuckDBPyConnection] = []
        try:
            self.cluster = Cluster(
                folder,
                s3.environment(self.proxy.port),
                workers=workers,
                worker_options=["--memory-limit", memory_limit, "--threads", "2", *worker_options],
                **options,
            )
        except BaseException:
            self.proxy.stop()
            raise
        self._pool = ThreadPoolExecutor(72)

    def stop(self) -> None:
        self.cluster.stop()
        self.proxy.stop()
        self._pool.shutdown(wait=True)
        for connection in self._plain:
            connection.close()

    def fresh(self, name: str, content: bytes) -> str:
        """Puts an object whose key nobody has read before: it is cold everywhere."""
        return self.s3.put(BUCKET, f"cold-{next(_numbers)}/{name}", content)

    def folder(self) -> str:
        """The key of a folder with nothing in it, without a slash at its end."""
        return f"cold-{next(_numbers)}"

    def replace(self, url: str, content: bytes) -> None:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        self.s3.put(bucket, key, content)

    def run(
        self, sql: str, cache: str | None = None, timeout_s: float = 60, path: str = "/read"
    ) -> Outcome:
        """Runs a query to its end. Raises QueryFailed, also for a result that broke off."""
        body: dict[str, Any] = {"query": sql, "timeout_ms": int(timeout_s * 1000)}
        if cache is not None:
            body["cache"] = cache
        began = time.monotonic()
        answer = http.post(
            self.cluster.url, path, body, {"Accept": http.ARROW_STREAM}, timeout_s + 30
        )
        seconds = time.monotonic() - began
        query_id = answer.headers.get("x-eider-query-id", "")

        def record() -> dict[str, Any]:
            found: dict[str, Any] = http.get(
                self.cluster.url, f"/v1/queries/{query_id}?wait_ms=5000"
            ).json()
            return found

        if answer.status != 200:
            error = answer.json()
            raise QueryFailed(error["code"], error["error"])
        if not answer.whole:
            error = record()["error"]
            raise QueryFailed(error["code"], error["error"])
        table = pa.ipc.open_stream(io.BytesIO(answer.body)).read_all()
        worker = answer.headers.get("x-eider-worker", "")
        return Outcome(table, query_id, worker, seconds, record)

    def start(self, sql: str, **options: Any) -> Future[Outcome]:
        """The same in the background."""
        return self._pool.submit(self.run, sql, **options)

    def httpfs(self, door: bool = False) -> duckdb.DuckDBPyConnection:
        """A new plain DuckDB with httpfs, at S3 itself or with `door` through the proxy."""
        connection = plain_duckdb(self.proxy.port if door else self.s3.port)
        connection.execute("SET threads=2")
        self._plain.append(connection)
        return connection

    def plain_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What plain DuckDB answers, read at S3 itself."""
        return self.httpfs().execute(sql).fetchall()

    def running(self) -> int:
        return sum(q["state"] == "running" for q in self.cluster.queries())

    def wait_slots_free(self) -> None:
        """No query is left in a slot or waiting for one."""

        def free() -> bool:
            return not any(q["state"] in ("running", "waiting") for q in self.cluster.queries())

        wait_until("every slot is free again", free, 20)

    def kill_worker(self) -> None:
        """SIGKILL, and the coordinator has noticed. One worker only."""
        (worker,) = self.cluster.workers
        worker.process.kill()
        wait_until(
            "the worker is down",
            lambda: all(w["state"] != "up" for w in self.cluster.workers_status()),
        )

    def restart_worker(self) -> None:
        (worker,) = self.cluster.workers
        worker.start()
        self.cluster.wait_up(1)


# What the fixture `make_rig` is: makes a rig (its arguments are Rig's) for one test.
MakeRig = Callable[..., Rig]
