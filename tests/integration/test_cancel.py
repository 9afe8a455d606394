"""Work never runs for nobody: however a query is given up, its slot is free at once.

Each case is a way to give a query up and a thing that the query is doing. What is measured begins
with the act (a socket closed, a signal sent, a deadline passed) and ends when the worker has told
DuckDB (its log says when) and when the coordinator says that the slot is free. The bounds are for a
machine that is free; on a busy one a thread that is due may wait for a core, so each act is tried a
few times, and what the machine itself adds to a sleep meanwhile is allowed for.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import eider
import pytest

from support import http
from support.agent import Agent
from support.busy import Busy, sharers
from support.cluster import Cluster, MakeCluster
from support.gate import Gate
from support.paths import eider_binary
from support.s3 import S3Server
from support.waiting import wait_until

TOLD_MS = 50
FREE_MS = 200
TRIES = 3
CLAIM_EXPIRY_MS = 5_000

BIG = 1_000_000_000_000

# What runs. Each would take for ever, or for minutes, and is given up in the middle.
WHATS = {
    "scan": f"SELECT sum(i % 7) AS x FROM range({BIG}) t(i)",
    "join": f"SELECT count(*) AS x FROM range({BIG}) a(i) JOIN range(1000000) b(j) "
    "ON a.i % 1000003 = b.j",
    "sort": f"SELECT i AS x FROM range({BIG}) t(i) ORDER BY hash(i)",
    "aggregate": f"SELECT max(n) AS x FROM (SELECT count(*) AS n FROM range({BIG}) t(i) "
    "GROUP BY hash(i) % 3000000)",
    "S3": "SELECT count(*) AS x FROM '{url}'",
    "stream": f"SELECT i AS x, i * 2 AS d FROM range({BIG}) t(i)",
}


class Log:
    """The lines that a worker has logged since the last look."""

    def __init__(self, cluster: Cluster) -> None:
        self._file = cluster.workers[0].process.log_path.open()
        self._lines: list[dict[str, Any]] = []

    def time_of(self, message: str, task: str) -> float | None:
        """When, in seconds since 1970, it logged `message` of the task."""
        for text in self._file:
            with contextlib.suppress(ValueError):
                self._lines.append(json.loads(text))
        for line in self._lines:
            said = str(line["message"])
            if said.startswith(message) and (task in said or line.get("task") == task):
                return datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()
        return None


@dataclass
class Site:
    """A worker of four slots, and what is to be done to it."""

    cluster: Cluster
    gate: Gate
    log: Log
    s3: S3Server
    url: str
    numbers: int = 0

    def query(self, what: str) -> tuple[str, str]:
        """The SQL of a query that does `what`, and what marks it."""
        self.numbers += 1
        marker = f"x{self.numbers}x"
        url = self.url.replace("NUMBER", str(self.numbers))
        return WHATS[what].replace(" x", f" {marker}").replace("{url}", url), marker

    def running(self, marker: str, what: str) -> dict[str, Any]:
        """The query's record, once it is in the middle of it."""

        def found() -> dict[str, Any] | None:
            record = self.cluster.query_of(marker)
            return record if record is not None and record["state"] == "running" else None

        record: dict[str, Any] = wait_until(f"{what} runs", found)
        if what == "S3":
            wait_until("it waits for S3", lambda: self.gate.held > 0)
        else:
            # A client that does not read soon stops a stream.
            self.settle(0.02 if what == "stream" else 0.3)
        return record

    def settle(self, cpu_s: float) -> None:
        """Until the worker has computed for a while: the query is past its first moments."""
        worker = self.cluster.workers[0].process
        began = worker.cpu_s()
        wait_until("it computes", lambda: worker.cpu_s() - began >= cpu_s, 30)

    def occupied(self, connection: http.Connection) -> int:
        connection.send(f"GET /v1/workers HTTP/1.1\r\nHost: {connection.host}\r\n\r\n".encode())
        workers: list[dict[str, Any]] = connection.read_answer().json()["workers"]
        return int(workers[0]["occupied"])


