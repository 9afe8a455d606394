"""An Eider cluster of separate processes on loopback."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import eider
import pyarrow.flight as flight

from support import http
from support.paths import eider_binary
from support.processes import Process, clean_environment, free_port
from support.waiting import wait_until


def write_cluster_key(path: Path) -> bytes:
    """A new cluster key at `path`, as `eider keygen` writes it; returns the key's bytes."""
    key = secrets.token_bytes(32)
    path.touch(mode=0o600)
    path.write_text(key.hex() + "\n")
    return key


class Worker:
    """One `eider worker` process; a restart keeps its id, port and cache directory."""

    def __init__(self, cluster: Cluster, worker_id: str, options: Sequence[str]) -> None:
        self.id = worker_id
        self.port = free_port()
        self._cluster = cluster
        self._options = list(options)
        self._starts = 0
        self.cache_dir = cluster.folder / f"cache-{worker_id}"
        self.process = self.start()

    @property
    def location(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def start(self) -> Process:
        self._starts += 1
        self.process = Process(
            f"worker-{self.id}-{self._starts}",
            [
                str(eider_binary()),
                *("worker", "--port", str(self.port), "--id", self.id),
                *("--cluster-key-file", str(self._cluster.key_file)),
                *("--cache-dir", str(self.cache_dir)),
                *self._options,
            ],
            self._cluster.folder,
            self._cluster.environment,
        )
        self._cluster.processes.append(self.process)
        self.process.wait_listening(self.port)
        return self.process

    def flight(self) -> flight.FlightClient:
        return flight.FlightClient(self.location)


class Cluster:
    """One coordinator and its workers, up when the constructor returns. `stop` ends all."""

    def __init__(
        self,
        folder: Path,
        s3_environment: dict[str, str],
        workers: int = 2,
        worker_options: Sequence[str] = (),
        coordinator_options: Sequence[str] = (),
        announced: bool = False,
        ready: bool = True,
    ) -> None:
        """`ready` False: does not wait for the workers to have read from S3."""
        self.folder = folder
        self.processes: list[Process] = []
        self.key_file = folder / "cluster.key"
        self.key = write_cluster_key(self.key_file)
        self.environment = clean_environment(
            HOME=str(folder), XDG_STATE_HOME=str(folder / "state"), **s3_environment
        )
        self.port = free_port()
        self.flight_port = free_port()
        self.workers: list[Worker] = []
        self._coordinator_options = list(coordinator_options)
        self._announced = announced
        self._starts = 0
        try:
            options = [*worker_options]
            if announced:
                options += ["--coordinator", self.url]
            self.workers = [Worker(self, f"w{n + 1}", options) for n in range(workers)]
            self.coordinator = self.start_coordinator()
            self.wait_up(workers, ready)
        except BaseException as error:
            logs = self.logs()
            self.stop()
            raise AssertionError(f"the cluster did not start: {error}\n{logs}") from error

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def flight_location(self) -> str:
        return f"grpc://127.0.0.1:{self.flight_port}"

    def start_coordinator(self) -> Process:
        self._starts += 1
        command = [
            str(eider_binary()),
            *("coordinator", "--port", str(self.port), "--flight-port", str(self.flight_port)),
            *("--cluster-key-file", str(self.key_file)),
            *self._coordinator_options,
        ]
        if not self._announced:
            command += ["--workers", *(worker.location for worker in self.workers)]
        self.coordinator = Process(
            f"coordinator-{self._starts}", command, self.folder, self.environment
        )
        self.processes.append(self.coordinator)
        self.coordinator.wait_listening(self.port)
        self.coordinator.wait_listening(self.flight_port)
        return self.coordinator

    def wait_up(self, workers: int, ready: bool = True) -> None:
        """Until that many workers are up (and ready, and the coordinator says that it is)."""

        def up() -> bool:
            here = [w for w in self.workers_status() if w["state"] == "up"]
            if not ready:
                return len(here) == workers
            here = [w for w in here if w["ready"]]
            return len(here) == workers and http.get(self.url, "/readyz").status == 200

        wait_until(f"{workers} workers are up", up, 30)

    def workers_status(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = http.get(self.url, "/v1/workers").json()["workers"]
        return found

    def worker_status(self, worker_id: str) -> dict[str, Any]:
        return next(w for w in self.workers_status() if w["id"] == worker_id)

    def worker(self, worker_id: str) -> Worker:
        return next(w for w in self.workers if w.id == worker_id)

    def queries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = http.get(self.url, "/v1/queries").json()["queries"]
        return found

    def query_status(self, query_id: str) -> dict[str, Any]:
        found: dict[str, Any] = http.get(self.url, f"/v1/queries/{query_id}").json()
        return found

    def query_of(self, marker: str) -> dict[str, Any] | None:
        """The newest query whose SQL holds `marker`."""
        return next((q for q in self.queries() if marker in q["sql"]), None)

    def client(self, **options: Any) -> eider.Client:
        return eider.Client(self.url, flight_url=self.flight_location, **options)

    def direct_ticket(self, body: dict[str, Any]) -> tuple[str, bytes]:
        """A claim by the Flight port: the worker's location and the sealed ticket."""
        with flight.FlightClient(self.flight_location) as client:
            descriptor = flight.FlightDescriptor.for_command(json.dumps(body).encode())
            info = client.get_flight_info(descriptor)
        endpoint = info.endpoints[0]
        return endpoint.locations[0].uri.decode(), endpoint.ticket.ticket

    def logs(self) -> str:
        return "\n".join(f"--- {p.name}\n{p.log()[-4000:]}" for p in self.processes)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop(5)


# What the fixture `make_cluster` is: makes a cluster (its arguments are Cluster's) for one test.
MakeCluster = Callable[..., Cluster]
