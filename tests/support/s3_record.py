"""What the S3 proxy saw: one record for each request, and counts over them."""

from __future__ import annotations

import re
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field

from support.waiting import wait_until

_SIMPLE_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


@dataclass(eq=False)
class Request:
    """One request; `ended` is None while it is under way. Times are monotonic seconds."""

    method: str
    target: str  # path and query, as on the wire
    headers: dict[str, str]  # names in lower case
    connection: int  # of the client's connections, from 1
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    status: int = 0  # 0: no answer was begun
    sent: int = 0  # bytes of the body, as far as they went out
    content_range: str = ""  # of S3's own answer
    fault: str = ""  # what was done to it

    @property
    def path(self) -> str:
        """Bucket and key, decoded, with the leading slash."""
        return urllib.parse.unquote(self.target.partition("?")[0])

    @property
    def bucket(self) -> str:
        return self.path[1:].partition("/")[0]

    @property
    def key(self) -> str:
        return self.path[1:].partition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        text = self.target.partition("?")[2]
        return dict(urllib.parse.parse_qsl(text, keep_blank_values=True))

    @property
    def kind(self) -> str:
        """The method, but LIST for a GET of a bucket, and ROOT for one of no bucket at all."""
        if self.method != "GET" or self.key:
            return self.method
        return "LIST" if self.bucket else "ROOT"

    @property
    def range(self) -> str:
        return self.headers.get("range", "")

    @property
    def if_match(self) -> str:
        return self.headers.get("if-match", "")

    @property
    def if_none_match(self) -> str:
        return self.headers.get("if-none-match", "")

    @property
    def suffix(self) -> bool:
        """Whether it asks for the object's end."""
        return self.range.startswith("bytes=-")

    @property
    def span(self) -> tuple[int, int] | None:
        """First byte and end of what S3 gave of the object; None where it gave no range."""
        found = re.match(r"bytes (\d+)-(\d+)/", self.content_range)
        return (int(found[1]), int(found[2]) + 1) if found else None

    def __str__(self) -> str:
        took = "under way" if self.ended is None else f"{(self.ended - self.started) * 1000:.1f} ms"
        conditions = "".join(
            f" {name}={self.headers[name]}"
            for name in ("range", "if-match", "if-none-match")
            if name in self.headers
        )
        fault = f" [{self.fault}]" if self.fault else ""
        return (
            f"{self.kind} {self.path}{conditions} -> {self.status}, {self.sent} bytes, "
            f"connection {self.connection}, {took}{fault}"
        )


Match = Callable[[Request], bool]


def any_request(request: Request) -> bool:
    return True


def gets(key_part: str = "") -> Match:
    """GETs of objects whose key has `key_part`."""
    return lambda request: request.kind == "GET" and key_part in request.key


def reads(key_part: str = "") -> Match:
    """GETs and HEADs of objects whose key has `key_part`."""
    return lambda request: request.kind in ("GET", "HEAD") and key_part in request.key


def lists(request: Request) -> bool:
    return request.kind == "LIST"


def slices(key_part: str = "") -> Match:
    """GETs of a stretch of an object: not of its end, not of all of it."""
    chosen = gets(key_part)
    return lambda request: chosen(request) and bool(request.range) and not request.suffix


def valid_range(text: str) -> bool:
    """One range, the right way round: what S3 takes for a range and does not silently ignore."""
    found = _SIMPLE_RANGE.fullmatch(text)
    if not found:
        return False
    first, last, suffix = found.groups()
    if suffix is not None:
        return int(suffix) > 0
    return not last or int(first) <= int(last)


class Seen:
    """The requests of one recording, in the order of their start. Grows while it records."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def add(self, request: Request) -> None:
        """Called by the proxy."""
        self._requests.append(request)

    @property
    def requests(self) -> list[Request]:
        return list(self._requests)

    def matching(self, match: Match) -> list[Request]:
        return [one for one in self.requests if match(one)]

    def count(self, kind: str | None = None) -> int:
        """How many requests of a kind (GET, HEAD, LIST, PUT, ...), or in all.

        All is without those of no bucket: a worker that doubts S3 looks by them whether it answers,
        at a time of its own.
        """
        if kind is None:
            return len([one for one in self.requests if one.kind != "ROOT"])
        return len([one for one in self.requests if one.kind == kind])

    @property
    def bytes(self) -> int:
        """Of the bodies sent in answer to GETs of objects."""
        return sum(one.sent for one in self.requests if one.kind == "GET")

    @property
    def connections(self) -> set[int]:
        return {one.connection for one in self.requests}

    @property
    def max_parallel(self) -> int:
        """The most requests that were under way at one time."""
        return most_parallel(self.requests)

    def drop_twins(self, hedges: int) -> None:
        """Forgets so many second requests for one range: the query's hedges, as it counted them.

        On a busy machine any answer may be late enough for one: also one that has left the door
        whole, and waits to be read by a worker that has no processor. So the twin may arrive after
        it: what tells it from a range that was fetched twice is only that the query counted it.
        """
        for one in self.requests:
            if hedges > 0 and any(_twins(first, one) for first in self.requests):
                self._requests.remove(one)
                hedges -= 1

    def wait_ended(self, timeout_s: float = 20) -> None:
        """Until each request has its end."""

        def ended() -> bool:
            return all(one.ended is not None for one in self.requests)

        wait_until("all requests to S3 have ended", ended, timeout_s)

    def wait_bytes(self, count: int, timeout_s: float = 20) -> None:
        """Until more than so many bytes of objects have been sent."""
        wait_until(f"{count} bytes have been sent", lambda: self.bytes > count, timeout_s)

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self.requests) or "no requests"


def _twins(first: Request, second: Request) -> bool:
    same = (first.kind, first.target, first.range) == (second.kind, second.target, second.range)
    return same and first is not second and first.started <= second.started


def most_parallel(requests: list[Request]) -> int:
    """The most of these that were under way at one time."""
    edges = []
    for one in requests:
        edges.append((one.started, 1))
        edges.append((one.ended if one.ended is not None else float("inf"), -1))
    most = now = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


def repeated_bytes(requests: list[Request]) -> int:
    """How many bytes of one object came more than once. REQUIRES: they are of one object."""
    spans = sorted(one.span for one in requests if one.span is not None)
    repeated = end = 0
    for first, last in spans:
        repeated += max(0, min(end, last) - first)
        end = max(end, last)
    return repeated
