#!/usr/bin/env python3
"""The network of tests/support/network.py, measured by TCP.

    python bench/network.py [--rate 60e6] [--delay-ms 15]

builds one, measures it (round trip, rate each way) and prints what was asked beside what was
measured; the exit code is 1 when they are more than 10% apart.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.network import Namespace, Network, unavailable

TOLERANCE = 0.10
# Of who measures: the kernel's guess at what he reads grows slowly at times, and would be measured.
_RECEIVE_BYTES = 8 << 20
_SO_RCVBUFFORCE = 33


def _served(
    server: Namespace, serve: Callable[[socket.socket], None]
) -> tuple[socket.socket, threading.Thread]:
    with server.inside():
        listener = socket.create_server((server.address, 0))
    listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BYTES)

    def run() -> None:
        connection, _ = listener.accept()
        with connection, listener, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            serve(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return listener, thread


def _connected(client: Namespace, listener: socket.socket) -> tuple[socket.socket, float]:
    with client.inside():
        connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BYTES)
    connection.settimeout(10)
    start = time.perf_counter()
    connection.connect(listener.getsockname())
    took = time.perf_counter() - start
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection, took


def round_trip_ms(client: Namespace, server: Namespace, count: int = 20) -> tuple[float, float]:
    """Lower quartiles of a TCP handshake's and of an echoed byte's time.

    Not medians: where the cores are busy, half of the echoes wait for one.
    """

    def echo(connection: socket.socket) -> None:
        while byte := connection.recv(1):
            connection.sendall(byte)

    handshakes, echoes = [], []
    for _ in range(5):
        listener, thread = _served(server, echo)
        connection, took = _connected(client, listener)
        handshakes.append(took)
        with connection:
            for _ in range(count):
                start = time.perf_counter()
                connection.sendall(b"x")
                connection.recv(1)
                echoes.append(time.perf_counter() - start)
        thread.join(10)
    handshake, echo_s = (statistics.quantiles(times, n=4)[0] for times in (handshakes, echoes))
    return handshake * 1000, echo_s * 1000


def rate_bytes_s(sender: Namespace, receiver: Namespace, seconds: float = 2.0) -> float:
    """Of one TCP stream, once it has found its speed."""
    settling_s = 2.0
    stop = threading.Event()

    def send(connection: socket.socket) -> None:
        chunk = bytes(1 << 18)
        while not stop.is_set():
            connection.sendall(chunk)

    listener, thread = _served(sender, send)
    connection, _ = _connected(receiver, listener)
    buffer = bytearray(1 << 18)
    start = time.perf_counter()
    counted, since, now = 0, start, start
    with connection:
        while now - start < settling_s + seconds:
            count = connection.recv_into(buffer)
            now = time.perf_counter()
            if now - start < settling_s:
                since = now
            else:
                counted += count
        stop.set()
    thread.join(10)
    return counted / (now - since)


def check(network: Network, one: Namespace, other: Namespace, rate: float, rtt_ms: float) -> bool:
    """Measures the way between two; prints it; whether it is what was asked, within 10%."""
    handshake, echo = round_trip_ms(one, other)
    good = True
    for what, got in (("handshake", handshake), ("echo", echo)):
        # Between machines without a delay a round trip is what this program and two cores take.
        fits = abs(got - rtt_ms) <= max(TOLERANCE * rtt_ms, 1.0)
        good = good and fits
        print(f"{one.name} - {other.name}: {what} {got:.2f} ms, asked {rtt_ms:g} ms{_word(fits)}")
    for sender, receiver in ((other, one), (one, other)):
        cpu, start = network.cpu_seconds(), time.perf_counter()
        got = rate_bytes_s(sender, receiver)
        share = (network.cpu_seconds() - cpu) / (time.perf_counter() - start)
        fits = not rate or abs(got - rate) <= TOLERANCE * rate
        good = good and fits
        asked = f"asked {rate / 1e6:.1f} MB/s" if rate else "no limit asked"
        print(
            f"{sender.name} -> {receiver.name}: {got / 1e6:.1f} MB/s, {asked}{_word(fits)}; "
            f"the link program took {share:.0%} of a core"
        )
    return good


def _word(fits: bool) -> str:
    return "" if fits else "  NOT WITHIN 10%"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=60e6, help="bytes a second of a machine")
    parser.add_argument("--delay-ms", type=float, default=15, help="one way, of S3's link")
    parser.add_argument("--mtu", type=int, default=9000)
    options = parser.parse_args()
    why = unavailable()
    if why is not None:
        print(f"no shaped network: {why}")
        return 2
    with Network(options.mtu) as network:
        s3 = network.add("s3", delay_ms=options.delay_ms)
        workers = [network.add(f"w{n}", rate_bytes_s=options.rate) for n in (1, 2)]
        good = [check(network, w, s3, options.rate, 2 * options.delay_ms) for w in workers]
        good.append(check(network, workers[0], workers[1], options.rate, 0))
        workers[0].set(rate_bytes_s=0)
        good.append(check(network, workers[0], s3, 0, 2 * options.delay_ms))
        print(f"s3's link: {s3.stats()}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
