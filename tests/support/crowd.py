"""The parts of a crowd, each a process of its own: `python -m support.crowd PART URL ...`.

A part says `ready` on stdout when it stands, and one line of JSON at its end. `idle` and `probe`
end when their stdin is closed.

In earnest the crowd is on other machines. Here it yields to the coordinator (`nice`), and most of
it is one thread that costs little: 500 Python threads would measure themselves.
"""

from __future__ import annotations

import base64
import contextlib
import heapq
import json
import os
import random
import re
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import eider
import pyarrow as pa
from eider import errors
from eider._asking import Patience

# For how long a client goes on asking for one query.
PATIENCE_S = 300.0
# How much each part yields to the coordinator; below zero, where it may, it goes first.
_NICE = {"idle": 10, "clients": 10, "askers": 10, "probe": -5}


def body_of(urls: list[str], client: int, query: int) -> dict[str, Any]:
    """What a client of the crowd asks: it waits for S3, and costs no core much."""
    url = urls[(client + query) % len(urls)]
    sql = f"SELECT {client} AS c, {query} AS q, count(*) AS n FROM read_parquet('{url}')"
    return {"query": sql, "cache": "off"}


def _request_of(client: str, query: dict[str, Any]) -> bytes:
    body = json.dumps(query).encode()
    head = f"POST /read HTTP/1.1\r\nHost: x\r\nX-Eider-Client: {client}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Part:
    """A part of the crowd as its parent sees it."""

    def __init__(self, name: str, url: str, log: Path, **options: object) -> None:
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.crowd", name, url, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
            text=True,
        )
        self._name = name

    def wait_ready(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", f"{self._name} does not stand"

    def result(self, timeout_s: float = 2 * PATIENCE_S) -> dict[str, Any]:
        """Has it end, and what it found."""
        out, _ = self._process.communicate(timeout=timeout_s)
        assert self._process.returncode == 0, f"{self._name} ended with an error: see its log"
        found: dict[str, Any] = json.loads(out)
        return found

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()


# ---- connections that do nothing

_KEPT = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
_HALF = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Len"
_HALF_BODY = b'POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"query": "SEL'
# Of ten connections.
_SENT = {"kept": _KEPT, "silent": b"", "half a head": _HALF, "half a body": _HALF_BODY}
_KINDS = ["kept"] * 6 + ["silent"] * 2 + ["half a head", "half a body"]


class Idle:
    """So many connections; one that the server closes is opened anew."""

    def __init__(self, url: str, count: int) -> None:
        where = urlsplit(url)
        self._address = (str(where.hostname), int(where.port or 80))
        self._selector = selectors.DefaultSelector()
        self._closed: Counter[str] = Counter()
        self._failed = 0
        for number in range(count):
            self._open(_KINDS[number % len(_KINDS)])

    def run(self) -> dict[str, Any]:
        self._selector.register(sys.stdin, selectors.EVENT_READ, "stdin")
        while True:
            for key, _ in self._selector.select():
                if key.data == "stdin":
                    return {
                        "open": len(self._selector.get_map()) - 1,
                        "closed": dict(self._closed),
                        "failed": self._failed,
                    }
                self._read(key.fileobj, str(key.data))

    def _open(self, kind: str) -> None:
        try:
            connection = socket.create_connection(self._address, timeout=30)
            connection.sendall(_SENT[kind])
        except OSError:
            self._failed += 1
            return
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, kind)

    def _read(self, connection: Any, kind: str) -> None:
        try:
            if connection.recv(4096):
                return  # the answer to what was sent
        except BlockingIOError:
            return
        except OSError:
            pass
        self._selector.unregister(connection)
        connection.close()
        self._closed[kind] += 1
        self._open(kind)


# ---- clients that ask


