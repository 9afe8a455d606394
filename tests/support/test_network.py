"""The network of namespaces: what is cut is cut, that and nothing else, and the counters say so."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from support.network import Namespace, Network, unavailable
from support.waiting import wait_until

PORT = 7000


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Namespace]]:
    """Three machines that accept connections."""
    why = unavailable()
    if why is not None:
        pytest.skip(f"no network of machines here: {why}")
    with Network() as network, contextlib.ExitStack() as exits:
        made = [network.add(name) for name in ("a", "b", "c")]
        for machine in made:
            with machine.inside():
                listener = exits.enter_context(socket.create_server((machine.address, PORT)))
            threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        yield made


def _accept(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            listener.accept()[0].close()


def connects(here: Namespace, there: Namespace, timeout_s: float = 0.5) -> bool:
    with here.inside():
        one = socket.socket()
    with one, contextlib.suppress(OSError):
        one.settimeout(timeout_s)
        one.connect((there.address, PORT))
        return True
    return False


def reachable(here: Namespace, there: Namespace) -> None:
    wait_until(f"{here.name} reaches {there.name}", lambda: connects(here, there))


def test_blocked_is_one_peer_alone(machines: list[Namespace]) -> None:
    a, b, c = machines
    reachable(a, b)
    a.block(b)
    assert not connects(a, b)
    assert not connects(b, a), "the answers are lost as well"
    blocked = a.stats()["blocked"]
    assert blocked > 0
    reachable(a, c)
    reachable(b, c)
    assert a.stats()["up_dropped_cut"] == 0
    a.block(b, blocked=False)
    reachable(a, b)


@pytest.mark.parametrize("way", ["up", "down"])
def test_cut_one_way(machines: list[Namespace], way: str) -> None:
    a, b, c = machines
    before = a.stats()
    a.set(up=way != "up", down=way != "down")
    assert not connects(b, a)
    assert not connects(a, c)
    other = "down" if way == "up" else "up"
    after = a.stats()
    assert after[f"{way}_dropped_cut"] > before[f"{way}_dropped_cut"]
    assert after[f"{other}_dropped_cut"] == before[f"{other}_dropped_cut"]
    reachable(b, c)
    a.set(up=True, down=True)
    reachable(b, a)


def test_a_delay_is_there_and_goes(machines: list[Namespace]) -> None:
    a, b, _ = machines
    a.set(delay_ms=100)
    began = time.monotonic()
    assert connects(a, b, 10)
    assert time.monotonic() - began > 0.19
    a.set(delay_ms=0)
    reachable(a, b)
