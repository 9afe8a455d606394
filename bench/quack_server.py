"""A Quack server process, with the extension that a pinned wheel brings."""

from __future__ import annotations

from typing import Any

from client import Driver
from peer_server import PeerServer
from setups import quack_extension
from support.paths import extension
from support.processes import free_port


class QuackServer(PeerServer):
    """Raises SetupError where it cannot be had."""

    def __init__(self) -> None:
        port, quack, httpfs = free_port(), str(quack_extension()), str(extension("httpfs"))
        self.options: dict[str, Any] = {"port": port, "quack": quack, "httpfs": httpfs}
        super().__init__("quack", str(port), quack, httpfs)

    def client(self) -> Driver:
        return Driver("quack", self.options)
