"""Eider by its own Python client, relayed or direct."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import eider
import pyarrow as pa


class Session:
    def __init__(self, peer: Eider) -> None:
        self._peer = peer

    def table(self, sql: str, arguments: list[Any]) -> pa.Table:
        peer = self._peer
        result = peer.client.query(sql, arguments or None, cache=peer.cache)
        with peer.lock:
            peer.results.append(result)
        return result.arrow()

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        yield from self._peer.client.query(sql, cache=self._peer.cache).reader()


class Eider:
    """Options: `url`, `flight_url`, `delivery`, `cache`."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.client = eider.Client(
            options["url"],
            delivery=options.get("delivery", "relay"),
            flight_url=options["flight_url"],
        )
        self.cache = options.get("cache")
        self.lock = threading.Lock()
        self.results: list[eider.Result] = []
        if options.get("delivery") == "direct":
            self.client.query("SELECT 1").arrow()

    def session(self) -> Session:
        return Session(self)

    def report(self) -> dict[str, Any]:
        """Sums over what has run since the last report."""
        names = ("s3_requests", "s3_bytes", "cost_usd", "retries", "hedges", "cache_hits")
        sums = dict.fromkeys(names, 0.0)
        reasons: dict[str, int] = {}
        workers: dict[str, int] = {}
        for result in self.results:
            info = result.info
            for name in names:
                sums[name] += float(getattr(info, name) or 0)
            reason = (info.reason or "unknown").split(" after ")[0].split(":")[0]
            reason = " ".join(
                reason.split()[:1] if reason.startswith(("stolen", "moved")) else reason.split()
            )
            reasons[reason] = reasons.get(reason, 0) + 1
            worker = info.worker or "unknown"
            workers[worker] = workers.get(worker, 0) + 1
        self.results.clear()
        return {**sums, "reasons": reasons, "workers": workers}


connect = Eider
