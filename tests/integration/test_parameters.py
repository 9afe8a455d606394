"""JSON arguments bind as the DuckDB values that they look like."""

from __future__ import annotations

import base64
from typing import Any

import pyarrow as pa
import pytest

from support import http
from support.cluster import Cluster

# The argument as JSON text (so that digits are ours to write), its type and its text in DuckDB.
ARGUMENTS = [
    ("null", '"NULL"', None),
    ("true", "BOOLEAN", "true"),
    ("false", "BOOLEAN", "false"),
    ("42", "INTEGER|BIGINT", "42"),
    ("0", "INTEGER|BIGINT", "0"),
    ("-1", "INTEGER|BIGINT", "-1"),
    ("9223372036854775807", "BIGINT", "9223372036854775807"),
    ("-9223372036854775808", "BIGINT", "-9223372036854775808"),
    ("9223372036854775808", "UBIGINT|HUGEINT", "9223372036854775808"),
    ("18446744073709551615", "UBIGINT|HUGEINT", "18446744073709551615"),
    ("18446744073709551617", "HUGEINT", "18446744073709551617"),
    (
        "170141183460469231731687303715884105727",
        "HUGEINT",
        "170141183460469231731687303715884105727",
    ),
    (
        "-170141183460469231731687303715884105728",
        "HUGEINT",
        "-170141183460469231731687303715884105728",
    ),
    ("1.5", "DOUBLE", "1.5"),
    ("1e300", "DOUBLE", "1e+300"),
    ("-0.25", "DOUBLE", "-0.25"),
    ('"text"', "VARCHAR", "text"),
    ('""', "VARCHAR", ""),
    ('"ünï \\ud83e\\udd86 \\"q\\" \'"', "VARCHAR", 'ünï 🦆 "q" \''),
    ('"2025-05-01"', "VARCHAR", "2025-05-01"),
    ("[1, 2, 3]", "INTEGER[]|BIGINT[]", "[1, 2, 3]"),
    ('["a", null]', "VARCHAR[]", "[a, NULL]"),
    ("[[1], [2, 3]]", "INTEGER[][]|BIGINT[][]", "[[1], [2, 3]]"),
    (
        '{"a": 1, "b": "x"}',
        "STRUCT(a INTEGER, b VARCHAR)|STRUCT(a BIGINT, b VARCHAR)",
        "{'a': 1, 'b': x}",
    ),
    (
        '{"a": {"b": [true]}}',
        "STRUCT(a STRUCT(b BOOLEAN[]))",
        "{'a': {'b': [true]}}",
    ),
    (
        '{"type": "TIMESTAMP", "value": "2025-05-01 00:00:00"}',
        "TIMESTAMP",
        "2025-05-01 00:00:00",
    ),
    ('{"type": "DATE", "value": "2025-05-01"}', "DATE", "2025-05-01"),
    ('{"type": "DECIMAL(10, 2)", "value": "12.34"}', "DECIMAL(10,2)", "12.34"),
    ('{"type": "SMALLINT", "value": 7}', "SMALLINT", "7"),
    ('{"type": "VARCHAR", "value": null}', "VARCHAR", None),
    ('{"type": "INTEGER[]", "value": ["1", "2"]}', "INTEGER[]", None),
    ('{"type": "BLOB", "value": "abc"}', "BLOB", "abc"),
    (
        '{"type": "UUID", "value": "c4c61dba-4b2c-11ee-be56-0242ac120002"}',
        "UUID",
        "c4c61dba-4b2c-11ee-be56-0242ac120002",
    ),
    (
        '{"type": "STRUCT(type VARCHAR, value INTEGER)", "value": {"type": "t", "value": 5}}',
        'STRUCT("type" VARCHAR, "value" INTEGER)|STRUCT("type" VARCHAR, value INTEGER)'
        "|STRUCT(type VARCHAR, value INTEGER)",
        None,
    ),
    (
        '[{"type": "DATE", "value": "2025-05-01"}]',
        "DATE[]",
        "[2025-05-01]",
    ),
    (
        '{"type": "DATE", "value": "2025-05-01", "more": 1}',
        "STRUCT(type VARCHAR, value VARCHAR, more INTEGER)"
        "|STRUCT(type VARCHAR, value VARCHAR, more BIGINT)"
        '|STRUCT("type" VARCHAR, "value" VARCHAR, more INTEGER)'
        '|STRUCT("type" VARCHAR, "value" VARCHAR, more BIGINT)'
        '|STRUCT("type" VARCHAR, value VARCHAR, more INTEGER)'
        '|STRUCT("type" VARCHAR, value VARCHAR, more BIGINT)',
        None,
    ),
]


def read(cluster: Cluster, sql: str, args: str) -> list[dict[str, Any]]:
    reply = http.post(cluster.url, "/read", f'{{"query": "{sql}", "args": {args}}}'.encode())
    assert reply.status == 200, reply.body
    with pa.ipc.open_stream(base64.b64decode(reply.json()["result"])) as reader:
        rows: list[dict[str, Any]] = reader.read_all().to_pylist()
    return rows


