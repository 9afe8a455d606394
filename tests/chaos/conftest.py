"""A fleet for a test's own use, where namespaces are permitted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.fleet import Fleet
from support.network import unavailable

MakeFleet = Callable[..., Fleet]


@pytest.fixture
def make_fleet(tmp_path: Path) -> Iterator[MakeFleet]:
    """Makes fleets (its arguments are Fleet's), entered; they go with the test."""
    why = unavailable()
    if why is not None:
        pytest.skip(f"no network of machines here: {why}")
    made: list[Fleet] = []

    def make(**options: Any) -> Fleet:
        folder = tmp_path / f"fleet-{len(made)}"
        folder.mkdir()
        made.append(Fleet(folder, **options).__enter__())
        return made[-1]

    yield make
    for fleet in made:
        fleet.__exit__(None, None, None)


@pytest.fixture
def seed() -> int:
    """Of faults and questions: EIDER_CHAOS_SEED, else a new one each time."""
    given = os.environ.get("EIDER_CHAOS_SEED")
    seed = int(given) if given else int.from_bytes(os.urandom(4))
    print(f"seed {seed} (EIDER_CHAOS_SEED={seed} repeats it)")
    return seed
