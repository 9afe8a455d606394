"""Makes what only a holder of the cluster key can make: tickets, commands, announcements."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pyarrow.flight as flight

MAC_BYTES = 32


def seal(key: bytes, purpose: str, payload: bytes | dict[str, Any]) -> bytes:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return hmac.digest(key, purpose.encode() + b"\0" + body, "sha256") + body


def payload_of(sealed: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sealed[MAC_BYTES:])
    return found


def reseal(key: bytes, sealed: bytes, **changes: Any) -> bytes:
    """A genuine ticket with some fields changed and a MAC that is right again."""
    return seal(key, "ticket", {**payload_of(sealed), **changes})


def error_of(error: flight.FlightError | Exception) -> dict[str, Any]:
    """Eider's own error in a Flight error."""
    extra = getattr(error, "extra_info", b"")
    assert extra, f"a Flight error without Eider's: {error!r}"
    found: dict[str, Any] = json.loads(extra)
    return found
