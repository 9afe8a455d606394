"""The processes of the demo: an S3 server, workers, a coordinator. Started, waited for, stopped."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# How long a process may take to be ready, and to stop when it is asked to.
READY_S = 60.0
STOP_S = 15.0
# Between two looks at a process that is not ready yet.
_LOOK_S = 0.05
_LOG_TAIL_LINES = 15
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """The demo cannot go on; the message is for people."""


@dataclass
class _Process:
    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines) or "    (its log is empty)"


class Fleet:
    """Processes, each in a group of its own, and the folder that they keep their state in.

    They are stopped by `stop`, in the reverse order of their start; and by the kernel should this
    process die without it.
    """

    def __init__(self, parent: Path) -> None:
        """Makes the folder, under `parent`."""
        parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="demo-", dir=parent))
        self._processes: list[_Process] = []
        self.failed = False

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Starts a process; its output goes to its log. `environment` is all that it sees."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self._processes.append(_Process(name, popen, log))

    def wait_until(self, what: str, ready: Callable[[], str | None]) -> None:
        """Waits until `ready()` gives None; else it says what is missing.

        Raises:
            Failed: a process ended meanwhile, or READY_S have passed; with the tail of a log.
        """
        deadline = time.monotonic() + READY_S
        while (missing := ready()) is not None:
            self.check()
            if time.monotonic() > deadline:
                self.failed = True
                last = self._processes[-1]
                raise Failed(
                    f"{what} is not ready after {READY_S:.0f} s: {missing}\n"
                    f"  the end of {last.log}:\n{last.tail()}"
                )
            time.sleep(_LOOK_S)

    def check(self) -> None:
        """Raises Failed when a process has ended."""
        for process in self._processes:
            code = process.popen.poll()
            if code is not None:
                self.failed = True
                raise Failed(
                    f"{process.name} ended by itself (exit code {code})\n"
                    f"  the end of {process.log}:\n{process.tail()}"
                )

    def stop(self) -> None:
        """Stops all, and removes the folder unless something failed. Idempotent."""
        for process in reversed(self._processes):
            _signal(process.popen, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for process in reversed(self._processes):
            try:
                process.popen.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(process.popen, signal.SIGKILL)
                process.popen.wait()
        self._processes.clear()
        if not self.failed:
            shutil.rmtree(self.folder, ignore_errors=True)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal(popen: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the whole group: a process may have children."""
    if popen.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, number)


class Ports:
    """Loopback ports for servers: the wanted ones where they are free."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        #: What to tell the user about ports that were busy.
        self.notes: list[str] = []

    def take(self, wanted: int, what: str, width: int = 1) -> int:
        """`wanted` when it and the `width - 1` after it are free, else free ones."""
        if self._free(wanted, width):
            return self._keep(wanted, width)
        port = self.any(width)
        self.notes.append(f"port {wanted} ({what}) is in use: took {port}")
        return port

    def any(self, width: int = 1) -> int:
        """The first of `width` free ports in a row."""
        for _ in range(100):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port: int = listener.getsockname()[1]
            if self._free(port, width):
                return self._keep(port, width)
        raise Failed("found no free port on 127.0.0.1")

    def _keep(self, port: int, width: int) -> int:
        self._taken.update(range(port, port + width))
        return port

    def _free(self, port: int, width: int) -> bool:
        for candidate in range(port, port + width):
            if candidate in self._taken or candidate > 65535:
                return False
            try:
                socket.create_server(("127.0.0.1", candidate)).close()
            except OSError:
                return False
        return True


def fetch(url: str) -> tuple[int, str]:
    """The status and body of a GET; status 0 and why when there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")
    except (OSError, ValueError) as error:
        return 0, str(error)


def listening(port: int) -> str | None:
    """None when something accepts connections on `port`, else why not."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError as error:
        return str(error)
    return None


def workers_ready(url: str, count: int) -> str | None:
    """None when the coordinator at `url` is ready with `count` ready workers, else why not."""
    status, body = fetch(f"{url}/readyz")
    if status != 200:
        return f"/readyz says {status} {body.strip()}"
    status, body = fetch(f"{url}/v1/workers")
    if status != 200:
        return f"/v1/workers says {status} {body.strip()}"
    workers: list[dict[str, Any]] = json.loads(body)["workers"]
    ready = [worker for worker in workers if worker["state"] == "up" and worker["ready"]]
    if len(ready) < count:
        return f"{len(ready)} of {count} workers are ready"
    return None
