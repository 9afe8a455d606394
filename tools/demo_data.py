#!/usr/bin/env python3
"""Parquet files shaped like the Bitcoin blocks of the AWS public blockchain data set.

One file for each day of May 2025, of 135 to 150 blocks, with the names, columns and types of the
real ones. What is in them comes from a seed: the same bytes each time (with the same pyarrow).

Usage: demo_data.py DIRECTORY      writes s3://BUCKET/KEY to DIRECTORY/BUCKET/KEY
"""

from __future__ import annotations

import datetime
import io
import os
import random
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pyarrow import fs

BUCKET = "aws-public-blockchain"
PREFIX = "v1.0/btc/blocks"
GLOB = f"s3://{BUCKET}/{PREFIX}/date=2025-05-*/*.parquet"
DAYS = 30

_SEED = 20250501
_FIRST_DAY = datetime.datetime(2025, 5, 1)
_FIRST_BLOCK = 894_672
_DIFFICULTY = 119_116_256_505_723.5  # of the first two weeks; it is adjusted each 2016 blocks
_HASHES_A_DIFFICULTY = 2**32

SCHEMA = pa.schema(
    [
        ("hash", pa.string()),
        ("version", pa.int64()),
        ("mediantime", pa.timestamp("us")),
        ("nonce", pa.int64()),
        ("bits", pa.string()),
        ("difficulty", pa.float64()),
        ("chainwork", pa.string()),
        ("coinbase_param", pa.string()),
        ("number", pa.int64()),
        ("transaction_count", pa.int64()),
        ("merkle_root", pa.string()),
        ("size", pa.int64()),
        ("stripped_size", pa.int64()),
        ("weight", pa.int64()),
        ("previousblockhash", pa.string()),
        ("timestamp", pa.timestamp("us")),
        ("date", pa.string()),
        ("last_modified", pa.timestamp("us")),
    ]
)


def files() -> Iterator[tuple[str, bytes]]:
    """Each file's key and content, by date."""
    source = random.Random(_SEED)
    chain = _Chain(source)
    for day in range(DAYS):
        start = _FIRST_DAY + datetime.timedelta(days=day)
        name = uuid.UUID(int=source.getrandbits(128), version=4)
        key = f"{PREFIX}/date={start:%Y-%m-%d}/part-00000-{name}-c000.snappy.parquet"
        count = 135 + day * 7 % 16
        rows = [chain.block(start, index, count) for index in range(count)]
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="snappy", version="2.6", store_schema=False)
        yield key, sink.getvalue()


class _Chain:
    """Blocks that follow each other."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._number = _FIRST_BLOCK
        self._previous = self._hash()
        self._work = 0xBCA0F3D2C4E1A0B3D2C4E1A0

    def block(self, day: datetime.datetime, index: int, count: int) -> dict[str, object]:
        """The `index`-th of the day's `count` blocks."""
        source = self._source
        second = (index * 86_400 + source.randrange(86_400)) // count
        time = day + datetime.timedelta(seconds=second)
        stripped = source.randrange(500_000, 800_000)
        size = stripped + source.randrange(300_000, 800_000)
        difficulty = _DIFFICULTY * (1.0 if day.day < 18 else 1.0213)
        self._work += int(difficulty) * _HASHES_A_DIFFICULTY
        block = {
            "hash": self._hash(),
            "version": 0x20000000 | source.getrandbits(16) << 13,
            "mediantime": time - datetime.timedelta(seconds=source.randrange(1800, 4200)),
            "nonce": source.getrandbits(32),
            "bits": "17025d1b" if day.day < 18 else "17024f8f",
            "difficulty": difficulty,
            "chainwork": f"{self._work:064x}",
            "coinbase_param": f"03{self._number.to_bytes(3, 'little').hex()}"
            + source.randbytes(source.randrange(20, 90)).hex(),
            "number": self._number,
            "transaction_count": source.randrange(600, 6_000),
            "merkle_root": source.randbytes(32).hex(),
            "size": size,
            "stripped_size": stripped,
            "weight": 3 * stripped + size,
            "previousblockhash": self._previous,
            "timestamp": time,
            "date": f"{day:%Y-%m-%d}",
            "last_modified": day + datetime.timedelta(days=1, hours=1, minutes=7),
        }
        self._previous = str(block["hash"])
        self._number += 1
        return block

    def _hash(self) -> str:
        # Work shows as leading zeros.
        return "0" * 19 + f"{self._source.getrandbits(180):045x}"


def upload(endpoint: str, access_key: str, secret_key: str, region: str) -> list[str]:
    """Puts the files into the S3 server at `endpoint` ("host:port") by signed requests.

    Gives their URLs, by date. Makes the bucket first.
    """
    # The checksums that the SDK would else send behind each body confuse versitygw: it takes them
    # for the next request on a kept connection.
    os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
    s3 = fs.S3FileSystem(
        endpoint_override=endpoint,
        scheme="http",
        access_key=access_key,
        secret_key=secret_key,
        region=region,
        allow_bucket_creation=True,
        allow_delayed_open=True,  # one PUT each, no multipart upload
    )
    s3.create_dir(BUCKET)
    urls = []
    for key, content in files():
        with s3.open_output_stream(f"{BUCKET}/{key}") as out:
            out.write(content)
        urls.append(f"s3://{BUCKET}/{key}")
    return urls


def write(directory: Path) -> list[Path]:
    """Writes the files under `directory`, a folder for the bucket first."""
    paths = []
    for key, content in files():
        path = directory / BUCKET / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return paths


def main() -> None:
    """Writes the files to the directory of the command line."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    paths = write(Path(sys.argv[1]))
    print(f"{len(paths)} files, {sum(path.stat().st_size for path in paths):,} bytes")


if __name__ == "__main__":
    main()
