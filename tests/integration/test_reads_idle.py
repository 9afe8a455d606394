"""A query that waits for S3 leaves the cores to others."""

from __future__ import annotations

import time

from support import objects
from support.rig import Rig
from support.s3_faults import latency
from support.s3_record import any_request

# One row group, of more than what opening it reads: one task, which any thread may take.
ROWS = 4 * objects.ROW_GROUP
ONE_TASK = objects.to_parquet(objects.large_table(rows=ROWS).drop_columns(["s"]), ROWS)


def test_the_wait_for_s3_takes_no_core(rig: Rig) -> None:
    """DuckDB's own loop spins where another thread has the task: half of them, by chance."""
    urls = [rig.fresh("one-task.parquet", ONE_TASK) for _ in range(8)]
    worker = rig.cluster.workers[0].process
    began, cpu_s = time.monotonic(), worker.cpu_s()
    with rig.proxy.add_fault(any_request, latency(0.5)):
        for url in urls:
            rig.run(f"SELECT sum(v + a + b + c) FROM '{url}'")
    took_s, cpu_s = time.monotonic() - began, worker.cpu_s() - cpu_s
    print(f"{cpu_s:.2f} s of processor time in {took_s:.2f} s")
    assert took_s > 0.5 * 2 * len(urls), "each waited for its opening and for its columns"
    assert cpu_s < 0.1 * took_s
