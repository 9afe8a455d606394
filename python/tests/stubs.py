"""Servers that misbehave on purpose: raw HTTP, and Flight."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyarrow import flight

QUERY_ID = "0123456789abcdef"
TABLE = pa.table({"a": pa.array(range(1000), pa.int64()), "b": ["x"] * 1000})
BATCH_ROWS = 100


def stream_bytes(table: pa.Table = TABLE) -> bytes:
    """`table` as an Arrow IPC stream of ten batches, its end-of-stream marker included."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=BATCH_ROWS):
            writer.write_batch(batch)
    return sink.getvalue()


def cut_between_messages(table: pa.Table = TABLE, batches: int = 3) -> bytes:
    """The same, cut where a reader sees no harm: after `batches` whole messages."""
    sink = io.BytesIO()
    writer = pa.ipc.new_stream(sink, table.schema)
    for batch in table.to_batches(max_chunksize=BATCH_ROWS)[:batches]:
        writer.write_batch(batch)
    data = sink.getvalue()
    writer.close()
    return data


def chunked(data: bytes, *, size: int = 1000, last: bool = True) -> bytes:
    out = [
        b"%x\r\n%s\r\n" % (len(data[i : i + size]), data[i : i + size])
        for i in range(0, len(data), size)
    ]
    return b"".join(out) + (b"0\r\n\r\n" if last else b"")


def head(status: int = 200, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Reason"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def arrow_answer(data: bytes | None = None, *, last: bool = True, size: int = 1000) -> bytes:
    """An answer to POST /read in the stream form."""
    return head(
        Content_Type="application/vnd.apache.arrow.stream",
        Transfer_Encoding="chunked",
        X_Eider_Query_Id=QUERY_ID,
        X_Eider_Worker="w1",
        X_Eider_Reason="home rank 0",
        X_Eider_Queue_Ms="3",
    ) + chunked(stream_bytes() if data is None else data, size=size, last=last)


def json_answer(value: object, status: int = 200, **headers: str) -> bytes:
    body = json.dumps(value).encode()
    return (
        head(status, Content_Type="application/json", Content_Length=str(len(body)), **headers)
        + body
    )


def error_object(code: str, message: str = "what happened", **fields: Any) -> dict[str, Any]:
    return {"error": message, "code": code, "retryable": fields.pop("retryable", False), **fields}


def record(error: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The coordinator's record of the query."""
    return {
        "id": QUERY_ID,
        "state": "finished" if error is None else "failed",
        "worker": "w1",
        "reason": "home rank 0",
        "location": "grpc://127.0.0.1:5005",
        "attempt": 1,
        "queue_ms": 3,
        "run_ms": 5.5,
        "rows": 1000,
        "s3_requests": 2,
        "cache_bytes": 0,
        "cost_usd": 8e-7,
        "error": error,
        **fields,
    }


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


#: What a handler gives: bytes to send, and whether the connection closes after them.
Answer = bytes | tuple[bytes, bool]


@dataclass
class HttpStub:
    """Answers each request with what `handler` gives: bytes, or (bytes, close the connection)."""

    handler: Callable[[Request], Answer]
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._connections: list[socket.socket] = []
        self.gone = threading.Event()  # some client has closed a connection
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def paths(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    def close(self) -> None:
        # shutdown() is what ends the blocked accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()
        self._thread.join()

    def drop_connections(self) -> None:
        """Closes every connection, as a restarting server does."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def _accept(self) -> None:
        count = 0
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            count += 1
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection, count), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            with connection.makefile("rb") as file:
                while (request := self._read(file, number)) is not None:
                    self.requests.append(request)
                    answer = self.handler(request)
                    data, close = answer if isinstance(answer, tuple) else (answer, False)
                    connection.sendall(data)
                    if close:
                        connection.shutdown(socket.SHUT_RDWR)
                        return
        except OSError:
            pass
        finally:
            self.gone.set()
            connection.close()

    @staticmethod
    def _read(file: Any, number: int) -> Request | None:
        line = file.readline().decode()
        if not line:
            return None
        method, path, _ = line.split(" ")
        headers = {}
        while line := file.readline().decode().rstrip("\r\n"):
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = file.read(int(headers.get("content-length", "0")))
        return Request(method, path, headers, body, number)


class FlightStub(flight.FlightServerBase):  # type: ignore[misc]
    """A coordinator's and a worker's Flight port in one."""

    def __init__(self) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self.url = f"grpc://127.0.0.1:{self.port}"
        self.commands: list[Any] = []
        self.clients: list[str] = []
        #: Answers GetFlightInfo after the first `waits` polls.
        self.waits = 0
        self.info_error: Exception | None = None
        self.wait_errors: list[Exception] = []  # one for each poll
        self.get_errors: list[Exception] = []  # one for each DoGet, first to last
        self.break_after: int | None = None  # batches, then `mid_error`
        self.mid_error: Exception | None = None
        self.hold: threading.Event | None = None  # DoGet waits for it before the schema
        self.hold_after: int | None = None  # ... or after so many batches
        self.held = threading.Event()  # somebody waits now
        self.cancelled = threading.Event()

    def get_flight_info(self, context: Any, descriptor: Any) -> Any:
        self.commands.append(json.loads(descriptor.command))
        if self.info_error is not None:
            raise self.info_error
        if self.wait_errors and "wait_for" in self.commands[-1]:
            raise self.wait_errors.pop(0)
        if self.waits > 0:
            self.waits -= 1
            return self._info(descriptor, [], {"query_id": QUERY_ID, "waiting": True})
        claim = {
            "query_id": QUERY_ID,
            "worker": "w1",
            "location": self.url,
            "reason": "home rank 0",
            "queue_ms": 3,
        }
        return self._info(descriptor, [flight.FlightEndpoint(b"ticket", [self.url])], claim)

    def do_get(self, context: Any, ticket: Any) -> Any:
        assert ticket.ticket == b"ticket"
        if self.get_errors:
            raise self.get_errors.pop(0)
        if self.hold is not None and self.hold_after is None:
            self.held.set()
            self.hold.wait()
        return flight.GeneratorStream(TABLE.schema, self._batches(context))

    def _batches(self, context: Any) -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(TABLE.to_batches(max_chunksize=BATCH_ROWS)):
            if number == self.break_after and self.mid_error is not None:
                raise self.mid_error
            if number == self.hold_after and self.hold is not None:
                self.held.set()
                self.hold.wait()
                if context.is_cancelled():
                    self.cancelled.set()
            yield batch

    @staticmethod
    def _info(descriptor: Any, endpoints: list[Any], claim: dict[str, Any]) -> Any:
        return flight.FlightInfo(
            pa.schema([]), descriptor, endpoints, -1, -1, app_metadata=json.dumps(claim).encode()
        )


def flight_error(code: str, **fields: Any) -> Exception:
    """An error as the server gives it over Flight."""
    detail = json.dumps(error_object(code, **fields)).encode()
    error: Exception = flight.FlightServerError("the message", extra_info=detail)
    return error
