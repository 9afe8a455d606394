"""A loose bound on what Eider adds to a small query; bench/latency.py gives the figures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import data
from support.cluster import MakeCluster
from support.latency import measure

# A shared machine under load must pass: ten times the bound that the benchmark is held to.
LOOSE_MS = float(os.environ.get("EIDER_TEST_LATENCY_MS", "20"))


@pytest.mark.timeout(120)
def test_small_query_on_a_local_file(make_cluster: MakeCluster, tmp_path: Path) -> None:
    file = tmp_path / "blocks.parquet"
    file.write_bytes(data.parquet_bytes(data.blocks(1)))
    own = make_cluster(workers=2, worker_options=["--allow-path", str(file)])
    figures = measure(own, file, repeats=100)
    for figure in figures:
        print(figure)
    plain, relay, direct = (figure.p50_ms for figure in figures)
    assert relay - plain < LOOSE_MS
    assert direct - plain < LOOSE_MS
