#!/usr/bin/env python3
"""Downloads the pinned binary dependencies into a build tree and unpacks them.

Usage: provision.py --into BUILD_DEPS_DIR [--skip NAME ...]

Leaves:
  arrow/include, arrow/lib               Arrow C++ with Flight, from the pyarrow wheel
  duckdb_headers/include                 DuckDB's headers, from its sdist
  duckdb/lib                             DuckDB's library, from the npm package
  extensions/NAME/NAME.duckdb_extension  DuckDB's signed extensions

Each download is checked against the SHA-256 in dependencies.toml; what is already there and was
unpacked from the same hash is left alone, so that a second run does nothing. Two runs at the same
time take turns.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

PINS = Path(__file__).with_name("dependencies.toml")
Pin = dict[str, str]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"provision: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def download(pin: Pin, downloads: Path) -> Path:
    """Returns the pinned file, downloading it when it is not there yet.

    Exits with a message when its SHA-256 is not the pinned one.
    """
    target = downloads / pin["file"]
    if not target.exists():
        print(f"provision: downloading {pin['file']}", flush=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        if pin["kind"] == "wheel":
            tags = ["--only-binary=:all:", "--python-version", "3.11"]
            run([*pip, *tags, "--platform", pin["platform"], pin["package"]], downloads)
        elif pin["kind"] == "sdist":
            name = pin["package"].split("==")[0]
            run([*pip, "--no-binary", name, pin["package"]], downloads)
        else:
            run(["npm", "pack", "--silent", pin["package"]], downloads)
    found = sha256_of(target)
    if found != pin["sha256"]:
        target.unlink()
        sys.exit(f"provision: {target.name} has SHA-256 {found}, not {pin['sha256']}: removed it")
    return target


def unpack_arrow(wheel: Path, into: Path) -> None:
    """Headers, and the libraries with the unversioned names that a linker looks for."""
    wanted = {"libarrow", "libarrow_flight", "libarrow_compute", "libparquet"}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = PurePosixPath(name)
            if name.startswith("pyarrow/include/") and not name.endswith("/"):
                target = into / "include" / path.relative_to("pyarrow/include")
            elif path.parent == PurePosixPath("pyarrow") and path.name.split(".")[0] in wanted:
                target = into / "lib" / path.name
            else:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
    for library in sorted((into / "lib").glob("*.so.*")):
        (into / "lib" / (library.name.split(".")[0] + ".so")).symlink_to(library.name)


def unpack_duckdb_headers(sdist: Path, into: Path) -> None:
    with tarfile.open(sdist) as archive:
        for member in archive:
            _, mark, rest = member.name.partition("/external/duckdb/src/include/")
            if not mark or not member.isfile():
                continue
            target = into / "include" / rest
            target.parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            assert source is not None
            target.write_bytes(source.read())


def unpack_duckdb_library(tarball: Path, into: Path) -> None:
    (into / "lib").mkdir(parents=True)
    with tarfile.open(tarball) as archive:
        source = archive.extractfile("package/libduckdb.so")
        assert source is not None
        (into / "lib" / "libduckdb.so").write_bytes(source.read())


def unpack_extension(wheel: Path, into: Path) -> None:
    into.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".duckdb_extension"):
                (into / PurePosixPath(name).name).write_bytes(archive.read(name))


UNPACK: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "pyarrow": ("arrow", unpack_arrow),
    "duckdb_source": ("duckdb_headers", unpack_duckdb_headers),
    "duckdb_library": ("duckdb", unpack_duckdb_library),
    **{
        name: (f"extensions/{name}", unpack_extension)
        for name in ("httpfs", "aws", "avro", "iceberg", "delta", "tpch")
    },
}


def provision(name: str, pins: dict[str, Pin], root: Path) -> None:
    machine = platform.machine()
    pin = pins.get("any") or pins.get(machine)
    if pin is None:
        sys.exit(f"provision: no {name} is pinned for {machine}; pinned: {', '.join(pins)}")
    folder, unpack = UNPACK[name]
    into = root / folder
    stamp = into / ".sha256"
    if stamp.exists() and stamp.read_text() == pin["sha256"]:
        return
    downloads = root / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    archive = download(pin, downloads)
    # Unpacked aside and moved, so that an interrupted run leaves nothing half there.
    aside = root / f"{name}.unpacking"
    shutil.rmtree(aside, ignore_errors=True)
    unpack(archive, aside)
    (aside / ".sha256").write_text(pin["sha256"])
    shutil.rmtree(into, ignore_errors=True)
    into.parent.mkdir(parents=True, exist_ok=True)
    aside.rename(into)
    archive.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--into", type=Path, required=True, help="where to unpack to")
    parser.add_argument("--skip", nargs="*", default=[], help="names that need not be there")
    arguments = parser.parse_args()
    root: Path = arguments.into.resolve()
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, pins in tomllib.loads(PINS.read_text()).items():
            if name not in arguments.skip:
                provision(name, pins, root)


if __name__ == "__main__":
    main()
