#!/usr/bin/env python3
"""Runs all linters, each with its time; the exit code is 1 when one of them found something.

Usage: lint.py [--fix]     --fix formats in place and runs nothing else

Needs build/release's compile_commands.json and build/venv.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "build" / "venv" / "bin"
PYTHON_FOLDERS = ["bench", "python", "tests", "tools"]
Outcome = tuple[int, str]


def run(command: list[str], cwd: Path = ROOT) -> Outcome:
    done = subprocess.run(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout


def sources() -> list[str]:
    folders = (ROOT / "src", ROOT / "bench")
    paths = (path for folder in folders for path in folder.rglob("*"))
    return sorted(str(path) for path in paths if path.suffix in {".cc", ".h"})


def clang_format() -> Outcome:
    return run(["clang-format-19", "--dry-run", "-Werror", *sources()])


def clang_tidy() -> Outcome:
    """clang-tidy's allowlist and, in the same pass, clang's thread-safety analysis."""
    tree = ROOT / "build" / "release"
    commands = json.loads((tree / "compile_commands.json").read_text())
    files = sorted({command["file"] for command in commands})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tidy = ["clang-tidy-19", "-p", str(tree), "--quiet"]
        outcomes = list(pool.map(lambda file: run([*tidy, file]), files))
    bad = [text for code, text in outcomes if code != 0]
    return len(bad), "\n".join(bad)


def ruff_format() -> Outcome:
    return run([str(BIN / "ruff"), "format", "--check", *PYTHON_FOLDERS])


def ruff_check() -> Outcome:
    return run([str(BIN / "ruff"), "check", *PYTHON_FOLDERS])


def mypy_client() -> Outcome:
    return run([str(BIN / "mypy")], ROOT / "python")


def mypy_tools() -> Outcome:
    return run([str(BIN / "mypy"), "--strict", *[str(p) for p in (ROOT / "tools").glob("*.py")]])


def mypy_tests() -> Outcome:
    return run([str(BIN / "mypy"), "."], ROOT / "tests")


def mypy_bench() -> Outcome:
    """Peers run in environments of their own, so their packages are not here."""
    words = ["--strict", "--explicit-package-bases", "--ignore-missing-imports", "bench"]
    return run(["env", "MYPYPATH=bench:tests:python/src", str(BIN / "mypy"), *words])


def fix() -> None:
    run(["clang-format-19", "-i", *sources()])
    run([str(BIN / "ruff"), "format", *PYTHON_FOLDERS])
    run([str(BIN / "ruff"), "check", "--fix", *PYTHON_FOLDERS])


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs all linters.")
    parser.add_argument("--fix", action="store_true", help="format in place instead")
    if parser.parse_args().fix:
        fix()
        return
    checks = [
        clang_format,
        ruff_format,
        ruff_check,
        mypy_client,
        mypy_tools,
        mypy_tests,
        mypy_bench,
        clang_tidy,
    ]
    failed = []
    for check in checks:
        start = time.monotonic()
        code, text = check()
        name = check.__name__.replace("_", "-")
        word = "ok" if code == 0 else "FAILED"
        print(f"== {name}: {word} ({time.monotonic() - start:.1f} s)", flush=True)
        if code != 0:
            failed.append(name)
            print(text, flush=True)
    if failed:
        sys.exit(f"lint: {', '.join(failed)} found something")


if __name__ == "__main__":
    main()
