"""The machine, the versions and the state in which a run took place."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import s3_data
from support.network import TCP_SETTINGS
from support.paths import eider_binary

# Beyond this the figures are not of this machine alone.
QUIET_LOAD = 1.0


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=s3_data.ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def _memory_gib() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 2**20, 1)
    return 0.0


def gather() -> dict[str, Any]:
    cpu = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        ":unknown",
    )
    changed = _said("git", "status", "--porcelain", "--untracked-files=no")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _said("git", "rev-parse", "--short", "HEAD"),
        "uncommitted_changes": bool(changed),
        "eider": _said(str(eider_binary()), "--version"),
        "cpu": cpu.partition(":")[2].strip(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "tcp": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "network": {
            "round_trip_ms": 30,
            "mtu": 9000,
            "tcp": TCP_SETTINGS["tcp_congestion_control"],
        },
        **s3_data.versions(),
    }


def finish(about: dict[str, Any]) -> None:
    """What is known at the end only."""
    about["load_at_end"] = round(os.getloadavg()[0], 2)
    about["ended"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def disturbed(about: dict[str, Any]) -> bool:
    return float(about["load_at_start"]) > QUIET_LOAD
