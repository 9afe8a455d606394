"""The proxy at S3's door does what it says: it forwards, counts, refuses and spoils."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import duckdb
import httpx
import pytest

from support import http, s3_faults
from support.oracle import plain_duckdb
from support.s3 import S3Server, sign
from support.s3_proxy import S3Proxy
from support.s3_record import any_request, gets, repeated_bytes
from support.waiting import wait_until

BUCKET = "door"
KEY = "a folder/x=1/größe + 100%.bin"
CONTENT = bytes(range(256)) * 4096
WIRE_PATH = "/door/a%20folder/x%3D1/gr%C3%B6%C3%9Fe%20%2B%20100%25.bin"


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> None:
    s3.make_bucket(BUCKET)
    s3.put(BUCKET, KEY, CONTENT)
    s3.put(BUCKET, "empty", b"")


@pytest.fixture
def proxy(bucket: None, s3_proxy: S3Proxy) -> S3Proxy:
    return s3_proxy


@pytest.fixture
def session(proxy: S3Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.endpoint, timeout=10) as one:
        yield one


def ask(
    session: httpx.Client, method: str = "GET", path: str = WIRE_PATH, **headers: str
) -> httpx.Response:
    """A signed request; `if_match` stands for If-Match."""
    host = session.base_url.netloc.decode()
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return session.request(method, path, headers={**sign(method, host, path, b""), **extra})


def raw_ask(proxy: S3Proxy, path: str = WIRE_PATH, version: str = "1.1", **headers: str) -> bytes:
    signed = sign("GET", f"127.0.0.1:{proxy.port}", path, b"")
    lines = "".join(f"{n.replace('_', '-')}: {v}\r\n" for n, v in {**signed, **headers}.items())
    return f"GET {path} HTTP/{version}\r\n{lines}\r\n".encode()


def test_forwards_and_records(proxy: S3Proxy, session: httpx.Client) -> None:
    with proxy.record() as seen:
        whole = ask(session)
        part = ask(session, range="bytes=10-19", if_match=whole.headers["etag"])
        end = ask(session, range="bytes=-5")
        head = ask(session, "HEAD")
        same = ask(session, if_none_match=whole.headers["etag"])
        changed = ask(session, if_match='"0123"', range="bytes=0-9")
        missing = ask(session, path="/door/nothing")
    assert whole.content == CONTENT
    assert part.content == CONTENT[10:20]
    assert end.content == CONTENT[-5:]
    assert (head.status_code, head.content) == (200, b"")
    assert [same.status_code, changed.status_code, missing.status_code] == [304, 412, 404]
    first, second, *_ = seen.requests
    assert (first.kind, first.bucket, first.key) == ("GET", BUCKET, KEY)
    assert (first.status, first.sent, first.range) == (200, len(CONTENT), "")
    assert (second.status, second.sent, second.range) == (206, 10, "bytes=10-19")
    assert second.if_match == whole.headers["etag"]
    assert second.span == (10, 20)
    assert first.ended is not None and first.started <= first.ended <= second.started
    assert (seen.count("GET"), seen.count("HEAD"), seen.count()) == (6, 1, 7)
    assert seen.bytes >= len(CONTENT) + 15
    assert seen.max_parallel == 1
    assert len(seen.connections) == 1
    assert proxy.refusals == []
    ask(session)
    assert seen.count() == 7


def test_a_list_is_a_list(proxy: S3Proxy, oracle_here: duckdb.DuckDBPyConnection) -> None:
    with proxy.record() as seen:
        found = oracle_here.execute("FROM glob('s3://door/**')").fetchall()
    assert len(found) == 2
    assert seen.count("LIST") == seen.count() >= 1, str(seen)
    assert seen.requests[0].query["prefix"] == ""
    assert proxy.refusals == []


@pytest.fixture
def oracle_here(proxy: S3Proxy) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = plain_duckdb(proxy.port)
    yield connection
    connection.close()


def test_duckdb_reads_and_writes_through_it(
    proxy: S3Proxy, oracle_here: duckdb.DuckDBPyConnection
) -> None:
    with proxy.record() as seen:
        oracle_here.sql(
            "COPY (SELECT i, hash(i) AS h FROM range(3000000) t(i)) TO 's3://out/door.parquet'"
        )
        total = oracle_here.sql("SELECT sum(i) FROM 's3://out/door.parquet'").fetchone()
    assert total == (sum(range(3_000_000)),)
    assert seen.count("PUT") >= 1, str(seen)
    assert proxy.refusals == []


def test_64_clients_in_parallel(proxy: S3Proxy) -> None:
    together = threading.Barrier(64)

    def fetch(_: int) -> str:
        with httpx.Client(base_url=proxy.endpoint, timeout=60) as own:
            together.wait(60)
            return hashlib.sha256(ask(own).content).hexdigest()

    with proxy.record() as seen, ThreadPoolExecutor(64) as pool:
        digests = set(pool.map(fetch, range(64)))
    assert digests == {hashlib.sha256(CONTENT).hexdigest()}
    assert seen.count("GET") == 64
    assert seen.bytes == 64 * len(CONTENT)
    assert len(seen.connections) == 64
    assert seen.max_parallel > 1
    assert repeated_bytes(seen.requests) == 0  # none asked for a range


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (lambda p: raw_ask(p, version="1.0"), "version"),
        (lambda p: b"GET " + WIRE_PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n", "signature"),
        (lambda p: raw_ask(p, range="bytes=5-2"), "Range"),
        (lambda p: raw_ask(p, range="bytes=0-1,4-5"), "Range"),
        (lambda p: raw_ask(p, range="bytes=-0"), "Range"),
        (lambda p: raw_ask(p, range="bytes=-"), "Range"),
        (lambda p: raw_ask(p, range="0-5"), "Range"),
        (lambda p: raw_ask(p, if_match="abc"), "ETag"),
        (lambda p: raw_ask(p, Host="twice"), "header"),
        (lambda p: b"GET http://x/y HTTP/1.1\r\n\r\n", "request line"),
        (lambda p: b"\x16\x03\x01 TLS\r\n\r\n", "request line"),
    ],
)
def test_stricter_than_s3(proxy: S3Proxy, raw: object, why: str) -> None:
    assert callable(raw)
    answer = http.exchange(proxy.endpoint, raw(proxy))
    assert answer.status == 400
    assert why in answer.body.decode()
    assert why in proxy.refusals[0]


def test_errors_of_its_own(proxy: S3Proxy, session: httpx.Client) -> None:
    rules = [
        proxy.add_fault(gets(), s3_faults.slow_down(retry_after_s=3), times=2),
        proxy.add_fault(gets(), s3_faults.slow_down(), times=1),
        proxy.add_fault(gets(), s3_faults.internal_error(), times=1),
        proxy.add_fault(gets(), s3_faults.access_denied(), times=1),
    ]
    with proxy.record() as seen:
        answers = [ask(session) for _ in range(6)]
    assert [one.status_code for one in answers] == [503, 503, 503, 500, 403, 200]
    assert [one.headers.get("retry-after") for one in answers[:3]] == ["3", "3", None]
    assert "<Code>SlowDown</Code>" in answers[0].text
    assert [rule.fired for rule in rules] == [2, 1, 1, 1]
    assert len(seen.connections) == 1


def test_credentials_expire_and_a_rule_ends(proxy: S3Proxy, session: httpx.Client) -> None:
    with proxy.add_fault(any_request, s3_faults.expired_token(400), skip=2) as rule:
        statuses = [ask(session).status_code for _ in range(4)]
        assert statuses == [200, 200, 400, 400]
        assert rule.fired == 2
    assert ask(session).status_code == 200
    proxy.add_fault(any_request, s3_faults.expired_token(403))
    assert "ExpiredToken" in ask(session).text
    proxy.clear_faults()
    assert ask(session).status_code == 200


def test_a_rule_hits_whom_it_names(proxy: S3Proxy, session: httpx.Client) -> None:
    rule = proxy.add_fault(gets("empty"), s3_faults.internal_error())
    assert ask(session).status_code == 200
    assert rule.fired == 0
    assert ask(session, path="/door/empty").status_code == 500
    assert rule.fired == 1


@pytest.mark.parametrize("stage", ["connect", "request", "answer"])
def test_reset_before_the_answer(proxy: S3Proxy, stage: s3_faults.Stage) -> None:
    rule = proxy.add_fault(gets(), s3_faults.reset(stage), times=1)
    with pytest.raises((ConnectionError, httpx.ReadError, httpx.RemoteProtocolError)):
        http.exchange(proxy.endpoint, raw_ask(proxy))
    assert rule.fired == 1
    assert http.exchange(proxy.endpoint, raw_ask(proxy)).body == CONTENT


@pytest.mark.parametrize(("stage", "least"), [("headers", 0), ("body", 1)])
def test_reset_within_the_answer(proxy: S3Proxy, stage: s3_faults.Stage, least: int) -> None:
    rule = proxy.add_fault(gets(), s3_faults.reset(stage), times=1)
    with http.Connection(proxy.endpoint) as connection:
        connection.send(raw_ask(proxy))
        head = connection.read_head()
        assert head.headers["content-length"] == str(len(CONTENT))
        got = 0
        with pytest.raises(ConnectionResetError):
            while data := connection.socket.recv(1 << 16):
                got += len(data)
    assert least <= got <= len(CONTENT) // 2
    assert rule.fired == 1


def test_truncated(proxy: S3Proxy) -> None:
    rule = proxy.add_fault(gets(), s3_faults.truncate(), times=1)
    answer = http.exchange(proxy.endpoint, raw_ask(proxy))
    assert not answer.whole
    assert answer.body == CONTENT[: len(CONTENT) // 2]
    assert rule.fired == 1


def test_truncated_without_a_length(proxy: S3Proxy) -> None:
    rule = proxy.add_fault(gets(), s3_faults.truncate_unannounced(), times=1)
    answer = http.exchange(proxy.endpoint, raw_ask(proxy, range="bytes=0-99"))
    assert "content-length" not in answer.headers
    assert answer.headers["content-range"] == f"bytes 0-99/{len(CONTENT)}"
    assert answer.body == CONTENT[:50]
    assert rule.fired == 1


def test_short_length_keeps_the_connection(proxy: S3Proxy) -> None:
    rule = proxy.add_fault(gets(), s3_faults.short_length(), times=1)
    assert http.exchange(proxy.endpoint, raw_ask(proxy)).body == CONTENT
    assert rule.fired == 0, "an answer without Content-Range gives it nothing to contradict"
    with http.Connection(proxy.endpoint) as connection:
        connection.send(raw_ask(proxy, range="bytes=0-99"))
        answer = connection.read_answer()
        assert (answer.body, answer.whole) == (CONTENT[:50], True)
        assert answer.headers["content-range"].startswith("bytes 0-99/")
        connection.send(raw_ask(proxy, range="bytes=0-99"))
        assert connection.read_answer().body == CONTENT[:100]
    assert rule.fired == 1


def test_overlong(proxy: S3Proxy, session: httpx.Client) -> None:
    rule = proxy.add_fault(gets(), s3_faults.overlong(7), times=1)
    answer = ask(session, range="bytes=0-99")
    assert answer.content == CONTENT[:100] + b"x" * 7
    assert answer.headers["content-range"].startswith("bytes 0-99/")
    assert rule.fired == 1


def test_bytes_past_the_length(proxy: S3Proxy) -> None:
    rule = proxy.add_fault(gets(), s3_faults.past_length(7), times=1)
    with http.Connection(proxy.endpoint) as connection:
        connection.send(raw_ask(proxy, range="bytes=0-99"))
        assert connection.read_answer().body == CONTENT[:100]
        assert connection.file.read(7) == b"x" * 7
    assert rule.fired == 1


@pytest.mark.parametrize(
    ("fault", "sent", "wanted"),
    [
        (s3_faults.shifted_range(100), "bytes=0-99", "bytes 100-199/1048576"),
        (s3_faults.shifted_range(100), "bytes=-100", "bytes 1048376-1048475/1048576"),
        (s3_faults.other_total(-1), "bytes=0-99", "bytes 0-99/1048575"),
        (s3_faults.no_content_range(), "bytes=0-99", None),
    ],
)
def test_wrong_content_range(
    proxy: S3Proxy, session: httpx.Client, fault: s3_faults.Fault, sent: str, wanted: str | None
) -> None:
    rule = proxy.add_fault(gets(), fault, times=1)
    answer = ask(session, range=sent)
    assert answer.status_code == 206
    assert len(answer.content) == 100
    assert answer.headers.get("content-range") == wanted
    assert rule.fired == 1
    assert ask(session, range=sent).headers["content-range"] != wanted


def test_wrong_etag(proxy: S3Proxy, session: httpx.Client) -> None:
    right = ask(session).headers["etag"]
    rule = proxy.add_fault(gets(), s3_faults.wrong_etag(), times=1)
    assert ask(session).headers["etag"] != right
    assert rule.fired == 1
    assert ask(session).headers["etag"] == right


def test_range_ignored(proxy: S3Proxy, session: httpx.Client) -> None:
    rule = proxy.add_fault(gets(), s3_faults.ignore_range(), times=1)
    answer = ask(session, range="bytes=0-99")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert rule.fired == 1
    assert ask(session, range="bytes=0-99").status_code == 206


def test_conditions_ignored(proxy: S3Proxy, session: httpx.Client) -> None:
    rule = proxy.add_fault(gets(), s3_faults.ignore_conditions(), times=2)
    answer = ask(session, range="bytes=0-99", if_match='"0123"')
    assert (answer.status_code, answer.content) == (206, CONTENT[:100])
    assert ask(session, if_none_match=answer.headers["etag"]).status_code == 200
    assert rule.fired == 2
    assert ask(session, if_match='"0123"').status_code == 412


@pytest.mark.parametrize(("stage", "got"), [("headers", 0), ("body", len(CONTENT) // 2)])
def test_stall(proxy: S3Proxy, stage: str, got: int) -> None:
    rule = proxy.add_fault(gets(), s3_faults.stall("headers" if stage == "headers" else "body"))
    with proxy.record() as seen, http.Connection(proxy.endpoint, timeout_s=0.5) as connection:
        connection.send(raw_ask(proxy))
        body = b""
        with pytest.raises(TimeoutError):
            connection.read_head()
            while data := connection.socket.recv(1 << 16):
                body += data
        assert seen.requests[0].ended is None
    assert seen.requests[0].sent == got
    assert rule.fired == 1
    seen.wait_ended()
    wait_until("the connection is gone", lambda: proxy.open_connections == 0)


def test_drip(proxy: S3Proxy, session: httpx.Client) -> None:
    rule = proxy.add_fault(gets(), s3_faults.drip(2000), times=1)
    start = time.monotonic()
    assert ask(session, range="bytes=0-999").content == CONTENT[:1000]
    assert time.monotonic() - start >= 0.45
    assert rule.fired == 1


def test_garbage(proxy: S3Proxy, session: httpx.Client) -> None:
    rule = proxy.add_fault(gets(), s3_faults.garbage(), times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(session)
    assert rule.fired == 1
    assert ask(session).content == CONTENT


def test_latency(proxy: S3Proxy, session: httpx.Client) -> None:
    proxy.latency_s = 0.2
    with proxy.record() as seen:
        ask(session)
    (only,) = seen.requests
    assert only.ended is not None and only.ended - only.started >= 0.2
    proxy.latency_s = 0
    proxy.add_fault(gets(), s3_faults.later(s3_faults.internal_error(), 0.2), times=1)
    start = time.monotonic()
    assert ask(session).status_code == 500
    assert time.monotonic() - start >= 0.2


def test_hold(proxy: S3Proxy) -> None:
    def fetch(_: int) -> bytes:
        with httpx.Client(base_url=proxy.endpoint, timeout=30) as own:
            return ask(own, range="bytes=0-99").content

    with proxy.record() as seen, proxy.hold(gets()) as gate, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(fetch, n) for n in range(8)]
        gate.wait_held(8)
        assert proxy.held == 8
        assert not any(one.done() for one in answers)
        gate.release()
        assert {one.result() for one in answers} == {CONTENT[:100]}
    assert (gate.held, gate.passed) == (0, 8)
    assert seen.max_parallel == 8
    assert repeated_bytes(seen.requests) == 700


def test_a_client_that_leaves_the_gate_is_not_held(proxy: S3Proxy) -> None:
    with proxy.hold(gets()) as gate:
        with http.Connection(proxy.endpoint) as connection:
            connection.send(raw_ask(proxy))
            gate.wait_held(1)
        wait_until("nobody waits", lambda: gate.held == 0)
        assert gate.passed == 0


def test_drop_connections(proxy: S3Proxy) -> None:
    with http.Connection(proxy.endpoint) as connection:
        connection.send(raw_ask(proxy))
        connection.read_answer()
        proxy.drop_connections()
        with pytest.raises(ConnectionResetError):
            connection.socket.recv(1)
