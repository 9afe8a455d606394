"""A coordinator and its workers for one trial, on the shaped network or on loopback.

Every trial starts one anew, with empty caches: a cold read is one. Workers have read from S3 once
when they are said to be ready, as any that serve have.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from client import Driver
from s3_data import FOLDER, Endpoint, serving
from support import http
from support.cluster import write_cluster_key
from support.network import Namespace, Network
from support.paths import eider_binary
from support.processes import Process, clean_environment, free_port
from support.waiting import wait_until

DELAY_MS = 15.0
_START_S = 60


@dataclass
class Site:
    """Where systems meet: S3 served, and the machines that they may use (None: loopback)."""

    name: str
    endpoint: Endpoint
    network: Network | None
    desk: Namespace | None  # of the client and of the coordinator
    workers: list[Namespace]  # empty on loopback

    @property
    def shaped(self) -> bool:
        return self.desk is not None


@contextlib.contextmanager
def loopback() -> Iterator[Site]:
    with serving(None) as endpoint:
        yield Site("loopback", endpoint, None, None, [])


@contextlib.contextmanager
def shaped(rate_bytes_s: float, workers: int) -> Iterator[Site]:
    """S3 30 ms away; each other machine behind a link of that rate."""
    with Network() as network:
        s3 = network.add("s3", delay_ms=DELAY_MS)
        desk = network.add("desk", rate_bytes_s=rate_bytes_s)
        machines = [network.add(f"w{n + 1}", rate_bytes_s=rate_bytes_s) for n in range(workers)]
        with serving(s3) as endpoint:
            yield Site("shaped", endpoint, network, desk, machines)


class Fleet:
    """Up when the block is entered, gone with its caches when it is left."""

    def __init__(
        self,
        site: Site,
        workers: int,
        worker_options: Sequence[str] = (),
        coordinator_options: Sequence[str] = (),
        needs_s3: bool = True,
    ) -> None:
        self._needs_s3 = needs_s3
        self.site = site
        self.count = workers
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-", dir=FOLDER))
        self._worker_options = list(worker_options)
        self._coordinator_options = list(coordinator_options)
        self._environment = clean_environment(
            HOME=str(self.folder),
            XDG_STATE_HOME=str(self.folder / "state"),
            **site.endpoint.environment,
        )
        self.workers: list[Process] = []
        self.coordinator: Process | None = None

    def __enter__(self) -> Fleet:
        try:
            self._start()
        except BaseException as error:
            logs = "\n".join(process.log()[-2000:] for process in self._processes())
            self.stop()
            raise RuntimeError(f"the fleet did not start: {error}\n{logs}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> None:
        key = self.folder / "cluster.key"
        write_cluster_key(key)
        locations = []
        for number in range(self.count):
            machine = self.site.workers[number] if self.site.shaped else None
            host, port = self._address(machine, 5005)
            locations.append(f"grpc://{host}:{port}")
            self.workers.append(
                self._run(
                    machine,
                    f"w{number + 1}",
                    *("worker", "--id", f"w{number + 1}", "--bind", host, "--port", str(port)),
                    *("--cluster-key-file", str(key)),
                    *("--cache-dir", str(self.folder / f"cache-{number + 1}")),
                    *self._worker_options,
                )
            )
        host, port = self._address(self.site.desk, 5000)
        _, flight_port = self._address(self.site.desk, 5001)
        self.url, self.flight_url = f"http://{host}:{port}", f"grpc://{host}:{flight_port}"
        self.coordinator = self._run(
            self.site.desk,
            "coordinator",
            *("coordinator", "--bind", host, "--port", str(port)),
            *("--flight-port", str(flight_port), "--cluster-key-file", str(key)),
            *self._coordinator_options,
            *("--workers", *locations),
        )
        wait_until(f"{self.count} workers are ready", self._ready, _START_S)

    def _address(self, machine: Namespace | None, port: int) -> tuple[str, int]:
        return (machine.address, port) if machine else ("127.0.0.1", free_port())

    def _run(self, machine: Namespace | None, name: str, *words: str) -> Process:
        command = [str(eider_binary()), *words]
        inside = machine.command(command) if machine else command
        return Process(name, inside, self.folder, self._environment)

    def _ready(self) -> bool:
        for process in self._processes():
            if not process.running:
                raise RuntimeError(f"{process.name} ended with {process.popen.returncode}")
        with contextlib.suppress(OSError):
            here = [w for w in self.status() if w["state"] == "up" and w["ready"] >= self._needs_s3]
            return len(here) == self.count
        return False

    def status(self) -> list[dict[str, Any]]:
        desk = self.site.desk
        with desk.inside() if desk else contextlib.nullcontext():
            found: list[dict[str, Any]] = http.get(self.url, "/v1/workers").json()["workers"]
        return found

    def client(self, delivery: str = "relay", cache: str = "use") -> Driver:
        """A client process at the desk."""
        options = {
            "url": self.url,
            "flight_url": self.flight_url,
            "delivery": delivery,
            "cache": cache,
        }
        return Driver("eider_client", options, namespace=self.site.desk)

    def peaks(self) -> dict[str, int]:
        """The most memory each process has had, in bytes."""
        return {p.name: p.peak_rss_bytes() for p in self._processes() if p.running}

    def _processes(self) -> list[Process]:
        return [*self.workers, *([self.coordinator] if self.coordinator else [])]

    def stop(self) -> None:
        for process in reversed(self._processes()):
            process.stop(5)
        shutil.rmtree(self.folder, ignore_errors=True)


def settle(seconds: float = 0.3) -> None:
    """Between trials: what the last one left running ends."""
    time.sleep(seconds)
