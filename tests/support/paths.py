"""Where the programs under test are: a built tree by default, another by environment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _first(what: str, candidates: list[str | Path | None]) -> Path:
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return Path(candidate).resolve()
    looked = ", ".join(str(c) for c in candidates if c)
    raise FileNotFoundError(f"{what} is in none of: {looked}")


def eider_binary() -> Path:
    return _first(
        "the eider binary (EIDER_BIN names it, `make build` makes it)",
        [os.environ.get("EIDER_BIN"), ROOT / "build/dist/bin/eider"],
    )


def versitygw_binary() -> Path:
    return _first(
        "versitygw (EIDER_VERSITYGW names it, `make build` makes it)",
        [
            os.environ.get("EIDER_VERSITYGW"),
            ROOT / "build/tools/versitygw",
            shutil.which("versitygw"),
            Path.home() / "go/bin/versitygw",
        ],
    )


def extension(name: str) -> Path:
    """A DuckDB extension's file, for the plain DuckDB that answers are compared with."""
    folder = os.environ.get("EIDER_EXTENSION_DIR")
    file = f"{name}.duckdb_extension"
    return _first(
        f"DuckDB's {name} extension",
        [
            Path(folder) / name / file if folder else None,
            Path(folder) / file if folder else None,
            ROOT / "build/deps/extensions" / name / file,
        ],
    )