class Clients:
    """So many of Eider's own clients, each with a connection and an identity, each in a thread."""

    def __init__(
        self, url: str, first: int, count: int, seconds: float, urls: list[str], rows: int
    ) -> None:
        self._url = url
        self._urls = urls
        self._rows = rows
        self._numbers = range(first, first + count)
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._asked: Counter[int] = Counter()
        self._right: Counter[int] = Counter()
        self._wrong: list[str] = []
        self._longest_s = 0.0

    def run(self) -> dict[str, Any]:
        threading.stack_size(256 << 10)
        threads = [threading.Thread(target=self._ask, args=(n,)) for n in self._numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {
            "clients": len(threads),
            "answered": len(self._right),
            "right": self._right.total(),
            "asked": self._asked.total(),
            "wrong": self._wrong[:10],
            "longest_s": self._longest_s,
            "refused_ms": [],
        }

    def _ask(self, number: int) -> None:
        with eider.Client(self._url, client_id=f"crowd-{number}") as client:
            query = 0
            while query == 0 or time.monotonic() < self._until:
                began = time.monotonic()
                try:
                    sql = body_of(self._urls, number, query)["query"]
                    result = client.query(sql, timeout=PATIENCE_S, cache="off")
                    rows = result.fetchall()
                    right, what = rows == [(number, query, self._rows)], str(rows)
                    asked = result._asking.asked
                except Exception as error:
                    right, what, asked = False, repr(error), 0
                with self._lock:
                    self._longest_s = max(self._longest_s, time.monotonic() - began)
                    self._asked[number] += asked
                    self._right[number] += right
                    if not right:
                        self._wrong.append(f"client {number}, query {query}: {what}")
                query += 1


# ---- many clients that ask, in one thread


@dataclass
class _Line:
    """A kept connection with at most one request on its way, whose answer has a length."""

    socket: socket.socket
    sent_at: float | None = None
    answer: bytes = b""

    def send(self, request: bytes) -> None:
        self.answer = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> tuple[float, bytes] | None:
        """The answer and the milliseconds that it took, when it is whole."""
        data = self.socket.recv(1 << 16)
        now = time.perf_counter()
        assert data, "the coordinator closed the connection"
        self.answer += data
        head, _, body = self.answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
        if length is None or len(body) < int(length.group(1)):
            return None
        assert self.sent_at is not None
        ms = (now - self.sent_at) * 1000
        self.sent_at = None
        return ms, self.answer


@dataclass
class _Asker:
    """One of them: what Eider's own client does, without a thread."""

    number: int
    line: _Line
    query: int = 0
    patience: Patience = field(default_factory=lambda: Patience(PATIENCE_S, time.monotonic()))
    began: float = 0.0


class Askers:
    """So many clients, each with a connection and an identity of its own, all in this thread."""

    def __init__(
        self, url: str, first: int, count: int, seconds: float, urls: list[str], rows: int
    ) -> None:
        where = urlsplit(url)
        self._address = (str(where.hostname), int(where.port or 80))
        self._urls = urls
        self._rows = rows
        self._numbers = range(first, first + count)
        self._seconds = seconds
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, _Asker]] = []  # those that wait before they ask again
        self._asked = 0
        self._right: Counter[int] = Counter()
        self._wrong: list[str] = []
        self._refused_ms: list[float] = []
        self._longest_s = 0.0

    def run(self) -> dict[str, Any]:
        until = time.monotonic() + self._seconds
        for number in self._numbers:
            asker = _Asker(number, _Line(socket.create_connection(self._address)))
            self._selector.register(asker.line.socket, selectors.EVENT_READ, asker)
            self._begin(asker)
        while self._selector.get_map():
            wait_s = max(self._due[0][0] - time.monotonic(), 0) if self._due else None
            for key, _ in self._selector.select(wait_s):
                self._note(key.data, until)
            while self._due and self._due[0][0] <= time.monotonic():
                self._send(heapq.heappop(self._due)[2])
        return {
            "clients": len(self._numbers),
            "answered": len(self._right),
            "right": self._right.total(),
            "asked": self._asked,
            "wrong": self._wrong[:10],
            "longest_s": self._longest_s,
            "refused_ms": sorted(self._refused_ms),
        }

    def _begin(self, asker: _Asker) -> None:
        asker.began = time.monotonic()
        asker.patience = Patience(PATIENCE_S, asker.began)
        self._send(asker)

    def _send(self, asker: _Asker) -> None:
        asker.patience.asked += 1
        self._asked += 1
        query = body_of(self._urls, asker.number, asker.query)
        left_s = asker.patience.left_s(time.monotonic())
        assert left_s is not None
        timeout_ms = max(1, int(left_s * 1000))
        asker.line.send(_request_of(f"crowd-{asker.number}", {**query, "timeout_ms": timeout_ms}))

    def _note(self, asker: _Asker, until: float) -> None:
        whole = asker.line.read()
        if whole is None:
            return
        ms, answer = whole
        body = answer.partition(b"\r\n\r\n")[2]
        error = errors.from_json(body)
        if error is None:
            return self._end(asker, _rows_in(body), until)
        if isinstance(error, errors.Overloaded):
            self._refused_ms.append(ms)
        now = time.monotonic()
        wait_s = asker.patience.wait_s(error, now, random.random())
        if wait_s is None:
            return self._end(asker, repr(error), until)
        heapq.heappush(self._due, (now + wait_s, asker.number, asker))

    def _end(self, asker: _Asker, what: object, until: float) -> None:
        now = time.monotonic()
        self._longest_s = max(self._longest_s, now - asker.began)
        if what == [(asker.number, asker.query, self._rows)]:
            self._right[asker.number] += 1
        else:
            self._wrong.append(f"client {asker.number}, query {asker.query}: {what}")
        asker.query += 1
        if now < until:
            return self._begin(asker)
        self._selector.unregister(asker.line.socket)
        asker.line.socket.close()


