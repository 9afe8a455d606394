#!/usr/bin/env python3
"""What Eider adds to a small query: plain DuckDB, relay and direct on one local Parquet file.

    python bench/latency.py [--repeats 1000] [--workers 2]

Starts a coordinator and workers of its own on free ports and stops them. Run it with nothing else
on the machine: the figures are medians of milliseconds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "python/src")]

from support import data  # noqa: E402
from support.cluster import Cluster  # noqa: E402
from support.latency import measure  # noqa: E402

# What each delivery may add to the plain query's median.
ALLOWED_MS = {"relay": 2.5, "direct": 1.5}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--worker-option", action="append", default=[], metavar="OPTION")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eider-latency-") as name:
        folder = Path(name)
        file = folder / "blocks.parquet"
        file.write_bytes(data.parquet_bytes(data.blocks(1)))
        cluster = Cluster(
            folder,
            {},
            workers=options.workers,
            worker_options=["--allow-path", str(file), *options.worker_option],
            ready=False,
        )
        try:
            plain, *others = measure(cluster, file, options.repeats)
        finally:
            cluster.stop()
    print(f"{options.repeats} repeats of {data.BLOCK_ROWS} rows, {options.workers} workers")
    print(plain)
    good = True
    for figure, (delivery, allowed) in zip(others, ALLOWED_MS.items(), strict=True):
        added = figure.p50_ms - plain.p50_ms
        good = good and added <= allowed
        verdict = "within" if added <= allowed else "PAST"
        print(f"{figure}  {added:+.3f} ms, {verdict} the {allowed} ms of {delivery}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
