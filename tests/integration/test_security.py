"""Nothing between the processes is taken on trust: tickets, announcements, attach, commands."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.flight as flight
import pytest

from support import http
from support.cluster import Cluster, MakeCluster, Worker
from support.paths import eider_binary
from support.processes import free_port
from support.s3 import SECRET_KEY
from support.sealing import MAC_BYTES, error_of, payload_of, reseal, seal
from support.waiting import wait_until

SQL = {"query": "SELECT 42 AS x"}


class Claimed:
    """A genuine ticket that nobody has used, and the workers it is and is not for."""

    def __init__(self, cluster: Cluster) -> None:
        location, self.ticket = cluster.direct_ticket(SQL)
        self.key = cluster.key
        self.worker = next(w for w in cluster.workers if w.location == location)
        self.other = next(w for w in cluster.workers if w.location != location)


@pytest.fixture
def claimed(cluster: Cluster) -> Claimed:
    return Claimed(cluster)


def run(worker: Worker, ticket: bytes) -> list[dict[str, Any]]:
    with worker.flight() as client:
        options = flight.FlightCallOptions(timeout=20)
        rows: list[dict[str, Any]] = (
            client.do_get(flight.Ticket(ticket), options).read_all().to_pylist()
        )
    return rows


def denied(worker: Worker, ticket: bytes, retryable: bool = False) -> str:
    with pytest.raises((flight.FlightError, OSError, ValueError, KeyError)) as caught:
        run(worker, ticket)
    error = error_of(caught.value)
    assert error["code"] == "PERMISSION_DENIED", error
    assert error["retryable"] is retryable
    return str(error["error"])


def test_a_genuine_ticket_works_once(claimed: Claimed) -> None:
    assert run(claimed.worker, claimed.ticket) == [{"x": 42}]
    denied(claimed.worker, claimed.ticket)
    denied(claimed.worker, claimed.ticket)


def test_the_refusals_do_not_use_the_ticket_up(claimed: Claimed) -> None:
    denied(claimed.worker, claimed.ticket[:-1])
    denied(claimed.other, claimed.ticket)
    assert run(claimed.worker, claimed.ticket) == [{"x": 42}]


@pytest.mark.parametrize(
    "ticket",
    [b"", b"x", b"SELECT 42", b"{}", bytes(MAC_BYTES), bytes(MAC_BYTES) + b"{}", b"\xff" * 5000],
    ids=repr,
)
def test_what_is_no_ticket(cluster: Cluster, ticket: bytes) -> None:
    denied(cluster.workers[0], ticket)


def test_forged_with_another_key(claimed: Claimed) -> None:
    denied(claimed.worker, reseal(secrets.token_bytes(32), claimed.ticket))


def test_forged_without_a_mac(claimed: Claimed) -> None:
    denied(claimed.worker, claimed.ticket[MAC_BYTES:])
    denied(claimed.worker, bytes(MAC_BYTES) + claimed.ticket[MAC_BYTES:])


def test_a_mac_made_for_another_purpose(claimed: Claimed) -> None:
    payload = claimed.ticket[MAC_BYTES:]
    for purpose in ("", "command", "announcement", "derive"):
        denied(claimed.worker, seal(claimed.key, purpose, payload))


def test_altered_in_any_byte(claimed: Claimed) -> None:
    size = len(claimed.ticket)
    for at in {0, 5, MAC_BYTES - 1, MAC_BYTES, MAC_BYTES + 9, size // 2, size - 1}:
        altered = bytearray(claimed.ticket)
        altered[at] ^= 1
        denied(claimed.worker, bytes(altered))
    denied(claimed.worker, claimed.ticket.replace(b"SELECT 42", b"SELECT 43"))
    denied(claimed.worker, claimed.ticket + b" ")
    denied(claimed.worker, claimed.ticket[:-1])


def test_expired(claimed: Claimed) -> None:
    """It was good once: nothing has begun, and its client may ask for another."""
    for expires_at_ms in (1, -1):
        late = reseal(claimed.key, claimed.ticket, expires_at_ms=expires_at_ms)
        denied(claimed.worker, late, retryable=True)


def test_a_ticket_does_not_last(claimed: Claimed) -> None:
    """It expires within minutes of the worker's clock, which the coordinator knows."""
    expires = payload_of(claimed.ticket)["expires_at_ms"]
    assert 0 < expires - time.monotonic() * 1000 < 600_000


def test_for_another_worker(claimed: Claimed) -> None:
    denied(claimed.other, claimed.ticket)


