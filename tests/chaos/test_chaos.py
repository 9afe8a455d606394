"""Every fault there is, once, under load: what clients get is right, or a typed retryable error."""

from __future__ import annotations

import random

import pytest

from chaos import drill, faults, summary
from chaos.conftest import MakeFleet
from support.waiting import wait_until


@pytest.mark.timeout(400)
def test_every_fault_under_load(make_fleet: MakeFleet, seed: int) -> None:
    fleet = make_fleet(worker_options=["--slots", "2"])
    drill.prepare(fleet)
    with drill.drilling(fleet, seed) as one:
        for number, name in enumerate(drill.schedule(seed, len(faults.ALL))):
            one.fire(name, random.Random(f"{seed}-{number}"))
            assert not one.look(), one.report.failure()
    report = one.report
    print("\n".join(summary.lines(report)))
    assert not report.violations, report.failure()
    fired = {fault.kind for fault in report.faults}
    assert len(fired) == len(faults.ALL), f"fired: {fired}"
    assert report.seen.retried, "no query was retried by the coordinator"
    assert report.seen.stolen > 0, "no task was stolen"
    right = sum(o.result == "right" for o in report.outcomes)
    assert right > 0.9 * len(report.outcomes), report.failure()


@pytest.mark.timeout(300)
def test_a_rolling_restart_fails_no_query(make_fleet: MakeFleet, seed: int) -> None:
    fleet = make_fleet(worker_options=["--slots", "2"])
    drill.prepare(fleet)
    with drill.drilling(fleet, seed) as one:
        boots = {w["id"]: w["boot_id"] for w in fleet.workers_status()}
        before = one.asked()
        one.fire("rolling", random.Random(seed))
        assert one.asked() > before + 20, "there was no load"
        after = {w["id"]: w["boot_id"] for w in fleet.workers_status()}
    assert all(after[worker] != boot for worker, boot in boots.items()), "not all restarted"
    print("\n".join(summary.lines(one.report)))
    failed = [o for o in one.report.outcomes if o.result != "right"]
    assert not failed, f"{len(failed)} failed of {len(one.report.outcomes)}\n{one.report.failure()}"


@pytest.mark.timeout(300)
def test_s3_out_of_one_workers_reach(make_fleet: MakeFleet, seed: int) -> None:
    """It says so; the others answer; and it is ready again when S3 is back."""
    fleet = make_fleet(worker_options=["--slots", "2"])
    drill.prepare(fleet)
    with drill.drilling(fleet, seed) as one:
        victim = random.Random(seed).choice(fleet.workers)
        with fleet.mending():
            victim.namespace.block(fleet.s3.namespace)
            status = wait_until(
                f"{victim.id} says that it is not ready",
                lambda: not (s := victim.status())["ready"] and s,
                60,
            )
            assert status["state"] == "up"
            assert status["not_ready_why"] != ""
            assert fleet.get("/readyz").status == 200, "the others are ready"
            before = one.asked()
            wait_until("others answer", lambda: one.asked() > before + 50, 60)
            blocked = victim.namespace.stats()["blocked"]
            assert blocked > 0
        fleet.wait_whole()
    assert not one.report.violations, one.report.failure()
