#!/usr/bin/env python3
"""Builds the fuzz targets of tests/fuzz and runs each for a while; the exit code is 1 when one of
them found something, which is then named.

Usage: fuzz.py [--seconds N]     of all together

What a run found interesting is kept in build/fuzz/corpus and is where the next one starts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import setup

TREE = setup.BUILD / "fuzz"
BINARIES = TREE / "tests" / "fuzz"
TARGETS = ["fuzz_record", "fuzz_directory"]
MAX_INPUT_BYTES = 64 * 1024 + 1


def run_target(name: str, seconds: int) -> bool:
    """Whether it ran without finding anything."""
    artifacts = TREE / "found"
    artifacts.mkdir(exist_ok=True)
    command = [
        str(BINARIES / name),
        f"-max_total_time={seconds}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-artifact_prefix={artifacts}/{name}-",
        "-print_final_stats=1",
        "-verbosity=0",
        str(TREE / "corpus" / name),
        str(TREE / "seeds" / name),
    ]
    (TREE / "corpus" / name).mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    counts = [line for line in done.stdout.splitlines() if "number_of_executed_units" in line]
    runs = int(counts[0].split()[-1]) if counts else 0
    # A target that never ran found nothing either.
    good = done.returncode == 0 and runs > 0
    print(f"== {name}: {'ok' if good else 'FAILED'}, {runs} runs in {seconds} s", flush=True)
    if not good:
        print(done.stdout, flush=True)
        print(f"   run it alone: {BINARIES / name} FILE, with a file of {artifacts}")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs the fuzz targets.")
    parser.add_argument("--seconds", type=int, default=60, help="of all targets together")
    seconds = max(parser.parse_args().seconds // len(TARGETS), 1)
    print(f"== packages: {setup.install_packages('packages-fuzz.txt')}", flush=True)
    print(f"== targets: {setup.build('fuzz')}", flush=True)
    subprocess.run([str(BINARIES / "fuzz_seeds"), str(TREE / "seeds")], check=True)
    outcomes = [run_target(name, seconds) for name in TARGETS]
    if not all(outcomes):
        sys.exit("fuzz: something was found")


if __name__ == "__main__":
    main()
