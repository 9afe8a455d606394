"""The ways in which S3 misbehaves: what the proxy does to a request that a rule has caught."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal

from support.s3_record import Match, Request

# Where a connection breaks: as it is made; with the request unseen by S3; with the request done by
# S3 and unanswered; after the answer's headers; half-way through its body.
Stage = Literal["connect", "request", "answer", "headers", "body"]

GARBAGE = b"\x16\x03\x01\x02\x00 this is no HTTP \xff\xfe\r\n\r\n" * 20


@dataclass
class Head:
    """Status line and headers of an answer, to be changed in place."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    request: Request

    def get(self, name: str) -> str:
        return next((v for n, v in self.headers if n.lower() == name.lower()), "")

    def put(self, name: str, value: str | None) -> None:
        """Replaces a header, or with None takes it away."""
        self.headers = [(n, v) for n, v in self.headers if n.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))

    @property
    def length(self) -> int:
        return int(self.get("Content-Length") or 0)

    def encode(self) -> bytes:
        lines = "".join(f"{n}: {v}\r\n" for n, v in self.headers)
        return f"HTTP/1.1 {self.status} {self.reason}\r\n{lines}\r\n".encode("latin-1")


@dataclass(frozen=True)
class Answer:
    """An answer of the proxy's own: S3 is not asked."""

    status: int
    reason: str
    code: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, request: Request | None) -> bytes:
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        ).encode()
        lines = {
            "Content-Type": "application/xml",
            "Content-Length": str(len(body)),
            **dict(self.headers),
        }
        head = "".join(f"{n}: {v}\r\n" for n, v in lines.items())
        if request is not None and request.method == "HEAD":
            body = b""
        return f"HTTP/1.1 {self.status} {self.reason}\r\n{head}\r\n".encode() + body


@dataclass(frozen=True)
class Fault:
    """What happens to a request. At most one of the parts is set, `body_end` apart."""

    name: str
    latency_s: float = 0
    reset_at: Stage | None = None
    answer: Answer | None = None
    raw: bytes | None = None  # instead of an answer; then the connection closes
    stall: bool = False  # no answer ever comes
    dropped: tuple[str, ...] = ()  # headers that S3 does not get to see; the proxy signs anew
    # Changes the answer's head; False where there is nothing to change in this one.
    rewrite: Callable[[Head], bool] | None = None
    cut: bool = False  # the body stops half-way, and then:
    body_end: Literal["fin", "reset", "stall", ""] = ""
    extra: bytes = b""  # sent past the body's end
    bytes_per_s: int = 0  # 0: as fast as it goes


@dataclass(eq=False)
class Rule:
    """A fault and whom it hits. Thread-safe."""

    match: Match
    fault: Fault
    times: int | None  # None: without end
    skip: int = 0  # so many that match are spared first
    fired: int = 0  # how often it did what it is there for
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _active: bool = True

    def take(self, request: Request) -> bool:
        """Whether the request is its own; it then counts as fired, unless given back."""
        with self._lock:
            if not self._active or self.fired == self.times or not self.match(request):
                return False
            if self.skip > 0:
                self.skip -= 1
                return False
            self.fired += 1
            return True

    def take_connection(self) -> bool:
        """The same for a new connection, whose requests nobody knows yet."""
        with self._lock:
            if not self._active or self.fired == self.times or self.fault.reset_at != "connect":
                return False
            self.fired += 1
            return True

    def give_back(self) -> None:
        """The fault found nothing to spoil in what it was to spoil."""
        with self._lock:
            self.fired -= 1

    def end(self) -> None:
        with self._lock:
            self._active = False

    def __enter__(self) -> Rule:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


def slow_down(retry_after_s: int | None = None) -> Fault:
    headers = () if retry_after_s is None else (("Retry-After", str(retry_after_s)),)
    answer = Answer(503, "Slow Down", "SlowDown", "Please reduce your request rate.", headers)
    return Fault(f"503 (Retry-After: {retry_after_s})", answer=answer)


def internal_error() -> Fault:
    answer = Answer(500, "Internal Server Error", "InternalError", "Please try again.")
    return Fault("500", answer=answer)


def expired_token(status: int = 400) -> Fault:
    answer = Answer(status, "Expired", "ExpiredToken", "The provided token has expired.")
    return Fault(f"{status} ExpiredToken", answer=answer)


