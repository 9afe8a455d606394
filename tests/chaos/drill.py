"""A drill: clients ask, faults fire, and every answer is judged."""

from __future__ import annotations

import collections
import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chaos.faults import ALL, Fault
from chaos.fleet import WHOLE_S, Fleet
from chaos.load import HANG_S, Outcome, Settings
from chaos.questions import put_data
from support.network import NetworkError
from support.processes import Process
from support.waiting import wait_until

TIMEOUT_S = 40.0
# What an answer may take past its deadline: a busy machine, and the client's own patience (5 s).
SLACK_S = 8.0
THREADS = 8
# Past this a query is named in the history, right or not.
SLOW_S = 10.0
PAUSE_S = 0.05
# A coordinator's memory is its own and that of what it relays, and does not grow with time.
MAX_COORDINATOR_BYTES = 400 << 20
_WATCH_S = 1.0


@dataclass
class Seen:
    """What the watcher saw at the coordinator."""

    retried: set[str] = field(default_factory=set)  # ids of queries with a second attempt
    stolen: int = 0
    claims: dict[str, int] = field(default_factory=dict)
    coordinator_bytes: list[int] = field(default_factory=list)


@dataclass
class Report:
    """A drill's figures. Right where `violations` is empty."""

    seed: int
    seconds: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    violations: list[str] = field(default_factory=list)

    def codes(self) -> dict[str, int]:
        found = (o.code for o in self.outcomes if o.result == "error")
        return dict(collections.Counter(found))

    def history(self) -> list[str]:
        """The faults, and the queries that were slow or not answered, as they came."""
        start = min((o.start for o in self.outcomes), default=0.0)
        lines = [
            (
                f.start,
                f"{f.start - start:7.1f} to {f.end - start:.1f} s  {f.kind} "
                f"{','.join(f.workers)}: {f.proof}",
            )
            for f in self.faults
        ]
        lines += [
            (
                o.end,
                f"{o.start - start:7.1f} to {o.end - start:.1f} s  query {o.number} ({o.kind}, "
                f"{o.way}) {o.query_id}: {o.code or o.result} {o.message[:300]}",
            )
            for o in self.outcomes
            if o.result != "right" or o.end - o.start > SLOW_S
        ]
        return [line for _, line in sorted(lines)]

    def failure(self) -> str:
        """What a failed drill tells: the seed, what was wrong, and all that happened."""
        return "\n".join(
            [
                f"seed {self.seed}: {len(self.violations)} violations",
                *self.violations[:20],
                "history:",
                *self.history()[-200:],
            ]
        )


def judge(outcome: Outcome, faults: Sequence[Fault]) -> str | None:
    """Why that outcome may not be; None where it is as designed."""
    took_s = outcome.end - outcome.start
    what = f"query {outcome.number} ({outcome.kind}, {outcome.way}) {outcome.query_id}"
    if outcome.result not in ("right", "error"):
        return f"{what} {outcome.result} after {took_s:.1f} s: {outcome.message}"
    if took_s > outcome.timeout_s + SLACK_S:
        return f"{what} took {took_s:.1f} s of its {outcome.timeout_s:g}: {outcome.code}"
    if outcome.result == "right" or outcome.retryable:
        return None
    if outcome.code == "POISONED" and deaths(outcome, faults) >= 2:
        return None
    return f"{what} ended with {outcome.code} after {took_s:.1f} s: {outcome.message}"


def deaths(outcome: Outcome, faults: Sequence[Fault]) -> int:
    """How many times faults lost workers while the query was under way."""
    return sum(
        f.losses
        for f in faults
        if f.start <= outcome.end and (f.end or outcome.end) >= outcome.start
    )


