"""S3 misbehaves: the query is right, or it fails with the right code within its deadline.

Each test sees that its fault fired, that no slot is left taken, and that the next query works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from support import http, objects, s3_faults
from support.objects import MIB
from support.rig import BUCKET, MakeRig, QueryFailed, Rig
from support.s3 import SECRET_KEY
from support.s3_faults import Fault
from support.s3_record import any_request, gets, lists, slices
from support.waiting import wait_until

# What a deadline may be missed by on a machine that is busy with other things.
GRACE_S = 6.0
STORAGE = {"STORAGE_UNAVAILABLE", "DEADLINE_EXCEEDED"}


@dataclass(frozen=True)
class Kind:
    """An object to read, and a query that needs all of what it reads."""

    name: str
    make: Callable[[], bytes]
    sql: str


KINDS = [
    Kind("small.parquet", objects.small_parquet, "SELECT * FROM '{url}' ORDER BY id"),
    Kind("large.parquet", objects.large_parquet, "SELECT sum(v), count(b), sum(id) FROM '{url}'"),
    Kind("x.csv", lambda: objects.csv_text(150_000), "SELECT sum(v), max(name) FROM '{url}'"),
]
CONTENT = {kind.name: kind.make() for kind in KINDS}

# Each of these once: the second try must give the right answer.
PASSING: list[Fault] = [
    s3_faults.slow_down(),
    s3_faults.slow_down(retry_after_s=1),
    s3_faults.internal_error(),
    s3_faults.reset("request"),
    s3_faults.reset("answer"),
    s3_faults.reset("headers"),
    s3_faults.reset("body"),
    s3_faults.truncate(),
    s3_faults.truncate_unannounced(),
    s3_faults.short_length(),
    s3_faults.overlong(),
    s3_faults.past_length(),
    s3_faults.shifted_range(),
    s3_faults.no_content_range(),
    s3_faults.ignore_range(),
    s3_faults.ignore_conditions(),
    s3_faults.garbage(),
    s3_faults.latency(0.3),
]
# Without end: no try can give an answer.
LASTING: list[tuple[Fault, set[str]]] = [
    (s3_faults.slow_down(), STORAGE),
    (s3_faults.slow_down(retry_after_s=600), STORAGE),
    (s3_faults.internal_error(), STORAGE),
    (s3_faults.reset("connect"), STORAGE),
    (s3_faults.reset("request"), STORAGE),
    (s3_faults.reset("answer"), STORAGE),
    (s3_faults.reset("headers"), STORAGE),
    (s3_faults.reset("body"), STORAGE),
    (s3_faults.truncate(), STORAGE),
    (s3_faults.truncate_unannounced(), STORAGE),
    (s3_faults.short_length(), STORAGE),
    (s3_faults.shifted_range(), STORAGE),
    (s3_faults.no_content_range(), STORAGE),
    (s3_faults.garbage(), STORAGE),
    (s3_faults.stall("headers"), STORAGE),
    (s3_faults.stall("body"), STORAGE),
    (s3_faults.drip(50), STORAGE),
    (s3_faults.access_denied(), {"PERMISSION_DENIED"}),
    (s3_faults.expired_token(400), {"PERMISSION_DENIED"}),
    (s3_faults.expired_token(403), {"PERMISSION_DENIED"}),
]


def named(value: Any) -> str | None:
    return value.name if isinstance(value, Fault | Kind) else None


def prepare(rig: Rig, kind: Kind) -> tuple[str, str, list[tuple[Any, ...]]]:
    """A cold object: its key, the query on it, and the answer of plain DuckDB."""
    url = rig.fresh(kind.name, CONTENT[kind.name])
    sql = kind.sql.format(url=url)
    return url.removeprefix(f"s3://{BUCKET}/"), sql, rig.plain_rows(sql)


def assert_sound(rig: Rig, sql: str, want: list[tuple[Any, ...]]) -> None:
    """After a fault: no slot is taken, and the query's answer is right."""
    rig.wait_slots_free()
    assert rig.run(sql, timeout_s=40).rows == want
    rig.wait_slots_free()


@pytest.mark.parametrize("kind", KINDS, ids=named)
@pytest.mark.parametrize("fault", PASSING, ids=named)
def test_once(rig: Rig, fault: Fault, kind: Kind) -> None:
    key, sql, want = prepare(rig, kind)
    with rig.proxy.record() as seen, rig.proxy.add_fault(gets(key), fault, times=1) as rule:
        outcome = rig.run(sql, timeout_s=40)
        assert rule.fired == 1, f"nothing was spoilt:\n{seen}"
    assert outcome.rows == want
    assert_sound(rig, sql, want)


