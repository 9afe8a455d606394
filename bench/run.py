#!/usr/bin/env python3
"""The bench: what Eider is worth beside what people would use instead.

    python bench/run.py [--full] [--trials 5] [--workloads NAMES] [--output FOLDER] [--tiny]

Without --full it measures what the targets need, in half an hour at most (`make bench`); with it
all workloads and peers (`make bench-full`). All systems meet in one run, in turns; every result is
checked. Writes DATE-COMMIT.json and the report beside it, and prints each target as met or missed;
the exit code is 1 when one is missed.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import conditions
import report
import s3_data
import targets
from book import Book
from effort import Effort
from support.network import NetworkError
from workloads import analytics, faults, growth, latency, prototype, streaming

QUICK = {
    "prototype": prototype.run,
    "latency": latency.run,
    "streaming": streaming.run,
    "analytics": analytics.run,
}
FULL = {**QUICK, "faults": faults.run, "growth": growth.run}
RESULTS = s3_data.ROOT / "bench/results"


def measure(book: Book, effort: Effort, names: list[str], keep: Callable[[], object]) -> None:
    """Each workload; one that fails is said to have, and the others go on. `keep` after each."""
    for name in names:
        print(f"\n== {name}", flush=True)
        start = time.monotonic()
        known = len(book.measurements)
        try:
            FULL[name](book, effort)
        except NetworkError:
            raise
        except Exception as error:
            traceback.print_exc()
            book.note(f"{name} broke off: {type(error).__name__}: {error}"[:1000])
        for one in book.measurements[known:]:
            print(f"  {report.plain_line(one)}", flush=True)
        print(f"  ({time.monotonic() - start:.0f} s)", flush=True)
        keep()


def write(
    folder: Path, book: Book, about: dict[str, object], verdicts: list[targets.Verdict]
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    day = str(about["date"])[:10]
    file = folder / f"{day}-{about['commit']}.json"
    made = {
        "conditions": about,
        **book.to_json(),
        "targets": [
            {**asdict(v), "target": v.target.name, "bound": v.target.bound} for v in verdicts
        ],
    }
    file.write_text(json.dumps(made, indent=1) + "\n")
    return file


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="all workloads and peers")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--workloads", help=f"by comma: {', '.join(FULL)}")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--tiny", action="store_true", help="to try the bench itself")
    options = parser.parse_args()
    names = (
        options.workloads.split(",") if options.workloads else list(FULL if options.full else QUICK)
    )
    if unknown := [name for name in names if name not in FULL]:
        parser.error(f"no such workload: {', '.join(unknown)}")
    about = conditions.gather()
    about["form"] = "full" if options.full else "quick"
    about["trials"], about["tiny"] = options.trials, options.tiny
    print(
        f"{about['cores']} cores, {about['cpu']}, load {about['load_at_start']}; {about['eider']}, "
        f"DuckDB {about['duckdb']}; {options.trials} trials in turns, medians [min..max]"
    )
    if conditions.disturbed(about):
        print("NOT ALONE: other work runs on this machine, and the figures show it")
    start = time.monotonic()
    book = Book()
    # What a run that is broken off has measured until then is kept.
    keep = functools.partial(write, options.output, book, about, [])
    measure(book, Effort(options.full, options.trials, options.tiny), names, keep)
    conditions.finish(about)
    about["minutes"] = round((time.monotonic() - start) / 60, 1)
    verdicts = targets.judge(book)
    print(f"\n== targets ({about['minutes']} minutes)")
    for verdict in verdicts:
        print(targets.line(verdict))
    file = write(options.output, book, about, verdicts)
    made = report.write(file)
    print(f"\n{book.checks} results checked to be the same in all systems\n{file}\n{made}")
    return 1 if any(verdict.met is False for verdict in verdicts) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
    except NetworkError as error:
        sys.exit(f"bench: {error}")
