"""What goes wrong, one function for each way. Each acts, checks that it took hold, and says so.

Mending is the caller's (Fleet.mending), so that it happens whatever a check says.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from chaos.fleet import WORKER_PORT, Fleet, Worker, reaches
from support.waiting import wait_until

# The rule is to be seen within 3 s, here on a machine that has other work.
SILENCE_S = 3.0
NOTICED_S = SILENCE_S + 5.0
# What is sent when only the answers are lost: the kernel goes on for a moment.
HALF_CUT_NOTICED_S = NOTICED_S + 3.0
KILL_NOTICED_S = 4.0
SLOW_RATE_BYTES_S = 300e3
SLOW_DELAY_MS = 60.0


@dataclass
class Fault:
    """One that was fired. Times are of CLOCK_MONOTONIC."""

    kind: str
    workers: list[str]
    start: float
    end: float = 0.0  # mended
    whole_s: float = 0.0  # from then until the fleet was whole
    losses: int = 0  # how many times what runs on them may be lost
    proof: str = ""
    history: list[str] = field(default_factory=list)


FireAtOne = Callable[[Fleet, Worker, random.Random], Fault]
Fire = Callable[[Fleet, random.Random], Fault]


def _begin(kind: str, workers: list[Worker], losses: int = 1) -> Fault:
    return Fault(kind, [w.id for w in workers], time.monotonic(), losses=losses)


def _hold(dice: random.Random, low_s: float = 0.5, high_s: float = 3.0) -> None:
    time.sleep(dice.uniform(low_s, high_s))


def _kill(worker: Worker) -> None:
    worker.process.kill()
    assert worker.process.popen.returncode == -signal.SIGKILL, "it did not die of SIGKILL"


def _freeze(worker: Worker) -> None:
    worker.freeze()
    wait_until(f"{worker.id} is stopped", lambda: worker.process_state() == "T", 5)


def _cut_off(worker: Worker) -> None:
    worker.cut()


def kill(fleet: Fleet, worker: Worker, dice: random.Random) -> Fault:
    """kill -9; it starts again with its id and its cache."""
    fault = _begin("killed", [worker])
    _kill(worker)
    noticed_s = fleet.wait_down(worker, KILL_NOTICED_S)
    fault.proof = f"died of signal 9, seen down after {noticed_s:.1f} s"
    _hold(dice)
    worker.start()
    return fault


def kill_and_start_at_once(fleet: Fleet, worker: Worker, dice: random.Random) -> Fault:
    """It is back before anybody can have looked twice; its boot id tells."""
    fault = _begin("killed, started at once", [worker])
    before = worker.status()["boot_id"]
    _kill(worker)
    worker.start()
    wait_until(f"{worker.id} is another", lambda: worker.status()["boot_id"] != before, 30)
    fault.proof = "died of signal 9, came with another boot id"
    return fault


def freeze(fleet: Fleet, worker: Worker, dice: random.Random) -> Fault:
    """SIGSTOP, until after it was noticed."""
    fault = _begin("frozen", [worker])
    _freeze(worker)
    noticed_s = fleet.wait_down(worker, NOTICED_S)
    assert worker.process_state() == "T", "it was not stopped all the time"
    fault.proof = f"/proc says T, seen down after {noticed_s:.1f} s"
    _hold(dice)
    worker.thaw()
    return fault


def freeze_shortly(fleet: Fleet, worker: Worker, dice: random.Random) -> Fault:
    """SIGSTOP for less than what counts as lost: all goes on."""
    fault = _begin("frozen shortly", [worker])
    _freeze(worker)
    time.sleep(dice.uniform(0.3, 1.5))
    assert worker.process_state() == "T", "it was not stopped all the time"
    worker.thaw()
    fault.proof = "/proc says T"
    return fault


def _cut(
    fleet: Fleet,
    worker: Worker,
    dice: random.Random,
    kind: str,
    up: bool,
    down: bool,
    noticed_s: float,
) -> Fault:
    before = worker.namespace.stats()
    fault = _begin(kind, [worker])
    worker.cut(up, down)
    took_s = fleet.wait_down(worker, noticed_s)
    assert not reaches(fleet.desk.namespace, worker.namespace, WORKER_PORT), "it was not cut"
    after = worker.namespace.stats()
    dropped = {way: after[f"{way}_dropped_cut"] - before[f"{way}_dropped_cut"] for way in _WAYS}
    for way, is_cut in (("up", up), ("down", down)):
        assert (dropped[way] > 0) == is_cut, f"dropped packets of {worker.id}'s link: {dropped}"
    fault.proof = (
        f"dropped {dropped['up']} packets from it and {dropped['down']} to it, "
        f"no connection, seen down after {took_s:.1f} s"
    )
    _hold(dice)
    worker.mend()
    return fault


_WAYS = ("up", "down")


def cut_both(fleet: Fleet, worker: Worker, dice: random.Random) -> Fault:
    """A worker's link, both ways."""
    return _cut(fleet, worker, dice, "cut both ways", True, True, NOTICED_S)


def cut_from(fleet: Fleet, worker: Worker, dice: random.Random) -> Fault:
    """What a worker sends is lost."""
    return _cut(fleet, worker, dice, "cut from it", True, False, NOTICED_S)


