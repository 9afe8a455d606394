"""A crowd at the coordinator's door: thousands who do nothing, hundreds who ask at once.

What is refused is refused at once and says when to come back; every query is answered right in the
end; memory, threads and descriptors stay. EIDER_TEST_CROWD_S=120 is the whole form.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import http
from support.cluster import Cluster, MakeCluster
from support.crowd import Part
from support.data import BLOCK_ROWS
from support.processes import Process
from support.s3 import S3Server
from support.s3_proxy import S3Proxy
from support.waiting import wait_until

SECONDS = float(os.environ.get("EIDER_TEST_CROWD_S", "20"))
IDLE = 2_000
CLIENTS = 500
# Of these, Eider's own Python clients; the others do what those do, all in one thread.
OWN_CLIENTS = 25

WORKERS = 2
SLOTS = 4
# A relay for each slot, and as many on their way out: threads that were needed once are kept.
MORE_THREADS = 2 * WORKERS * SLOTS

MIB = 1 << 20
GROWTH = 24 * MIB
OVERLOAD_MS = 50.0
# What the probe sees has the machine in it. That is quiet when a call that only says "ok" is
# answered within this; else what it adds to that call it may add to a refusal a few times over.
QUIET_MS = 10.0
BUSY_TIMES = 4


@dataclass
class Level:
    """What a process holds at one moment."""

    rss: int
    threads: int
    descriptors: int

    def __str__(self) -> str:
        return f"{self.rss / MIB:.0f} MiB, {self.threads} threads, {self.descriptors} descriptors"


def level(process: Process) -> Level:
    folder = Path(f"/proc/{process.pid}")
    return Level(
        rss=process.rss_bytes(),
        threads=len(list((folder / "task").iterdir())),
        descriptors=len(list((folder / "fd").iterdir())),
    )


def at(levels: list[tuple[float, Level]], moment: float) -> Level:
    return min(levels, key=lambda entry: abs(entry[0] - moment))[1]


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@pytest.fixture
def parts() -> Iterator[list[Part]]:
    running: list[Part] = []
    yield running
    for part in running:
        part.stop()


@pytest.mark.timeout(SECONDS + 700)
def test_crowd(
    make_cluster: MakeCluster,
    s3: S3Server,
    s3_proxy: S3Proxy,
    block_urls: list[str],
    parts: list[Part],
    tmp_path: Path,
) -> None:
    own = make_cluster(
        s3.environment(s3_proxy.port),
        workers=WORKERS,
        worker_options=["--slots", str(SLOTS), "--threads", "1", "--memory-limit", "256MB"],
        coordinator_options=["--max-waiting", "32"],
    )
    # Slots wait for S3, so that the queries cost this machine little.
    s3_proxy.latency_s = 0.05

    def start(name: str, **options: object) -> Part:
        part = Part(name, own.url, log=tmp_path / f"{name}.log", **options)
        parts.append(part)
        part.wait_ready()
        return part

    with own.client() as client:
        assert client.query("SELECT 42").fetchall() == [(42,)]
    before = level(own.coordinator)
    idle = start("idle", count=IDLE)
    shared = {"seconds": SECONDS, "urls": block_urls, "rows": BLOCK_ROWS}
    others = CLIENTS - OWN_CLIENTS
    cpu_before = own.coordinator.cpu_s()
    asking = [
        start("clients", first=0, count=OWN_CLIENTS, **shared),
        start("askers", first=OWN_CLIENTS, count=others, **shared),
    ]
    probe = start("probe", urls=block_urls)
    began = time.monotonic()
    levels: list[tuple[float, Level]] = []
    while time.monotonic() < began + SECONDS:
        levels.append((time.monotonic() - began, level(own.coordinator)))
        time.sleep(0.25)  # the spacing of samples
    latency = probe.result()
    clients = [part.result() for part in asking]
    after_all = level(own.coordinator)
    connections = idle.result()

    cpu_s = own.coordinator.cpu_s() - cpu_before
    served = refused_within(own)
    latency["refused_ms"] = sorted(ms for c in clients for ms in c["refused_ms"])

    report(before, levels, after_all, latency, clients, connections)
    print(f"the coordinator used {cpu_s:.1f} s; its own time for a refusal:")
    print(", ".join(f"{share:.2%} in {s * 1000:g} ms" for s, share in served.items() if s <= 0.25))
    check_answers(clients, connections)
    check_overload(latency)
    assert served[OVERLOAD_MS / 1000] >= 0.99, "the coordinator was late with its refusals"
    check_levels(own, before, levels)


def refused_within(own: Cluster) -> dict[float, float]:
    """The shares of the queries' refusals that the coordinator answered within so many seconds."""
    text = http.get(own.url, "/metrics").body.decode()
    name = 'eider_http_refused_seconds_bucket{call="read",le="'
    counts = {
        float(bound): int(count)
        for bound, count in re.findall(re.escape(name) + r'([^"]+)"} (\d+)', text)
    }
    return {bound: count / counts[float("inf")] for bound, count in counts.items()}


