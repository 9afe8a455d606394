"""Many clients and one cold object: each byte comes once."""

from __future__ import annotations

import pytest

from support import objects, s3_faults
from support.rig import BUCKET, MakeRig, QueryFailed, Rig
from support.s3_record import any_request, gets, repeated_bytes
from support.waiting import wait_until

CLIENTS = 64
SQL = "SELECT sum(v), sum(b), count(*) FROM '{url}'"


@pytest.fixture
def crowd(make_rig: MakeRig) -> Rig:
    """One worker that runs all clients' queries at a time."""
    # Each reader of a CSV file has a buffer of 32 MB.
    return make_rig("--slots", str(CLIENTS), "--revalidate", "1h", memory_limit="4GB")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("small.parquet", objects.small_parquet()),
        ("large.parquet", objects.large_parquet()),
        ("x.csv", b"v,b\n" + b"".join(b"%d,%d\n" % (i, i % 7) for i in range(300_000))),
    ],
    ids=["small Parquet", "large Parquet", "CSV"],
)
def test_each_byte_comes_once(crowd: Rig, name: str, content: bytes) -> None:
    url = crowd.fresh(name, content)
    key = url.removeprefix(f"s3://{BUCKET}/")
    sql = SQL.format(url=url)
    want = crowd.plain_rows(sql)
    with crowd.proxy.record() as seen, crowd.proxy.hold(gets(key)) as gate:
        running = [crowd.start(sql, timeout_s=100) for _ in range(CLIENTS)]
        gate.wait_held(1)
        wait_until("all queries run", lambda: crowd.running() == CLIENTS)
        assert gate.held == 1, f"one opening GET is enough for all:\n{seen}"
        gate.release()
        outcomes = [one.result(120) for one in running]
    for outcome in outcomes:
        assert len(outcome.rows) == 1
        for got, plain in zip(outcome.rows[0], want[0], strict=True):
            assert got == pytest.approx(plain, rel=1e-12)
    fetched = seen.matching(gets(key))
    assert repeated_bytes(fetched) == 0, str(seen)
    assert len({r.range for r in fetched}) == len(fetched), str(seen)
    assert seen.bytes <= len(content)
    figures = [outcome.figures for outcome in outcomes]
    assert sum(f["s3_requests"] for f in figures) == seen.count()
    assert sum(f["s3_bytes"] for f in figures) == seen.bytes
    # One that runs may still be on its way to the file when the first bytes come: it need not wait.
    waits = sum(f["shared_fetches"] for f in figures)
    assert waits >= CLIENTS // 2, "they did not wait for one another"


def test_a_failed_fetch_fails_or_is_tried_again_for_all(crowd: Rig) -> None:
    """Nobody is left waiting, and the failure is not kept."""
    url = crowd.fresh("large.parquet", objects.large_parquet())
    key = url.removeprefix(f"s3://{BUCKET}/")
    sql = SQL.format(url=url)
    with crowd.proxy.hold(gets(key)) as gate:
        with crowd.proxy.add_fault(gets(key), s3_faults.access_denied()) as rule:
            running = [crowd.start(sql, timeout_s=60) for _ in range(CLIENTS)]
            gate.wait_held(1)
            wait_until("all queries run", lambda: crowd.running() == CLIENTS)
            gate.release()
            errors = [one.exception(60) for one in running]
        assert rule.fired >= 1
    for error in errors:
        assert isinstance(error, QueryFailed) and error.code == "PERMISSION_DENIED", error
    crowd.wait_slots_free()
    (got,) = crowd.run(sql).rows
    assert got[2] == 8 * objects.ROW_GROUP


def test_the_one_who_fetches_is_cancelled(crowd: Rig) -> None:
    """The others do not fail with it: the fetch goes on, or another one begins it anew."""
    url = crowd.fresh("large.parquet", objects.large_parquet())
    key = url.removeprefix(f"s3://{BUCKET}/")
    sql = SQL.format(url=url)
    want = crowd.plain_rows(sql)
    with crowd.proxy.hold(gets(key)) as gate:
        first = crowd.start(sql, timeout_s=4)
        gate.wait_held(1)
        others = [crowd.start(sql, timeout_s=100) for _ in range(8)]
        wait_until("all queries run", lambda: crowd.running() == 9)
        error = first.exception(30)
        assert isinstance(error, QueryFailed) and error.code == "DEADLINE_EXCEEDED", error
        gate.release()
        for one in others:
            (got,) = one.result(60).rows
            assert got == pytest.approx(want[0], rel=1e-12)
    crowd.wait_slots_free()


def test_different_objects_do_not_wait_for_one_another(crowd: Rig) -> None:
    urls = [crowd.fresh("small.parquet", objects.small_parquet(n % 7 + 1)) for n in range(32)]
    with crowd.proxy.record() as seen, crowd.proxy.hold(any_request) as gate:
        running = [crowd.start(f"SELECT sum(v) FROM '{url}'", timeout_s=100) for url in urls]
        gate.wait_held(32)
        gate.release()
        for one in running:
            one.result(60)
    assert seen.count("GET") == seen.count() == 32, str(seen)
