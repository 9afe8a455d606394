"""A peer's server process: a module of bench/peers that is run as a program."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Self

from s3_data import ROOT
from support.processes import clean_environment


class PeerServer:
    """Serves from when it is made until the block is left.

    The program prints "serving" once it does, and ends when its standard input does.
    """

    def __init__(self, peer: str, *words: str) -> None:
        """Raises RuntimeError where it does not start."""
        self._child: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, str(ROOT / f"bench/peers/{peer}.py"), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
            start_new_session=True,
        )
        assert self._child.stdout is not None
        if self._child.stdout.readline().strip() != "serving":
            self.stop()
            raise RuntimeError(f"the server of {peer} did not start")

    @property
    def pid(self) -> int:
        return self._child.pid

    def __enter__(self) -> Self:
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