@pytest.fixture(scope="module")
def site(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    gate = Gate(s3.port)
    cluster = Cluster(
        tmp_path_factory.mktemp("cancel"),
        s3.environment(gate.port),
        workers=1,
        worker_options=[
            *("--slots", "4", "--threads", "2", "--memory-limit", "1GiB"),
            *("--log-format", "json", "--log-level", "debug"),
        ],
    )
    try:
        yield Site(cluster, gate, Log(cluster), s3, "s3://out/cancel-NUMBER.parquet")
    finally:
        gate.open()
        cluster.stop()
        gate.stop()


@pytest.fixture(scope="module")
def agents(site: Site) -> Iterator[dict[str, Agent]]:
    made = {delivery: Agent(site.cluster, delivery) for delivery in ("relay", "direct")}
    yield made
    for one in made.values():
        one.stop()


# A way to give a query up: begins the query in the background, and gives the act. The act gives the
# moment that counts, in seconds since 1970; what must be seen to afterwards is a context's end.
Act = Callable[[], float]
Begin = Callable[[Site, dict[str, Agent], str], contextlib.AbstractContextManager[Act]]


def now() -> float:
    return time.time()


def _socket(accept: str) -> Begin:
    @contextlib.contextmanager
    def begin(site: Site, _: dict[str, Agent], sql: str) -> Iterator[Act]:
        connection = http.Connection(site.cluster.url)
        connection.post("/read", {"query": sql}, {"Accept": accept})

        def act() -> float:
            at = now()
            connection.close()
            return at

        yield act
        connection.close()

    return begin


@contextlib.contextmanager
def flight_cancel(site: Site, _: dict[str, Agent], sql: str) -> Iterator[Act]:
    """A Flight client that cancels its call. (Where the call has not given a reader yet, by its
    client's end.)"""
    location, ticket = site.cluster.direct_ticket({"query": sql})
    import pyarrow.flight as flight

    client = flight.FlightClient(location)
    readers: list[flight.FlightStreamReader] = []

    def read() -> None:
        with contextlib.suppress(Exception):
            reader = client.do_get(flight.Ticket(ticket))
            readers.append(reader)
            while True:
                reader.read_chunk()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()

    def act() -> float:
        # One that waits for S3 never has one, and ends when its object comes.
        with contextlib.suppress(AssertionError):
            wait_until("its reader", lambda: readers, 3)
        at = now()
        for reader in readers:
            reader.cancel()
        if not readers:
            pytest.skip("a call that has no reader yet cannot be cancelled in Python")
        return at

    yield act
    thread.join(20)


@contextlib.contextmanager
def flight_killed(site: Site, _: dict[str, Agent], sql: str) -> Iterator[Act]:
    agent = Agent(site.cluster, "direct")
    agent.ask(sql)

    def act() -> float:
        at = now()
        agent.signal(signal.SIGKILL)
        return at

    yield act
    agent.stop()


@contextlib.contextmanager
def deleted(site: Site, _: dict[str, Agent], sql: str) -> Iterator[Act]:
    with http.Connection(site.cluster.url) as connection:
        connection.post("/read", {"query": sql}, {"Accept": http.ARROW_STREAM})
        thread = threading.Thread(target=connection.read_answer, daemon=True)
        thread.start()

        def act() -> float:
            record = next(q for q in site.cluster.queries() if q["sql"] == sql)
            at = now()
            reply = http.get(site.cluster.url, f"/v1/queries/{record['id']}", method="DELETE")
            assert reply.status in (200, 202, 204)
            return at

        yield act
        thread.join(20)


@contextlib.contextmanager
def deadline(site: Site, _: dict[str, Agent], sql: str) -> Iterator[Act]:
    timeout_ms = 5000  # longer than it takes to be in the middle of it
    with http.Connection(site.cluster.url) as connection:
        body = {"query": sql, "timeout_ms": timeout_ms}
        connection.post("/read", body, {"Accept": http.ARROW_STREAM})
        thread = threading.Thread(target=connection.read_answer, daemon=True)
        thread.start()

        def act() -> float:
            record = next(q for q in site.cluster.queries() if q["sql"] == sql)
            return float(record["submitted_at_ms"] + timeout_ms) / 1000

        yield act
        thread.join(20)


@contextlib.contextmanager
def cli(site: Site, _: dict[str, Agent], sql: str) -> Iterator[Act]:
    command = [str(eider_binary()), "query", sql, "--url", site.cluster.url, "--format", "csv"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def act() -> float:
        at = now()
        process.send_signal(signal.SIGINT)
        return at

    try:
        yield act
        assert process.wait(20) == 130
    finally:
        process.kill()


def _python(delivery: str) -> Begin:
    @contextlib.contextmanager
    def begin(_: Site, agents: dict[str, Agent], sql: str) -> Iterator[Act]:
        agent = agents[delivery]
        agent.ask(sql)

        def act() -> float:
            at = now()
            agent.signal(signal.SIGINT)
            return at

        yield act
        assert agent.answer() == "interrupted"

    return begin


HOWS: dict[str, Begin] = {
    "HTTP JSON client closes": _socket("application/json"),
    "HTTP stream client closes": _socket(http.ARROW_STREAM),
    "Flight client cancels": flight_cancel,
    "Flight client dies": flight_killed,
    "deadline": deadline,
    "DELETE": deleted,
    "Ctrl-C in eider query": cli,
    "Ctrl-C in Python, relay": _python("relay"),
    "Ctrl-C in Python, direct": _python("direct"),
}

_figures: dict[tuple[str, str], tuple[float, float]] = {}


@pytest.fixture(scope="module", autouse=True)
def _report() -> Iterator[None]:
    """Shows what was measured (with -s)."""
    yield
    for (how, what), (told_ms, free_ms) in _figures.items():
        print(f"{how:28} {what:10} told {told_ms:6.0f} ms  free {free_ms:6.0f} ms")


def give_up(site: Site, agents: dict[str, Agent], how: str, what: str) -> tuple[float, float]:
    """Gives one query up: after how many ms DuckDB was told, and its slot was free."""
    sql, marker = site.query(what)
    if what == "S3":
        site.s3.put("out", f"cancel-{site.numbers}.parquet", b"never read")
        site.gate.close()
    try:
        with (
            http.Connection(site.cluster.url) as poll,
            HOWS[how](site, agents, sql) as act,
        ):
            task = site.running(marker, what)["id"] + ".0"
            at = act()
            until = at + 30
            while site.occupied(poll) > 0:
                assert now() < until, "the slot is not free after 30 s"
                time.sleep(0.001)  # the spacing of looks; what is measured is a time
            free_at = now()
            ended_at = wait_until("it has ended", lambda: site.log.time_of("task ended", task))
            # A read of S3 sees the deadline by itself: then nobody needs to be told.
            told_at = site.log.time_of("told to stop", task) or ended_at
    finally:
        site.gate.open()
    return (told_at - at) * 1000, (free_at - at) * 1000


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("how", HOWS)
def test_gives_up(site: Site, agents: dict[str, Agent], how: str, what: str) -> None:
    if (how, what) == ("HTTP JSON client closes", "stream"):
        pytest.skip("the whole of an endless result does not fit into the JSON form")
    tries = []
    for _ in range(TRIES):
        with Busy() as busy:
            told_ms, free_ms = give_up(site, agents, how, what)
        tries.append((round(told_ms), round(free_ms), round(busy.ms)))
        shared = sharers()
        if told_ms <= shared * TOLD_MS + 2 * busy.ms and free_ms <= shared * FREE_MS + 2 * busy.ms:
            break
    else:
        pytest.fail(f"told, free, and what the machine was late by, in ms: {tries}")
    _figures[how, what] = (told_ms, free_ms)


# ---- waiting


@pytest.fixture
def full(site: Site) -> Iterator[None]:
    """All four slots are taken, by queries that wait for S3."""
    site.numbers += 1
    url = f"s3://out/full-{site.numbers}.parquet"
    site.s3.put("out", f"full-{site.numbers}.parquet", b"never read")
    site.gate.close()
    connections = [http.Connection(site.cluster.url) for _ in range(4)]
    try:
        for connection in connections:
            connection.post("/read", {"query": f"SELECT * FROM '{url}'"})
        wait_until("it is full", lambda: site.cluster.worker_status("w1")["occupied"] == 4)
        yield
    finally:
        for connection in connections:
            connection.close()
        wait_until("it is empty", lambda: site.cluster.worker_status("w1")["occupied"] == 0)
        site.gate.open()


@pytest.mark.parametrize("how", [how for how in HOWS if how != "Flight client cancels"])
def test_a_waiting_task_leaves_its_line(
    site: Site, agents: dict[str, Agent], full: None, how: str
) -> None:
    sql, marker = site.query("scan")
    with HOWS[how](site, agents, sql) as act:
        record = wait_until("it waits", lambda: site.cluster.query_of(marker))
        assert record["state"] == "waiting"
        assert site.cluster.worker_status("w1")["waiting"] == 1
        at = act()
        wait_until(
            "it has left its line", lambda: site.cluster.worker_status("w1")["waiting"] == 0, 10
        )
        print(f"{how}: out of its line after {(now() - at) * 1000:.0f} ms")
    after = site.cluster.query_status(record["id"])
    assert after["state"] == "failed"
    assert after["attempts"] == [], "it never ran"
    assert after["error"]["code"] == ("DEADLINE_EXCEEDED" if how == "deadline" else "CANCELLED")


# ---- what does not stop


def status_text(cluster: Cluster) -> str:
    command = [str(eider_binary()), "status", "--url", cluster.url]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def test_a_burst_of_clients_that_leave_at_once_holds_no_slot(site: Site) -> None:
    """Their tickets never reach a worker, which could not say that they have ended."""
    for number in range(60):
        with http.Connection(site.cluster.url) as connection:
            connection.post("/read", {"query": f"SELECT {number} AS leaves"})
    with site.cluster.client() as client:
        result = client.query("SELECT 1")
        assert result.fetchall() == [(1,)]
        assert (result.info.queue_ms or 0) < CLAIM_EXPIRY_MS / 2


def test_a_client_that_leaves_behind_many_requests_is_seen_to_leave(site: Site) -> None:
    sql, marker = site.query("scan")
    with http.Connection(site.cluster.url) as connection:
        connection.post("/read", {"query": sql})
        site.running(marker, "scan")
        with contextlib.suppress(OSError):  # the server may have closed before all was sent
            connection.send(
                f"GET /healthz HTTP/1.1\r\nHost: {connection.host}\r\n\r\n".encode() * 3000
            )
    wait_until(
        "it is cancelled", lambda: (site.cluster.query_of(marker) or {})["state"] == "failed", 10
    )


def test_whose_time_is_up_is_told_though_duckdb_goes_on(make_cluster: MakeCluster) -> None:
    own = make_cluster(
        workers=1, worker_options=["--slots", "1", "--threads", "2", "--memory-limit", "3GiB"]
    )
    sql = "SELECT len(list_sort(range(30000000 + i))) AS late FROM range(1) t(i)"
    began = time.monotonic()
    reply = http.post(own.url, "/read", {"query": sql, "timeout_ms": 1000})
    took_s = time.monotonic() - began
    occupied = own.worker_status("w1")["occupied"]
    print(f"told after {took_s:.2f} s")
    assert reply.status == 504, reply.body
    assert reply.json()["code"] == "DEADLINE_EXCEEDED"
    assert occupied == 1, "DuckDB was done: make the list longer"
    assert took_s < 3


def test_a_call_that_cannot_be_interrupted_keeps_its_slot_and_is_shown(
    make_cluster: MakeCluster,
) -> None:
    own = make_cluster(
        workers=1, worker_options=["--slots", "1", "--threads", "2", "--memory-limit", "3GiB"]
    )
    worker = own.workers[0].process
    sql = "SELECT len(list_sort(range(30000000 + i))) AS deaf FROM range(1) t(i)"
    with http.Connection(own.url) as connection:
        connection.post("/read", {"query": sql}, {"Accept": http.ARROW_STREAM})
        record = wait_until("it runs", lambda: (q := own.query_of("AS deaf")) and q)
        began = worker.cpu_s()
        wait_until("it sorts", lambda: worker.cpu_s() - began > 1, 60)
        http.get(own.url, f"/v1/queries/{record['id']}", method="DELETE")
        assert connection.read_answer().json()["code"] == "CANCELLED", "its client is told at once"
    shown = wait_until(
        "it is said to be stopping",
        lambda: (w := own.worker_status("w1"))["stopping"] == 1 and w,
    )
    assert shown["occupied"] == 1
    text = status_text(own)
    after = own.query_status(record["id"])
    assert after["state"] == "failed"
    assert after["stopping_ms"] is not None
    assert "eider_tasks_stopping 1" in http.get(own.url, "/metrics").body.decode()
    assert "DuckDB is in a call that cannot be interrupted" in text
    assert "1 stopping" in text
    # Nobody gets its slot before it has come back; then the next one runs.
    with http.Connection(own.url) as connection:
        connection.post("/read", {"query": "SELECT 42 AS next"})
        wait_until("the next one waits", lambda: own.worker_status("w1")["waiting"] == 1)
        assert connection.read_answer().status == 200
    shown = wait_until(
        "nothing is stopping", lambda: (w := own.worker_status("w1"))["stopping"] == 0 and w
    )
    assert own.query_status(record["id"])["stopping_ms"] is None


# ---- clients that stop reading


@pytest.fixture
def impatient(make_cluster: MakeCluster) -> Cluster:
    """A cluster that gives a client that does not read 2 s."""
    options = ["--stall-timeout", "2s"]
    return make_cluster(
        workers=1,
        worker_options=[*options, "--slots", "2", "--threads", "2"],
        coordinator_options=options,
    )


@pytest.mark.parametrize("delivery", ["relay", "direct"])
def test_a_frozen_client_loses_query_and_slot(impatient: Cluster, delivery: str) -> None:
    agent = Agent(impatient, delivery)
    try:
        agent.ask(f"SELECT i AS frozen FROM range({BIG}) t(i)")
        record = wait_until(
            "it runs",
            lambda: (q := impatient.query_of("AS frozen")) and q["state"] == "running" and q,
        )
        worker = impatient.workers[0].process
        began = worker.cpu_s()
        wait_until("its client reads", lambda: worker.cpu_s() - began > 0.3)
        agent.signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        wait_until("its slot is free", lambda: impatient.worker_status("w1")["occupied"] == 0, 15)
        freed_s = time.monotonic() - frozen_at
        assert 1.5 < freed_s < 8, f"after {freed_s:.1f} s; it may stall for 2 s"
        after = wait_until(
            "it is over",
            lambda: (q := impatient.query_status(record["id"]))["state"] == "failed" and q,
        )
        assert after["error"]["code"] == "CANCELLED"
        if delivery == "direct":
            # The thread is in a write that nothing ends but the end of its connection.
            wait_until(
                "its thread counts as blocked",
                lambda: impatient.worker_status("w1")["blocked_streams"] == 1,
            )
            assert "eider_streams_blocked 1" in http.get(impatient.url, "/metrics").body.decode()
            assert "1 blocked by clients that do not read" in status_text(impatient)
            threads = impatient.workers[0].process.threads()
            wait_until(
                "its thread has come back, its client still being frozen",
                lambda: impatient.worker_status("w1")["blocked_streams"] == 0,
                30,
            )
            assert impatient.workers[0].process.threads() <= threads
        agent.signal(signal.SIGCONT)
        assert agent.answer().startswith("error"), "what it got is not the whole"
        # Other clients never noticed.
        assert impatient.client(delivery=delivery).query("SELECT 42").fetchall() == [(42,)]
    finally:
        agent.stop()


def test_a_client_that_reads_one_of_two_streams_keeps_that_one(impatient: Cluster) -> None:
    """Both are on one connection: the one that stalls is not worth the one that is read."""
    with impatient.client(delivery="direct") as client:
        stalls = client.query(f"SELECT i AS stalls FROM range({BIG}) t(i)").reader()
        reads = client.query(f"SELECT i AS reads FROM range({BIG}) t(i)").reader()
        stalls.read_next_batch()
        until = time.monotonic() + 10
        while time.monotonic() < until:  # well past the stall timeout and the grace after it
            reads.read_next_batch()
        assert (impatient.query_of("AS stalls") or {})["state"] == "failed"
        assert (impatient.query_of("AS reads") or {})["state"] == "running"
        with pytest.raises(eider.Error):
            for _ in stalls:
                pass
