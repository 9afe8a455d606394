"""Globs over trees of thousands of objects: the right ones, by few lists."""

from __future__ import annotations

import pytest

from support.rig import BUCKET, Rig
from support.s3_record import lists

FOLDERS = 6
IN_EACH = {"a": 2_000, "x": 3, "z": 40}  # objects of each subfolder
PAGE = 1_000


@pytest.fixture(scope="module")
def tree(rig: Rig) -> str:
    """The URL of a folder with 12,258 empty objects in it: f0/a/0000.csv and so on."""
    folder = rig.folder()
    for number in range(FOLDERS):
        for name, count in IN_EACH.items():
            place = rig.s3.data / BUCKET / folder / f"f{number}" / name
            place.mkdir(parents=True)
            for one in range(count):
                (place / f"{one:04}.csv").touch()
    return f"s3://{BUCKET}/{folder}"


def flat_lists() -> int:
    return -(-FOLDERS * sum(IN_EACH.values()) // PAGE)


PATTERNS = [
    "*/x/*.csv",
    "f[0-3]/x/000[12].csv",
    "*/*/0001.csv",
    "*/z/00*",
    "f1/*/0001.csv",
    "*/x/**",
    "**/x/*.csv",
    "**/0001.csv",
    "f*/[xz]/*",
    "*",
    "*/*",
    "*/x",
    "*/nothing/*.csv",
    "f2/x/0001*",
]


def globbed(rig: Rig, url: str) -> list[str]:
    table = rig.run(f"SELECT file FROM glob('{url}')", cache="off").table
    return sorted(table.column("file").to_pylist())


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_same_as_httpfs(rig: Rig, tree: str, pattern: str) -> None:
    url = f"{tree}/{pattern}"
    with rig.proxy.record() as seen:
        ours = globbed(rig, url)
    plain = rig.httpfs(door=True)
    with rig.proxy.record() as httpfs:
        theirs = sorted(row[0] for row in plain.execute(f"FROM glob('{url}')").fetchall())
    assert ours == theirs
    asked = len(seen.matching(lists))
    assert asked <= max(len(httpfs.matching(lists)), flat_lists() + 1), str(seen)


def test_folders_that_cannot_match_are_passed_over(rig: Rig, tree: str) -> None:
    with rig.proxy.record() as seen:
        found = globbed(rig, f"{tree}/*/x/*.csv")
    assert len(found) == FOLDERS * IN_EACH["x"]
    asked = seen.matching(lists)
    # A page of all, the folders, and x in each of them.
    assert len(asked) == 1 + 1 + FOLDERS < flat_lists()
    by_folders = [one for one in asked if one.query.get("delimiter") == "/"]
    assert len(by_folders) == 1 + FOLDERS
    assert all(one.query["prefix"].endswith("/x/") for one in by_folders[1:])


def test_where_all_matches_there_is_one_list_of_all(rig: Rig, tree: str) -> None:
    with rig.proxy.record() as seen:
        assert len(globbed(rig, f"{tree}/*/*/*.csv")) == FOLDERS * sum(IN_EACH.values())
    asked = seen.matching(lists)
    assert len(asked) == flat_lists()
    assert not any("delimiter" in one.query for one in asked)


def test_a_second_query_asks_nothing(rig: Rig, tree: str) -> None:
    sql = f"SELECT count(*) FROM glob('{tree}/*/z/*.csv')"
    assert rig.run(sql).rows == [(FOLDERS * IN_EACH["z"],)]
    for _ in range(3):  # on a busy machine the first list may have grown too old meanwhile
        with rig.proxy.record() as seen:
            assert rig.run(sql).rows == [(FOLDERS * IN_EACH["z"],)]
        if not seen.matching(lists):
            return
    raise AssertionError(str(seen))
