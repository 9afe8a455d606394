#!/usr/bin/env python3
"""Eider at work: a real S3 server with 30 Parquet files, two workers, a coordinator, the client.

Usage: demo.py [--keep]

Everything runs on loopback, in processes of its own, and is stopped at the end, also after Ctrl-C
or a failure. With --keep the queries are left to you: it says where things are and stays until
Ctrl-C. Needs build/dist, build/venv and build/tools (make build).
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import demo_data
import eider
from demo_fleet import Failed, Fleet, Ports, listening, workers_ready

ROOT = Path(__file__).resolve().parent.parent
EIDER = ROOT / "build" / "dist" / "bin" / "eider"
VERSITYGW = ROOT / "build" / "tools" / "versitygw"
WORKERS = 2
THREADS = 8
ROUNDS = 3
REGION = "us-east-1"

SNIPPET = """\
from eider import Client
file = "{file}"
client = Client("{url}")
reader = client.read({{"buckets": [file], "query": "{sql}", "args": [file]}})
print(reader.read_all().to_pandas())
"""
READ_FILE = "SELECT * FROM read_parquet(?);"

AGGREGATE = """\
SELECT count(DISTINCT date) AS days, count(*) AS blocks, sum(transaction_count) AS transactions,
       round(avg(size)) AS mean_size, max(number) AS last_block
FROM read_parquet('{glob}')"""


def say(text: str = "") -> None:
    print(text, flush=True)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Says what is done, and how long it took."""
    say(f"-- {what}")
    start = time.monotonic()
    yield
    say(f"   done in {time.monotonic() - start:.1f} s")


class Servers:
    """What the demo runs against: the fleet's addresses, and the URLs of the files."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._ports = Ports()
        self._key = "demo-" + secrets.token_hex(4)
        self._secret = secrets.token_hex(16)
        self.endpoint = ""
        self.url = ""
        self.files: list[str] = []

    def start_s3(self) -> None:
        port = self._ports.any()
        self.endpoint = f"127.0.0.1:{port}"
        data, sidecar = self._fleet.folder / "s3", self._fleet.folder / "meta"
        data.mkdir()
        sidecar.mkdir()
        environment = self._environment()
        environment["ROOT_ACCESS_KEY"] = self._key
        environment["ROOT_SECRET_KEY"] = self._secret
        command = [str(VERSITYGW), "--port", self.endpoint, "--region", REGION, "--keep-alive"]
        command += ["posix", "--sidecar", str(sidecar), str(data)]
        self._fleet.start("versitygw", command, environment)
        self._fleet.wait_until("the S3 server", lambda: listening(port))

    def upload(self) -> None:
        self.files = demo_data.upload(self.endpoint, self._key, self._secret, REGION)

    def start_eider(self) -> None:
        environment = self._environment()
        environment["AWS_ENDPOINT_URL"] = f"http://{self.endpoint}"
        environment["AWS_ACCESS_KEY_ID"] = self._key
        environment["AWS_SECRET_ACCESS_KEY"] = self._secret
        environment["AWS_REGION"] = REGION
        environment["EIDER_STATE_DIR"] = str(self._fleet.folder / "state")
        http = self._ports.take(5000, "coordinator, with Flight on the next", width=2)
        locations = []
        for number in range(1, WORKERS + 1):
            port = self._ports.take(5004 + number, f"worker w{number}")
            locations.append(f"grpc://127.0.0.1:{port}")
            cache = self._fleet.folder / f"cache-w{number}"
            command = [str(EIDER), "worker", "--port", str(port), "--id", f"w{number}"]
            self._fleet.start(f"w{number}", [*command, "--cache-dir", str(cache)], environment)
        for note in self._ports.notes:
            say(f"   {note}")
        command = [str(EIDER), "coordinator", "--port", str(http), "--flight-port", str(http + 1)]
        command += ["--workers", ",".join(locations)]
        # A coordinator needs no way to S3.
        self._fleet.start("coordinator", command, self._environment(state=environment))
        self.url = f"http://127.0.0.1:{http}"
        self._fleet.wait_until("Eider", lambda: workers_ready(self.url, WORKERS))
        say(f"   coordinator {self.url}, workers {', '.join(locations)}")

    def _environment(self, state: dict[str, str] | None = None) -> dict[str, str]:
        """This process's, without what would redirect the servers."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "EIDER_", "VGW_", "ROOT_"))
        }
        if state is not None:
            kept["EIDER_STATE_DIR"] = state["EIDER_STATE_DIR"]
        return kept


def indent(text: str) -> str:
    return "\n".join("   | " + line for line in text.splitlines())


def run_snippet(servers: Servers) -> None:
    code = SNIPPET.format(file=servers.files[0], url=servers.url, sql=READ_FILE)
    say(indent(code))
    exec(compile(code, "<demo>", "exec"), {"__name__": "demo"})


