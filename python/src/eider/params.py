"""Python values as the JSON arguments of Eider's API, with nothing lost.

JSON has no way to write most of DuckDB's types; those travel as ``{"type": NAME, "value": TEXT}``
and are cast to that type on the worker.
"""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

#: What ``params`` may be: positional (``?``, ``$1``) or named (``$name``).
Params = Sequence[Any] | Mapping[str, Any] | None

_MAX_DECIMAL_DIGITS = 38
_MAX_DEPTH = 60  # the server refuses more than 64 levels of the whole body


def encode_params(params: Params) -> Any:
    """The ``args`` of a request: a list for positional and a dict for named parameters.

    Raises:
        TypeError: a value, or ``params`` itself, is of a type that has no SQL value.
        ValueError: a value is out of range: a Decimal of more than 38 digits, or nested too deep.
    """
    if params is None:
        return []
    if isinstance(params, Mapping):
        return {_name(key): encode(value) for key, value in params.items()}
    if isinstance(params, (list, tuple)):
        return [encode(value) for value in params]
    raise TypeError(
        "params must be a list or tuple (for ? and $1) or a dict (for $name), "
        f"not {type(params).__name__}"
    )


def encode(value: Any, depth: int = 0) -> Any:
    """One value as JSON.

    A dict is a struct; a dict of exactly ``type`` (a str) and ``value`` is a value of that SQL
    type by name, as in the API.

    Raises:
        TypeError, ValueError: as `encode_params` does.
    """
    kind = type(value)
    if value is None or kind is bool or kind is int or kind is str:
        return value
    if depth > _MAX_DEPTH:
        raise ValueError(f"a parameter is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_name(key): encode(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item, depth + 1) for item in value]
    return _encode_scalar(value)


def _encode_scalar(value: Any) -> Any:
    if isinstance(value, (bool, int, str)):  # their subclasses too: enums, numpy.str_
        return value
    if isinstance(value, float):
        # numpy.float64 is a float too; float() gives the plain one.
        return float(value) if math.isfinite(value) else _typed("DOUBLE", repr(float(value)))
    package = type(value).__module__.partition(".")[0]
    if package == "pandas" and type(value).__name__ in ("NAType", "NaTType"):
        return None
    for types, encoder in _ENCODERS:
        if isinstance(value, types):
            return encoder(value)
    if package == "numpy" and hasattr(value, "tolist"):
        plain = value.tolist()
        # Of nanoseconds, months and years numpy makes bare numbers.
        if type(plain) is int and value.dtype.kind in "mM":
            raise TypeError(f"a parameter of type {value.dtype} has no SQL value: convert it first")
        return encode(plain)
    raise TypeError(f"a parameter of type {type(value).__name__} has no SQL value")


def _typed(type_name: str, text: str) -> dict[str, str]:
    return {"type": type_name, "value": text}


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the names of a dict parameter must be str, not {type(key).__name__}")
    return key


def _decimal(value: decimal.Decimal) -> dict[str, str]:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):  # NaN, Infinity: DECIMAL has none
        return _typed("DOUBLE", repr(float(value)))
    scale = max(0, -exponent)
    width = max(len(digits) + max(0, exponent), scale, 1)
    if width > _MAX_DECIMAL_DIGITS:
        raise ValueError(
            f"a Decimal of {width} digits is past DECIMAL's {_MAX_DECIMAL_DIGITS}: round it, or "
            "pass a float"
        )
    return _typed(f"DECIMAL({width},{scale})", format(value, "f"))


def _datetime(value: datetime.datetime) -> dict[str, str]:
    if value.tzinfo is None:
        return _typed("TIMESTAMP", value.isoformat(sep=" "))
    try:
        utc = value.astimezone(datetime.timezone.utc)
    except OverflowError as error:
        raise ValueError(f"{value} is outside of the years 1 to 9999 in UTC") from error
    return _typed("TIMESTAMP WITH TIME ZONE", utc.isoformat(sep=" "))


def _time(value: datetime.time) -> dict[str, str]:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise ValueError(f"the time {value} in {value.tzinfo} has no offset without a date")
    name = "TIME" if value.tzinfo is None else "TIME WITH TIME ZONE"
    return _typed(name, value.isoformat())


def _timedelta(value: datetime.timedelta) -> dict[str, str]:
    microseconds = value.seconds * 1_000_000 + value.microseconds
    return _typed("INTERVAL", f"{value.days} days {microseconds} microseconds")


def _blob(value: bytes | bytearray | memoryview) -> dict[str, str]:
    return _typed("BLOB", "".join(f"\\x{byte:02X}" for byte in bytes(value)))


# In this order: a datetime is a date too.
_ENCODERS: tuple[tuple[Any, Any], ...] = (
    (decimal.Decimal, _decimal),
    (datetime.datetime, _datetime),
    (datetime.date, lambda value: _typed("DATE", value.isoformat())),
    (datetime.time, _time),
    (datetime.timedelta, _timedelta),
    (uuid.UUID, lambda value: _typed("UUID", str(value))),
    ((bytes, bytearray, memoryview), _blob),
)
