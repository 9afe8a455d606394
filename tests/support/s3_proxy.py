"""A proxy at the S3 server's door: it records each request and spoils those that a test names.

Clients take its address for S3's; the Host header that they signed goes through unchanged. It is
stricter than S3: what S3 lets pass or quietly ignores (no signature, an odd Range, HTTP/1.0) is
refused here, and remembered in `refusals`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import urllib.parse
from collections.abc import Coroutine, Iterator
from typing import Any

from support.s3 import sign
from support.s3_faults import Answer, Fault, Head, Rule
from support.s3_record import Match, Request, Seen, any_request, valid_range
from support.waiting import wait_until

_HEAD_LIMIT = 1 << 16
_CHUNK = 1 << 18
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: closing sends RST
_DRIP_STEP_S = 0.05


class Hold:
    """Requests that wait at the gate. Thread-safe."""

    def __init__(self, match: Match, loop: asyncio.AbstractEventLoop) -> None:
        self.match = match
        self.held = 0
        self.passed = 0  # went through after they had waited
        self._loop = loop
        self._open = asyncio.Event()

    def wait_held(self, count: int, timeout_s: float = 20) -> None:
        wait_until(f"{count} requests wait at the gate", lambda: self.held >= count, timeout_s)

    def release(self) -> None:
        """Lets all through, also those that come later."""
        with contextlib.suppress(RuntimeError):  # the proxy has stopped
            self._loop.call_soon_threadsafe(self._open.set)

    async def wait(self, client: _Client) -> None:
        if self._open.is_set():
            return
        self.held += 1
        try:
            await client.unless_gone(self._open.wait())
            self.passed += 1
        finally:
            self.held -= 1


class _Gone(Exception):
    """The client, or S3, closed its connection."""


class _Reader(asyncio.StreamReader):
    """Knows when the other side has closed, also while nobody reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=_CHUNK, loop=loop)
        self.closed = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.closed.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.closed.set()


