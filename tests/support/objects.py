"""Objects to read: small and large, of every format, the same each time."""

from __future__ import annotations

import gzip
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MIB = 1 << 20
ROW_GROUP = 50_000


def large_table(version: int = 1, rows: int = 8 * ROW_GROUP) -> pa.Table:
    """Columns that do not compress; each `v` tells the version in its millions."""
    dice = np.random.default_rng(version)
    return pa.table(
        {
            "id": np.arange(rows),
            "v": version * 1_000_000 + dice.integers(0, 1_000_000, rows),
            "a": dice.random(rows),
            "b": dice.random(rows),
            "c": dice.random(rows),
            "s": pa.array(dice.integers(0, 1 << 40, rows)).cast(pa.string()),
        }
    )


def to_parquet(table: pa.Table, row_group: int = ROW_GROUP) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=row_group, use_dictionary=False, compression="none")
    return out.getvalue()


def large_parquet(version: int = 1) -> bytes:
    """16 MiB or more in 8 row groups: several versions differ in bytes and not in size."""
    return to_parquet(large_table(version).drop_columns(["s"]))


def small_parquet(version: int = 1, rows: int = 500) -> bytes:
    return to_parquet(large_table(version, rows))


def csv_text(rows: int, version: int = 1) -> bytes:
    """`v` is as long in each version, so that versions have one size."""
    lines = (
        f"{i},{version * 1_000_000 + i % 999_983},name {i * 7919 % 100_000:05}" for i in range(rows)
    )
    return ("id,v,name\n" + "\n".join(lines) + "\n").encode()


def json_lines(rows: int) -> bytes:
    return b"".join(
        json.dumps({"id": i, "v": i * 7919 % 1000, "tags": ["x"] * (i % 3)}).encode() + b"\n"
        for i in range(rows)
    )


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zst(content: bytes) -> bytes:
    compressed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return compressed
