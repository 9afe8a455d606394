#!/usr/bin/env python3
"""Chaos for as long as is wanted: `make chaos ARGS="--seed 7 --minutes 30"`.

Prints its seed at the start and the table of what happened at the end; the exit code is 1 where an
answer was wrong, late, lost or without a type, or the fleet did not become whole.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "python/src")]

from chaos import drill, summary  # noqa: E402
from chaos.fleet import Fleet  # noqa: E402
from support.network import unavailable  # noqa: E402

_MOST_FAULTS = 100_000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, help="of faults and questions [a new one]")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--write", type=Path, help="also write the figures to this page, Markdown")
    options = parser.parse_args()
    why = unavailable()
    if why is not None:
        print(f"no chaos here: {why}")
        return 2
    seed = int.from_bytes(os.urandom(4)) if options.seed is None else options.seed
    print(f"seed {seed}, {options.minutes:g} minutes", flush=True)
    os.environ["TZ"] = "UTC"
    folder = Path(tempfile.mkdtemp(prefix="eider-chaos-"))
    failed = True
    try:
        report = run(folder, seed, options.minutes * 60, options.workers)
        print("\n".join(["history:", *report.history(), "", *summary.lines(report)]))
        failed = bool(report.violations)
        if failed:
            print(report.failure())
        elif options.write is not None:
            summary.write(
                options.write,
                report,
                f'make chaos ARGS="--seed {seed} --minutes {options.minutes:g}"',
            )
    finally:
        if failed:
            print(f"logs are in {folder}; seed {seed}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


def run(folder: Path, seed: int, seconds: float, workers: int) -> drill.Report:
    with Fleet(folder, workers, ["--slots", "2"]) as fleet:
        drill.prepare(fleet)
        with drill.drilling(fleet, seed) as one:
            end = time.monotonic() + seconds
            for number, name in enumerate(drill.schedule(seed, _MOST_FAULTS)):
                if time.monotonic() > end:
                    break
                fault = one.fire(name, random.Random(f"{seed}-{number}"))
                print(
                    f"{fault.kind} {','.join(fault.workers)}: {fault.proof}; whole again "
                    f"{fault.whole_s:.1f} s later; {one.asked()} queries so far",
                    flush=True,
                )
                if one.look():
                    break
        return one.report


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("chaos: interrupted")
