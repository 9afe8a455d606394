"""Results by `direct`: the coordinator says where over Flight, and the worker streams them."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import pyarrow as pa
from pyarrow import flight

from . import errors
from ._coordinator import GRACE_S, Coordinator
from ._stream import Claim, Stream
from ._watch import Call, Threads, Wait, Watch

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

# Batches of a result that lie ready before they are asked for, at most.
_AHEAD = 2

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
        self._threads = Threads(self._watch)

    def close(self) -> None:
        """Closes the Flight clients; streams that are open break. Idempotent."""
        self._watch.close()
        self._threads.close()
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
        call = Call(partial(self._begin, door, body, deadline), _Reading.close)
        try:
            reading: _Reading = self._threads.run(call)
        except BaseException as error:
            if not isinstance(error, Exception):  # KeyboardInterrupt: the query goes on
                self._cancel(call.query_id)
            raise
        return _DirectStream(self._coordinator, reading)

    def _begin(
        self, door: flight.FlightClient, body: bytes, deadline: float | None, call: Call
    ) -> _Reading:
        """Asks for the query and for its stream, on a thread that nobody interrupts."""
        info = self._ask(door, body, deadline, call)
        endpoint = info.endpoints[0]
        claim, location = _read_claim(info.app_metadata)
        call.query_id = claim.query_id
        if endpoint.locations:
            location = endpoint.locations[0].uri.decode()
        self._leave_with(call)
        worker = door if location is None else self._client(location)
        try:
            reader = self._get(worker, endpoint.ticket, deadline, call)
        except BaseException as error:
            raise _worker_error(self._coordinator, error, claim.query_id) from error
        reading = _Reading(self._threads, self._watch, claim, reader)
        call.then = reading.read_ahead
        return reading

    def _get(
        self,
        worker: flight.FlightClient,
        ticket: flight.Ticket,
        deadline: float | None,
        call: Call,
    ) -> flight.FlightStreamReader:
        """Blocks until the worker has sent the schema."""
        options = self._get_options
        if deadline is not None:
            options = flight.FlightCallOptions(
                timeout=max(deadline - time.monotonic(), 0.001), headers=self._headers
            )
        call.wait.since = time.monotonic()
        call.wait.query_id = call.query_id
        return worker.do_get(ticket, options)

    def _leave_with(self, call: Call) -> None:
        """Ends a query whose caller left before its id was known."""
        if call.abandoned:
            self._cancel(call.query_id)
            raise errors.Cancelled("the caller has left", query_id=call.query_id)

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
        self, door: flight.FlightClient, body: bytes, deadline: float | None, call: Call
    ) -> flight.FlightInfo:
        """GetFlightInfo until the query is claimed."""
        while True:
            descriptor = flight.FlightDescriptor.for_command(body)
            options = self._first_ask_options if call.query_id is None else self._ask_options
            try:
                info = door.get_flight_info(descriptor, options)
            except _FAILURES as error:
                failed = _coordinator_error(error, call.query_id)
                if call.query_id is not None and isinstance(failed, errors.NotFound):
                    # It knew the query when it was asked first.
                    raise errors.ConnectionFailed(
                        f"the coordinator has restarted: {failed.message}", query_id=call.query_id
                    ) from error
                raise failed from error
            if info.endpoints:
                return info
            claim, _ = _read_claim(info.app_metadata)
            if claim.query_id is None:
                raise errors.Internal("the coordinator gave neither an endpoint nor a query id")
            call.query_id = claim.query_id
            self._leave_with(call)
            if deadline is not None and time.monotonic() > deadline:
                self._give_up(claim.query_id)
            body = json.dumps({"wait_for": claim.query_id}).encode()

    def _cancel(self, query_id: str | None) -> None:
        if query_id is not None:
            with contextlib.suppress(errors.Error):
                self._coordinator.call("DELETE", f"/v1/queries/{quote(query_id, safe='')}")

    def _give_up(self, query_id: str) -> None:
        try:
            self._coordinator.call("DELETE", f"/v1/queries/{quote(query_id, safe='')}")
        finally:
            raise errors.DeadlineExceeded("the query was still waiting", query_id=query_id)


class _Reading:
    """A worker's stream, read ahead of its consumer on threads that nobody interrupts."""

    def __init__(
        self, threads: Threads, watch: Watch, claim: Claim, reader: flight.FlightStreamReader
    ) -> None:
        self.claim = claim
        self.schema: pa.Schema = reader.schema
        self._threads = threads
        self._watch = watch
        self._reader = reader
        # Batches, then None at the end or what broke the stream.
        self._read: queue.SimpleQueue[pa.RecordBatch | BaseException | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._ready = 0  # how many are in it
        self._reads = True  # read_ahead is under way, or has been asked for
        self._ended = False  # the last of it has been read

    def read_ahead(self) -> None:
        """Reads until enough lies ready, or the end."""
        while True:
            read = self._read_one()
            with self._lock:
                self._ready += 1
                self._ended = not isinstance(read, pa.RecordBatch)
                self._reads = not self._ended and self._ready < _AHEAD
                self._read.put(read)
                if not self._reads:
                    return

    def next(self) -> pa.RecordBatch | BaseException | None:
        """The next batch; None at the end; what broke the stream. Ctrl-C ends the wait."""
        read = self._read.get()
        with self._lock:
            self._ready -= 1
            go_on = not self._ended and not self._reads
            self._reads = self._reads or go_on
        if go_on:
            self._threads.start(self.read_ahead)
        return read

    def close(self) -> None:
        """Cancels what is left of it. Idempotent."""
        self._reader.cancel()

    def _read_one(self) -> pa.RecordBatch | BaseException | None:
        wait = Wait(self.claim.query_id, self._reader.cancel)
        self._watch.begin(wait)
        try:
            return self._reader.read_chunk().data
        except StopIteration:
            return None
        except BaseException as error:
            return wait.verdict or error
        finally:
            self._watch.end(wait)


class _DirectStream(Stream):
    """A result that comes from its worker."""

    def __init__(self, coordinator: Coordinator, reading: _Reading) -> None:
        self._reading: _Reading | None = reading
        super().__init__(reading.claim)
        self._coordinator = coordinator
        self.schema = reading.schema

    def _next(self) -> pa.RecordBatch | None:
        reading = self._reading
        if reading is None:
            raise errors.Cancelled("the result was closed", query_id=self.claim.query_id)
        read = reading.next()
        if isinstance(read, BaseException):
            raise _worker_error(self._coordinator, read, self.claim.query_id) from read
        if read is None:
            self._reading = None
        return read

    def close(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()


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