class _Client:
    """One client's connection."""

    def __init__(self, number: int, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def unless_gone(self, waiting: Coroutine[Any, Any, Any]) -> None:
        """Waits, and gives up when the client closes."""
        tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(self.reader.closed.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not tasks[0].done():
                raise _Gone
        finally:
            for task in tasks:
                task.cancel()

    async def stall(self) -> None:
        await self.unless_gone(asyncio.Event().wait())

    def reset(self) -> None:
        if (raw := self.writer.get_extra_info("socket")) is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()


class _Upstream:
    """The connection to S3 of one client's connection, made when it is first needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()  # it was closed while it was idle
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=_CHUNK)
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


class S3Proxy:
    """Started by the constructor; `stop` ends it. Its methods may be called by any thread."""

    def __init__(self, target_port: int) -> None:
        self.latency_s = 0.0  # of each request, before anything else
        self.refusals: list[str] = []  # what was stricter than S3, in words
        self._target_port = target_port
        self._rules: list[Rule] = []
        self._holds: list[Hold] = []
        self._recordings: list[Seen] = []
        self._everything = Seen()
        self._connections = 0
        self._open_clients: set[_Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="s3-proxy", daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def everything(self) -> Seen:
        """All requests since the start."""
        return self._everything

    @property
    def held(self) -> int:
        """How many requests wait at gates."""
        return sum(hold.held for hold in list(self._holds))

    @property
    def open_connections(self) -> int:
        return len(self._open_clients)

    @contextlib.contextmanager
    def record(self) -> Iterator[Seen]:
        """Records what begins inside the block."""
        seen = Seen()
        self._recordings.append(seen)
        try:
            yield seen
        finally:
            self._recordings.remove(seen)

    def add_fault(
        self, match: Match, fault: Fault, times: int | None = None, skip: int = 0
    ) -> Rule:
        """From now on, until it has fired `times` times. The oldest rule that matches wins.

        As a context manager the rule ends with the block.
        """
        rule = Rule(match, fault, times, skip)
        self._rules.append(rule)
        return rule

    def clear_faults(self) -> None:
        for rule in self._rules:
            rule.end()
        self._rules.clear()

    @contextlib.contextmanager
    def hold(self, match: Match = any_request) -> Iterator[Hold]:
        """Holds the requests that match until `release`, or the block's end."""
        hold = Hold(match, self._loop)
        self._holds.append(hold)
        try:
            yield hold
        finally:
            hold.release()
            self._holds.remove(hold)

    def drop_connections(self) -> None:
        """Resets every client's connection."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _reset_all(self) -> None:
        for client in list(self._open_clients):
            client.reset()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(self._make_protocol, sock=self._listener)
        )
        self._loop.run_forever()
        server.close()
        self._reset_all()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    def _make_protocol(self) -> asyncio.StreamReaderProtocol:
        reader = _Reader(self._loop)

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._serve(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return asyncio.StreamReaderProtocol(reader, connected, loop=self._loop)

    async def _serve(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        client = _Client(self._connections, reader, writer)
        if any(rule.take_connection() for rule in list(self._rules)):
            client.reset()
            return
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open_clients.add(client)
        upstream = _Upstream(self._target_port)
        try:
            while await self._serve_one(client, upstream):
                pass
        except (OSError, EOFError, _Gone, asyncio.LimitOverrunError):
            pass
        finally:
            self._open_clients.discard(client)
            upstream.close()
            writer.close()

    async def _serve_one(self, client: _Client, upstream: _Upstream) -> bool:
        """One request and its answer; whether the connection may take another."""
        raw = await client.reader.readuntil(b"\r\n\r\n")
        try:
            request, version = _parse(raw, client.number)
        except ValueError as error:
            return self._refuse(client, None, f"malformed request: {error}")
        for seen in [self._everything, *self._recordings]:
            seen.add(request)
        try:
            if wrong := _objection(request, version):
                return self._refuse(client, request, wrong)
            return await self._treat(client, upstream, request, raw)
        finally:
            request.ended = self._loop.time()

    def _refuse(self, client: _Client, request: Request | None, why: str) -> bool:
        self.refusals.append(f"{why}: {request}" if request else why)
        if request is not None:
            request.status = 400
        close = (("Connection", "close"),)
        answer = Answer(400, "Bad Request", "StricterThanS3", why, close)
        client.writer.write(answer.encode(request))
        return False

    async def _treat(
        self, client: _Client, upstream: _Upstream, request: Request, raw: bytes
    ) -> bool:
        rule = next((rule for rule in list(self._rules) if rule.take(request)), None)
        fault = rule.fault if rule else Fault("")
        request.fault = fault.name
        if delay_s := self.latency_s + fault.latency_s:
            await client.unless_gone(asyncio.sleep(delay_s))
        for hold in list(self._holds):
            if hold.match(request):
                await hold.wait(client)
        if fault.reset_at in ("connect", "request"):
            client.reset()
            return False
        if fault.stall:
            await client.stall()
        if fault.raw is not None:
            client.writer.write(fault.raw)
            return False
        if fault.answer is not None:
            request.status = fault.answer.status
            client.writer.write(fault.answer.encode(request))
            await client.writer.drain()
            # A request's body that nobody has read would be taken for the next request.
            return not _has_body(request)
        if fault.dropped:
            raw = _signed_anew(request, fault.dropped)
        return await self._forward(client, upstream, request, raw, rule)

    async def _forward(
        self, client: _Client, upstream: _Upstream, request: Request, raw: bytes, rule: Rule | None
    ) -> bool:
        fault = rule.fault if rule else Fault("")
        source, sink = await upstream.open()
        sink.write(raw)
        sending: asyncio.Task[None] | None = None
        if _has_body(request):
            sending = asyncio.ensure_future(_pump_request(client.reader, sink, request))
        try:
            while True:
                head = _parse_answer(await source.readuntil(b"\r\n\r\n"), request)
                if head.status >= 200:
                    break
                client.writer.write(head.encode())  # 100 Continue
            request.content_range = head.get("Content-Range")
            reusable = head.get("Connection").lower() != "close" and (
                request.headers.get("connection", "").lower() != "close"
            )
            reusable = reusable and (sending is None or sending.done())
            chunked = head.get("Transfer-Encoding").lower() == "chunked"
            length = 0 if _bodiless(request, head.status) else head.length
            if fault.reset_at == "answer":
                client.reset()
                return False
            if rule is not None and not _spoils(fault, head, chunked, length):
                rule.give_back()
                request.fault = ""
                fault = Fault("")
            request.status = head.status
            client.writer.write(head.encode())
            if fault.reset_at == "headers":
                await client.writer.drain()
                client.reset()
                return False
            if chunked and not _bodiless(request, head.status):
                await _pump_chunks(source, client.writer, request)
                return reusable
            wanted = length // 2 if fault.cut else length
            await _pump_answer(source, client, request, wanted, fault.bytes_per_s)
            if fault.extra:
                client.writer.write(fault.extra)
                await client.writer.drain()
            if fault.cut:
                upstream.close()
                return await self._end_cut_body(client, fault)
            return reusable
        finally:
            if sending is not None and not sending.done():
                sending.cancel()

    async def _end_cut_body(self, client: _Client, fault: Fault) -> bool:
        if fault.body_end == "reset":
            client.reset()
        elif fault.body_end == "stall":
            await client.stall()
        return fault.body_end == ""


def _parse(raw: bytes, connection: int) -> tuple[Request, str]:
    line, *rest = raw[:-4].decode("latin-1").split("\r\n")
    parts = line.split(" ")
    if len(parts) != 3 or not parts[1].startswith("/"):
        raise ValueError(f"the request line {line!r}")
    headers: dict[str, str] = {}
    for one in rest:
        name, colon, value = one.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip() or name in headers:
            raise ValueError(f"the header {name!r}")
        headers[name] = value.strip()
    return Request(parts[0], parts[1], headers, connection), parts[2]


def _objection(request: Request, version: str) -> str:
    """Why S3 should not take this request; empty when it should."""
    if version != "HTTP/1.1":
        return f"the version {version}"
    if not request.headers.get("host"):
        return "no Host"
    # Without a bucket it is a worker that looks whether S3 is there.
    signed = "authorization" in request.headers or "X-Amz-Signature" in request.query
    if not signed and request.kind != "ROOT":
        return "no signature"
    if "range" in request.headers and not valid_range(request.range):
        return f"the Range {request.range!r}"
    for name in ("if-match", "if-none-match"):
        tag = request.headers.get(name)
        if tag is not None and tag != "*" and not (len(tag) > 2 and tag[0] == tag[-1] == '"'):
            return f"{name} {tag!r} is no quoted ETag"
    if request.method in ("GET", "HEAD") and request.headers.get("content-length", "0") != "0":
        return "a body"
    return ""


def _parse_answer(raw: bytes, request: Request) -> Head:
    line, *rest = raw[:-4].decode("latin-1").split("\r\n")
    _, status, *reason = line.split(" ", 2)
    headers = [(n, v.strip()) for n, _, v in (one.partition(":") for one in rest)]
    return Head(int(status), reason[0] if reason else "", headers, request)


def _has_body(request: Request) -> bool:
    return (
        request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    )


def _spoils(fault: Fault, head: Head, chunked: bool, length: int) -> bool:
    """Changes the answer's head, and says whether the answer has what the fault needs."""
    if (fault.cut or fault.bytes_per_s) and (chunked or length < 2):
        return False
    return fault.rewrite is None or fault.rewrite(head)


def _bodiless(request: Request, status: int) -> bool:
    return request.method == "HEAD" or status in (204, 304)


def _signed_anew(request: Request, dropped: tuple[str, ...]) -> bytes:
    """The GET or HEAD without some of its headers, under a signature of the proxy's own."""
    path = urllib.parse.quote(request.path, safe="/-_.~")
    headers = sign(request.method, request.headers["host"], path, b"")
    for name in {"range", "if-match", "if-none-match"} - set(dropped):
        if name in request.headers:
            headers[name] = request.headers[name]
    lines = "".join(f"{n}: {v}\r\n" for n, v in headers.items())
    return f"{request.method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


async def _pump_request(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, request: Request
) -> None:
    if "transfer-encoding" in request.headers:
        while True:
            line = await source.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            sink.write(line + await source.readexactly(size + 2))
            await sink.drain()
            if size == 0:
                return
    left = int(request.headers["content-length"])
    while left > 0:
        data = await source.read(min(left, _CHUNK))
        if not data:
            raise _Gone
        left -= len(data)
        sink.write(data)
        await sink.drain()


async def _pump_chunks(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, request: Request
) -> None:
    while True:
        line = await source.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        request.sent += size
        sink.write(line + await source.readexactly(size + 2))
        await sink.drain()
        if size == 0:
            return


async def _pump_answer(
    source: asyncio.StreamReader, client: _Client, request: Request, length: int, bytes_per_s: int
) -> None:
    step = _CHUNK if bytes_per_s == 0 else max(1, int(bytes_per_s * _DRIP_STEP_S))
    left = length
    while left > 0:
        data = await source.read(min(left, step))
        if not data:
            raise _Gone
        left -= len(data)
        request.sent += len(data)
        client.writer.write(data)
        await client.writer.drain()
        if bytes_per_s:
            await client.unless_gone(asyncio.sleep(len(data) / bytes_per_s))
