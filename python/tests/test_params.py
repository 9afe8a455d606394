"""Parameters: each value that travels means in DuckDB what it meant in Python."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eider.params import encode, encode_params

UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)


def through_duckdb(value: Any) -> Any:
    """What a worker binds: the JSON value, cast by DuckDB where it is typed."""
    sent = json.loads(json.dumps(encode(value)))
    if isinstance(sent, dict) and sent.keys() == {"type", "value"}:
        sql = f"CAST(? AS {sent['type']})"
        instant = sent["type"] == "TIMESTAMP WITH TIME ZONE"
        if instant:  # DuckDB's own client wants pytz to give one
            sql = f"epoch_us({sql})"
        row = duckdb.execute(f"SELECT {sql}", [sent["value"]]).fetchone()
        assert row is not None
        return EPOCH + dt.timedelta(microseconds=row[0]) if instant else row[0]
    return sent


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        2**63,
        2**127 - 1,
        -(2**200),
        1.5,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        "",
        "é\u0000\U0001f986",
        [],
        [1, [2, None], {"a": "b"}],
        {"a": {"b": [1.5]}},
    ],
)
def test_json_values_travel_as_they_are(value: Any) -> None:
    sent = json.loads(json.dumps(encode(value)))
    assert sent == value
    assert type(sent) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        math.inf,
        -math.inf,
        Decimal("0"),
        Decimal("-1.50"),
        Decimal("1E+5"),
        Decimal("0.00001"),
        Decimal("9" * 38),
        Decimal("Infinity"),
        dt.datetime(2025, 5, 1),
        dt.datetime(1, 1, 1, 0, 0, 0, 1),
        dt.datetime(2025, 5, 1, 12, 30, 15, 123456, UTC),
        dt.datetime(2025, 5, 1, tzinfo=dt.timezone(dt.timedelta(hours=-7, minutes=-30))),
        dt.date(2025, 5, 1),
        dt.time(23, 59, 59, 999999),
        dt.timedelta(days=-3, seconds=5, microseconds=7),
        uuid.UUID(int=2**128 - 1),
        b"",
        bytes(range(256)),
        bytearray(b"'\\x41"),
    ],
)
def test_typed_values(value: Any) -> None:
    assert through_duckdb(value) == value


def test_nan() -> None:
    assert math.isnan(through_duckdb(math.nan))
    assert math.isnan(through_duckdb(Decimal("NaN")))


def test_a_time_with_zone() -> None:
    value = dt.time(1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert encode(value) == {"type": "TIME WITH TIME ZONE", "value": "01:02:03+02:00"}
    assert through_duckdb(value) == value


@given(
    st.binary(max_size=50)
    | st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20))
    | st.datetimes()
    | st.datetimes(
        min_value=dt.datetime(2, 1, 1),
        max_value=dt.datetime(9998, 1, 1),
        timezones=st.sampled_from([UTC, dt.timezone(dt.timedelta(hours=14))]),
    )
    | st.dates()
    | st.times()
    | st.timedeltas(dt.timedelta(days=-(10**6)), dt.timedelta(days=10**6))
    | st.uuids()
    | st.floats(allow_nan=False)
)
@settings(deadline=None, max_examples=300)
def test_any_value(value: Any) -> None:
    try:
        sent = encode(value)
    except ValueError:
        assert isinstance(value, Decimal)
        return
    assert sent is not None
    assert through_duckdb(value) == value


def test_a_typed_value_by_hand() -> None:
    value = {"type": "TIMESTAMP_NS", "value": "2025-05-01 00:00:00.123456789"}
    assert encode_params([value]) == [value]


def test_numpy() -> None:
    assert encode(np.int64(7)) == 7
    assert type(encode(np.float64(1.5))) is float
    assert encode(np.array([1, 2])) == [1, 2]
    assert encode(np.bool_(True)) is True


def test_pandas_nulls() -> None:
    assert encode(pd.NaT) is None
    assert encode(pd.NA) is None


@pytest.mark.parametrize(
    "value", [np.timedelta64(5, "ns"), np.timedelta64(5, "M"), np.datetime64(5, "ns")]
)
def test_numpy_times_that_are_bare_numbers_to_numpy(value: Any) -> None:
    with pytest.raises(TypeError, match="convert"):
        encode(value)


def test_a_time_in_a_zone_without_an_offset() -> None:
    with pytest.raises(ValueError, match="no offset"):
        encode(dt.time(1, tzinfo=ZoneInfo("Asia/Tokyo")))


def test_past_the_years_in_utc() -> None:
    ahead = dt.timezone(dt.timedelta(hours=9))
    with pytest.raises(ValueError, match="UTC"):
        encode(dt.datetime(1, 1, 1, tzinfo=ahead))


def test_positional_and_named() -> None:
    assert encode_params(None) == []
    assert encode_params((1, "a")) == [1, "a"]
    assert encode_params({"a": dt.date(2025, 5, 1)}) == {
        "a": {"type": "DATE", "value": "2025-05-01"}
    }


@pytest.mark.parametrize("params", ["abc", 5, [object()], [{1: 2}], {1: 2}, [1j], {"s": {3}}])
def test_what_has_no_sql_value(params: Any) -> None:
    with pytest.raises(TypeError):
        encode_params(params)


def test_out_of_range() -> None:
    with pytest.raises(ValueError, match="39 digits"):
        encode(Decimal("9" * 39))
    nested: list[Any] = []
    for _ in range(70):
        nested = [nested]
    with pytest.raises(ValueError, match="nested"):
        encode(nested)
