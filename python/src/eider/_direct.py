"""Results by `direct`: the coordinator says where over Flight, and the worker streams them."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import pyarrow as pa
from pyarrow import flight

from . import errors
from ._coordinator import GRACE_S, Coordinator
from ._stream import Claim, Stream
from ._watch import Opener, Wait, Watch

# The coordinator answers a waiting client each 10 s; this is when it must be gone.
_ASK_TIMEOUT_S = 30.0
# How long the first answer may wait for a claim: only with it does the client know the id of its
# query, and can cancel it.
_FIRST_WAIT_MS = 100

# A coordinator or worker that restarts is found again soon: gRPC's own way is to look ever less
# often, up to two minutes apart.
_CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]

# How gRPC says that there was no connection: nothing else in its errors tells.
_UNSENT = ("failed to connect", "onnection refused")

_FAILURES = (flight.FlightError, pa.ArrowException, OSError)


class Direct:
    """Asks for queries over Flight and opens their streams. Thread-safe.

    Flight clients are kept, one for each address.
    """

    def __init__(
        self, coordinator: Coordinator, client_id: str, flight_url: Callable[[], str]
    ) -> None:
        self._coordinator = coordinator
        self._flight_url = flight_url
        self._headers = [(b"x-eider-client", client_id.encode())]
        self._ask_options = flight.FlightCallOptions(timeout=_ASK_TIMEOUT_S, headers=self._headers)
        self._first_ask_options = flight.FlightCallOptions(
            timeout=_ASK_TIMEOUT_S,
            headers=[*self._headers, (b"x-eider-wait-ms", str(_FIRST_WAIT_MS).encode())],
        )
        self._get_options = flight.FlightCallOptions(headers=self._headers)
        self._lock = threading.Lock()
        self._clients: dict[str, flight.FlightClient] = {}
        self._door: flight.FlightClient | None = None
        self._watch = Watch(coordinator)
        self._opener = Opener(self._watch)

    def close(self) -> None:
        """Closes the Flight clients; streams that are open break. Idempotent."""
        self._watch.close()
        self._opener.close()
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
            self._door = None
        for client in clients:
            client.close()

    def open(self, body: bytes, timeout: float | None) -> Stream:
        """Runs the query in `body`; gives its result once its schema is there.

        Raises:
            errors.Error: as the coordinator or the worker answered; ConnectionFailed when the
                coordinator, WorkerLost when the worker cannot be reached.
        """
        deadline = None if timeout is None else time.monotonic() + timeout + GRACE_S
        door = self._door
        if door is None:
            self._door = door = self._client(self._flight_url())
        info = self._ask(door, body, deadline)
        endpoint = info.endpoints[0]
        claim, location = _read_claim(info.app_metadata)
        if endpoint.locations:
            location = endpoint.locations[0].uri.decode()
        worker = door if location is None else self._client(location)
        options = self._get_options
        if deadline is not None:
            options = flight.FlightCallOptions(
                timeout=max(deadline - time.monotonic(), 0.001), headers=self._headers
            )
        ticket = endpoint.ticket
        try:
            # Blocks until the worker has sent the schema.
            reader = self._opener.run(
                claim.query_id, lambda: worker.do_get(ticket, options), _cancel_reader
            )
            return _DirectStream(self._coordinator, self._watch, self._opener, claim, reader)
        except BaseException as error:
            if not isinstance(error, Exception):  # KeyboardInterrupt: the worker goes on
                self._cancel(claim.query_id)
            raise _worker_error(self._coordinator, error, claim.query_id) from error

    def _client(self, location: str) -> flight.FlightClient:
        client = self._clients.get(location)
        if client is None:
            with self._lock:
                client = self._clients.get(location)
                if client is None:
                    client = flight.FlightClient(location, generic_options=_CHANNEL_OPTIONS)
                    self._clients[location] = client
        return client

    def _ask(
        self, door: flight.FlightClient, body: bytes, deadline: float | None
    ) -> flight.FlightInfo:
        """GetFlightInfo until the query is claimed."""
        query_id = None
        while True:
            descriptor = flight.FlightDescriptor.for_command(body)
            options = self._first_ask_options if query_id is None else self._ask_options
            ask = partial(door.get_flight_info, descriptor, options)
            try:
                info = (
                    self._opener.run(None, ask, self._cancel_info) if _on_main_thread() else ask()
                )
            except _FAILURES as error:
                failed = _coordinator_error(error, query_id)
                if query_id is not None and isinstance(failed, errors.NotFound):
                    # It knew the query when it was asked first.
                    raise errors.ConnectionFailed(
                        f"the coordinator has restarted: {failed.message}", query_id=query_id
                    ) from error
                raise failed from error
            except BaseException:  # KeyboardInterrupt
                self._cancel(query_id)
                raise
            if info.endpoints:
                return info
            claim, _ = _read_claim(info.app_metadata)
            query_id = claim.query_id
            if query_id is None:
                raise errors.Internal("the coordinator gave neither an endpoint nor a query id")
            if deadline is not None and time.monotonic() > deadline:
                self._give_up(query_id)
            body = json.dumps({"wait_for": query_id}).encode()

    def _cancel(self, query_id: str | None) -> None:
        if query_id is not None:
            with contextlib.suppress(errors.Error):
                self._coordinator.call("DELETE", f"/v1/queries/{quote(query_id, safe='')}")

    def _cancel_info(self, info: flight.FlightInfo) -> None:
        self._cancel(_read_claim(info.app_metadata)[0].query_id)

    def _give_up(self, query_id: str) -> None:
        try:
            self._coordinator.call("DELETE", f"/v1/queries/{quote(query_id, safe='')}")
        finally:
            raise errors.DeadlineExceeded("the query was still waiting", query_id=query_id)


class _DirectStream(Stream):
    """A result that comes from its worker."""

    def __init__(
        self,
        coordinator: Coordinator,
        watch: Watch,
        opener: Opener,
        claim: Claim,
        reader: flight.FlightStreamReader,
    ) -> None:
        self._reader: flight.FlightStreamReader | None = reader
        super().__init__(claim)
        self._coordinator = coordinator
        self._watch = watch
        self._opener = opener
        self.schema = reader.schema

    def _next(self) -> pa.RecordBatch | None:
        reader = self._reader
        if reader is None:
            raise errors.Cancelled("the result was closed", query_id=self.claim.query_id)
        try:
            return self._read(reader).data
        except StopIteration:
            self._reader = None
            return None
        except BaseException as error:
            raise _worker_error(self._coordinator, error, self.claim.query_id) from error

    def _read(self, reader: flight.FlightStreamReader) -> flight.FlightStreamChunk:
        query_id = self.claim.query_id
        if _on_main_thread():
            return self._opener.run(query_id, reader.read_chunk, _drop)
        wait = Wait(query_id, reader.cancel)
        self._watch.begin(wait)
        try:
            return reader.read_chunk()
        except BaseException as error:
            if wait.verdict is not None:
                raise wait.verdict from error
            raise
        finally:
            self._watch.end(wait)

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()


def _on_main_thread() -> bool:
    """Where Ctrl-C is to end a wait: a call into Flight would have to return first."""
    return threading.current_thread() is threading.main_thread()


def _cancel_reader(reader: flight.FlightStreamReader) -> None:
    reader.cancel()


def _drop(_: Any) -> None:
    pass


def _read_claim(metadata: bytes | None) -> tuple[Claim, str | None]:
    """What the coordinator says of a query, and the worker's location."""
    try:
        value = json.loads(metadata or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise errors.Internal("the coordinator's FlightInfo has no JSON metadata")
    claim = Claim(
        value.get("query_id"), value.get("worker"), value.get("reason"), value.get("queue_ms")
    )
    return claim, value.get("location")


def _worker_error(
    coordinator: Coordinator, error: BaseException, query_id: str | None
) -> BaseException:
    """What a failed call to a worker is to the user."""
    if not isinstance(error, _FAILURES):
        return error  # KeyboardInterrupt, MemoryError, the watch's verdict
    found = _from_flight(error, query_id)
    if found is not None:
        return found
    known = coordinator.why_broken(query_id)
    return known or errors.WorkerLost(f"the worker's stream broke: {error}", query_id=query_id)


def _coordinator_error(error: BaseException, query_id: str | None) -> errors.Error:
    """What a failed call to the coordinator is to the user."""
    found = _from_flight(error, query_id)
    if found is None:
        found = errors.ConnectionFailed(
            f"the coordinator does not answer over Flight: {error}", query_id=query_id
        )
        found.sent = query_id is not None or not any(sign in str(error) for sign in _UNSENT)
    return found


def _from_flight(error: BaseException, query_id: str | None) -> errors.Error | None:
    """The typed error in a failed Flight call, or what its status says alone."""
    found = errors.from_json(getattr(error, "extra_info", None) or b"", query_id)
    if found is not None:
        return found
    if isinstance(error, flight.FlightTimedOutError):
        return errors.DeadlineExceeded("no answer in time", query_id=query_id)
    if isinstance(error, (flight.FlightUnauthenticatedError, flight.FlightUnauthorizedError)):
        return errors.PermissionDenied(str(error), query_id=query_id)
    return None