def _rows_in(body: bytes) -> list[tuple[object, ...]]:
    """The rows of a result in the JSON form."""
    stream = base64.b64decode(json.loads(body)["result"])
    table = pa.ipc.open_stream(stream).read_all()
    return [tuple(row.values()) for row in table.to_pylist()]


# ---- how long answers take, seen by a process that does little else


# Between two requests of a kind.
_TICK_S = 0.005
# Queries of the probe that may be waiting for their turn: it has to see the refusals meanwhile.
_PROBES = 16


class Probe:
    """Asks for /healthz and for queries side by side, and notes how long the answers take."""

    def __init__(self, url: str, urls: list[str]) -> None:
        where = urlsplit(url)
        address = (str(where.hostname), int(where.port or 80))
        self._urls = urls
        self._health, *self._lines = (
            _Line(socket.create_connection(address)) for _ in range(1 + _PROBES)
        )
        self._health_ms: list[float] = []
        self._overload_ms: list[float] = []
        self._statuses: Counter[int] = Counter()
        self._without = 0

    def run(self) -> dict[str, Any]:
        selector = selectors.DefaultSelector()
        selector.register(sys.stdin, selectors.EVENT_READ)
        for line in (self._health, *self._lines):
            selector.register(line.socket, selectors.EVENT_READ, line)
        next_tick = time.perf_counter()
        while True:
            for key, _ in selector.select(max(next_tick - time.perf_counter(), 0)):
                if key.data is None:
                    return self._found()
                self._note(key.data)
            if time.perf_counter() >= next_tick:
                next_tick = time.perf_counter() + _TICK_S
                self._ask()

    def _ask(self) -> None:
        if self._health.sent_at is None:
            self._health.send(_KEPT)
        idle = next((n for n, line in enumerate(self._lines) if line.sent_at is None), None)
        if idle is not None:
            # A client that had several waiting would be told OVERLOADED when one of them made room
            # for another client's, long after it was accepted.
            self._lines[idle].send(_request_of(f"probe-{idle}", body_of(self._urls, 0, 0)))

    def _note(self, line: _Line) -> None:
        whole = line.read()
        if whole is None:
            return
        ms, answer = whole
        if line is self._health:
            self._health_ms.append(ms)
            return
        status = int(answer.split(b" ", 2)[1])
        self._statuses[status] += 1
        if status == 503:
            self._overload_ms.append(ms)
            self._without += b"\r\nretry-after: " not in answer.lower()

    def _found(self) -> dict[str, Any]:
        return {
            "health_ms": sorted(self._health_ms),
            "overload_ms": sorted(self._overload_ms),
            "statuses": dict(self._statuses),
            "without_retry_after": self._without,
        }


def main() -> None:
    part, url, text = sys.argv[1:]
    options = json.loads(text)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.suppress(PermissionError):
        os.nice(_NICE[part])
    if part == "idle":
        idle = Idle(url, **options)
        print("ready", flush=True)
        found = idle.run()
    elif part == "clients":
        print("ready", flush=True)
        found = Clients(url, **options).run()
    elif part == "askers":
        print("ready", flush=True)
        found = Askers(url, **options).run()
    else:
        probe = Probe(url, **options)
        print("ready", flush=True)
        found = probe.run()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
