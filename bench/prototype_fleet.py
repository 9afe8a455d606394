"""Starts the prototype from a checkout, by commands that the environment gives.

    EIDER_BENCH_PROTOTYPE              its checkout, where the commands run
    EIDER_BENCH_PROTOTYPE_WORKER       such as: python worker.py --host {host} --port {port}
    EIDER_BENCH_PROTOTYPE_COORDINATOR  the same, with {workers}: grpc://host:port by spaces

{cache} is `on` or `off`. S3 is in the environment by the AWS names.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType

from client import Driver
from effort import PROTOTYPE_VARIABLE
from fleet import Site
from s3_data import FOLDER
from support.network import Namespace
from support.processes import Process, clean_environment, free_port
from support.waiting import wait_until

_WORKER = f"{PROTOTYPE_VARIABLE}_WORKER"
_COORDINATOR = f"{PROTOTYPE_VARIABLE}_COORDINATOR"


def start_unknown() -> str | None:
    """Why it cannot be started; None when the commands are given."""
    absent = [name for name in (_WORKER, _COORDINATOR) if not os.environ.get(name)]
    return f"{' and '.join(absent)} give no command to start it" if absent else None


class PrototypeFleet:
    """Up when the block is entered."""

    def __init__(self, site: Site, workers: int, cache: str) -> None:
        self._site = site
        self._count = workers
        self._cache = cache
        self._folder = Path(tempfile.mkdtemp(prefix="prototype-", dir=FOLDER))
        self._processes: list[Process] = []
        self.url = ""

    def __enter__(self) -> PrototypeFleet:
        try:
            locations = []
            for number in range(self._count):
                machine = self._site.workers[number] if self._site.shaped else None
                host, port = self._start(f"w{number + 1}", _WORKER, machine, "")
                locations.append(f"grpc://{host}:{port}")
            host, port = self._start("coordinator", _COORDINATOR, self._site.desk, *locations)
            self.url = f"http://{host}:{port}"
        except BaseException:
            self._stop()
            raise
        return self

    def _start(
        self, name: str, variable: str, machine: Namespace | None, *workers: str
    ) -> tuple[str, int]:
        host = machine.address if machine else "127.0.0.1"
        port = 5000 if machine else free_port()
        fields = {"host": host, "port": port, "workers": " ".join(workers), "cache": self._cache}
        inner = f"cd {shlex.quote(os.environ[PROTOTYPE_VARIABLE])} && exec "
        command = ["sh", "-c", inner + os.environ[variable].format(**fields)]
        environment = clean_environment(**self._site.endpoint.environment)
        inside = machine.command(command) if machine else command
        process = Process(name, inside, self._folder, environment)
        self._processes.append(process)

        def listens() -> bool:
            if not process.running:
                raise RuntimeError(f"the prototype's {name} ended: {process.log()[-1000:]}")
            with machine.inside() if machine else contextlib.nullcontext():
                probe = socket.socket()
            with probe, contextlib.suppress(OSError):
                probe.settimeout(1)
                probe.connect((host, port))
                return True
            return False

        wait_until(f"the prototype's {name} listens", listens, 60)
        return host, port

    def client(self) -> Driver:
        return Driver("prototype", {"url": self.url}, namespace=self._site.desk)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.stop(5)
        shutil.rmtree(self._folder, ignore_errors=True)
