"""What the benches read, and the S3 server that has it: made once, kept in build/bench-data."""

from __future__ import annotations

import contextlib
import fcntl
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support import data  # noqa: E402
from support.network import Namespace  # noqa: E402
from support.paths import extension, versitygw_binary  # noqa: E402
from support.processes import Process, clean_environment, free_port  # noqa: E402
from support.s3 import ACCESS_KEY, SECRET_KEY, S3Server  # noqa: E402

FOLDER = ROOT / "build/bench-data"
LOCAL_LINEITEM = FOLDER / "lineitem.parquet"
LINEITEM = "s3://tpch/lineitem.parquet"
_DAYS = range(1, data.DAYS + 1)
# As the prototype's files are, about 53 KB; and of 12 KB, which httpfs reads with one GET.
BLOCKS = [f"s3://{data.BUCKET}/{data.block_key(day)}" for day in _DAYS]
TINY_BLOCKS = [f"s3://{data.BUCKET}/tiny/{day:02}.parquet" for day in _DAYS]
_TINY_ROWS = 20
_PORT_INSIDE = 7070
_READY = FOLDER / "ready-3"  # the number goes up when what is made changes


@dataclass(frozen=True)
class Endpoint:
    """A running S3 server; `environment` is how clients find it."""

    environment: dict[str, str]


class _Server(S3Server):
    """The tests' server on the bench's own folder, which outlives it."""

    def __init__(self, folder: Path, namespace: Namespace | None = None) -> None:
        address = namespace.address if namespace else "127.0.0.1"
        self.port = _PORT_INSIDE if namespace else free_port()
        command = [
            str(versitygw_binary()),
            *("--port", f"{address}:{self.port}", "--keep-alive", "--quiet"),
            *("posix", "--sidecar", str(folder / "metadata"), str(folder / "s3")),
        ]
        secrets = clean_environment(ROOT_ACCESS_KEY=ACCESS_KEY, ROOT_SECRET_KEY=SECRET_KEY)
        self.url = f"http://{address}:{self.port}"
        self._session = httpx.Client(base_url=self.url, timeout=60)
        wanted = namespace.command(command) if namespace else command
        self.process = Process("versitygw", wanted, folder, secrets)
        deadline = time.monotonic() + 30
        with namespace.inside() if namespace else contextlib.nullcontext():
            while not _accepts(address, self.port):
                if time.monotonic() > deadline or not self.process.running:
                    self.stop()
                    raise RuntimeError(f"the S3 server did not start:\n{self.process.log()}")
                time.sleep(0.05)


def _accepts(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


@contextlib.contextmanager
def serving(namespace: Namespace | None) -> Iterator[Endpoint]:
    """The server, in a namespace or on loopback."""
    make()
    server = _Server(FOLDER, namespace)
    try:
        yield Endpoint({**server.environment(), "AWS_ENDPOINT_URL": server.url})
    finally:
        server.stop()


def make() -> None:
    """Makes the files and puts them into the server's folder, unless they are there."""
    with locked():
        if _READY.exists():
            return
        print("making the data (once): 30 files of blocks, TPC-H lineitem SF1", flush=True)
        for name in ("s3", "metadata"):
            (FOLDER / name).mkdir(exist_ok=True)
        _make_lineitem()
        with writing() as server:
            for bucket in (data.BUCKET, "tpch"):
                with contextlib.suppress(Exception):
                    server.make_bucket(bucket)
            for day, url, tiny_url in zip(_DAYS, BLOCKS, TINY_BLOCKS, strict=True):
                put(server, url, data.parquet_bytes(data.blocks(day)))
                put(server, tiny_url, data.parquet_bytes(data.blocks(day, _TINY_ROWS)))
            put(server, LINEITEM, LOCAL_LINEITEM.read_bytes())
        _READY.touch()


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One process at a time makes data."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def writing() -> Iterator[S3Server]:
    """The server on loopback, to put things."""
    server = _Server(FOLDER)
    try:
        yield server
    finally:
        server.stop()


def put(server: S3Server, url: str, content: bytes) -> None:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    server.put(bucket, key, content)


def _make_lineitem() -> None:
    if LOCAL_LINEITEM.exists():
        return
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension('tpch')}'")
    connection.execute("CALL dbgen(sf=1)")
    aside = LOCAL_LINEITEM.with_suffix(".making")
    connection.execute(f"COPY lineitem TO '{aside}' (FORMAT parquet)")
    connection.close()
    aside.rename(LOCAL_LINEITEM)


def versions() -> dict[str, Any]:
    # It was built by `go install`, of which its own --version knows nothing.
    built = subprocess.run(
        ["go", "version", "-m", str(versitygw_binary())], capture_output=True, text=True
    )
    module = re.search(r"\bmod\s+\S+/versitygw\s+(\S+)", built.stdout)
    return {
        "duckdb": duckdb.__version__,
        "versitygw": f"versitygw {module[1]}" if module else "versitygw",
    }
