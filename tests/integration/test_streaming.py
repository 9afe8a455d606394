"""Results stream: from the first batch on, in bounded memory, and never short."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator

import eider
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support import http
from support.cluster import Cluster, MakeCluster
from support.processes import Process
from support.s3 import S3Server
from support.waiting import wait_until

MIB = 1 << 20
MEMORY_LIMIT = 512 * MIB
# Five for the whole figure; one keeps CI short and is twice the worker's memory limit all the same.
STREAM_BYTES = int(float(os.environ.get("EIDER_TEST_STREAM_GB", "1")) * 1e9)

COORDINATOR_GROWTH = 64 * MIB
WORKER_PEAK = MEMORY_LIMIT + 256 * MIB

# Never ends, so whoever gives anything of it streams, and whoever ends it cut it.
ENDLESS = "SELECT i, i * 2 AS d FROM range(1000000000000) t(i)"

SHAPES = {
    "narrow rows": ("i", 8),
    "rows of 64 bytes": ("i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7", 64),
    "10 KB strings": ("rpad(i::VARCHAR, 10240, 'x') AS s", 10_240),
}
# Strings of 1 MB come from a file: DuckDB computes 2,048 rows at a time, which would be 2 GB of
# them within DuckDB, whatever is done with the result.
WIDE = "1 MB strings"
WIDE_ROWS = 256
WIDE_URL = "s3://out/wide.parquet"


@pytest.fixture(scope="module")
def streaming(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One worker with little memory, whose growth is watched."""
    own = Cluster(
        tmp_path_factory.mktemp("streaming"),
        s3.environment(),
        workers=1,
        worker_options=["--memory-limit", "512MiB", "--threads", "2"],
        coordinator_options=["--max-json-result", "8MiB"],
    )
    try:
        s3.put("out", "wide.parquet", wide_file())
        # What the first query costs each process once is none of a result's size.
        own.client().query("SELECT i FROM range(1000000) t(i)").arrow()
        yield own
    finally:
        own.stop()


def wide_file() -> bytes:
    """Strings of 1 MB, in row groups of eight."""
    strings = pa.table({"s": [str(i).ljust(MIB, "x") for i in range(WIDE_ROWS)]})
    out = io.BytesIO()
    pq.write_table(strings, out, row_group_size=8, use_dictionary=False)
    return out.getvalue()


class Growth:
    """The coordinator's and the worker's memory over one test."""

    def __init__(self, cluster: Cluster) -> None:
        self.coordinator = cluster.coordinator
        self.worker = cluster.workers[0].process
        self.before = self.coordinator.rss_bytes()
        for process in (self.coordinator, self.worker):
            process.reset_peak()

    def check(self, relayed: bool = True) -> None:
        grown = self.coordinator.peak_rss_bytes() - self.before
        peak = self.worker.peak_rss_bytes()
        print(f"coordinator +{grown / MIB:.0f} MiB, worker's peak {peak / MIB:.0f} MiB")
        assert peak <= WORKER_PEAK, f"the worker's peak is {peak / MIB:.0f} MiB"
        assert grown <= COORDINATOR_GROWTH, f"the coordinator grew by {grown / MIB:.0f} MiB"


