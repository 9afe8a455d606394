"""A Python client in a process of its own, to be interrupted and killed.

Reads one query a line from standard input and says on standard output how each ended:
`interrupted`, `done`, or `error CODE`. SIGINT during a query is Ctrl-C in a session: the process
lives on, so it is not its end that ends the query.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from support.cluster import Cluster

_ROOT = Path(__file__).resolve().parents[2]


class Agent:
    """The process, as the test sees it."""

    def __init__(self, cluster: Cluster, delivery: str) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": f"{_ROOT / 'python/src'}:{_ROOT / 'tests'}",
            "PYTHONUNBUFFERED": "1",
        }
        command = [
            sys.executable,
            "-m",
            "support.agent",
            cluster.url,
            cluster.flight_location,
            delivery,
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.answer() == "ready"

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, sql: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(sql.replace("\n", " ") + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _serve(url: str, flight_url: str, delivery: str) -> None:
    import eider
    import pyarrow.flight  # noqa: F401  (the first import takes a while)

    client = eider.Client(url, flight_url=flight_url, delivery=delivery)  # type: ignore[arg-type]
    print("ready")
    for line in sys.stdin:
        try:
            for _ in client.query(line).reader():
                pass
            print("done")
        except KeyboardInterrupt:
            print("interrupted")
        except eider.Error as error:
            print(f"error {type(error).__name__}")
        except OSError as error:
            print(f"error {error}")


if __name__ == "__main__":
    # Tests that run in the background of a shell inherit that it is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    while True:
        try:
            _serve(*sys.argv[1:])
            break
        except KeyboardInterrupt:
            time.sleep(0)