@pytest.mark.parametrize("kind", KINDS, ids=named)
@pytest.mark.parametrize("stage", ["headers", "body"])
def test_stall_once(rig: Rig, stage: Any, kind: Kind) -> None:
    """A stalled read is noticed by its lack of progress, well before the query's deadline."""
    key, sql, want = prepare(rig, kind)
    with rig.proxy.add_fault(gets(key), s3_faults.stall(stage), times=1) as rule:
        outcome = rig.run(sql, timeout_s=100)
        assert rule.fired == 1
    assert outcome.rows == want
    assert_sound(rig, sql, want)


@pytest.mark.parametrize("kind", KINDS[:2], ids=named)
@pytest.mark.parametrize(("fault", "codes"), LASTING, ids=named)
def test_without_end(rig: Rig, fault: Fault, codes: set[str], kind: Kind) -> None:
    key, sql, want = prepare(rig, kind)
    timeout_s = 3.0
    rig.proxy.drop_connections()  # so that a reset at "connect" has connections to meet
    with rig.proxy.add_fault(gets(key), fault) as rule, pytest.raises(QueryFailed) as failed:
        rig.run(sql, timeout_s=timeout_s)
    assert rule.fired >= 1
    assert failed.value.code in codes, failed.value
    if failed.value.code != "DEADLINE_EXCEEDED":
        assert key in failed.value.message, "the message names the object"
    rig.wait_slots_free()
    (record, *_) = rig.cluster.queries()
    assert record["run_ms"] <= (timeout_s + GRACE_S) * 1000
    assert_sound(rig, sql, want)


