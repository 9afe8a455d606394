"""A network of machines: namespaces on this one, joined by links of a given rate and delay.

    with Network() as network:
        s3 = network.add("s3", delay_ms=15)
        worker = network.add("worker", rate_bytes_s=60e6)
        child = worker.popen(["versitygw", ...])
        worker.set(up=False)               # cuts what it sends
        worker.block(s3)                   # cuts what it sends to that one

The links are TUN devices whose packets bench/link/link.cc carries: the kernel's TCP sees
handshakes, slow start and loss. bench/network.py measures one. All is torn down when the block is
left, Ctrl-C and SIGTERM included; what a killed run leaves behind, the next one removes. Where
namespaces are not permitted, `unavailable()` says why.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LINK_SOURCE = ROOT / "bench/link/link.cc"
PREFIX = "eider"
SUBNET = "10.77.0"
# In each namespace, so that a network is the same on every machine.
TCP_SETTINGS = {
    # By loss, as the ordinary server does it (RFC 5681); a machine's own choice may be another, and
    # of cubic and reno this is the one that every kernel lets every namespace have.
    "tcp_congestion_control": "reno",
    # The kernel remembers a peer's loss and round trip from one connection to the next; trials are
    # to be independent.
    "tcp_no_metrics_save": "1",
}
_CLONE_NEWNET = 0x40000000
_STOP_S = 5.0


class NetworkError(RuntimeError):
    """A namespace or a link that could not be made or changed."""


def ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise NetworkError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def unavailable() -> str | None:
    """Why there can be no network here; None when there can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "the command `ip` is missing (Debian: apt-get install iproute2)"
    if shutil.which("g++") is None:
        return "the link program needs a compiler (Debian: apt-get install g++)"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "/dev/net/tun cannot be opened"
    name = f"{PREFIX}-{os.getpid()}-try"
    try:
        ip("netns", "add", name)
        ip("netns", "delete", name)
    except NetworkError as error:
        return f"network namespaces are not permitted ({error})"
    return None


def link_program() -> Path:
    """The link program, compiled when it is not there or older than its source."""
    binary = ROOT / "build/bench/eider_link"
    sources = list(LINK_SOURCE.parent.glob("*"))
    if not binary.exists() or binary.stat().st_mtime < max(s.stat().st_mtime for s in sources):
        binary.parent.mkdir(parents=True, exist_ok=True)
        fresh = binary.with_suffix(f".{os.getpid()}")
        command = ["g++", "-std=c++20", "-O2", str(LINK_SOURCE), "-o", str(fresh)]
        subprocess.run(command, check=True)
        fresh.rename(binary)
    return binary


