from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from eider import Client
from stubs import Answer, FlightStub, HttpStub, Request

Handler = Callable[[Request], Answer]
Serve = Callable[..., HttpStub]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that the coordinator did not ask for are short."""
    monkeypatch.setattr("eider._asking.BASE_S", 0.001)
    monkeypatch.setattr("eider._asking.MAX_AWAY_S", 0.1)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts an HTTP server that answers by the function it is given."""
    stubs: list[HttpStub] = []

    def start(handler: Handler, port: int = 0) -> HttpStub:
        stubs.append(HttpStub(handler, port=port))
        return stubs[-1]

    yield start
    for stub in stubs:
        stub.close()


@pytest.fixture
def fleet() -> Iterator[FlightStub]:
    with FlightStub() as stub:
        yield stub
        if stub.hold is not None:
            stub.hold.set()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Makes clients that are closed at the end."""
    clients: list[Client] = []

    def make(url: str, **options: object) -> Client:
        clients.append(Client(url, **options))  # type: ignore[arg-type]
        return clients[-1]

    yield make
    for client in clients:
        client.close()