def refused(cluster: Cluster, body: str) -> str:
    reply = http.post(cluster.url, "/read", body.encode())
    assert reply.status == 400, reply.body
    error = reply.json()
    assert error["code"] == "INVALID_QUERY"
    assert error["retryable"] is False
    return str(error["error"])


@pytest.mark.parametrize(("written", "types", "text"), ARGUMENTS, ids=[a[0] for a in ARGUMENTS])
def test_argument(cluster: Cluster, written: str, types: str, text: str | None) -> None:
    [row] = read(
        cluster, "SELECT typeof(?) AS t, $1::VARCHAR AS v".replace("?", "$1"), f"[{written}]"
    )
    assert row["t"] in types.split("|")
    if text is not None:
        assert row["v"] == text


def test_null_alone(cluster: Cluster) -> None:
    assert read(cluster, "SELECT ? IS NULL AS n", "[null]") == [{"n": True}]


def test_struct_of_type_and_value_is_passed_as_a_typed_value(cluster: Cluster) -> None:
    args = '[{"type": "STRUCT(type VARCHAR, value INTEGER)", "value": {"type": "t", "value": 5}}]'
    assert read(cluster, "SELECT ? AS s", args) == [{"s": {"type": "t", "value": 5}}]


@pytest.mark.parametrize(
    ("sql", "args"),
    [
        ("SELECT ? AS a, ? AS b", "[1, 2]"),
        ("SELECT $1 AS a, $2 AS b", "[1, 2]"),
        ("SELECT $2 AS b, $1 AS a", "[1, 2]"),
        ("SELECT $x AS a, $y AS b", '{"y": 2, "x": 1}'),
        ("SELECT $type AS a, $value AS b", '{"type": 1, "value": 2}'),
        ("SELECT a, b FROM (SELECT ?::INT AS a, ?::INT AS b) WHERE b = ?", "[1, 2, 2]"),
    ],
)
def test_positional_and_named(cluster: Cluster, sql: str, args: str) -> None:
    [row] = read(cluster, sql, args)
    assert (row["a"], row["b"]) == (1, 2)


@pytest.mark.parametrize("args", ["[]", "{}", "null"])
def test_no_arguments(cluster: Cluster, args: str) -> None:
    assert read(cluster, "SELECT 1 AS a", args) == [{"a": 1}]


def test_one_parameter_used_twice(cluster: Cluster) -> None:
    assert read(cluster, "SELECT $1 + $1 AS a", "[21]") == [{"a": 42}]


@pytest.mark.parametrize(
    ("sql", "args", "counts"),
    [
        ("SELECT ?", "[]", ("1", "0")),
        ("SELECT ?, ?", "[1]", ("2", "1")),
        ("SELECT ?", "[1, 2, 3]", ("1", "3")),
        ("SELECT 1", "[1]", ("0", "1")),
    ],
)
def test_wrong_number_says_both_counts(
    cluster: Cluster, sql: str, args: str, counts: tuple[str, str]
) -> None:
    message = refused(cluster, f'{{"query": "{sql}", "args": {args}}}')
    assert all(count in message for count in counts), message


def test_named_parameter_that_is_missing_or_unknown(cluster: Cluster) -> None:
    message = refused(cluster, '{"query": "SELECT $x, $y", "args": {"x": 1}}')
    assert "y" in message or ("2" in message and "1" in message)
    message = refused(cluster, '{"query": "SELECT $x", "args": {"x": 1, "zed": 2}}')
    assert "zed" in message or ("1" in message and "2" in message)
    assert "named" in refused(cluster, '{"query": "SELECT $x", "args": [1]}')


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ('{"type": "NO_SUCH_TYPE", "value": 1}', "NO_SUCH_TYPE"),
        ('{"type": "DATE", "value": "tomorrow"}', "tomorrow"),
        ('{"type": "TINYINT", "value": 1000}', "1000"),
        ("1" * 60, "1" * 30),
        ("1e999", "byte"),
    ],
)
def test_value_that_does_not_fit_is_named(cluster: Cluster, argument: str, named: str) -> None:
    message = refused(cluster, f'{{"query": "SELECT ?", "args": [{argument}]}}')
    assert named in message


def test_wrong_type_of_an_argument(cluster: Cluster) -> None:
    refused(cluster, '{"query": "SELECT * FROM range(?)", "args": [{"a": 1}]}')
    refused(cluster, '{"query": "SELECT 1 + ?", "args": ["x"]}')


def test_duplicate_keys_are_refused(cluster: Cluster) -> None:
    assert "twice" in refused(cluster, '{"query": "SELECT 1", "query": "SELECT 2"}')
    assert '"a"' in refused(cluster, '{"query": "SELECT ?", "args": [{"a": 1, "a": 2}]}')


def test_nesting_past_64_is_refused(cluster: Cluster) -> None:
    def body(depth: int) -> str:
        # The request's object and the args array are two of the levels.
        nested = "[" * (depth - 2) + "1" + "]" * (depth - 2)
        return f'{{"query": "SELECT ? IS NULL AS n", "args": [{nested}]}}'

    assert "64" in refused(cluster, body(65))
    assert http.post(cluster.url, "/read", body(64).encode()).status == 200
