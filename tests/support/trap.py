"""A listener that nobody must connect to."""

from __future__ import annotations

import socket


class Trap:
    """Its queue takes connections that `touched` then sees."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])

    def touched(self) -> bool:
        """Whether somebody has connected since the last call."""
        found = False
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return found
            connection.close()
            found = True

    def stop(self) -> None:
        self._listener.close()
