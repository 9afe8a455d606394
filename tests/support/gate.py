"""A TCP proxy in front of the S3 server that can hold every byte back.

With it a test decides when a query gets its data: what happens to a query that has begun and has
delivered nothing is then no matter of timing.
"""

from __future__ import annotations

import contextlib
import socket
import threading


class Gate:
    """Open when it starts. Thread-safe."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._held = 0
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def held(self) -> int:
        """How many connections have bytes that wait at the closed gate."""
        with self._lock:
            return self._held

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def stop(self) -> None:
        self.open()
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for one in sockets:
            _end(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets |= {client, server}
            for source, sink, gated in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=(source, sink, gated), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, gated: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if gated and not self._open.is_set():
                    with self._lock:
                        self._held += 1
                    self._open.wait()
                    with self._lock:
                        self._held -= 1
                sink.sendall(data)
        _end(source)
        _end(sink)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
