"""HTTP over kept connections, by httpx: what is special to this client's requests and answers.

It takes httpx's transport and not its Client, which adds redirects, cookies and a log line to each
request. A chunked body, or one of a known length, that ends early raises.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import httpx

_CONNECT_TIMEOUT_S = 10.0
# Connections kept for the next request: so many, and for so long after their last.
_MAX_IDLE = 256
_MAX_IDLE_S = 60.0


class Broken(OSError):
    """There was no connection, or it ended or made no sense before the answer was whole."""


class NotConnected(Broken):
    """There was no connection: nothing was sent."""


@contextlib.contextmanager
def _os_errors() -> Iterator[None]:
    """The errors of httpx as Python's own, which Arrow's readers let through as they are.

    A connection that takes too long to make is no TimeoutError: nothing was sent.
    """
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise NotConnected(f"cannot connect: {error or 'it took too long'}") from error
    except httpx.TimeoutException as error:
        raise TimeoutError(str(error)) from error
    except httpx.HTTPError as error:
        raise Broken(str(error)) from error


class Response:
    """A status, its headers, and a body that is read as it comes.

    `close` must be called; only a body that was read past its end keeps the connection.
    """

    def __init__(self, response: httpx.Response, release: Callable[[], None]) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self._response = response
        self._release: Callable[[], None] | None = release
        self._parts = response.iter_raw()
        self._rest = memoryview(b"")  # of the part that came last

    def read(self, size: int) -> bytes:
        """`size` bytes of the body, fewer only at its proper end.

        Raises:
            Broken: the connection ended before the body did.
            TimeoutError: the server sent nothing for the request's timeout.
        """
        taken = []
        while size > 0:
            if not self._rest:
                with _os_errors():
                    self._rest = memoryview(next(self._parts, b""))
                if not self._rest:
                    break
            taken.append(self._rest[:size])
            self._rest = self._rest[size:]
            size -= len(taken[-1])
        return b"".join(taken)

    def read_all(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            Broken: it broke, or is longer than `limit` bytes.
            TimeoutError: as `read`.
        """
        data = self.read(limit + 1)
        if len(data) > limit:
            raise Broken(f"the answer is longer than {limit} bytes")
        return data

    def close(self) -> None:
        """Drops the connection unless the body was read past its end. Idempotent."""
        release, self._release = self._release, None
        if release is not None:
            self._response.close()
            release()


class Pool:
    """Connections to one server, kept for the next request. Thread-safe.

    The server's address is the one that it is given: no proxy is taken from the environment.

    Each connection is a transport of its own, as httpx's pool looks at all that it has for each
    request: past 64 of them a request took 5 ms longer. The one that was used last is used next.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        """Connects to nothing yet.

        Raises:
            ValueError: `url` is not ``http://host[:port]`` or ``https://host[:port]``.
        """
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"the coordinator's URL is none: {error}") from error
        known = parts.scheme in ("http", "https") and parts.host
        if not known or not 0 <= (parts.port or 0) < 65536:
            raise ValueError(f"the coordinator's URL must be like http://host:5000, not {url!r}")
        if parts.query or parts.fragment or parts.userinfo:
            raise ValueError("the coordinator's URL takes no user, query or fragment")
        self.host = parts.host
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.url = f"{parts.scheme}://{parts.netloc.decode()}"
        self._base = self.url + parts.path.rstrip("/")
        self._urls = {path: httpx.URL(self._base + path) for path in ("/read", "/write")}
        self._headers = {"User-Agent": "eider-python", **headers}
        # The system's authorities, where httpx would take certifi's.
        self._tls = ssl.create_default_context() if parts.scheme == "https" else False
        self._lock = threading.RLock()
        # With the time of their last use, the latest last.
        self._idle: list[tuple[float, httpx.HTTPTransport]] = []
        self._closed = False

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str],
        timeout: float | None = None,
        repeatable: bool = True,
    ) -> Response:
        """Sends one request and reads the head of its answer.

        `timeout` bounds each wait for bytes, in seconds. A kept connection may have been closed by
        the server at any moment; then the request is sent once more on a new one - which is why one
        that must not run twice (`repeatable` False) gets a new connection to begin with.

        Raises:
            NotConnected: there is no connection to be had.
            Broken: it ended before the head of the answer was whole.
            TimeoutError: the server sent nothing for `timeout`.
        """
        connect = _CONNECT_TIMEOUT_S if timeout is None else min(timeout, _CONNECT_TIMEOUT_S)
        events: list[str] = []
        request = httpx.Request(
            method,
            self._urls.get(path) or self._base + path,
            headers={**self._headers, **headers},
            content=body,
            extensions={
                "timeout": {"connect": connect, "read": timeout, "write": timeout},
                "trace": lambda name, _: events.append(name),
            },
        )
        transport = self._take() if repeatable else _transport(self._tls)
        try:
            with _os_errors():
                try:
                    response = transport.handle_request(request)
                except (httpx.NetworkError, httpx.RemoteProtocolError):
                    if "connection.connect_tcp.started" in events:
                        raise
                    response = transport.handle_request(request)  # it has dropped the dead one
        except BaseException:
            transport.close()
            raise
        release = partial(self._give_back, transport) if repeatable else transport.close
        return Response(response, release)

    def close(self) -> None:
        """Closes the connections, those in use once their answers have ended. Idempotent."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, transport in idle:
            transport.close()

    def _take(self) -> httpx.HTTPTransport:
        with self._lock:
            if self._idle:
                return self._idle.pop()[1]
        return _transport(self._tls)

    def _give_back(self, transport: httpx.HTTPTransport) -> None:
        now = time.monotonic()
        unwanted = []
        with self._lock:
            if self._closed or len(self._idle) >= _MAX_IDLE:
                unwanted.append(transport)
            else:
                self._idle.append((now, transport))
            while self._idle and now - self._idle[0][0] > _MAX_IDLE_S:
                unwanted.append(self._idle.pop(0)[1])
        for old in unwanted:
            old.close()


def _transport(tls: ssl.SSLContext | bool) -> httpx.HTTPTransport:
    """Of one connection, made when it is first used."""
    # A server that vanished without a word is noticed in half a minute, timeout or not.
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    limits = httpx.Limits(max_connections=1, keepalive_expiry=None)
    return httpx.HTTPTransport(verify=tls, trust_env=False, limits=limits, socket_options=options)
