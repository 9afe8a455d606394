"""Sets up the peers: pinned packages from PyPI, each kind in a folder of its own under build/."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

from s3_data import ROOT

VENVS = ROOT / "build/bench-venvs"
QUACK = ("duckdb-extension-quack", "1.5.5")
# By machine: the wheel's SHA-256.
_QUACK_SHA256 = "0fab21f33204d7a15cf540f9ee8a039f3c9db7326ffd5f0ed51eb5f09ae16c8b"
_PACKAGES = {
    "duckdb2": ["duckdb==2.0.0", "pyarrow==26.0.1"],
    "daft": ["daft[ray]==0.7.26"],
}


class SetupError(RuntimeError):
    """A peer that cannot be had here; the message is the row that says why."""


def _pip(python: str, *words: str) -> None:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise SetupError(f"pip {' '.join(words)}: {said}")


def venv(name: str) -> Path:
    """The Python of a virtual environment with that peer's packages, made once."""
    folder = VENVS / name
    stamp = folder / "packages"
    wanted = "\n".join(_PACKAGES[name])
    python = folder / "bin/python"
    if not (stamp.exists() and stamp.read_text() == wanted):
        print(f"setting up (once): {wanted.splitlines()[0]}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        _pip(str(python), "install", *_PACKAGES[name])
        stamp.write_text(wanted)
    return python


def quack_extension() -> Path:
    """The extension's file, out of its wheel."""
    made = VENVS / "quack/quack.duckdb_extension"
    if made.exists():
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    name, version = QUACK
    _pip(sys.executable, "download", "--no-deps", "-d", str(made.parent), f"{name}=={version}")
    wheel = next(made.parent.glob("*.whl"))
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if wheel.name.endswith("x86_64.whl") and found != _QUACK_SHA256:
        wheel.unlink()
        raise SetupError(f"{name} {version} has SHA-256 {found}, not {_QUACK_SHA256}")
    with zipfile.ZipFile(wheel) as archive:
        inside = next(n for n in archive.namelist() if n.endswith(".duckdb_extension"))
        aside = made.with_suffix(".making")
        aside.write_bytes(archive.read(inside))
    aside.rename(made)
    wheel.unlink()
    return made
