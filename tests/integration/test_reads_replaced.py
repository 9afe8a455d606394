"""Objects that are replaced between and during queries: never a mix, and stale only as agreed.

Every value of a version's column `v` has the version in its millions, and all versions of an object
have one size: nothing but the ETag tells them apart.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from support import objects, s3_faults
from support.rig import BUCKET, MakeRig, QueryFailed, Rig
from support.s3 import S3Server
from support.s3_record import Request, gets, slices

LARGE = {version: objects.large_parquet(version) for version in (1, 2)}
SMALL = {version: objects.small_parquet(version) for version in range(1, 8)}
CSV = {version: objects.csv_text(150_000, version) for version in (1, 2)}
LARGE_ROWS = 8 * objects.ROW_GROUP


def versions(url: str) -> str:
    """Which versions the values are of, and how many values there are."""
    return (
        f"SELECT min(v // 1000000), max(v // 1000000), count(v), "
        f"count(DISTINCT v // 1000000) FROM '{url}'"
    )


def whole(version: int, rows: int) -> list[tuple[int, ...]]:
    return [(version, version, rows, 1)]


@pytest.fixture(scope="module")
def asking(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig that asks S3 for the version in each query."""
    one = Rig(tmp_path_factory.mktemp("asking"), s3, worker_options=["--revalidate", "0"])
    yield one
    refusals = one.proxy.refusals
    one.stop()
    assert refusals == []


def test_the_versions_have_one_size() -> None:
    for contents in (LARGE, CSV):
        assert len({len(content) for content in contents.values()}) == 1


@pytest.mark.parametrize("cache", ["use", "passive", "off", "refresh"])
def test_between_queries_never_stale(asking: Rig, cache: str) -> None:
    url = asking.fresh("small.parquet", SMALL[1])
    for version, content in SMALL.items():
        asking.replace(url, content)
        for _ in range(2):
            assert asking.run(versions(url), cache=cache).rows == whole(version, 500)


def test_large_between_queries(asking: Rig) -> None:
    url = asking.fresh("large.parquet", LARGE[1])
    for version in (1, 2, 1, 2):
        asking.replace(url, LARGE[version])
        assert asking.run(versions(url)).rows == whole(version, LARGE_ROWS)


@pytest.mark.parametrize("compressed", [False, True], ids=["csv", "csv.gz"])
def test_csv_between_queries(asking: Rig, compressed: bool) -> None:
    contents = {n: objects.gz(c) if compressed else c for n, c in CSV.items()}
    url = asking.fresh("x.csv.gz" if compressed else "x.csv", contents[1])
    for version in (1, 2, 1):
        asking.replace(url, contents[version])
        assert asking.run(versions(url)).rows == whole(version, 150_000)


def test_a_file_in_a_glob_between_queries(asking: Rig) -> None:
    folder = asking.folder()
    url = asking.s3.put(BUCKET, f"{folder}/1.parquet", SMALL[1])
    other = asking.s3.put(BUCKET, f"{folder}/2.parquet", SMALL[1])
    sql = versions(f"s3://{BUCKET}/{folder}/*.parquet")
    assert asking.run(sql).rows == whole(1, 1000)
    asking.replace(url, SMALL[2])
    assert asking.run(sql).rows == [(1, 2, 1000, 2)]
    asking.replace(other, SMALL[2])
    assert asking.run(sql).rows == whole(2, 1000)


@pytest.mark.parametrize("cache", ["use", "off"])
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "half warm"])
def test_during_a_query(asking: Rig, cache: str, warm: bool) -> None:
    """The columns' GETs are held while the object is replaced: the answer is of one version."""
    url = asking.fresh("large.parquet", LARGE[1])
    key = url.removeprefix(f"s3://{BUCKET}/")
    if warm:
        asking.run(f"SELECT sum(v) FROM '{url}' WHERE id < 60000", cache=cache)
    with asking.proxy.hold(slices(key)) as gate:
        running = asking.start(versions(url), cache=cache)
        gate.wait_held(1)
        asking.replace(url, LARGE[2])
        gate.release()
        got = running.result(60).rows
    assert gate.passed >= 1
    assert got in (whole(1, LARGE_ROWS), whole(2, LARGE_ROWS)), "a mix, or rows are missing"
    assert asking.run(versions(url), cache=cache).rows == whole(2, LARGE_ROWS)
    assert asking.run(versions(url), cache=cache).rows == whole(2, LARGE_ROWS)


