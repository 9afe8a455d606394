"""HTTP byte by byte, for what a well-behaved client library would not send or not show."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

ARROW_STREAM = "application/vnd.apache.arrow.stream"


@dataclass
class Answer:
    """One response; `whole` is false when the connection broke before the body's proper end."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = True

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One TCP connection to an HTTP server. Not thread-safe."""

    def __init__(self, url: str, timeout_s: float = 60, receive_buffer: int = 0) -> None:
        where = urlsplit(url)
        self.host = f"{where.hostname}:{where.port}"
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout_s)
        self.socket.connect((str(where.hostname), int(where.port or 80)))
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def post(
        self,
        path: str,
        body: bytes | dict[str, Any],
        headers: dict[str, str] | None = None,
        version: str = "1.1",
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {
            "Host": self.host,
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **(headers or {}),
        }
        head = "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        self.send(f"POST {path} HTTP/{version}\r\n{head}\r\n".encode() + content)

    def read_head(self) -> Answer:
        """The status line and the headers (names in lower case)."""
        status_line = self.file.readline()
        if not status_line:
            raise ConnectionError("closed before an answer")
        answer = Answer(int(status_line.split()[1]))
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            answer.headers[name.decode().lower()] = value.strip().decode()
        return answer

    def read_chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at its proper end."""
        size_line = self.file.readline()
        if not size_line.endswith(b"\r\n"):
            raise ConnectionError("cut before a chunk")
        size = int(size_line.split(b";")[0], 16)
        data = self.file.read(size)
        if len(data) != size or self.file.readline() != b"\r\n":
            raise ConnectionError("cut inside a chunk")
        return data

    def read_answer(self) -> Answer:
        answer = self.read_head()
        try:
            if answer.headers.get("transfer-encoding", "").lower() == "chunked":
                while chunk := self.read_chunk():
                    answer.body += chunk
            elif "content-length" in answer.headers:
                length = int(answer.headers["content-length"])
                answer.body = self.file.read(length)
                answer.whole = len(answer.body) == length
            elif answer.status not in (204, 304):
                answer.body = self.file.read()
        except (ConnectionError, TimeoutError):
            answer.whole = False
        return answer


def exchange(url: str, raw: bytes, timeout_s: float = 30) -> Answer:
    """Sends `raw` on a new connection and reads one answer."""
    with Connection(url, timeout_s) as connection:
        connection.send(raw)
        return connection.read_answer()


def post(
    url: str,
    path: str,
    body: bytes | dict[str, Any],
    headers: dict[str, str] | None = None,
    timeout_s: float = 60,
) -> Answer:
    with Connection(url, timeout_s) as connection:
        connection.post(path, body, {"Connection": "close", **(headers or {})})
        return connection.read_answer()


def get(url: str, path: str, timeout_s: float = 30, method: str = "GET") -> Answer:
    with Connection(url, timeout_s) as connection:
        connection.send(
            f"{method} {path} HTTP/1.1\r\nHost: {connection.host}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        return connection.read_answer()