@pytest.mark.parametrize("times", [1, None], ids=["once", "without end"])
@pytest.mark.parametrize("kind", KINDS, ids=named)
@pytest.mark.parametrize(
    "fault",
    [s3_faults.wrong_etag(), s3_faults.other_total(1), s3_faults.other_total(-1)],
    ids=["ETag", "total too large", "total too small"],
)
def test_wrong_metadata(rig: Rig, fault: Fault, kind: Kind, times: int | None) -> None:
    """It may pass for a version that is gone again. Never is an answer made of it that is wrong."""
    key, sql, want = prepare(rig, kind)
    with rig.proxy.add_fault(gets(key), fault, times=times) as rule:
        try:
            assert rig.run(sql, timeout_s=20).rows == want
        except QueryFailed as failed:
            assert failed.code in STORAGE, failed
        assert rule.fired >= 1
    rig.wait_slots_free()
    # What was believed of it may be kept for as long as metadata is; a refresh asks.
    assert rig.run(sql, cache="refresh", timeout_s=40).rows == want
    assert_sound(rig, sql, want)


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_slow_but_moving(rig: Rig, kind: Kind) -> None:
    """Slow is not stalled: one such answer costs time and nothing else."""
    key, sql, want = prepare(rig, kind)
    size = len(CONTENT[kind.name])
    with rig.proxy.add_fault(gets(key), s3_faults.drip(min(size, MIB) // 2), times=1) as rule:
        outcome = rig.run(sql, timeout_s=60)
        assert rule.fired == 1
    assert outcome.rows == want
    assert_sound(rig, sql, want)


def test_range_ignored_without_end(rig: Rig) -> None:
    """Some servers know no ranges: the answer is right, or the error says what is the matter."""
    key, sql, want = prepare(rig, KINDS[1])
    with rig.proxy.add_fault(gets(key), s3_faults.ignore_range()) as rule:
        try:
            assert rig.run(sql, timeout_s=20).rows == want
        except QueryFailed as failed:
            assert failed.code in STORAGE, failed
        assert rule.fired >= 1
    assert_sound(rig, sql, want)


def test_storm_that_ends(rig: Rig) -> None:
    """Several refusals in a row, over all of a query's requests, within the retry budget."""
    key, sql, want = prepare(rig, KINDS[1])
    with (
        rig.proxy.record() as seen,
        rig.proxy.add_fault(gets(key), s3_faults.slow_down(), times=3) as rule,
    ):
        outcome = rig.run(sql, timeout_s=60)
        assert rule.fired == 3
    assert outcome.rows == want
    assert outcome.figures["retries"] >= 3
    assert outcome.figures["s3_requests"] == seen.count()


def test_a_storm_is_not_answered_with_a_storm(rig: Rig) -> None:
    """Retries back off and have a budget: 32 queries against 503 make few requests each."""
    keys = [prepare(rig, KINDS[0]) for _ in range(32)]
    folder = {key for key, _, _ in keys}

    def chosen(request: Any) -> bool:
        return request.kind == "GET" and request.key in folder

    with (
        rig.proxy.record() as seen,
        rig.proxy.add_fault(chosen, s3_faults.slow_down()) as rule,
    ):
        running = [rig.start(sql, timeout_s=5) for _, sql, _ in keys]
        codes = {type(one.exception(40)) for one in running}
        assert codes == {QueryFailed}
        assert rule.fired >= 32
    assert len(seen.matching(chosen)) <= 32 * 15, "fewer than three a second for each query"
    _, sql, want = keys[0]
    assert_sound(rig, sql, want)


def test_lists_fail_and_are_retried(rig: Rig) -> None:
    folder = rig.folder()
    for number in range(3):
        rig.s3.put(BUCKET, f"{folder}/{number}.parquet", objects.small_parquet(number + 1))
    sql = f"SELECT sum(v), count(*) FROM 's3://{BUCKET}/{folder}/*.parquet'"
    want = rig.plain_rows(sql)

    def ours(request: Any) -> bool:
        return lists(request) and folder in request.query.get("prefix", "")

    faults = [
        s3_faults.slow_down(),
        s3_faults.reset("answer"),
        s3_faults.truncate(),
        s3_faults.garbage(),
    ]
    for fault in faults:
        with rig.proxy.add_fault(ours, fault, times=1) as rule:
            assert rig.run(sql, cache="refresh", timeout_s=40).rows == want, fault.name
            assert rule.fired == 1, fault.name
    with rig.proxy.add_fault(ours, s3_faults.access_denied()) as rule:
        with pytest.raises(QueryFailed) as failed:
            rig.run(sql, cache="refresh")
        assert failed.value.code == "PERMISSION_DENIED"
        assert rule.fired == 1, "a refusal is not retried"
    assert_sound(rig, sql, want)


def test_missing_object_and_bucket(rig: Rig) -> None:
    missing = f"s3://{BUCKET}/{rig.folder()}/nothing.parquet"
    for url in (missing, "s3://no-such-bucket-here/x.parquet"):
        with rig.proxy.record() as seen:
            with pytest.raises(QueryFailed) as failed:
                rig.run(f"SELECT * FROM '{url}'")
            assert failed.value.code == "NOT_FOUND", failed.value
            assert url in failed.value.message
        assert seen.count() == 1, f"an object that is not there is asked for once:\n{seen}"


def test_credentials_expire_in_the_middle(rig: Rig) -> None:
    """The first request passes, none after it: in words, without a credential, and at once."""
    key, sql, want = prepare(rig, KINDS[1])
    with (
        rig.proxy.record() as seen,
        rig.proxy.add_fault(any_request, s3_faults.expired_token(403), skip=1) as rule,
    ):
        with pytest.raises(QueryFailed) as failed:
            rig.run(sql, timeout_s=30)
        assert rule.fired >= 1
    assert failed.value.code == "PERMISSION_DENIED"
    assert key in failed.value.message
    assert SECRET_KEY not in failed.value.message
    assert seen.count() <= 20, "403 is not retried"
    assert_sound(rig, sql, want)


def test_cancel_while_s3_is_silent(rig: Rig) -> None:
    """The stalled read watches the query: a cancelled one leaves its slot at once."""
    key, sql, want = prepare(rig, KINDS[1])
    with rig.proxy.record() as seen, rig.proxy.add_fault(slices(key), s3_faults.stall("headers")):
        running = rig.start(sql, timeout_s=60)
        wait_until("a column is asked for", lambda: seen.matching(slices(key)))
        (record,) = [q for q in rig.cluster.queries() if q["sql"] == sql]
        assert record["state"] == "running"
        with rig.proxy.record() as later:
            path = f"/v1/queries/{record['id']}"
            assert http.get(rig.cluster.url, path, method="DELETE").status == 200
            error = running.exception(10)
        assert isinstance(error, QueryFailed) and error.code == "CANCELLED"
        assert later.matching(slices(key)) == []
    assert_sound(rig, sql, want)


def test_one_stalled_object_does_not_stop_the_others(rig: Rig) -> None:
    key, sql, want = prepare(rig, KINDS[1])
    _, other_sql, other_want = prepare(rig, KINDS[1])
    with rig.proxy.hold(gets(key)) as gate:
        held = rig.start(sql)
        gate.wait_held(1)
        assert rig.run(other_sql, timeout_s=20).rows == other_want
        gate.release()
        assert held.result(60).rows == want


def test_cold_after_every_connection_was_dropped(make_rig: MakeRig) -> None:
    """Kept connections that S3 has closed meanwhile are no error of a query."""
    own = make_rig()
    for _ in range(5):
        _, sql, want = prepare(own, KINDS[1])
        assert own.run(sql).rows == want
        own.proxy.drop_connections()