def test_during_a_query_late(asking: Rig) -> None:
    """Some columns came of the first version and are cached before the object is replaced."""
    url = asking.fresh("large.parquet", LARGE[1])
    key = url.removeprefix(f"s3://{BUCKET}/")
    rest = slices(key)
    passed: set[str] = set()

    def after_three(request: Request) -> bool:
        if not rest(request):
            return False
        passed.add(request.range)
        return len(passed) > 3

    with asking.proxy.hold(after_three) as gate:
        running = asking.start(versions(url))
        gate.wait_held(1)
        asking.replace(url, LARGE[2])
        gate.release()
        got = running.result(60).rows
    assert got in (whole(1, LARGE_ROWS), whole(2, LARGE_ROWS)), "a mix, or rows are missing"
    assert asking.run(versions(url)).rows == whole(2, LARGE_ROWS)


def test_during_a_query_with_a_server_that_ignores_if_match(asking: Rig) -> None:
    """The ETag of each answer is looked at too."""
    url = asking.fresh("large.parquet", LARGE[1])
    key = url.removeprefix(f"s3://{BUCKET}/")
    with (
        asking.proxy.add_fault(gets(key), s3_faults.ignore_conditions()) as rule,
        asking.proxy.hold(slices(key)) as gate,
    ):
        running = asking.start(versions(url))
        gate.wait_held(1)
        asking.replace(url, LARGE[2])
        gate.release()
        got = running.result(60).rows
        assert rule.fired >= 2
    assert got in (whole(1, LARGE_ROWS), whole(2, LARGE_ROWS)), "a mix, or rows are missing"


def test_replaced_again_and_again_during_queries(asking: Rig) -> None:
    """Each answer is of one version, or says that there was none to be had."""
    url = asking.fresh("large.parquet", LARGE[1])
    done = 0
    for round_number in range(6):
        running = [asking.start(versions(url)) for _ in range(3)]
        asking.replace(url, LARGE[2 - round_number % 2])
        for one in running:
            try:
                assert one.result(60).rows in (whole(1, LARGE_ROWS), whole(2, LARGE_ROWS))
                done += 1
            except QueryFailed as failed:
                assert failed.code == "STORAGE_UNAVAILABLE", failed
                assert "changed" in failed.message
    assert done > 0
    asking.replace(url, LARGE[2])
    assert asking.run(versions(url)).rows == whole(2, LARGE_ROWS)


def test_deleted_between_queries(asking: Rig) -> None:
    url = asking.fresh("small.parquet", SMALL[1])
    key = url.removeprefix(f"s3://{BUCKET}/")
    assert asking.run(versions(url)).rows == whole(1, 500)
    asking.s3.delete(BUCKET, key)
    with pytest.raises(QueryFailed) as failed:
        asking.run(versions(url))
    assert failed.value.code == "NOT_FOUND"
    asking.replace(url, SMALL[2])
    assert asking.run(versions(url)).rows == whole(2, 500)


def test_stale_no_longer_than_revalidate(make_rig: MakeRig) -> None:
    """A query that begins later than that after the object was replaced sees what is new."""
    own = make_rig("--revalidate", "2s")
    url = own.fresh("small.parquet", SMALL[1])
    stale = 0
    for version in (2, 3):
        own.run(versions(url))
        own.replace(url, SMALL[version])
        replaced = time.monotonic()
        while (began := time.monotonic()) < replaced + 4:
            rows = own.run(versions(url)).rows
            if rows != whole(version, 500):
                assert rows == whole(version - 1, 500)
                assert began < replaced + 2, "older than it may be"
                stale += 1
    assert stale > 0, "nothing was ever stale: revalidate was not tried"


def test_never_means_never(make_rig: MakeRig) -> None:
    own = make_rig("--revalidate", "never")
    url = own.fresh("small.parquet", SMALL[1])
    assert own.run(versions(url)).rows == whole(1, 500)
    own.replace(url, SMALL[2])
    with own.proxy.record() as seen:
        assert own.run(versions(url)).rows == whole(1, 500)
    assert seen.count() == 0
    assert own.run(versions(url), cache="refresh").rows == whole(2, 500)
    assert own.run(versions(url)).rows == whole(2, 500)


def test_old_metadata_and_a_page_that_is_missing(make_rig: MakeRig) -> None:
    """Valid metadata of a version that is gone, and pages of it that were never fetched."""
    own = make_rig("--revalidate", "1h")
    url = own.fresh("large.parquet", LARGE[1])
    assert own.run(f"SELECT count(*) FROM '{url}'").rows == [(LARGE_ROWS,)]
    own.replace(url, LARGE[2])
    assert own.run(versions(url)).rows == whole(2, LARGE_ROWS)
    assert own.run(versions(url)).rows == whole(2, LARGE_ROWS)