def test_for_another_boot(claimed: Claimed) -> None:
    earlier = reseal(claimed.key, claimed.ticket, boot="0123456789abcdef")
    denied(claimed.worker, earlier, retryable=True)


def test_of_an_older_attempt(claimed: Claimed) -> None:
    newer = reseal(claimed.key, claimed.ticket, attempt=payload_of(claimed.ticket)["attempt"] + 1)
    assert run(claimed.worker, newer) == [{"x": 42}]
    denied(claimed.worker, claimed.ticket)
    denied(claimed.worker, newer)


def test_a_restarted_worker_takes_no_ticket_of_its_last_life(make_cluster: MakeCluster) -> None:
    own = make_cluster(workers=1)
    _, ticket = own.direct_ticket(SQL)
    worker = own.workers[0]
    worker.process.kill()
    worker.start()
    own.wait_up(1)
    denied(worker, ticket, retryable=True)


# ---- what the coordinator's own door takes


@pytest.mark.parametrize("with_mac", [False, True], ids=["no mac", "wrong key"])
def test_announcement_without_the_clusters_mac(cluster: Cluster, with_mac: bool) -> None:
    body = {"worker": "w9", "boot": "0" * 16, "location": "grpc://127.0.0.1:9"}
    payload = json.dumps(body).encode()
    raw = seal(secrets.token_bytes(32), "announcement", payload) if with_mac else payload
    reply = http.post(cluster.url, "/v1/announce", raw)
    assert reply.status == 403, reply.body
    assert reply.json()["code"] == "PERMISSION_DENIED"
    assert {w["id"] for w in cluster.workers_status()} == {w.id for w in cluster.workers}


def test_announced_impostor_gets_no_query(make_cluster: MakeCluster) -> None:
    """An announcement leads to an address; who answers there must prove itself."""
    own = make_cluster(workers=1)
    with flight_impostor() as (location, called):
        body = {"worker": "w2", "boot": "0" * 16, "location": location}
        sealed = seal(own.key, "announcement", body)
        assert http.post(own.url, "/v1/announce", sealed).status in (200, 204)
        wait_until("the coordinator tries to attach", lambda: called, 15)
        status = {w["id"]: w["state"] for w in own.workers_status()}
        assert status["w1"] == "up"
        assert status.get("w2", "down") == "down"
        assert own.client().query("SELECT 42").fetchall() == [(42,)]