def query_of(shape: str) -> tuple[str, int]:
    if shape == WIDE:
        files = -(-STREAM_BYTES // (WIDE_ROWS * MIB))
        return f"SELECT s FROM read_parquet({[WIDE_URL] * files})", files * WIDE_ROWS
    columns, row_bytes = SHAPES[shape]
    rows = STREAM_BYTES // row_bytes
    return f"SELECT {columns} FROM range({rows}) t(i)", rows


def drain(cluster: Cluster, sql: str) -> tuple[int, int]:
    """Reads the whole relayed body and throws it away: (bytes, chunks)."""
    with http.Connection(cluster.url) as connection:
        connection.post("/read", {"query": sql}, {"Accept": http.ARROW_STREAM})
        assert connection.read_head().status == 200
        size = chunks = 0
        while chunk := connection.read_chunk():
            size += len(chunk)
            chunks += 1
    return size, chunks


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", [*SHAPES, WIDE])
def test_large_result_in_bounded_memory(streaming: Cluster, shape: str) -> None:
    sql, _ = query_of(shape)
    growth = Growth(streaming)
    size, _ = drain(streaming, sql)
    assert size >= STREAM_BYTES * 0.99
    growth.check()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("delivery", ["relay", "direct"])
@pytest.mark.parametrize("shape", ["narrow rows", WIDE])
def test_python_client_streams_it(streaming: Cluster, delivery: str, shape: str) -> None:
    sql, rows = query_of(shape)
    growth = Growth(streaming)
    with streaming.client(delivery=delivery) as client:
        pa.default_memory_pool().release_unused()
        highest = seen = 0
        for batch in client.query(sql).reader():
            seen += batch.num_rows
            highest = max(highest, batch.nbytes)
    assert seen == rows
    assert highest <= 8 * MIB, "batches are bounded by bytes"
    growth.check()


def settled(processes: list[Process]) -> bool:
    """Whether none of them has grown for a while: the stalled stream has filled what it fills."""
    levels = [process.rss_bytes() for process in processes]
    for _ in range(40):
        time.sleep(0.025)  # the spacing of samples; what is waited for is that they are level
        now = [process.rss_bytes() for process in processes]
        if any(new > old + MIB for new, old in zip(now, levels, strict=True)):
            return False
    return True


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", [*SHAPES, WIDE])
def test_client_that_reads_slowly_holds_the_worker_back(streaming: Cluster, shape: str) -> None:
    sql, _ = query_of(shape)
    growth = Growth(streaming)
    watched = [streaming.coordinator, streaming.workers[0].process]
    with http.Connection(streaming.url, receive_buffer=64 << 10) as connection:
        connection.post("/read", {"query": sql}, {"Accept": http.ARROW_STREAM})
        assert connection.read_head().status == 200
        query_id = streaming.queries()[0]["id"]
        # Thrice it stops reading until nothing moves any more, then reads some more.
        for _ in range(3):
            for _ in range(4):
                assert connection.read_chunk()
            wait_until("memory is level", lambda: settled(watched), 30)
            assert streaming.query_status(query_id)["state"] == "running"
    growth.check()
    wait_until(
        "the query is over as its client left",
        lambda: streaming.query_status(query_id)["state"] == "failed",
    )


@pytest.mark.parametrize("delivery", ["relay", "direct"])
def test_first_batch_comes_before_the_last_is_computed(streaming: Cluster, delivery: str) -> None:
    with streaming.client(delivery=delivery) as client:
        result = client.query(ENDLESS)
        reader = result.reader()
        first = reader.read_next_batch()
        assert first.column(0)[0].as_py() == 0
        query_id = streaming.queries()[0]["id"]
        assert streaming.query_status(query_id)["state"] == "running"
        result.close()
        # The client has left: the worker stops computing.
        ended = wait_until(
            "the query is over",
            lambda: (s := streaming.query_status(query_id))["state"] == "failed" and s,
        )
        assert ended["error"]["code"] == "CANCELLED"
    wait_until("its slot is free", lambda: streaming.worker_status("w1")["occupied"] == 0)


def test_a_row_larger_than_a_batch_goes_alone(streaming: Cluster) -> None:
    sql = "SELECT i, repeat('x', 20000000) AS s FROM range(5) t(i)"
    with streaming.client() as client:
        batches = list(client.query(sql).reader())
    assert sum(batch.num_rows for batch in batches) == 5
    assert len(batches) == 5


def test_batches_of_narrow_rows_are_not_small(streaming: Cluster) -> None:
    """Bounded by bytes and rows, yet not one for each vector of DuckDB's."""
    with streaming.client() as client:
        batches = list(client.query("SELECT i FROM range(1000000) t(i)").reader())
    assert sum(batch.num_rows for batch in batches) == 1_000_000
    assert max(batch.num_rows for batch in batches) <= 122_880
    assert len(batches) <= 20


def test_json_form_is_limited_and_names_the_streaming_form(streaming: Cluster) -> None:
    growth = Growth(streaming)
    reply = http.post(streaming.url, "/read", {"query": ENDLESS})
    error = reply.json()
    assert error["code"] == "RESOURCE_EXHAUSTED"
    assert reply.status == 507
    assert http.ARROW_STREAM in error["error"]
    growth.check()
    wait_until("its slot is free", lambda: streaming.worker_status("w1")["occupied"] == 0)
    small = http.post(streaming.url, "/read", {"query": "SELECT i FROM range(900000) t(i)"})
    assert small.status == 200, "7.2 MB are within the 8 MiB"


# ---- broken streams


def broken_by(make_cluster: MakeCluster, delivery: str, victim: str) -> tuple[eider.Error, Cluster]:
    own = make_cluster(workers=2)
    with own.client(delivery=delivery) as client:
        reader = client.query(ENDLESS).reader()
        reader.read_next_batch()
        record = own.queries()[0]
        process = (
            own.coordinator if victim == "coordinator" else (own.worker(record["worker"]).process)
        )
        process.kill()
        with pytest.raises(eider.Error) as caught:
            for _ in reader:
                pass
    return caught.value, own


@pytest.mark.parametrize("delivery", ["relay", "direct"])
def test_worker_killed_in_mid_stream_raises(make_cluster: MakeCluster, delivery: str) -> None:
    error, own = broken_by(make_cluster, delivery, "worker")
    assert isinstance(error, eider.WorkerLost)
    assert error.retryable
    wait_until(
        "the record says so", lambda: (own.queries()[0]["error"] or {}).get("code") == "WORKER_LOST"
    )
    assert own.client(delivery=delivery).query("SELECT 42").fetchall() == [(42,)]


def test_coordinator_killed_in_mid_stream_raises(make_cluster: MakeCluster) -> None:
    error, _ = broken_by(make_cluster, "relay", "coordinator")
    assert error.retryable


def test_raw_body_of_a_broken_stream_has_no_end(make_cluster: MakeCluster) -> None:
    own = make_cluster(workers=1)
    with http.Connection(own.url) as connection:
        connection.post("/read", {"query": ENDLESS}, {"Accept": http.ARROW_STREAM})
        assert connection.read_head().status == 200
        assert connection.read_chunk()
        own.workers[0].process.kill()
        with pytest.raises(ConnectionError):
            while connection.read_chunk():
                pass


def test_cancelled_stream_raises(streaming: Cluster) -> None:
    for delivery in ("relay", "direct"):
        with streaming.client(delivery=delivery) as client:
            reader = client.query(ENDLESS).reader()
            reader.read_next_batch()
            query_id = streaming.queries()[0]["id"]
            assert http.get(streaming.url, f"/v1/queries/{query_id}", method="DELETE").status in (
                200,
                202,
                204,
            )
            with pytest.raises(eider.Cancelled):
                for _ in reader:
                    pass


def test_deadline_in_mid_stream_raises(streaming: Cluster) -> None:
    for delivery in ("relay", "direct"):
        with streaming.client(delivery=delivery) as client:
            with pytest.raises(eider.DeadlineExceeded):
                for _ in client.query(ENDLESS, timeout=1).reader():
                    pass
            with pytest.raises(eider.DeadlineExceeded):
                client.query(
                    "SELECT sum(i * i) FROM range(1000000000000) t(i)", timeout=0.5
                ).arrow()
    wait_until("the slots are free", lambda: streaming.worker_status("w1")["occupied"] == 0)