def cut_to(fleet: Fleet, worker: Worker, dice: random.Random) -> Fault:
    """What is sent to a worker is lost."""
    return _cut(fleet, worker, dice, "cut to it", False, True, HALF_CUT_NOTICED_S)


def slow(fleet: Fleet, worker: Worker, dice: random.Random) -> Fault:
    """A worker's link is narrow and long."""
    fault = _begin("slow link", [worker])
    worker.namespace.set(rate_bytes_s=SLOW_RATE_BYTES_S, delay_ms=SLOW_DELAY_MS)
    began = time.monotonic()
    assert reaches(fleet.desk.namespace, worker.namespace, WORKER_PORT, 10)
    took_ms = (time.monotonic() - began) * 1000
    assert took_ms > 2 * SLOW_DELAY_MS * 0.8, f"a handshake took {took_ms:.0f} ms"
    fault.proof = f"a handshake took {took_ms:.0f} ms"
    _hold(dice, 4, 7)
    worker.mend()
    return fault


def cut_storage(fleet: Fleet, worker: Worker, dice: random.Random) -> Fault:
    """S3 is out of reach of one worker alone, for less than a query's deadline."""
    before = worker.namespace.stats()["blocked"]
    fault = _begin("S3 cut from one", [worker], losses=0)
    worker.namespace.block(fleet.s3.namespace)
    assert not reaches(worker.namespace, fleet.s3.namespace, fleet.s3.port), "it was not cut"
    _hold(dice, 4, 8)
    dropped = worker.namespace.stats()["blocked"] - before
    assert dropped > 0
    fault.proof = f"dropped {dropped} packets from it to S3, no connection"
    worker.mend()
    return fault


def all_gone(fleet: Fleet, dice: random.Random) -> Fault:
    """Every worker at once, and all of them back."""
    way = dice.choice(["killed", "frozen", "cut"])
    fault = _begin(f"all {way}", fleet.workers)
    act: Callable[[Worker], None] = {"killed": _kill, "frozen": _freeze, "cut": _cut_off}[way]
    if way == "killed":
        # What is lost with one starts on the next, until that is killed too. That all fell at once
        # speaks for the query, but not of workers that have fallen often of late, as here.
        fault.losses = len(fleet.workers)
    for worker in fleet.workers:
        act(worker)

    def none_up() -> bool:
        return all(w["state"] == "down" for w in fleet.workers_status())

    wait_until("every worker is down", none_up, NOTICED_S + 2)
    noticed_s = time.monotonic() - fault.start
    assert fleet.get("/readyz").status == 503, "a fleet without workers calls itself ready"
    fault.proof = f"{way}, all seen down after {noticed_s:.1f} s, /readyz says 503"
    _hold(dice)
    for worker in fleet.workers:
        if way == "killed":
            worker.start(wait=False)
        elif way == "frozen":
            worker.thaw()
        else:
            worker.mend()
    return fault


def rolling(fleet: Fleet, dice: random.Random) -> Fault:
    """SIGTERM to one after the other: each drains, ends by itself and comes back."""
    fault = _begin("rolling restart", fleet.workers, losses=0)
    took = []
    for worker in dice.sample(fleet.workers, len(fleet.workers)):
        took.append(restart(fleet, worker))
    fault.proof = f"each ended with 0, after {max(took):.1f} s at most"
    return fault


def restart(fleet: Fleet, worker: Worker) -> float:
    """Drains one by SIGTERM, starts it again, waits for the whole fleet; how long its end took."""
    before = worker.status()["boot_id"]
    began = time.monotonic()
    worker.process.signal(signal.SIGTERM)
    code = worker.process.popen.wait(60)
    took_s = time.monotonic() - began
    assert code == 0, f"{worker.id} ended with {code} after SIGTERM\n{worker.log()}"
    worker.start()
    wait_until(
        f"{worker.id} is another",
        lambda: worker.status()["boot_id"] != before and worker.status()["ready"],
        30,
    )
    fleet.wait_whole()
    return took_s


AT_ONE: dict[str, FireAtOne] = {
    fire.__name__: fire
    for fire in (
        kill,
        kill_and_start_at_once,
        freeze,
        freeze_shortly,
        cut_both,
        cut_from,
        cut_to,
        slow,
        cut_storage,
    )
}


def two_at_once(fleet: Fleet, dice: random.Random) -> Fault:
    """Two workers, each with a fault of its own; the second begins before the first has ended."""
    workers = dice.sample(fleet.workers, 2)
    names = dice.sample(sorted(AT_ONE), 2)
    fault = _begin("two at once", workers)
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(AT_ONE[name], fleet, worker, random.Random(dice.random()))
            for name, worker in zip(names, workers, strict=True)
        ]
        both = [one.result() for one in asked]
    fault.losses = sum(one.losses for one in both)
    fault.proof = "; ".join(f"{one.kind} {one.workers[0]}: {one.proof}" for one in both)
    return fault


def _at_any(fire: FireAtOne) -> Fire:
    return lambda fleet, dice: fire(fleet, dice.choice(fleet.workers), dice)


ALL: dict[str, Fire] = {
    **{name: _at_any(fire) for name, fire in AT_ONE.items()},
    **{fire.__name__: fire for fire in (two_at_once, all_gone, rolling)},
}
