"""An answer over HTTP/1.1, read strictly: a result must never seem to end where it does not.

The head is http.client's. Where the body ends is decided here (RFC 9112, section 6.3), as
http.client believes much of what makes no sense.
"""

from __future__ import annotations

import contextlib
import http.client
import re
from collections.abc import Callable, Iterator
from typing import Any

# Memory is taken for so much of a body at a time, whatever size it or its reader names.
_READ_BYTES = 16 * 1024 * 1024
_MAX_LINE_BYTES = 4096  # of a chunk's size with its extensions, or of a trailer
_MAX_TRAILERS = 100

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
_CUT = "the connection closed before the answer was whole"


class Broken(OSError):
    """There was no connection, or it ended or made no sense before the answer was whole."""


class NotConnected(Broken):
    """There was no connection: nothing was sent."""


@contextlib.contextmanager
def as_broken() -> Iterator[None]:
    """What breaks a connection, as errors that Arrow's readers let through as they are."""
    try:
        yield
    except Broken:
        raise
    except TimeoutError as error:
        if error.errno is None:
            raise
        raise Broken(str(error)) from error  # the kernel's: the server has vanished
    except http.client.RemoteDisconnected as error:
        raise Broken(_CUT) from error
    # ValueError, AttributeError: closed meanwhile by another thread.
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        raise Broken(str(error) or type(error).__name__) from error


class _Body:
    """The bytes of one answer, from a buffered file that goes on after them."""

    def __init__(self, file: Any, left: int | None, *, chunked: bool = False) -> None:
        """`left`: how many bytes; None: until the connection closes. Of chunks it is 0."""
        self._file = file
        self._chunked = chunked
        self._in_chunks = False  # the first has begun
        self._left = left  # of the chunk, or of all
        #: The proper end has been read.
        self.whole = left == 0 and not chunked
        self._failed = False

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the proper end. Raises Broken, or TimeoutError."""
        if self._failed:
            raise Broken("the answer has broken already")
        self._failed = True  # until all went well: Ctrl-C leaves it in the middle
        parts = []
        with as_broken():
            while size > 0 and not self.whole:
                if self._chunked and self._left == 0:
                    self._begin_chunk()
                else:
                    parts.append(self._part(size))
                    size -= len(parts[-1])
        self._failed = False
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _part(self, size: int) -> bytes:
        wanted = min(size, _READ_BYTES)
        if self._left is not None:
            wanted = min(wanted, self._left)
        data: bytes = self._file.read(wanted)
        if self._left is None:
            self.whole = len(data) < wanted
            return data
        if len(data) < wanted:
            raise Broken(_CUT)
        self._left -= wanted
        self.whole = self._left == 0 and not self._chunked
        return data

    def _begin_chunk(self) -> None:
        if self._in_chunks and self._line():
            raise Broken("a chunk of the answer is longer than it says")
        self._in_chunks = True
        line = self._line()
        found = _CHUNK.fullmatch(line)
        if not found:
            raise Broken(f"the answer has a chunk of the size {line[:32]!r}")
        self._left = int(found[1], 16)
        if self._left == 0:
            for _ in range(_MAX_TRAILERS):
                if not self._line():
                    self.whole = True
                    return
            raise Broken(f"the answer has more than {_MAX_TRAILERS} trailers")

    def _line(self) -> bytes:
        line: bytes = self._file.readline(_MAX_LINE_BYTES)
        if not line.endswith(b"\r\n"):
            raise Broken(_CUT if len(line) < _MAX_LINE_BYTES else "the answer has no chunks")
        return line[:-2]


def _body_of(response: http.client.HTTPResponse) -> _Body:
    """Raises Broken where the head does not say where the body ends."""
    headers = response.headers
    codings = [coding.strip().lower() for coding in headers.get_all("transfer-encoding", [])]
    lengths = {length.strip() for length in headers.get_all("content-length", [])}
    if response.status < 200 or headers.defects:
        raise Broken(f"the answer has a head that makes no sense (status {response.status})")
    if response.status in (204, 304):
        return _Body(response.fp, 0)
    if codings:
        if codings != ["chunked"]:
            raise Broken(f"the answer is coded in a way that was not asked for: {codings}")
        return _Body(response.fp, 0, chunked=True)
    if lengths:
        length = lengths.pop()
        if lengths or not re.fullmatch("[0-9]{1,18}", length):
            raise Broken(f"the answer has a length that makes no sense: {length[:32]!r}")
        return _Body(response.fp, int(length))
    if response.status == 200:
        raise Broken("the answer does not say where it ends")
    return _Body(response.fp, None)  # a proxy's page, to be shown


class Response:
    """A status, its headers, and a body that is read as it comes.

    `close` must be called; only a body that was read past its end keeps the connection.
    """

    def __init__(self, response: http.client.HTTPResponse, release: Callable[[bool], None]) -> None:
        """`release` is called with whether the whole body was read, once it is not wanted.

        Raises:
            Broken: the head makes no sense.
        """
        self.status = response.status
        #: By their names in small letters.
        self.headers = {
            name.lower(): value.encode("latin-1").decode("utf-8", "replace")
            for name, value in response.headers.items()
        }
        try:
            self._body = _body_of(response)
        except BaseException:
            response.close()
            raise
        self._response = response
        self._release: Callable[[bool], None] | None = release

    def read(self, size: int) -> bytes:
        """`size` bytes of the body, fewer only at its proper end.

        Raises:
            Broken: the connection ended before the body did.
            TimeoutError: the server sent nothing for the request's timeout.
        """
        return self._body.read(size)

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
            try:
                if self._body.whole:
                    self._response.close()  # before another request takes the connection
                release(self._body.whole)
            finally:
                self._response.close()