def access_denied() -> Fault:
    return Fault("403", answer=Answer(403, "Forbidden", "AccessDenied", "Access Denied"))


def reset(stage: Stage) -> Fault:
    if stage == "body":
        return Fault("reset in the body", cut=True, body_end="reset")
    return Fault(f"reset at {stage}", reset_at=stage)


def truncate() -> Fault:
    """Half of the body, then a clean end of the connection; Content-Length told the truth."""
    return Fault("truncated, FIN", cut=True, body_end="fin")


def truncate_unannounced() -> Fault:
    """The same without Content-Length: HTTP itself sees nothing wrong, Content-Range does."""

    def rewrite(head: Head) -> bool:
        head.put("Content-Length", None)
        head.put("Connection", "close")
        return True

    return Fault("truncated, no length", rewrite=rewrite, cut=True, body_end="fin")


def short_length() -> Fault:
    """Half of the body with a Content-Length that fits; Content-Range tells the truth."""

    def rewrite(head: Head) -> bool:
        if not head.get("Content-Range"):
            return False
        head.put("Content-Length", str(head.length // 2))
        return True

    return Fault("short Content-Length", rewrite=rewrite, cut=True)


def overlong(extra_bytes: int = 1000) -> Fault:
    """More body than Content-Range says; Content-Length fits the body."""

    def rewrite(head: Head) -> bool:
        if not head.get("Content-Range"):
            return False
        head.put("Content-Length", str(head.length + extra_bytes))
        return True

    return Fault("overlong", rewrite=rewrite, extra=b"x" * extra_bytes)


def past_length(extra_bytes: int = 1000) -> Fault:
    """More body than Content-Length says: it would be read as the next answer's start."""
    return Fault("past Content-Length", extra=b"x" * extra_bytes)


def shifted_range(by: int = 100) -> Fault:
    """Content-Range tells of other bytes of the object than those asked for."""

    def rewrite(head: Head) -> bool:
        found = re.match(r"bytes (\d+)-(\d+)/(\d+)", head.get("Content-Range"))
        if not found:
            return False
        first, last, total = (int(n) for n in found.groups())
        shift = by if last + by < total else -by if first >= by else 0
        if shift == 0:  # the whole object: no other place in it
            first, last, total = first + by, last + by, total + by
        head.put("Content-Range", f"bytes {first + shift}-{last + shift}/{total}")
        return True

    return Fault("shifted Content-Range", rewrite=rewrite)


def other_total(by: int = 1) -> Fault:
    """Content-Range tells of another size of the object."""

    def rewrite(head: Head) -> bool:
        left, _, total = head.get("Content-Range").partition("/")
        if not total.isdigit():
            return False
        head.put("Content-Range", f"{left}/{int(total) + by}")
        return True

    return Fault("another total", rewrite=rewrite)


def no_content_range() -> Fault:
    """A 206 that does not say what it is."""

    def rewrite(head: Head) -> bool:
        there = bool(head.get("Content-Range"))
        head.put("Content-Range", None)
        return there

    return Fault("no Content-Range", rewrite=rewrite)


def wrong_etag(etag: str = '"00000000000000000000000000000000"') -> Fault:
    def rewrite(head: Head) -> bool:
        there = bool(head.get("ETag"))
        head.put("ETag", etag)
        return there

    return Fault("another ETag", rewrite=rewrite)


def ignore_range() -> Fault:
    """200 with the whole object."""
    return Fault("Range ignored", dropped=("range",))


def ignore_conditions() -> Fault:
    """If-Match and If-None-Match have no effect."""
    return Fault("conditions ignored", dropped=("if-match", "if-none-match"))


def stall(stage: Literal["headers", "body"]) -> Fault:
    """Silence until the client goes, before the headers or half-way through the body."""
    if stage == "headers":
        return Fault("stall before the headers", stall=True)
    return Fault("stall in the body", cut=True, body_end="stall")


def drip(bytes_per_s: int) -> Fault:
    return Fault(f"{bytes_per_s} bytes a second", bytes_per_s=bytes_per_s)


def garbage() -> Fault:
    return Fault("garbage", raw=GARBAGE)


def latency(seconds: float) -> Fault:
    """So much later, and otherwise as it should be."""
    return Fault(f"{seconds * 1000:g} ms later", latency_s=seconds)


def later(fault: Fault, seconds: float) -> Fault:
    """The same fault, after a while."""
    return replace(fault, latency_s=seconds)
