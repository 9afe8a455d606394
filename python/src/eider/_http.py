"""HTTP over kept connections: what is special to this client's requests.

By Python's own http.client: httpx takes half a millisecond more for each request, and for large
bodies four times the processor time.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import select
import socket
import ssl
import threading
import time
from functools import partial
from typing import Any
from urllib.parse import quote

from ._answer import Broken, NotConnected, Response, as_broken

_CONNECT_TIMEOUT_S = 10.0
_MAX_TIMEOUT_S = 1e9  # what a socket takes
# Connections kept for the next request: so many, and for so long after their last.
_MAX_IDLE = 256
_MAX_IDLE_S = 60.0
# A server that vanished without a word is noticed in half a minute, timeout or not.
_KEEPALIVE = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
# A body is sent in such parts, each within the timeout.
_SEND_BYTES = 64 * 1024

_URL = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{0,5}))?(/[^?#]*)?", re.I)


class Pool:
    """Connections to one server, kept for the next request. Thread-safe, and safe to fork.

    The server's address is the one that it is given: no proxy is taken from the environment. The
    connection that was used last is used next.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        """Connects to nothing yet.

        Raises:
            ValueError: `url` is not ``http://host[:port]`` or ``https://host[:port]``.
        """
        scheme, self.host, port, path = _split(url)
        self.port = port or (443 if scheme == "https" else 80)
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"{scheme}://{shown}" + (f":{port}" if port else "")
        self._path = path
        self._headers = {"User-Agent": "eider-python", **headers}
        self._tls = ssl.create_default_context() if scheme == "https" else None
        self._lock = threading.RLock()
        # With the time of their last use, the latest last.
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []
        self._process = os.getpid()  # whose connections these are
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
        options = {
            "method": method,
            "url": self._path + path,
            "body": body,
            "headers": {**self._headers, **headers},
        }
        kept = self._take() if repeatable else None
        if kept is not None:
            with contextlib.suppress(Broken):
                return self._send(kept, options, timeout, True)
        return self._send(self._connect(timeout), options, timeout, repeatable)

    def close(self) -> None:
        """Closes the connections, those in use once their answers have ended. Idempotent."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _connect(self, timeout: float | None) -> http.client.HTTPConnection:
        wait_s = _CONNECT_TIMEOUT_S if timeout is None else min(timeout, _CONNECT_TIMEOUT_S)
        connection = (
            http.client.HTTPConnection(self.host, self.port, timeout=wait_s)
            if self._tls is None
            else http.client.HTTPSConnection(
                self.host, self.port, timeout=wait_s, context=self._tls
            )
        )
        try:
            connection.connect()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE:
                if hasattr(socket, name):
                    connection.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        except BaseException as error:
            connection.close()
            if isinstance(error, (OSError, UnicodeError)):
                # One that takes too long is no TimeoutError: nothing was sent. A name that cannot
                # be one is a UnicodeError.
                why = "it took too long" if isinstance(error, TimeoutError) else error
                raise NotConnected(f"cannot connect: {why}") from error
            raise
        return connection

    def _send(
        self,
        connection: http.client.HTTPConnection,
        options: dict[str, Any],
        timeout: float | None,
        reusable: bool,
    ) -> Response:
        socket_ = connection.sock
        try:
            with as_broken():
                socket_.settimeout(None if timeout is None else min(timeout, _MAX_TIMEOUT_S))
                try:
                    connection.request(**_in_parts(**options))
                except ConnectionError:
                    # A server that refuses a body may close before it has read it.
                    reusable = False
                release = partial(self._release, connection, socket_, reusable)
                return Response(connection.getresponse(), release)
        except BaseException:
            connection.close()
            raise

    def _take(self) -> http.client.HTTPConnection | None:
        if self._process != os.getpid():  # a fork: they are its parent's
            self._lock = threading.RLock()
            strange, self._idle, self._process = self._idle, [], os.getpid()
            for _, connection in strange:
                connection.close()
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()[1]
            # What came without being asked for is no answer; mostly it is the end.
            if not _readable(connection.sock):
                return connection
            connection.close()

    def _release(
        self,
        connection: http.client.HTTPConnection,
        socket_: socket.socket,
        reusable: bool,
        whole: bool,
    ) -> None:
        now = time.monotonic()
        unwanted = []
        mine = self._process == os.getpid()
        if mine and not whole:
            with contextlib.suppress(OSError):
                socket_.shutdown(socket.SHUT_RDWR)  # a thread that reads it wakes
        with self._lock:
            # Without a socket: the server had said that it would close.
            keep = mine and reusable and whole and connection.sock is not None
            if self._closed or not keep or len(self._idle) >= _MAX_IDLE:
                unwanted.append(connection)
            else:
                self._idle.append((now, connection))
            while self._idle and now - self._idle[0][0] > _MAX_IDLE_S:
                unwanted.append(self._idle.pop(0)[1])
        for old in unwanted:
            old.close()


def _in_parts(body: bytes, headers: dict[str, str], **options: Any) -> dict[str, Any]:
    """A request whose large body is sent in parts: a timeout is of what is sent at once."""
    if len(body) <= _SEND_BYTES:
        return {"body": body or None, "headers": headers, **options}
    headers = {**headers, "Content-Length": str(len(body))}
    parts = (body[i : i + _SEND_BYTES] for i in range(0, len(body), _SEND_BYTES))
    return {"body": parts, "headers": headers, **options}


def _readable(socket_: socket.socket) -> bool:
    """Whether there is something to read, the end included, or an error. Does not wait."""
    if not hasattr(select, "poll"):  # Windows, whose select takes any socket
        return bool(select.select([socket_], [], [], 0)[0])
    poll = select.poll()
    poll.register(socket_, select.POLLIN)
    return bool(poll.poll(0))


def _split(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port (None: the scheme's) and path. Raises ValueError."""
    found = _URL.fullmatch(url) if isinstance(url, str) else None
    port = int(found[3]) if found and found[3] else None
    if not found or (port or 0) >= 65536:
        # What stands before an @ may be a password.
        given = "one with an @" if "@" in str(url) else f"{url!r:.200}"
        raise ValueError(f"the coordinator's URL must be like http://host:5000, not {given}")
    path = quote((found[4] or "").rstrip("/"), safe="/%:@!$&'()*+,;=~")
    return found[1].lower(), found[2].strip("[]").lower(), port, path