class Impostor(flight.FlightServerBase):  # type: ignore[misc]
    """Answers `attach` with messages that are sealed with no key of ours."""

    def __init__(self) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self.called: list[bytes] = []

    def do_exchange(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        self.called.append(descriptor.command)
        writer.write_metadata(json.dumps({"nonce": "00" * 16}).encode())
        with contextlib.suppress(StopIteration):
            while True:
                reader.read_chunk()
                writer.write_metadata(secrets.token_bytes(64))


@contextlib.contextmanager
def flight_impostor() -> Iterator[tuple[str, list[bytes]]]:
    with Impostor() as server:
        yield f"grpc://127.0.0.1:{server.port}", server.called


# ---- what the worker's door takes


def attach(worker: Worker, messages: list[bytes]) -> list[bytes]:
    """Opens the attach stream, sends `messages`, and returns what came until it ended."""
    came: list[bytes] = []
    with worker.flight() as client:
        descriptor = flight.FlightDescriptor.for_command(b"attach")
        options = flight.FlightCallOptions(timeout=20)
        writer, reader = client.do_exchange(descriptor, options)
        with writer:
            for message in messages:
                writer.write_metadata(message)
            writer.done_writing()
            try:
                while True:
                    came.append(reader.read_chunk().app_metadata.to_pybytes())
            except StopIteration:
                return came


@pytest.mark.parametrize(
    "messages",
    [
        [b""],
        [b"hello"],
        [b'{"is": "ping"}'],
        [bytes(96)],
        [
            json.dumps(
                {"nonce": "00" * 32, "coordinator_id": "x", "epoch": 2**62, "mac": "00" * 32}
            ).encode()
        ],
    ],
    ids=["empty", "text", "unsealed", "zeros", "wrong mac"],
)
def test_attach_without_the_clusters_mac(cluster: Cluster, messages: list[bytes]) -> None:
    with pytest.raises((flight.FlightError, OSError, ValueError, KeyError)) as caught:
        came = attach(cluster.workers[0], messages)
        pytest.fail(f"attached, and heard {came}")
    assert error_of(caught.value)["code"] == "PERMISSION_DENIED"
    # The real coordinator keeps its worker.
    assert cluster.worker_status(cluster.workers[0].id)["state"] == "up"


def test_a_silent_attach_does_not_take_the_worker_over(cluster: Cluster) -> None:
    worker = cluster.workers[0]
    with worker.flight() as client:
        descriptor = flight.FlightDescriptor.for_command(b"attach")
        writer, _ = client.do_exchange(descriptor, flight.FlightCallOptions(timeout=20))
        assert cluster.worker_status(worker.id)["state"] == "up"
        assert cluster.client().query("SELECT 42").fetchall() == [(42,)]
        with contextlib.suppress(flight.FlightError):  # it says what it thought of us
            writer.close()


def command(claimed: Claimed, kind: str, **changes: Any) -> dict[str, Any]:
    ticket = payload_of(claimed.ticket)
    return {
        "command": kind,
        "worker": ticket["worker"],
        "boot": ticket["boot"],
        "expires_at_ms": ticket["expires_at_ms"],
        "nonce": secrets.token_hex(8),
        "attempt": {"task": ticket["task"], "attempt": 0},
        "reason": "a test",
        "urls": [],
        **changes,
    }


def order(worker: Worker, sealed: bytes) -> None:
    with worker.flight() as client:
        list(client.do_action(flight.Action("command", sealed), flight.FlightCallOptions(20)))


def order_denied(worker: Worker, sealed: bytes) -> None:
    with pytest.raises((flight.FlightError, OSError, ValueError, KeyError)) as caught:
        order(worker, sealed)
    assert error_of(caught.value)["code"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("kind", ["drain", "cancel", "clear_cache"])
def test_command_that_is_not_good(cluster: Cluster, claimed: Claimed, kind: str) -> None:
    body = command(claimed, kind)
    payload = json.dumps(body).encode()
    for sealed in (
        b"",
        payload,
        bytes(MAC_BYTES) + payload,
        seal(secrets.token_bytes(32), "command", payload),
        seal(claimed.key, "ticket", payload),
        seal(claimed.key, "command", {**body, "expires_at_ms": 1}),
        seal(claimed.key, "command", {**body, "boot": "0" * 16}),
        seal(claimed.key, "command", {**body, "worker": claimed.other.id}),
    ):
        order_denied(claimed.worker, sealed)
    assert cluster.worker_status(claimed.worker.id)["state"] == "up"
    assert run(claimed.worker, claimed.ticket) == [{"x": 42}]


def test_command_works_once(claimed: Claimed) -> None:
    sealed = seal(claimed.key, "command", command(claimed, "clear_cache"))
    order(claimed.worker, sealed)
    order_denied(claimed.worker, sealed)


def test_other_actions_and_calls_are_refused(cluster: Cluster) -> None:
    with cluster.workers[0].flight() as client:
        options = flight.FlightCallOptions(timeout=20)
        for kind in ("drain", "cancel", "clear_cache", "shutdown", ""):
            with pytest.raises((flight.FlightError, OSError, ValueError, KeyError)):
                list(client.do_action(flight.Action(kind, b"{}"), options))
        with pytest.raises(
            (flight.FlightError, OSError, ValueError, KeyError, NotImplementedError)
        ):
            client.get_flight_info(flight.FlightDescriptor.for_command(b'{"query": "select 1"}'))
        descriptor = flight.FlightDescriptor.for_command(b"other")
        with pytest.raises((flight.FlightError, OSError, ValueError, KeyError)):
            writer, reader = client.do_exchange(descriptor, options)
            writer.done_writing()
            reader.read_chunk()
    assert cluster.client().query("SELECT 42").fetchall() == [(42,)]


def test_http_calls_that_do_not_exist(cluster: Cluster) -> None:
    for path in ("/v1/drain", "/v1/attach", "/drain"):
        assert http.post(cluster.url, path, {}).status == 404


def test_nothing_secret_is_logged(cluster: Cluster) -> None:
    logs = cluster.logs()
    assert cluster.key.hex() not in logs
    assert SECRET_KEY not in logs
    for process in cluster.processes:
        with open(f"/proc/{process.pid}/cmdline", "rb") as line:
            assert cluster.key.hex().encode() not in line.read()


def test_key_file_that_others_may_read_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    key = tmp_path / "loose.key"
    key.write_text("0" * 64 + "\n")
    key.chmod(0o644)
    done = subprocess.run(
        [str(eider_binary()), "worker", "--port", str(free_port()), "--cluster-key-file", str(key)],
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert str(key) in done.stderr and "chmod 600" in done.stderr
