"""A Quack server process, with the extension that a pinned wheel brings."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Any

from client import Driver
from s3_data import ROOT
from setups import quack_extension
from support.paths import extension
from support.processes import clean_environment, free_port


class QuackServer:
    """Serves when the block is entered. Raises SetupError where it cannot be had."""

    def __init__(self) -> None:
        self.port = free_port()
        self.options: dict[str, Any] = {
            "port": self.port,
            "quack": str(quack_extension()),
            "httpfs": str(extension("httpfs")),
        }
        command = [
            sys.executable,
            str(ROOT / "bench/peers/quack.py"),
            *(str(self.port), self.options["quack"], self.options["httpfs"]),
        ]
        self._child: subprocess.Popen[str] = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
            start_new_session=True,
        )
        assert self._child.stdout is not None
        if self._child.stdout.readline().strip() != "serving":
            self.stop()
            raise RuntimeError("the Quack server did not start")

    @property
    def pid(self) -> int:
        return self._child.pid

    def client(self) -> Driver:
        return Driver("quack", self.options)

    def __enter__(self) -> QuackServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.kill()
        self._child.wait()
        self._child.stdin.close()
        self._child.stdout.close()
