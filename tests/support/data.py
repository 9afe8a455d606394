"""Data for the tests, the same each time."""

from __future__ import annotations

import datetime
import io
import random

import pyarrow as pa
import pyarrow.parquet as pq

# What the fixtures put into the S3 server: so many days of blocks in this bucket.
BUCKET = "aws-public-blockchain"
DAYS = 30
BLOCK_ROWS = 140


def blocks(day: int, rows: int = BLOCK_ROWS) -> pa.Table:
    """A day of the public blockchain data set's `blocks`: its 18 columns, made up from a seed."""
    dice = random.Random(20250500 + day)
    start = datetime.datetime(2025, 5, day)
    date = start.date().isoformat()

    def digest(leading_zeros: int = 0) -> str:
        digits = 64 - leading_zeros
        return "0" * leading_zeros + f"{dice.getrandbits(4 * digits):0{digits}x}"

    hashes = [digest(19) for _ in range(rows + 1)]
    sizes = [dice.randrange(200_000, 1_900_000) for _ in range(rows)]
    seconds = 86_400 // rows
    times = [start + datetime.timedelta(seconds=seconds * i) for i in range(rows)]
    return pa.table(
        {
            "hash": hashes[1:],
            "version": pa.array([0x20000000] * rows, pa.int64()),
            "mediantime": pa.array(
                [t - datetime.timedelta(hours=1) for t in times], pa.timestamp("us")
            ),
            "nonce": pa.array([dice.getrandbits(32) for _ in range(rows)], pa.int64()),
            "bits": ["17025105"] * rows,
            "difficulty": [119_116_256_505_723.5] * rows,
            "chainwork": [digest(24) for _ in range(rows)],
            "coinbase_param": [digest() for _ in range(rows)],
            "number": pa.array([894_601 + (day - 1) * rows + i for i in range(rows)], pa.int64()),
            "transaction_count": pa.array(
                [dice.randrange(800, 6_000) for _ in range(rows)], pa.int64()
            ),
            "merkle_root": [digest() for _ in range(rows)],
            "size": pa.array(sizes, pa.int64()),
            "stripped_size": pa.array([size // 2 for size in sizes], pa.int64()),
            "weight": pa.array([size * 5 // 2 for size in sizes], pa.int64()),
            "previousblockhash": hashes[:-1],
            "timestamp": pa.array(times, pa.timestamp("us")),
            "date": [date] * rows,
            "last_modified": pa.array(
                [start + datetime.timedelta(days=1)] * rows, pa.timestamp("us")
            ),
        }
    )


def parquet_bytes(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="snappy")
    return out.getvalue()


def block_key(day: int) -> str:
    name = f"part-00000-{random.Random(day).getrandbits(128):032x}-c000.snappy.parquet"
    return f"v1.0/btc/blocks/date=2025-05-{day:02}/{name}"
