"""Child processes: started on free ports, logged to a file, always stopped."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

from support.waiting import wait_until

_handed_out: set[int] = set()


def free_port() -> int:
    """A port of loopback that is free now and was not given out before by this process."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _handed_out:
            _handed_out.add(port)
            return port


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Process:
    """One child process in a session of its own. Not thread-safe."""

    def __init__(
        self, name: str, command: list[str], log_dir: Path, env: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.log_path = log_dir / f"{name}.log"
        self._log = self.log_path.open("ab")
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_listening(self, port: int, timeout_s: float = 30) -> None:
        def ready() -> bool:
            if not self.running:
                raise AssertionError(
                    f"{self.name} ended with {self.popen.returncode}:\n{self.log()}"
                )
            return accepts(port)

        wait_until(f"{self.name} listens on {port}", ready, timeout_s)

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and gone when this returns."""
        if self.running:
            self.popen.kill()
        self.popen.wait(10)

    def stop(self, timeout_s: float = 10) -> int:
        """SIGTERM, then SIGKILL after `timeout_s`. Returns the exit code."""
        if self.running:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            try:
                self.popen.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self.popen.wait(10)
        self._log.close()
        return self.popen.returncode

    def cpu_s(self) -> float:
        """The processor time that it has used, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def rss_bytes(self) -> int:
        return self._status("VmRSS")

    def peak_rss_bytes(self) -> int:
        """The highest since the start or the last `reset_peak`."""
        return self._status("VmHWM")

    def reset_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status(self, field: str) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
        assert found, f"no {field} of {self.name}"
        return int(found.group(1)) * 1024


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without what would change what Eider does; UTC, as the oracle has."""
    prefixes = ("EIDER_", "AWS_", "OTEL_")
    env = {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}
    if "EIDER_EXTENSION_DIR" in os.environ:
        env["EIDER_EXTENSION_DIR"] = os.environ["EIDER_EXTENSION_DIR"]
    return {**env, "TZ": "UTC", **extra}
