"""A fleet with a network of its own: S3, a desk (coordinator and clients) and workers, each on a
machine of its own, behind links that can be slowed and cut.

Controls here only act; whether what they did took hold is checked by faults.py.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import sys
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from support import http
from support.cluster import write_cluster_key
from support.network import Namespace, Network, NetworkError
from support.paths import ROOT, eider_binary, versitygw_binary
from support.processes import Process, clean_environment
from support.s3 import ACCESS_KEY, REGION, SECRET_KEY, S3Server, sign
from support.waiting import wait_until

HTTP_PORT = 5000
FLIGHT_PORT = 5001
WORKER_PORT = 5005
S3_PORT = 7070
# What a busy machine may take; nothing here waits for so long where all is well.
START_S = 60.0
WHOLE_S = 45.0
_PROBE_S = 1.5


def reaches(here: Namespace, there: Namespace, port: int, timeout_s: float = _PROBE_S) -> bool:
    """Whether a TCP connection can be made."""
    with here.inside():
        connection = socket.socket()
    with connection, contextlib.suppress(OSError):
        connection.settimeout(timeout_s)
        connection.connect((there.address, port))
        return True
    return False


class Machine:
    """A namespace and the processes in it."""

    def __init__(self, namespace: Namespace, folder: Path, environment: dict[str, str]) -> None:
        self.namespace = namespace
        self._folder = folder
        self._environment = environment

    def run(self, name: str, command: Sequence[str], ports: Sequence[int] = ()) -> Process:
        """A process inside; it listens on `ports` when this returns."""
        inside = self.namespace.command(list(command))
        process = Process(name, inside, self._folder, self._environment)
        for port in ports:

            def listens(port: int = port) -> bool:
                if not process.running:
                    code = process.popen.returncode
                    raise AssertionError(f"{name} ended with {code}:\n{process.log()}")
                return reaches(self.namespace, self.namespace, port)

            try:
                wait_until(f"{name} listens on {port}", listens, START_S)
            except BaseException:
                process.stop()
                raise
        return process


class Storage(S3Server):
    """The tests' S3 server on a machine of its own; puts are made there too."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.port = S3_PORT
        self.namespace = namespace
        self.folder = folder / "s3"
        sidecar = folder / "metadata"
        for made in (self.folder, sidecar):
            made.mkdir()
        machine = Machine(
            namespace,
            folder,
            clean_environment(ROOT_ACCESS_KEY=ACCESS_KEY, ROOT_SECRET_KEY=SECRET_KEY),
        )
        self.process = machine.run(
            "versitygw",
            [
                str(versitygw_binary()),
                *("--port", f"{namespace.address}:{self.port}", "--keep-alive", "--quiet"),
                *("posix", "--sidecar", str(sidecar), str(self.folder)),
            ],
            [self.port],
        )
        self._session = httpx.Client(base_url=self.endpoint, timeout=60, trust_env=False)

    @property
    def endpoint(self) -> str:
        return f"http://{self.namespace.address}:{self.port}"

    def environment(self, port: int | None = None) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def _send(self, method: str, path: str, content: bytes = b"") -> None:
        path = urllib.parse.quote(path, safe="/-_.~")
        headers = sign(method, f"{self.namespace.address}:{self.port}", path, content)
        with self.namespace.inside():
            answer = self._session.request(method, path, content=content, headers=headers)
        answer.raise_for_status()


