"""A worker is killed, also while it fills its cache, and comes back to the same directory."""

from __future__ import annotations

import pytest

from support import objects, s3_faults
from support.objects import MIB
from support.rig import BUCKET, MakeRig
from support.s3_record import gets
from support.waiting import wait_until

LARGE = objects.large_parquet()
SQL = "SELECT sum(v), sum(id), count(a), count(b), count(c) FROM '{url}'"


def test_warm_start(make_rig: MakeRig) -> None:
    """The first query after a restart is answered from the disk."""
    own = make_rig("--revalidate", "1h")
    sql = SQL.format(url=own.fresh("large.parquet", LARGE))
    want = own.run(sql).rows

    def kept() -> bool:
        return bool(own.cluster.worker_status("w1")["cache"]["used_bytes"] >= len(LARGE) * 0.95)

    # Pages reach the disk behind the query's back.
    wait_until("what was read is on the disk", kept, 10)
    own.kill_worker()
    own.restart_worker()
    with own.proxy.record() as seen:
        outcome = own.run(sql)
    assert outcome.rows == want
    assert seen.count() <= 1, f"at most the version is asked for:\n{seen}"
    assert seen.bytes <= 64 * 1024, str(seen)
    figures = outcome.figures
    assert figures["cache_bytes"] >= figures["asked_bytes"] * 0.9
    with own.proxy.record() as seen:
        assert own.run(sql).rows == want
    assert seen.count() == 0, str(seen)


def test_warm_start_with_an_object_that_was_replaced_meanwhile(make_rig: MakeRig) -> None:
    """A version from before the restart is asked about before it is served."""
    own = make_rig()
    url = own.fresh("small.parquet", objects.small_parquet(1))
    sql = f"SELECT min(v // 1000000), max(v // 1000000) FROM '{url}'"
    assert own.run(sql).rows == [(1, 1)]
    own.kill_worker()
    own.replace(url, objects.small_parquet(2))
    own.restart_worker()
    assert own.run(sql).rows == [(2, 2)]


@pytest.mark.timeout(300)
def test_killed_in_the_middle_of_filling(make_rig: MakeRig) -> None:
    """At another moment in each round: right answers after each, and what was kept is used."""
    own = make_rig("--revalidate", "1h")
    for share in (0.15, 0.4, 0.7, 0.9):
        url = own.fresh("large.parquet", LARGE)
        key = url.removeprefix(f"s3://{BUCKET}/")
        sql = SQL.format(url=url)
        want = own.plain_rows(sql)
        with (
            own.proxy.add_fault(gets(key), s3_faults.drip(4 * MIB)),
            own.proxy.record() as seen,
        ):
            running = own.start(sql, timeout_s=60)
            seen.wait_bytes(int(len(LARGE) * share), 60)
            own.kill_worker()
        own.restart_worker()
        # The coordinator has tried it again on the worker that came back, or says that it is lost.
        running.exception(60)
        own.wait_slots_free()
        assert own.run(sql).rows == want
        with own.proxy.record() as seen:
            assert own.run(sql).rows == want
        assert seen.count() == 0, f"now it is all here:\n{seen}"
    own.kill_worker()
    own.restart_worker()
    with own.proxy.record() as seen:
        assert own.run(sql).rows == want
    assert seen.bytes <= 64 * 1024, str(seen)


def test_damaged_pages_are_fetched_again(make_rig: MakeRig) -> None:
    """Bits are flipped in everything that the cache directory holds while the worker is away."""
    own = make_rig("--revalidate", "1h")
    sql = SQL.format(url=own.fresh("large.parquet", LARGE))
    want = own.run(sql).rows
    own.kill_worker()
    (worker,) = own.cluster.workers
    damaged = 0
    for path in worker.cache_dir.rglob("*"):
        if path.is_file() and path.stat().st_size >= 16 * 1024:
            content = bytearray(path.read_bytes())
            for at in range(5000, len(content), 40_000):
                content[at] ^= 0x10
            path.write_bytes(content)
            damaged += 1
    assert damaged > 0, "the cache left nothing on the disk"
    own.restart_worker()
    assert own.run(sql).rows == want
    with own.proxy.record() as seen:
        assert own.run(sql).rows == want
    assert seen.count() == 0, f"what was damaged is repaired:\n{seen}"


def test_a_tiny_budget_is_kept(make_rig: MakeRig) -> None:
    """Reads of far more than the budget are right, and the directory does not outgrow it."""
    budget = 8 * MIB
    own = make_rig("--cache-size", str(budget), "--revalidate", "1h")
    (worker,) = own.cluster.workers
    for _ in range(3):
        sql = SQL.format(url=own.fresh("large.parquet", LARGE))
        want = own.plain_rows(sql)
        for _ in range(2):
            assert own.run(sql).rows == want
        used = sum(p.stat().st_blocks * 512 for p in worker.cache_dir.rglob("*") if p.is_file())
        assert used <= budget + 4 * MIB, f"{used} bytes on disk for a budget of {budget}"
