"""How much a run does."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """`full` has all workloads and peers; without it, what the targets need."""

    full: bool
    trials: int
    tiny: bool = False  # to try the bench itself; its figures say nothing

    def repeats(self, count: int) -> int:
        return max(10, count // 20) if self.tiny else count


# Why the prototype's column is empty; None when a checkout is named.
PROTOTYPE_VARIABLE = "EIDER_BENCH_PROTOTYPE"


def no_prototype() -> str | None:
    folder = os.environ.get(PROTOTYPE_VARIABLE)
    if not folder:
        return f"{PROTOTYPE_VARIABLE} names no checkout of it"
    if not os.path.isdir(folder):
        return f"{PROTOTYPE_VARIABLE} is {folder}, which is no folder"
    return None