class Worker:
    """One worker and its machine. A start keeps id, address and cache directory."""

    def __init__(self, fleet: Fleet, worker_id: str, machine: Machine) -> None:
        self.id = worker_id
        self.machine = machine
        self._fleet = fleet
        self._starts = 0
        self._processes: list[Process] = []

    @property
    def namespace(self) -> Namespace:
        return self.machine.namespace

    @property
    def location(self) -> str:
        return f"grpc://{self.namespace.address}:{WORKER_PORT}"

    @property
    def process(self) -> Process:
        return self._processes[-1]

    def start(self, wait: bool = True) -> None:
        self._starts += 1
        process = self.machine.run(
            f"worker-{self.id}-{self._starts}",
            [
                str(eider_binary()),
                *("worker", "--port", str(WORKER_PORT), "--bind", self.namespace.address),
                *("--id", self.id, "--cluster-key-file", str(self._fleet.key_file)),
                *("--cache-dir", str(self._fleet.folder / f"cache-{self.id}")),
                *self._fleet.worker_options,
            ],
            [WORKER_PORT] if wait else [],
        )
        self._processes.append(process)

    def status(self) -> dict[str, Any]:
        return next(w for w in self._fleet.workers_status() if w["location"] == self.location)

    def process_state(self) -> str:
        """The letter of /proc: R and S run or sleep, T is stopped."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text()
        return text.rpartition(")")[2].split()[0]

    def freeze(self) -> None:
        self.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.signal(signal.SIGCONT)

    def cut(self, up: bool = True, down: bool = True) -> None:
        """Drops what it sends (`up`) and what is sent to it (`down`)."""
        self.namespace.set(up=not up, down=not down)

    def mend(self) -> None:
        """The link is as it was."""
        self.namespace.set(up=True, down=True, rate_bytes_s=0, delay_ms=0)
        self.namespace.block(self._fleet.s3.namespace, blocked=False)

    def log(self) -> str:
        return "\n".join(f"--- {p.name}\n{p.log()[-3000:]}" for p in self._processes[-2:])

    def stop(self) -> None:
        for process in self._processes[-1:]:
            process.stop(5)


class Fleet:
    """Up when the block is entered, gone when it is left."""

    def __init__(
        self,
        folder: Path,
        workers: int = 4,
        worker_options: Sequence[str] = (),
        coordinator_options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.key_file = folder / "cluster.key"
        self.worker_options = ["--memory-limit", "512MB", "--threads", "1", *worker_options]
        self._coordinator_options = list(coordinator_options)
        self._count = workers
        self._exits = contextlib.ExitStack()
        self.workers: list[Worker] = []

    def __enter__(self) -> Fleet:
        try:
            self._start()
        except BaseException as error:
            logs = self.logs()
            self._exits.close()
            raise AssertionError(f"the fleet did not start: {error}\n{logs}") from error
        return self

    def _start(self) -> None:
        write_cluster_key(self.key_file)
        network = self._exits.enter_context(Network())
        self.s3 = Storage(network.add("s3"), self.folder)
        self._exits.callback(self.s3.stop)
        environment = clean_environment(
            HOME=str(self.folder),
            XDG_STATE_HOME=str(self.folder / "state"),
            PYTHONPATH=f"{ROOT / 'tests'}:{ROOT / 'python/src'}",
            **self.s3.environment(),
        )
        self.desk = Machine(network.add("desk"), self.folder, environment)
        for number in range(1, self._count + 1):
            machine = Machine(network.add(f"w{number}"), self.folder, environment)
            worker = Worker(self, f"w{number}", machine)
            self.workers.append(worker)
            worker.start(wait=False)
            self._exits.callback(worker.stop)
        address = self.desk.namespace.address
        self.coordinator = self.desk.run(
            "coordinator",
            [
                str(eider_binary()),
                *("coordinator", "--port", str(HTTP_PORT), "--flight-port", str(FLIGHT_PORT)),
                *("--bind", address, "--cluster-key-file", str(self.key_file)),
                *self._coordinator_options,
                *("--workers", *(worker.location for worker in self.workers)),
            ],
            [HTTP_PORT, FLIGHT_PORT],
        )
        self._exits.callback(self.coordinator.stop, 5)
        self.wait_whole(START_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    @property
    def url(self) -> str:
        return f"http://{self.desk.namespace.address}:{HTTP_PORT}"

    @property
    def flight_url(self) -> str:
        return f"grpc://{self.desk.namespace.address}:{FLIGHT_PORT}"

    def python(self, name: str, *words: str) -> Process:
        """A Python program at the desk."""
        return self.desk.run(name, [sys.executable, *words])

    def get(self, path: str, method: str = "GET") -> http.Answer:
        with self.desk.namespace.inside():
            return http.get(self.url, path, method=method)

    def post(self, path: str, body: dict[str, Any], timeout_s: float = 60) -> http.Answer:
        with self.desk.namespace.inside():
            return http.post(self.url, path, body, timeout_s=timeout_s)

    def workers_status(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/v1/workers").json()["workers"]
        return found

    def queries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/v1/queries").json()["queries"]
        return found

    def claims(self) -> dict[str, int]:
        """How often each kind of claim was made, since the coordinator's start."""
        found: dict[str, int] = {}
        text = self.get("/metrics").body.decode()
        pattern = r'^eider_claims_total\{[^}]*kind="(\w+)"[^}]*\} ([\d.e+]+)$'
        for kind, value in re.findall(pattern, text, re.MULTILINE):
            found[kind] = found.get(kind, 0) + int(float(value))
        return found

    def wait_down(self, worker: Worker, timeout_s: float) -> float:
        """Until the coordinator sees it down; how many seconds that took."""
        began = time.monotonic()
        wait_until(f"{worker.id} is down", lambda: worker.status()["state"] == "down", timeout_s)
        return time.monotonic() - began

    def wait_whole(self, timeout_s: float = WHOLE_S) -> float:
        """Until every worker is up and ready; how many seconds that took."""
        began = time.monotonic()

        def whole() -> bool:
            here = [w for w in self.workers_status() if w["state"] == "up" and w["ready"]]
            return len(here) == self._count and self.get("/readyz").status == 200

        try:
            wait_until("the fleet is whole", whole, timeout_s)
        except AssertionError as error:
            raise AssertionError(
                f"{error}\n{json.dumps(self.workers_status(), indent=1)}"
            ) from None
        return time.monotonic() - began

    def wait_idle(self, timeout_s: float = 20) -> None:
        """Until no slot is taken and no task waits."""

        def idle() -> bool:
            busy = [w for w in self.workers_status() if w["occupied"] or w["waiting"]]
            left = [q for q in self.queries() if q["state"] in ("running", "waiting")]
            return not busy and not left

        try:
            wait_until("no slot is taken, no task waits", idle, timeout_s)
        except AssertionError as error:
            left = [q for q in self.queries() if q["state"] in ("running", "waiting")]
            raise AssertionError(f"{error}\n{self.workers_status()}\n{left}") from None

    @contextlib.contextmanager
    def mending(self) -> Iterator[None]:
        """After the block every process runs and every link is whole."""
        try:
            yield
        finally:
            for worker in self.workers:
                with contextlib.suppress(NetworkError):
                    worker.mend()
                if worker.process.running:
                    worker.thaw()
                else:
                    worker.start(wait=False)

    def logs(self) -> str:
        parts = [worker.log() for worker in self.workers if worker.machine and worker._processes]
        coordinator = getattr(self, "coordinator", None)
        if coordinator is not None:
            parts.append(f"--- coordinator\n{coordinator.log()[-6000:]}")
        return "\n".join(parts)
