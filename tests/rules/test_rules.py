"""The rules of the layout: who may include whom, what nothing may be called, how long a file is."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
MAX_LINES = 600

# Folder of src/: the folders that it may include from, besides itself.
ARROWS: dict[str, set[str]] = {
    "base": set(),
    "config": {"base"},
    "metrics": {"base"},
    "protocol": {"base"},
    "schedule": {"base", "protocol"},
    "store": {"base", "config", "metrics"},
    "cache": {"base", "config", "metrics", "store"},
    "engine": {"base", "cache", "config", "protocol", "store"},
    "worker": {"base", "config", "engine", "metrics", "protocol"},
    "coordinator": {"base", "config", "engine", "metrics", "protocol", "schedule"},
    "rpc/flight": {"base", "config", "protocol"},
    "rpc/http": {"base", "config", "protocol"},
}
ARROWS["cmd"] = set(ARROWS)

# The wire sees the services by their interfaces only.
INTERFACES = {"worker/service.h", "coordinator/service.h", "coordinator/worker_client.h"}

# What a library's headers look like, and the only folder that may include them.
LIBRARIES = {
    r"duckdb": "engine",
    r"arrow/flight/": "rpc/flight",
    r"boost/(beast|asio)": "rpc/http",
}

BANNED_WORDS = {"util", "utils", "helper", "helpers", "common", "misc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)


def files_of_the_project() -> Iterator[Path]:
    """Every file that people wrote: what git knows of, and what is new and not ignored."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in sorted(filter(None, names.split("\0"))):
        if (ROOT / name).is_file():
            yield ROOT / name


def folder_of(path: str) -> str:
    """rpc/flight/server.h is of rpc/flight; base/clock.h of base."""
    parts = path.split("/")
    return "/".join(parts[: 2 if parts[0] == "rpc" else 1])


def sources() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*") if path.suffix in {".h", ".cc"})


def test_includes_follow_the_arrows() -> None:
    wrong = []
    for path in sources():
        here = str(path.relative_to(SOURCE))
        folder = folder_of(here)
        for included in INCLUDE.findall(path.read_text()):
            if not (SOURCE / included).exists():
                continue
            target = folder_of(included)
            allowed = target == folder or target in ARROWS[folder]
            if not allowed and not (folder.startswith("rpc/") and included in INTERFACES):
                wrong.append(f"{here} includes {included}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("header", "home"), LIBRARIES.items())
def test_a_library_has_one_folder(header: str, home: str) -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} includes {included}"
        for path in sources()
        if folder_of(str(path.relative_to(SOURCE))) != home
        for included in INCLUDE.findall(path.read_text())
        if re.match(header, included)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_folder_has_its_arrows() -> None:
    folders = {folder_of(str(path.relative_to(SOURCE))) for path in sources()}
    assert folders <= set(ARROWS)


def test_no_name_says_nothing() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in files_of_the_project()
        if BANNED_WORDS & set(re.split(r"[/_.\-]", str(path.relative_to(ROOT)).lower()))
    ]
    assert not wrong, f"named after nothing in particular: {wrong}"


def test_no_file_is_too_long() -> None:
    wrong = []
    for path in files_of_the_project():
        if path.suffix in {".h", ".cc", ".py", ".cmake", ".txt"}:
            lines = len(path.read_text().splitlines())
            if lines > MAX_LINES:
                wrong.append(f"{path.relative_to(ROOT)}: {lines} lines")
    assert not wrong, "\n".join(wrong)


def test_every_source_file_is_built() -> None:
    wrong = []
    for path in sources():
        if path.suffix == ".cc":
            listed = (path.parent / "CMakeLists.txt").read_text()
            if not re.search(rf"(?<![\w/]){re.escape(path.name)}\b", listed):
                wrong.append(str(path.relative_to(ROOT)))
    assert not wrong, f"in no CMakeLists.txt: {wrong}"


def test_nothing_names_a_machine_or_a_registry() -> None:
    # Written so that this file does not match itself.
    places = r"(?<![\w.])/(?:ro{2}t|wor[k]|home/\w+)/"
    hosts = r"pypi[.]org|pythonhosted[.]org|npmjs[.]org|proxy[.]golang"
    pattern = re.compile(f"{places}|{hosts}")
    wrong = []
    for path in files_of_the_project():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)


def test_every_option_is_documented() -> None:
    table = (SOURCE / "config" / "option_table.cc").read_text()
    documented = (ROOT / "docs" / "options.md").read_text()
    names = set(re.findall(r'\.name = "([^"]+)"', table))
    missing = {name for name in names if f"--{name}`" not in documented}
    assert names
    assert not missing, f"not in docs/options.md: {sorted(missing)}"


def test_every_metric_is_documented() -> None:
    described = (SOURCE / "metrics" / "registry.h").read_text()
    documented = (ROOT / "docs" / "operating.md").read_text()
    names = set(re.findall(r"\beider_\w+", described))
    missing = {name for name in names if f"`{name}" not in documented}
    assert names
    assert not missing, f"not in docs/operating.md: {sorted(missing)}"