def _stop(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _remove(namespace: str) -> None:
    """Ends what runs inside, then the namespace goes."""
    with contextlib.suppress(NetworkError):
        for pid in ip("netns", "pids", namespace).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        ip("netns", "delete", namespace)


def _sweep() -> None:
    """Removes the namespaces of runs that were killed."""
    for line in ip("netns", "list").splitlines():
        name = line.split()[0]
        prefix, _, rest = name.partition("-")
        owner = rest.partition("-")[0]
        if prefix == PREFIX and owner.isdigit() and not Path(f"/proc/{owner}").exists():
            _remove(name)


class Namespace:
    """One machine of the network. Made by Network.add."""

    def __init__(self, network: Network, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.netns = f"{PREFIX}-{os.getpid()}-{name}"
        self._network = network
        self._children: list[subprocess.Popen[Any]] = []

    def command(self, words: Sequence[str]) -> list[str]:
        """The same command inside. It becomes the program: its process id is the program's."""
        return ["ip", "netns", "exec", self.netns, *words]

    def popen(self, words: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """A child inside, ended with the network at the latest."""
        options.setdefault("start_new_session", True)
        child: subprocess.Popen[Any] = subprocess.Popen(self.command(words), **options)
        self._children.append(child)
        return child

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread makes its sockets inside; they stay there when it has left."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.netns}", os.O_RDONLY)
        try:
            _setns(there)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)
            os.close(there)

    def set(
        self,
        *,
        rate_bytes_s: float | None = None,
        delay_ms: float | None = None,
        queue_bytes: int | None = None,
        up: bool | None = None,
        down: bool | None = None,
    ) -> None:
        """Changes the link from now on; what is not given stays. `up` is what leaves it."""
        self._network.order("set", self.name, _settings(locals()))

    def block(self, other: Namespace, blocked: bool = True) -> None:
        """Cuts what this one sends to that one, and nothing else; False mends it."""
        self._network.order("block", self.name, other.name, "on" if blocked else "off")

    def stats(self) -> dict[str, int]:
        """What the link carried and dropped: {up,down}_{packets,bytes,dropped_full,dropped_cut},
        and `blocked`: packets to those whom it may not reach.
        """
        words = self._network.order("stats", self.name).split()
        return {name: int(value) for name, _, value in (word.partition("=") for word in words)}

    def stop(self) -> None:
        for child in reversed(self._children):
            _stop(child)
        _remove(self.netns)


def _setns(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
        raise NetworkError(f"setns: {os.strerror(ctypes.get_errno())}")


def _settings(given: dict[str, Any]) -> str:
    words = []
    for name in ("rate_bytes_s", "queue_bytes"):
        if given[name] is not None:
            words.append(f"{name}={given[name]:.0f}")
    if given["delay_ms"] is not None:
        words.append(f"delay_us={given['delay_ms'] * 1000:.0f}")
    for name in ("up", "down"):
        if given.get(name) is not None:
            words.append(f"{name}={'on' if given[name] else 'off'}")
    return " ".join(words)


class Network:
    """A star of namespaces, each behind one link. Thread-safe but for enter and exit."""

    def __init__(self, mtu: int = 9000) -> None:
        self._mtu = mtu
        self._lock = threading.Lock()
        self._namespaces: list[Namespace] = []
        self._link: subprocess.Popen[str] | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Network:
        # SIGTERM and SIGHUP leave by exceptions, as Ctrl-C does, and so by __exit__.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                self._handlers[number] = signal.signal(number, _leave)
        try:
            _sweep()
            self._link = subprocess.Popen(
                [str(link_program()), "--mtu", str(self._mtu)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
                start_new_session=True,
            )
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def add(
        self,
        name: str,
        *,
        rate_bytes_s: float = 0,
        delay_ms: float = 0,
        queue_bytes: int | None = None,
    ) -> Namespace:
        """A namespace with its link, by default one without a limit and without a delay.

        The round trip between two is twice the sum of their delays; the rate between them the
        smaller of theirs.
        """
        namespace = Namespace(self, name, f"{SUBNET}.{len(self._namespaces) + 1}")
        self._namespaces.append(namespace)
        ip("netns", "add", namespace.netns)
        ip("-netns", namespace.netns, "link", "set", "lo", "up")
        words = _settings(locals())
        self.order("add", name, namespace.netns, namespace.address, words)
        for setting, value in TCP_SETTINGS.items():
            write = f"echo {value} > /proc/sys/net/ipv4/{setting}"
            subprocess.run(namespace.command(["sh", "-c", write]), check=True)
        return namespace

    def order(self, *words: str) -> str:
        """One command of the link program's; returns its answer."""
        link = self._link
        assert link is not None and link.stdin is not None and link.stdout is not None
        with self._lock:
            link.stdin.write(" ".join(words) + "\n")
            answer = link.stdout.readline().strip()
        state, _, rest = answer.partition(" ")
        if state != "ok":
            raise NetworkError(f"link: {' '.join(words)}: {rest or 'it has ended'}")
        return rest

    def cpu_seconds(self) -> float:
        """Of the link program, which shares the machine with what is measured."""
        assert self._link is not None
        fields = Path(f"/proc/{self._link.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        # A second Ctrl-C is not to interrupt the teardown.
        main = threading.current_thread() is threading.main_thread()
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
        for namespace in reversed(self._namespaces):
            namespace.stop()
        self._namespaces.clear()
        if self._link is not None:
            assert self._link.stdin is not None and self._link.stdout is not None
            with contextlib.suppress(OSError):
                self._link.stdin.close()
            _stop(self._link)
            self._link.stdout.close()
            self._link = None
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if main:
            signal.signal(signal.SIGINT, interrupt)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