class Drill:
    """Clients asking a fleet, and a watcher. Made by `drilling`."""

    def __init__(self, fleet: Fleet, seed: int, settings: Settings, process: Process) -> None:
        self.fleet = fleet
        self.report = Report(seed)
        self._settings = settings
        self._process = process
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._began = time.monotonic()
        self._read = 0

    def fire(self, name: str, dice: random.Random) -> Fault:
        """Fires a fault, mends it and waits until the fleet is whole."""
        with self.fleet.mending():
            fault = ALL[name](self.fleet, dice)
        fault.end = time.monotonic()
        self.report.faults.append(fault)
        fault.whole_s = self.fleet.wait_whole()
        return fault

    def look(self) -> list[str]:
        """Judges what ended since the last look. Returns all violations so far."""
        outcomes = read_outcomes(Path(self._settings.output))
        for outcome in outcomes[self._read :]:
            self.report.outcomes.append(outcome)
            wrong = judge(outcome, self.report.faults)
            if wrong is not None:
                self.report.violations.append(wrong)
        self._read = len(outcomes)
        if not self._process.running and not Path(self._settings.stop).exists():
            self.report.violations.append(f"the clients ended early:\n{self._process.log()}")
        return self.report.violations

    def asked(self) -> int:
        """How many queries have ended."""
        self.look()
        return len(self.report.outcomes)

    def start(self) -> None:
        self._watcher.start()

    def end(self) -> None:
        """The clients finish what they are in; no slot and no line may keep anything."""
        Path(self._settings.stop).touch()
        try:
            self._process.popen.wait(TIMEOUT_S + HANG_S + 30)
        finally:
            self._stop.set()
            self._watcher.join(30)
        self.report.seconds = time.monotonic() - self._began
        self.look()
        self.fleet.wait_whole(WHOLE_S)
        self.fleet.wait_idle()
        self._look_at_coordinator()
        peak = max(self.report.seen.coordinator_bytes)
        if peak > MAX_COORDINATOR_BYTES:
            self.report.violations.append(f"the coordinator grew to {peak >> 20} MiB")

    def _watch(self) -> None:
        while not self._stop.wait(_WATCH_S):
            with contextlib.suppress(OSError, ValueError, NetworkError):
                self._look_at_coordinator()

    def _look_at_coordinator(self) -> None:
        seen = self.report.seen
        seen.coordinator_bytes.append(self.fleet.coordinator.rss_bytes())
        seen.claims = self.fleet.claims()
        seen.stolen = seen.claims.get("stolen", 0)
        seen.retried |= {q["id"] for q in self.fleet.queries() if q["attempt"] > 1}


def read_outcomes(path: Path) -> list[Outcome]:
    """What the clients have written down so far."""
    whole, _, _ = path.read_text().rpartition("\n")
    return [Outcome(**json.loads(line)) for line in whole.splitlines()]


@contextlib.contextmanager
def drilling(fleet: Fleet, seed: int, **changes: Any) -> Iterator[Drill]:
    """Clients ask while the block runs. What went wrong is in the drill's report afterwards."""
    folder = fleet.folder
    name = f"load-{len(list(folder.glob('load-*.json'))) + 1}"
    settings = Settings(
        **{
            "url": fleet.url,
            "flight_url": fleet.flight_url,
            "s3_folder": str(fleet.s3.folder),
            "output": str(folder / f"{name}.outcomes"),
            "stop": str(folder / f"{name}.stop"),
            "seed": seed,
            "threads": THREADS,
            "pause_s": PAUSE_S,
            "timeout_s": TIMEOUT_S,
            **changes,
        }
    )
    path = folder / f"{name}.json"
    path.write_text(json.dumps(asdict(settings)))
    Path(settings.output).touch()
    program = Path(__file__).with_name("load.py")
    process = fleet.python(name, str(program), str(path))
    try:
        drill = Drill(fleet, seed, settings, process)

        def asks() -> bool:
            assert process.running, f"the clients did not start:\n{process.log()}"
            return "ready" in process.log() and bool(read_outcomes(Path(settings.output)))

        wait_until("the clients ask", asks, 60)
        drill.start()
        yield drill
        drill.end()
    finally:
        process.stop(2)


def prepare(fleet: Fleet) -> None:
    """Puts the data that the clients ask of."""
    fleet.s3.make_bucket("chaos")
    put_data(fleet.s3.put)


def schedule(seed: int, count: int) -> Iterator[str]:
    """Names of faults: each once in an order of the seed's, then as they fall."""
    dice = random.Random(seed)
    first = list(ALL)
    dice.shuffle(first)
    yield from first[:count]
    for _ in range(count - len(first)):
        yield dice.choice(list(ALL))