def run_aggregate(client: eider.Client) -> None:
    sql = AGGREGATE.format(glob=demo_data.GLOB)
    say(indent(sql))
    result = client.query(sql)
    say(result.df().to_string(index=False))
    info = result.info
    say(f"   {info.run_ms} ms on {info.worker} ({info.reason})")


def run_rounds(client: eider.Client, files: list[str]) -> list[eider.Info]:
    """Reads each file once a round, from several threads; the first round from cold caches."""
    client.clear_cache()
    infos: list[eider.Info] = []

    def read(file: str) -> tuple[float, eider.Result]:
        start = time.perf_counter()
        result = client.query(READ_FILE, [file], files=[file])
        rows = result.arrow().num_rows
        took = time.perf_counter() - start
        if not 135 <= rows <= 150:
            raise Failed(f"{file} gave {rows} rows")
        return took, result

    with ThreadPoolExecutor(THREADS) as threads:
        for number in range(1, ROUNDS + 1):
            start = time.perf_counter()
            done = list(threads.map(read, files))
            total = time.perf_counter() - start
            times = sorted(took * 1000 for took, _ in done)
            found = [result.info for _, result in done]
            infos += found
            reads = sum(info.s3_requests or 0 for info in found)
            say(
                f"   {'cold' if number == 1 else 'warm'}: {len(files)} reads in "
                f"{total * 1000:.0f} ms ({len(files) / total:.0f}/s), each p50 "
                f"{times[len(times) // 2]:.1f} ms, max {times[-1]:.1f} ms; {reads} requests to S3"
            )
    return infos


def show_where(files: list[str], infos: list[eider.Info]) -> None:
    """Which worker read which files, and why there."""
    days = [file.split("date=2025-05-")[1][:2] for file in files] * ROUNDS
    by_worker: dict[str, set[str]] = collections.defaultdict(set)
    queries: collections.Counter[str] = collections.Counter()
    reasons: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for day, info in zip(days, infos, strict=True):
        worker = info.worker or "?"
        by_worker[worker].add(day)
        queries[worker] += 1
        reasons[worker][info.reason or "?"] += 1
    say("   worker  queries  files  days of May")
    for worker in sorted(by_worker):
        found = sorted(by_worker[worker])
        say(f"   {worker:6}  {queries[worker]:7}  {len(found):5}  {' '.join(found)}")
        why = ", ".join(f"{reason} x {count}" for reason, count in reasons[worker].most_common(3))
        say(f"           because: {why}")


def stay(fleet: Fleet, servers: Servers) -> None:
    """Says where things are, and waits for the end of it."""
    say()
    say(f"Eider is up at {servers.url}; its logs are in {fleet.folder}. Try:")
    say(f"   {EIDER} query --url {servers.url} \"SELECT count(*) FROM '{demo_data.GLOB}'\"")
    say("Ctrl-C stops it.")
    never = threading.Event()
    while not never.wait(0.5):
        fleet.check()


def run(fleet: Fleet, keep: bool) -> None:
    servers = Servers(fleet)
    with step("starting versitygw, an S3 server"):
        servers.start_s3()
    with step("putting 30 Parquet files into it"):
        servers.upload()
    with step("starting two workers and a coordinator"):
        servers.start_eider()
    if keep:
        stay(fleet, servers)
    with eider.Client(servers.url) as client:
        with step("one file, from Python"):
            run_snippet(servers)
        with step("all 30 files by a glob"):
            run_aggregate(client)
        with step(f"30 files x {ROUNDS} reads from {THREADS} threads"):
            infos = run_rounds(client, servers.files)
        say("-- where each ran")
        show_where(servers.files, infos)
    fleet.check()


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Runs the demo; the exit code is 0 when all of it worked."""
    parser = argparse.ArgumentParser(description="Shows Eider at work.")
    parser.add_argument("--keep", action="store_true", help="stay until Ctrl-C, run no queries")
    options = parser.parse_args()
    for needed in (EIDER, VERSITYGW):
        if not needed.exists():
            say(f"demo: {needed} is missing: run make build")
            return 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    start = time.monotonic()
    fleet = Fleet(ROOT / "build")
    code = 0
    try:
        run(fleet, options.keep)
    except KeyboardInterrupt:
        say("\ndemo: interrupted")
        code = 0 if options.keep else 130
    except (Failed, eider.Error, OSError) as error:
        fleet.failed = True
        say(f"\ndemo: {error}\n  logs are in {fleet.folder}")
        code = 1
    finally:
        # Nothing may come between this and the end of what was started.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        fleet.stop()
        say(f"-- everything is stopped; {time.monotonic() - start:.1f} s in all")
    return code


if __name__ == "__main__":
    sys.exit(main())
