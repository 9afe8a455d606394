"""HTTP over kept connections, by httpx: what is special to this client's requests and answers.

It takes httpx's transport and not its Client, which adds redirects, cookies and a log line to each
request. A chunked body, or one of a known length, that ends early raises.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import httpx

_CONNECT_TIMEOUT_S = 10.0


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
        tls = ssl.create_default_context() if parts.scheme == "https" else False
        self._kept = _transport(tls, httpx.Limits(keepalive_expiry=None))
        self._fresh = _transport(tls, httpx.Limits(max_keepalive_connections=0))
        self._lock = threading.RLock()
        self._users = 1  # the pool itself until `close`, and each answer until its own
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
        with self._lock:
            self._users += 1
        try:
            with _os_errors():
                if not repeatable:
                    return Response(self._fresh.handle_request(request), self._release)
                try:
                    return Response(self._kept.handle_request(request), self._release)
                except (httpx.NetworkError, httpx.RemoteProtocolError):
                    if "connection.connect_tcp.started" in events:
                        raise
                    return Response(self._fresh.handle_request(request), self._release)
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """Closes the connections once the answers in use have ended. Idempotent."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            self._release()

    def _release(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            self._kept.close()
            self._fresh.close()


def _transport(tls: ssl.SSLContext | bool, limits: httpx.Limits) -> httpx.HTTPTransport:
    # A server that vanished without a word is noticed in half a minute, timeout or not.
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return httpx.HTTPTransport(verify=tls, trust_env=False, limits=limits, socket_options=options)
