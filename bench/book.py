"""What a run measured: values by workload, case and system, and what could not be measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Fingerprint = list[Any]  # [rows, [a sum for each column]]


class WrongResult(RuntimeError):
    """Two systems answered the same question differently."""


@dataclass
class Measurement:
    """One system's figures of one case, one value a trial."""

    workload: str
    case: str
    system: str
    unit: str
    values: list[float] = field(default_factory=list)
    why: str = ""  # there are no values
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None


class Book:
    """All measurements of a run, and what each case's right answer is. Not thread-safe."""

    def __init__(self) -> None:
        self.measurements: list[Measurement] = []
        self.notes: list[str] = []
        self._answers: dict[str, tuple[str, list[Fingerprint]]] = {}
        self.checks = 0

    def of(self, workload: str, case: str, system: str) -> Measurement | None:
        for one in self.measurements:
            if (one.workload, one.case, one.system) == (workload, case, system):
                return one
        return None

    def _make(self, workload: str, case: str, system: str, unit: str) -> Measurement:
        found = self.of(workload, case, system)
        if found is None:
            found = Measurement(workload, case, system, unit)
            self.measurements.append(found)
        return found

    def add(
        self,
        workload: str,
        case: str,
        system: str,
        unit: str,
        value: float,
        **extra: Any,  # noqa: ANN401
    ) -> None:
        """One trial's value; `extra` is of the last trial."""
        made = self._make(workload, case, system, unit)
        made.values.append(value)
        made.extra.update(extra)

    def missing(self, workload: str, case: str, system: str, why: str, unit: str = "s") -> None:
        self._make(workload, case, system, unit).why = why

    def note(self, text: str) -> None:
        print(f"  note: {text}", flush=True)
        self.notes.append(text)

    def check(self, question: str, system: str, prints: Sequence[Fingerprint]) -> None:
        """The same question has the same answers everywhere. Raises WrongResult."""
        given = list(prints)
        who, known = self._answers.setdefault(question, (system, given))
        self.checks += 1
        if len(known) != len(given):
            raise WrongResult(f"{question}: {who} gave {len(known)} answers, {system} {len(given)}")
        for number, (one, other) in enumerate(zip(known, given, strict=True)):
            if not same(one, other):
                raise WrongResult(
                    f"{question}, answer {number}: {who} said {one}, {system} said {other}"
                )

    def to_json(self) -> dict[str, Any]:
        return {
            "measurements": [asdict(one) for one in self.measurements],
            "notes": self.notes,
            "results_checked": self.checks,
        }


def same(one: Fingerprint, other: Fingerprint) -> bool:
    """Rows and column sums; sums of floats may differ in their last digits."""
    if one[0] != other[0] or len(one[1]) != len(other[1]):
        return False
    return all(
        math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6)
        for a, b in zip(one[1], other[1], strict=True)
    )


def load(made: dict[str, Any]) -> Book:
    """A book from its JSON."""
    book = Book()
    book.measurements = [Measurement(**one) for one in made["measurements"]]
    book.notes = made["notes"]
    book.checks = made["results_checked"]
    return book
