#!/usr/bin/env python3
"""Makes a fresh Debian bookworm machine ready, step by step, and builds.

Usage: setup.py STEP ...     where a step is one of

  packages       Debian packages of packages.txt (apt-get, as root)
  lint-packages  those of packages-lint.txt
  bench-packages those of packages-bench.txt
  s3             the S3 server, build/tools/versitygw
  venv           the Python environment, build/venv, with the client in it
  build          the release preset, installed to build/dist
  bench          the programs of bench/, in the release preset
  asan, tsan     the sanitizer presets

Each step says what it does and how long it took. A step whose inputs are those of its last run does
nothing: its stamp in build/stamps holds the hash of their content.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"


def run(command: list[str], **environment: str) -> None:
    """Runs it in the project's folder; exits with its code when it fails."""
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment})
    if done.returncode != 0:
        sys.exit(f"setup: {' '.join(command)}: exit code {done.returncode}")


def digest(parts: Iterable[str | Path]) -> str:
    """The hash of texts and of files' contents."""
    total = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part.encode()
        total.update(len(content).to_bytes(8, "big") + content)
    return total.hexdigest()


def once(name: str, inputs: Iterable[str | Path], made: Path, work: Callable[[], None]) -> str:
    """Does the work unless it was done with the same inputs and what it made is still there."""
    stamp = BUILD / "stamps" / name
    wanted = digest(inputs)
    if made.exists() and stamp.exists() and stamp.read_text() == wanted:
        return "is there"
    work()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)
    return "done"


def missing_packages(names: list[str]) -> list[str]:
    command = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names]
    shown = subprocess.run(command, capture_output=True, text=True).stdout
    there = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in there]


def install_packages(listing: str) -> str:
    if shutil.which("apt-get") is None:
        return f"skipped: no apt-get here; tools/{listing} names what is needed"
    lines = (ROOT / "tools" / listing).read_text().splitlines()
    missing = missing_packages([line for line in lines if line and not line.startswith("#")])
    # Node's own packages bring npm with node; Debian has it apart.
    if shutil.which("npm") is None:
        missing.append("npm")
    if not missing:
        return "all there"
    command = f"apt-get install {' '.join(missing)}"
    if os.geteuid() != 0:
        sys.exit(f"setup: Debian packages are missing and this is not root. Run: {command}")
    print(f"   installing {' '.join(missing)}", flush=True)
    quiet = ["-qq", "-o", "Dpkg::Use-Pty=0"]
    run(["apt-get", "update", *quiet])
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *quiet, *missing]
    run(install, DEBIAN_FRONTEND="noninteractive")
    return f"{len(missing)} installed"


def install_s3() -> str:
    def work() -> None:
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if go is None:
            sys.exit("setup: Go is missing (1.24 or newer builds the S3 server): see go.dev/dl")
        run([go, "install", VERSITYGW], GOBIN=str(BUILD / "tools"), GOFLAGS="-ldflags=-s")

    return once("s3", [VERSITYGW], BUILD / "tools" / "versitygw", work)


def make_venv() -> str:
    venv = BUILD / "venv"
    python = str(venv / "bin" / "python")
    requirements = ROOT / "tools" / "requirements.txt"
    project = ROOT / "python" / "pyproject.toml"

    def work() -> None:
        shutil.rmtree(venv, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(venv)])
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "-r", str(requirements)])
        run([*pip, "--no-deps", "--no-build-isolation", "--editable", str(project.parent)])

    return once("venv", [requirements, project, sys.version], venv / "bin" / "python", work)


def build(preset: str, target: str = "all") -> str:
    """CMake and Ninja know themselves what there is to do; unchanged trees are left alone."""
    if not (BUILD / preset / "build.ninja").exists():
        run(["cmake", "--preset", preset, f"-DPython3_EXECUTABLE={sys.executable}"])
    run(["cmake", "--build", "--preset", preset, "--target", target])
    return "built"


def build_release() -> str:
    build("release", "eider")
    binary = BUILD / "release" / "src" / "cmd" / "eider"
    inputs = [binary, *sorted((ROOT / "cmake").glob("*.cmake"))]

    def work() -> None:
        shutil.rmtree(BUILD / "dist", ignore_errors=True)
        run(["cmake", "--install", "build/release"])

    return f"built; build/dist {once('dist', inputs, BUILD / 'dist' / 'bin' / 'eider', work)}"


def build_bench() -> str:
    run(
        [
            "cmake",
            "--preset",
            "release",
            f"-DPython3_EXECUTABLE={sys.executable}",
            "-DEIDER_BENCH=ON",
        ]
    )
    for program in ("engine_reads", "cache_read", "eider_simulate", "schedule_rate"):
        build("release", program)
    return "built"


STEPS: dict[str, tuple[str, Callable[[], str]]] = {
    "packages": ("Debian packages", lambda: install_packages("packages.txt")),
    "lint-packages": (
        "Debian packages to lint",
        lambda: install_packages("packages-lint.txt"),
    ),
    "bench-packages": (
        "Debian packages to measure",
        lambda: install_packages("packages-bench.txt"),
    ),
    "s3": ("S3 server (versitygw) to build/tools", install_s3),
    "venv": ("Python environment to build/venv", make_venv),
    "build": ("Eider to build/dist", build_release),
    "bench": ("The programs of bench/", build_bench),
    "asan": ("Eider with the address sanitizer", lambda: build("asan")),
    "tsan": ("Eider's core with the thread sanitizer", lambda: build("tsan")),
}


def main() -> None:
    wanted = sys.argv[1:]
    unknown = [step for step in wanted if step not in STEPS]
    if unknown or not wanted:
        sys.exit(f"setup: steps are {', '.join(STEPS)}; not {', '.join(unknown) or 'none'}")
    for step in wanted:
        title, work = STEPS[step]
        print(f"== {title}", flush=True)
        start = time.monotonic()
        outcome = work()
        print(f"   {outcome} ({time.monotonic() - start:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