def report(
    before: Level,
    levels: list[tuple[float, Level]],
    after_all: Level,
    latency: dict[str, Any],
    clients: list[dict[str, Any]],
    connections: dict[str, Any],
) -> None:
    print(f"before: {before}; half-way: {at(levels, SECONDS / 2)}")
    print(f"at the end: {levels[-1][1]}; when all had their answer: {after_all}")
    # The last is what the crowd itself sees, with the wait for its own thread.
    for name in ("health_ms", "overload_ms", "refused_ms"):
        sample = latency[name]
        figures = [f"p{p} {percentile(sample, p / 100):.2f}" for p in (50, 90, 99, 100)]
        print(f"{name}: {len(sample)} samples, {', '.join(figures)}")
    right, asked = (sum(c[name] for c in clients) for name in ("right", "asked"))
    longest = max(c["longest_s"] for c in clients)
    print(f"queries {right}, asked for {asked} times, the longest took {longest:.1f} s")
    print(f"idle connections {connections}, probe {latency['statuses']}")


def check_answers(clients: list[dict[str, Any]], connections: dict[str, Any]) -> None:
    assert [c["wrong"] for c in clients] == [[]] * len(clients)
    assert sum(c["answered"] for c in clients) == CLIENTS, "every client had its answers"
    right, asked = (sum(c[name] for c in clients) for name in ("right", "asked"))
    assert asked - right > CLIENTS / 2, "the clients were refused and came back"
    assert connections["failed"] == 0
    assert connections["open"] == IDLE


def check_overload(latency: dict[str, Any]) -> None:
    assert set(latency["statuses"]) <= {"200", "503"}
    assert len(latency["overload_ms"]) >= 100, "there was no overload to speak of"
    assert latency["without_retry_after"] == 0
    refused = percentile(latency["overload_ms"], 0.99)
    healthy = percentile(latency["health_ms"], 0.99)
    bound = OVERLOAD_MS if healthy <= QUIET_MS else OVERLOAD_MS + BUSY_TIMES * healthy
    assert refused <= bound, f"p99 of a refusal {refused:.1f} ms, of /healthz {healthy:.1f} ms"


def check_levels(own: Cluster, before: Level, levels: list[tuple[float, Level]]) -> None:
    half, end = at(levels, SECONDS / 2), levels[-1][1]
    assert end.rss - half.rss <= GROWTH, f"memory grew from {half} to {end}"
    assert end.threads <= before.threads + MORE_THREADS, f"threads grew from {before} to {end}"
    most = max(each.descriptors for _, each in levels)
    assert most >= before.descriptors + IDLE, "the connections were never all there"
    wait_until(
        f"the descriptors are back from {most} to {before.descriptors}",
        lambda: level(own.coordinator).descriptors <= before.descriptors + 4,
        30,
    )
