"""The two systems as child processes that answer lines: engine_reads and plain_reads.py."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from s3_data import FOLDER, LOCAL_LINEITEM, ROOT, Endpoint
from support.network import Namespace
from support.paths import extension
from support.processes import clean_environment

ENGINE_READS = ROOT / "build/release/bench/engine_reads"
PLAIN_READS = ROOT / "bench/plain_reads.py"
_ANSWER_S = 300


@dataclass
class Run:
    """One batch of statements, run to their ends."""

    ms: float
    cpu_ms: float
    rows: int
    figures: dict[str, int] = field(default_factory=dict)  # the statements' sums; empty: unknown


class Reader:
    """A child process, in a namespace or not. Leaving the block ends it and its cache."""

    def __init__(
        self, command: Sequence[str], endpoint: Endpoint, namespace: Namespace | None
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="reader-", dir=FOLDER))
        words = [word.replace("{cache}", str(self._folder / "cache")) for word in command]
        self._log = (self._folder / "log").open("w+")
        self._child: subprocess.Popen[str] = subprocess.Popen(
            namespace.command(words) if namespace else words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=clean_environment(**endpoint.environment),
            start_new_session=True,
        )
        try:
            self.run(["SELECT 1"])  # is up, and has loaded what it loads lazily
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def run(self, statements: Sequence[str], threads: int = 1) -> Run:
        answer = self._ask({"statements": list(statements), "threads": threads})
        sums: dict[str, int] = {}
        for figures in answer["figures"]:
            for name, value in figures.items():
                sums[name] = sums.get(name, 0) + value
        return Run(answer["ms"], answer["cpu_ms"], answer["rows"], sums)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        child = self._child
        assert child.stdin is not None and child.stdout is not None
        watchdog = threading.Timer(_ANSWER_S, child.kill)
        watchdog.start()
        try:
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watchdog.cancel()
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"{child.args!r} ended: {self._log.read().strip()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def stop(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def engine(endpoint: Endpoint, namespace: Namespace | None) -> Reader:
    """The worker's engine with an empty disk cache, options at their defaults."""
    words = [str(ENGINE_READS), "--cache-dir", "{cache}", "--allow-path", str(LOCAL_LINEITEM)]
    return Reader(words, endpoint, namespace)


def plain(endpoint: Endpoint, namespace: Namespace | None) -> Reader:
    """DuckDB with httpfs at its defaults in a Python process."""
    words = [sys.executable, str(PLAIN_READS), str(extension("httpfs"))]
    return Reader(words, endpoint, namespace)
