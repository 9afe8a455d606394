"""The targets as data, and whether a run met them.

A target is a ratio of two medians, a difference, or one median; its range is of the trials. One
whose figures are missing is not measured, with the reason.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from book import Book, Measurement
from workloads import analytics, latency, prototype, streaming

Key = tuple[str, str, str]  # workload, case, system


@dataclass(frozen=True)
class Target:
    name: str
    bound: float
    unit: str  # "x", "ms" or "MiB"
    ours: Key
    theirs: Key | None
    how: str  # "faster" (theirs / ours), "more" (ours / theirs), "added" (ours - theirs), "is"
    at_most: bool = False
    # What the prototype took elsewhere, in seconds; printed beside, never a verdict.
    beside: float | None = None


@dataclass
class Verdict:
    target: Target
    value: float | None
    low: float = 0.0
    high: float = 0.0
    met: bool | None = None  # None: not measured
    why: str = ""

    @property
    def word(self) -> str:
        return {None: "not measured", True: "met", False: "MISSED"}[self.met]


def _case(workers: int, cache: str) -> str:
    return f"shaped, {workers} worker{'s' * (workers > 1)}, cache {cache}"


def _narrow(workers: int, cache: str, system: str = "Eider") -> Key:
    return (prototype.NARROW, _case(workers, cache), system)


def _plain(cache: str) -> Key:
    return (prototype.NARROW, f"shaped, one process, cache {cache}", "DuckDB 1.5.5")


def _wide(workers: int, cache: str, read: int = 0) -> Key:
    case = _case(workers, cache) + (f", read {read}" if read else "")
    return (prototype.WIDE_FORM, case, "Eider")


# The prototype on a network shaped as this one, as the issue that set these targets has it.
_ELSEWHERE = {(1, "on"): 9.2, (1, "off"): 16.6, (4, "on"): 4.6, (4, "off"): 5.6}


def _against_prototype(workers: int, cache: str, bound: float) -> Target:
    return Target(
        f"workload 1 over the prototype, {workers} worker{'s' * (workers > 1)}, cache {cache}",
        bound,
        "x",
        _narrow(workers, cache),
        _narrow(workers, cache, "prototype"),
        "faster",
        beside=_ELSEWHERE[workers, cache],
    )


TARGETS = (
    _against_prototype(1, "on", 15),
    _against_prototype(1, "off", 20),
    _against_prototype(4, "on", 7),
    _against_prototype(4, "off", 7),
    Target(
        "workload 1 over plain DuckDB, 1 worker, cache on", 2, "x",
        _narrow(1, "on"), _plain("on"), "faster",
    ),
    Target(
        "workload 1 over plain DuckDB, 1 worker, cache off", 2.5, "x",
        _narrow(1, "off"), _plain("off"), "faster",
    ),
    Target(
        "wide form, 4 workers over 1, cache off", 3.4, "x",
        _wide(4, "off"), _wide(1, "off"), "faster",
    ),
    Target(
        "wide form, 4 workers, third read over the first", 5, "x",
        _wide(4, "on", 3), _wide(4, "on", 1), "faster",
    ),
    Target(
        "warm latency p50, direct, added to plain DuckDB", 1.5, "ms",
        (latency.WORKLOAD, latency.P50, "Eider, direct"),
        (latency.WORKLOAD, latency.P50, "DuckDB 1.5.5"), "added", at_most=True,
    ),
    Target(
        "requests a second, 8 threads, direct, of plain DuckDB's", 0.8, "x",
        (latency.WORKLOAD, latency.rate_case(8), "Eider, direct"),
        (latency.WORKLOAD, latency.rate_case(8), "DuckDB 1.5.5"), "more",
    ),
    Target(
        "streaming two bigints, direct, over Quack", 1.0, "x",
        (streaming.WORKLOAD, streaming.BIGINTS, "Eider, direct"),
        (streaming.WORKLOAD, streaming.BIGINTS, streaming.QUACK), "faster",
    ),
    Target(
        "streaming lineitem, direct, over Quack", 1.0, "x",
        (streaming.WORKLOAD, streaming.LINEITEM, "Eider, direct"),
        (streaming.WORKLOAD, streaming.LINEITEM, streaming.QUACK), "faster",
    ),
    Target(
        "TPC-H SF1 warm, one worker, of plain DuckDB on local files", 1.15, "x",
        (analytics.WORKLOAD, analytics.LOCAL, analytics.EIDER),
        (analytics.WORKLOAD, analytics.LOCAL, analytics.LOCAL_DUCKDB), "more", at_most=True,
    ),
    Target(
        "peak memory of the coordinator while it streams", 200, "MiB",
        (streaming.WORKLOAD, streaming.COORDINATOR, "Eider"), None, "is", at_most=True,
    ),
)  # fmt: skip

_RATIO: dict[str, Callable[[float, float], float]] = {
    "faster": lambda ours, theirs: theirs / ours,
    "more": lambda ours, theirs: ours / theirs,
    "added": lambda ours, theirs: ours - theirs,
    "is": lambda ours, theirs: ours,
}


def _why(key: Key, found: Measurement | None) -> str:
    return (found.why if found else "") or f"{key[2]} has no figure of {key[1]}"


def judge(book: Book) -> list[Verdict]:
    verdicts = []
    for target in TARGETS:
        ours = book.of(*target.ours)
        theirs = book.of(*target.theirs) if target.theirs else ours
        ratio = _RATIO[target.how]
        if ours is None or not ours.values:
            verdicts.append(Verdict(target, None, why=_why(target.ours, ours)))
        elif theirs is None or not theirs.values:
            assert target.theirs is not None
            why = _why(target.theirs, theirs)
            if target.beside is not None:
                by = ratio(statistics.median(ours.values), target.beside)
                why += f"; {by:.0f}x what the issue says it took elsewhere ({target.beside} s)"
            verdicts.append(Verdict(target, None, why=why))
        else:
            value = ratio(statistics.median(ours.values), statistics.median(theirs.values))
            each = [ratio(a, b) for a, b in zip(ours.values, theirs.values, strict=False)]
            met = value <= target.bound if target.at_most else value >= target.bound
            verdicts.append(Verdict(target, value, min(each), max(each), met))
    return verdicts


def line(verdict: Verdict) -> str:
    target = verdict.target
    bound = f"{'<=' if target.at_most else '>='} {target.bound:g}{_unit(target.unit)}"
    if verdict.value is None:
        return f"{target.name:60} {bound:>11}  {verdict.word}: {verdict.why}"
    shown = amount(verdict)
    return f"{target.name:60} {bound:>11}  {shown:28} {verdict.word}"


def _unit(unit: str) -> str:
    return unit if unit == "x" else f" {unit}"


def amount(verdict: Verdict) -> str:
    """The value with its range."""
    unit = _unit(verdict.target.unit)
    sign = "+" if verdict.target.how == "added" else ""
    assert verdict.value is not None
    return f"{verdict.value:{sign}.2f}{unit} [{verdict.low:.2f}..{verdict.high:.2f}]"
