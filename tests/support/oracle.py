"""Plain DuckDB, the same version: what every answer is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from support.paths import extension
from support.s3 import ACCESS_KEY, REGION, SECRET_KEY


def plain_duckdb(s3_port: int | None = None) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    if s3_port is not None:
        connection.execute(f"LOAD '{extension('httpfs')}'")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{ACCESS_KEY}', SECRET '{SECRET_KEY}', "
            f"REGION '{REGION}', ENDPOINT '127.0.0.1:{s3_port}', URL_STYLE 'path', "
            "USE_SSL false)"
        )
    return connection


def answer(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None) -> pa.Table:
    return connection.execute(sql, parameters).to_arrow_table()


def assert_same(got: pa.Table, want: pa.Table) -> None:
    """Schema (with metadata) and values are equal; NaN equals NaN."""
    assert got.schema.equals(want.schema, check_metadata=True), (
        f"schemas differ:\n{got.schema.to_string()}\n--- plain DuckDB:\n{want.schema.to_string()}"
    )
    assert got.num_rows == want.num_rows
    for name, ours, theirs in zip(want.column_names, got.columns, want.columns, strict=True):
        for mine, plain in _aligned(ours, theirs):
            assert _same(mine, plain), f"column {name}: {mine}\n--- plain DuckDB:\n{plain}"


def _aligned(a: pa.ChunkedArray, b: pa.ChunkedArray) -> Iterator[tuple[pa.Array, pa.Array]]:
    """Both columns cut at all boundaries of either (Arrow cannot join chunks of unions)."""
    ours, theirs = iter(a.chunks), iter(b.chunks)
    left: Any = None
    right: Any = None
    while True:
        while left is None or len(left) == 0:
            left = next(ours, None)
            if left is None:
                return
        while right is None or len(right) == 0:
            right = next(theirs)
        size = min(len(left), len(right))
        yield left.slice(0, size), right.slice(0, size)
        left, right = left.slice(size), right.slice(size)


def _same(a: pa.Array, b: pa.Array) -> bool:
    if a.type != b.type or len(a) != len(b):
        return False
    if a.equals(b):
        return True
    kind = a.type
    if isinstance(kind, pa.BaseExtensionType):
        return _same(a.storage, b.storage)
    if pa.types.is_union(kind):
        codes = a.type_codes
        return bool(codes.equals(b.type_codes)) and all(
            _same(a.field(i).filter(pc.equal(codes, i)), b.field(i).filter(pc.equal(codes, i)))
            for i in range(kind.num_fields)
        )
    if not a.is_null().equals(b.is_null()):
        return False
    a, b = a.drop_null(), b.drop_null()
    if pa.types.is_floating(kind):
        both_nan = pc.and_(pc.is_nan(a), pc.is_nan(b))
        return bool(pc.all(pc.or_(both_nan, pc.equal(a, b))).as_py() is not False)
    if pa.types.is_dictionary(kind):
        return _same(a.dictionary_decode(), b.dictionary_decode())
    if pa.types.is_map(kind):
        return _same(a.cast(pa.list_(_entry(kind))), b.cast(pa.list_(_entry(kind))))
    if pa.types.is_nested(kind) and not pa.types.is_struct(kind):
        lengths = pc.list_value_length(a).equals(pc.list_value_length(b))
        return bool(lengths) and _same(a.flatten(), b.flatten())
    if pa.types.is_struct(kind):
        return all(_same(x, y) for x, y in zip(a.flatten(), b.flatten(), strict=True))
    return False


def _entry(kind: pa.MapType) -> pa.DataType:
    return pa.struct([kind.key_field, kind.item_field])
