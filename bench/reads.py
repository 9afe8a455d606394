#!/usr/bin/env python3
"""What a read costs: the engine and its cache against plain DuckDB with httpfs at its defaults.

    python bench/reads.py [--trials 5] [--settings shaped,loopback] [--output FILE.json]

Both systems meet in one run, in turns (A B A B ...), in fresh processes with empty caches, so that
each cold read is one. `shaped` puts S3 behind a round trip of 30 ms and the reader behind a link of
60 MB/s, in network namespaces (root); `loopback` is this machine as it is. Targets that are about
round trips are checked on the shaped network; loopback's figures stand beside them. The exit code
is 1 when one is missed. `make bench-reads` builds what it needs.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import s3_data
from network import rate_bytes_s, round_trip_ms
from reader_process import Reader, Run, engine, plain
from s3_data import BLOCKS, LINEITEM, LOCAL_LINEITEM, TINY_BLOCKS, Endpoint
from support.network import Namespace, Network, NetworkError, unavailable

RATE_BYTES_S = 60e6
DELAY_MS = 15
CLIENT_THREADS = 8
READS_A_FILE = 3
WARM_TURNS = 3  # of a trial: a warm scan is short, and so its noise is large
CACHE_READ = s3_data.ROOT / "build/release/bench/cache_read"
CACHE_READ_LIMIT_US = 5.0


def every_row(urls: list[str]) -> list[str]:
    return [f"SELECT * FROM read_parquet('{url}')" for url in urls]


def few_columns(file: str | Path) -> str:
    return (
        f"SELECT sum(l_quantity) FROM read_parquet('{file}') "
        "WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'"
    )


def all_columns(file: str | Path) -> str:
    return f"SELECT max(COLUMNS(*)) FROM read_parquet('{file}')"


@dataclass
class Setting:
    """Where it is measured."""

    name: str
    endpoint: Endpoint
    namespace: Namespace | None  # of the reader


@dataclass
class Row:
    """One comparison: `value` is what the target is about, of medians; the range is of trials."""

    setting: str
    name: str
    unit: str  # "x faster", "of its speed", "more CPU", "us"
    target: float | None  # None: no target, a figure beside
    at_most: bool = False  # the target is a ceiling
    ours: list[float] = field(default_factory=list)  # of each trial, in milliseconds
    theirs: list[float] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)  # of the last trial of ours
    value: float = 0
    low: float = 0
    high: float = 0
    met: bool | None = None

    def settle(self, ratio: Callable[[float, float], float]) -> Row:
        self.value = ratio(statistics.median(self.ours), statistics.median(self.theirs))
        each = [ratio(a, b) for a, b in zip(self.ours, self.theirs, strict=True)]
        self.low, self.high = min(each), max(each)
        return self.judge()

    def judge(self) -> Row:
        # Only the network's worth depends on the network.
        if self.target is not None and (self.setting, self.unit) != ("loopback", "x faster"):
            self.met = self.value <= self.target if self.at_most else self.value >= self.target
        return self


def faster(ours: float, theirs: float) -> float:
    return theirs / ours


def more(ours: float, theirs: float) -> float:
    return ours / theirs - 1


# A trial: a fresh process of one system runs a scenario's batches and returns them by name.
Scenario = Callable[[Reader], dict[str, Run]]
Runs = dict[str, list[Run]]


def compare(setting: Setting, trials: int, scenario: Scenario) -> tuple[Runs, Runs]:
    """Runs the scenario in turns on both systems; their results are checked to be the same size."""
    ours: Runs = {}
    theirs: Runs = {}
    for _ in range(trials):
        for make, into in ((engine, ours), (plain, theirs)):
            with make(setting.endpoint, setting.namespace) as reader:
                for name, run in scenario(reader).items():
                    into.setdefault(name, []).append(run)
    for name, runs in ours.items():
        rows = {run.rows for run in runs + theirs[name]}
        if len(rows) != 1:
            raise RuntimeError(f"{name}: different numbers of rows: {rows}")
    return ours, theirs


def row(
    setting: Setting,
    name: str,
    target: float | None,
    ours: list[Run],
    theirs: list[Run],
    unit: str = "x faster",
) -> Row:
    return Row(
        setting.name,
        name,
        unit,
        target,
        ours=[run.ms for run in ours],
        theirs=[run.ms for run in theirs],
        figures=ours[-1].figures,
    ).settle(faster)


def small_files(setting: Setting, trials: int) -> Iterator[Row]:
    for size, urls in (("53 KB", BLOCKS), ("12 KB", TINY_BLOCKS)):
        statements = every_row(urls)

        def scenario(reader: Reader, statements: list[str] = statements) -> dict[str, Run]:
            return {"cold": reader.run(statements), "warm": reader.run(statements)}

        ours, theirs = compare(setting, trials, scenario)
        name = f"30 files of {size}, 1 thread"
        yield row(setting, f"{name}, cold", 2.5, ours["cold"], theirs["cold"])
        yield row(setting, f"{name}, warm", 20, ours["warm"], theirs["warm"])


def many_threads(setting: Setting, trials: int) -> Iterator[Row]:
    statements = every_row(BLOCKS) * READS_A_FILE

    def scenario(reader: Reader) -> dict[str, Run]:
        return {"all": reader.run(statements, CLIENT_THREADS)}

    ours, theirs = compare(setting, trials, scenario)
    name = f"30 files x {READS_A_FILE}, {CLIENT_THREADS} threads (workload 1)"
    yield row(setting, name, None, ours["all"], theirs["all"])


def large_cold(setting: Setting, trials: int) -> Iterator[Row]:
    def scenario(reader: Reader) -> dict[str, Run]:
        return {"cold": reader.run([few_columns(LINEITEM)])}

    ours, theirs = compare(setting, trials, scenario)
    yield row(setting, "large file, few columns, cold", 1.4, ours["cold"], theirs["cold"])


def large_warm(setting: Setting, trials: int) -> Iterator[Row]:
    """The disk cache against the local file, with the same DuckDB library in the same process."""
    scans = {"few columns": few_columns, "all columns": all_columns}
    with (
        engine(setting.endpoint, setting.namespace) as ours,
        engine(setting.endpoint, setting.namespace) as local,
        plain(setting.endpoint, setting.namespace) as python,
    ):
        for what, scan in scans.items():
            cached, file = [scan(LINEITEM)], [scan(LOCAL_LINEITEM)]
            runs: Runs = {"ours": [], "local": [], "python": []}
            for turn_number in range(WARM_TURNS * trials + 1):
                # Asks S3 whether the file is as it was, where the age of that is past.
                ours.run([f"SELECT count(*) FROM read_parquet('{LINEITEM}')"])
                turn = {"ours": ours.run(cached), "local": local.run(file)}
                turn["python"] = python.run(file)
                for name, run in turn.items():
                    if turn_number > 0:  # the first one fills the caches, the kernel's too
                        runs[name].append(run)
            yield from _warm_rows(setting, what, runs)


def _warm_rows(setting: Setting, what: str, runs: Runs) -> Iterator[Row]:
    ours, local = runs["ours"], runs["local"]
    name = f"large file, {what}, warm, against local"
    yield row(setting, name, 0.85, ours, local, "of its speed")
    yield row(setting, f"{name} in Python", None, ours, runs["python"], "of its speed")
    yield Row(
        setting.name,
        f"large file, {what}, warm: CPU over local",
        "more CPU",
        0.10,
        at_most=True,
        ours=[run.cpu_ms for run in ours],
        theirs=[run.cpu_ms for run in local],
    ).settle(more)


def cached_page() -> Row | None:
    """The micro benchmark, where it is built: what a read of one page takes beyond its copy."""
    if not CACHE_READ.exists():
        return None
    command = [str(CACHE_READ), "--benchmark_format=json", "--benchmark_repetitions=5"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    times: dict[str, list[float]] = {}
    for run in json.loads(done.stdout)["benchmarks"]:
        if run["run_type"] == "iteration":
            times.setdefault(run["name"].split("/")[0], []).append(run["cpu_time"] / 1000)
    reads, copies = times["ReadCachedPage"], times["CopyPage"]
    made = Row("machine", "a cached 16 KiB read, beyond its copy", "us", CACHE_READ_LIMIT_US, True)
    made.ours, made.theirs = [t / 1000 for t in reads], [t / 1000 for t in copies]
    copy = statistics.median(copies)
    made.value, made.low, made.high = (
        time - copy for time in (statistics.median(reads), min(reads), max(reads))
    )
    return made.judge()


SECTIONS = {
    "small": small_files,
    "threads": many_threads,
    "cold": large_cold,
    "warm": large_warm,
}


@contextlib.contextmanager
def loopback() -> Iterator[tuple[Setting, str]]:
    with s3_data.serving(None) as endpoint:
        yield Setting("loopback", endpoint, None), "no shaping"


@contextlib.contextmanager
def shaped() -> Iterator[tuple[Setting, str]]:
    with Network() as network:
        s3 = network.add("s3", delay_ms=DELAY_MS)
        client = network.add("client", rate_bytes_s=RATE_BYTES_S)
        handshake, _ = round_trip_ms(client, s3)
        rate = rate_bytes_s(s3, client)
        said = f"measured: handshake {handshake:.1f} ms, one stream {rate / 1e6:.1f} MB/s"
        with s3_data.serving(s3) as endpoint:
            yield Setting("shaped", endpoint, client), said


def conditions() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=s3_data.ROOT, capture_output=True, text=True
    )
    model = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        ":unknown",
    )
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "cpu": model.partition(":")[2].strip(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_at_start": os.getloadavg()[0],
        "network": {"round_trip_ms": 2 * DELAY_MS, "rate_bytes_s": RATE_BYTES_S, "mtu": 9000},
        **s3_data.versions(),
    }


def line(row: Row) -> str:
    def amount(value: float) -> str:
        if row.unit == "more CPU":
            return f"{value:+.0%}"
        return f"{value:.2f}"

    target = ""
    if row.target is not None:
        target = f"{'<=' if row.at_most else '>='} {amount(row.target)}"
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    value = f"{amount(row.value)} [{amount(row.low)}..{amount(row.high)}] {row.unit}"
    times = " / ".join(f"{_middle(side)}" for side in (row.ours, row.theirs))
    return f"{row.name:52} {target:>9}  {value:37} {verdict:7} {times}"


def _middle(times: list[float]) -> str:
    """Median, minimum and maximum; in milliseconds."""
    digits = 4 if max(times) < 1 else 0 if min(times) >= 100 else 1
    low, mid, high = min(times), statistics.median(times), max(times)
    return f"{mid:.{digits}f} [{low:.{digits}f}..{high:.{digits}f}]"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--settings", default="shaped,loopback")
    parser.add_argument("--sections", default=",".join(SECTIONS), help="which comparisons to run")
    parser.add_argument("--output", type=Path, help="also write everything to this file, as JSON")
    options = parser.parse_args()
    about = conditions()
    print(
        f"{about['cores']} cores, {about['cpu']}, load {about['load_at_start']:.1f}; "
        f"DuckDB {about['duckdb']}; {options.trials} trials in turns, medians [min..max]"
    )
    if about["load_at_start"] > 0.5:
        print("NOT ALONE: other work runs on this machine, and the figures show it")
    rows: list[Row] = []
    s3_data.make()
    for name in options.settings.split(","):
        why = unavailable() if name == "shaped" else None
        if why is not None:
            print(f"\nshaped: skipped: {why}. Loopback alone says little of round trips.")
            about["shaped_skipped"] = why
            continue
        with (shaped if name == "shaped" else loopback)() as (setting, said):
            about[f"{name}_check"] = said
            print(f"\n{name}: {said}")
            print(f"{'':52} {'target':>9}  {'':37} {'':7} ours / theirs, ms")
            for section in options.sections.split(","):
                for row in SECTIONS[section](setting, options.trials):
                    rows.append(row)
                    print(line(row), flush=True)
                    if row.figures:
                        print(f"{'':10}{ {k: v for k, v in row.figures.items() if v} }")
    page = cached_page()
    if page is not None:
        rows.append(page)
        print(f"\n{line(page)}")
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        made = {"conditions": about, "rows": [asdict(row) for row in rows]}
        options.output.write_text(json.dumps(made, indent=1) + "\n")
    missed = [row.name.strip() for row in rows if row.met is False]
    judged = sum(row.met is not None for row in rows)
    print(
        f"\n{judged - len(missed)} of {judged} targets met" + (f"; missed: {missed}" * bool(missed))
    )
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("reads: interrupted")
    except (NetworkError, RuntimeError) as error:
        sys.exit(f"reads: {error}")
