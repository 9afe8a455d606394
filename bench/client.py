"""Starts bench/driver.py as a child, in a namespace or not, and asks it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from s3_data import ROOT
from support.network import Namespace
from support.processes import clean_environment

DRIVER = ROOT / "bench/driver.py"
Statement = tuple[str, list[Any]]


class DriverError(RuntimeError):
    """A client process that ended, or an answer that is an error."""


@dataclass
class Answer:
    """One batch of statements, or one stream."""

    ms: float
    prints: list[Any]
    errors: list[str]
    peak_rss: int
    each_ms: list[float] = field(default_factory=list)
    bytes: int = 0
    first_ms: float = 0.0


class Driver:
    """A client process. Leaving the block ends it."""

    def __init__(
        self,
        peer: str,
        options: dict[str, Any],
        environment: dict[str, str] | None = None,
        namespace: Namespace | None = None,
        python: Path | str = sys.executable,
        timeout_s: float = 300,
    ) -> None:
        self.peer = peer
        self._timeout_s = timeout_s
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        command = [str(python), str(DRIVER), peer, json.dumps(options)]
        path = {"PYTHONPATH": str(ROOT / "python/src")}
        self._child: subprocess.Popen[str] = subprocess.Popen(
            namespace.command(command) if namespace else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=clean_environment(**path, **(environment or {})),
            start_new_session=True,
        )
        try:
            self._answer()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def run(
        self, statements: Sequence[Statement], threads: int = 1, keep_going: bool = False
    ) -> Answer:
        request = {"statements": statements, "threads": threads, "keep_going": keep_going}
        answer = Answer(**self._ask(request))
        if answer.errors and not keep_going:
            raise DriverError(f"{self.peer}: {answer.errors[0]}")
        return answer

    def stream(self, sql: str) -> Answer:
        answer = Answer(**self._ask({"stream": sql}))
        if answer.errors:
            raise DriverError(f"{self.peer}: {answer.errors[0]}")
        return answer

    def report(self) -> dict[str, Any]:
        """What the peer tells of the last batch (Eider: what S3 was asked)."""
        return self._ask({"report": True})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(request) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says why
        answer = self._answer()
        if "ms" not in answer and answer.get("errors"):
            raise DriverError(f"{self.peer}: {answer['errors'][0]}")
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        watchdog = threading.Timer(self._timeout_s, self._child.kill)
        watchdog.start()
        try:
            # What a library prints of its own comes between the answers.
            while (line := self._child.stdout.readline()) and not line.startswith("{"):
                pass
        finally:
            watchdog.cancel()
        if not line:
            self._log.seek(0)
            said = self._log.read().strip()[-1500:]
            raise DriverError(
                f"{self.peer}: its client ended (or took {self._timeout_s} s): {said}"
            )
        found: dict[str, Any] = json.loads(line)
        return found

    def stop(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()
        self._log.close()
