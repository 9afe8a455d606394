"""The HTTP door, byte by byte."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
from http.client import HTTPConnection

import eider
import httpx
import pyarrow as pa
import pytest

from support import http
from support.cluster import Cluster
from support.waiting import wait_until

ENDLESS = "SELECT i FROM range(1000000000000) t(i)"
FAILS_LATE = (
    "SELECT (CASE WHEN i = 2999990 THEN 'no number' ELSE i::VARCHAR END)::BIGINT AS n "
    "FROM range(3000000) t(i)"
)


def forty_two(reply: http.Answer) -> None:
    assert reply.status == 200, reply.body
    assert reply.whole
    with pa.ipc.open_stream(base64.b64decode(reply.json()["result"])) as reader:
        assert reader.read_all().to_pylist() == [{"x": 42}]


def request(body: bytes, version: str = "1.1", headers: str = "") -> bytes:
    return (
        f"POST /read HTTP/{version}\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{headers}\r\n"
    ).encode() + body


SMALL = b'{"query": "SELECT 42 AS x"}'


def test_stream_form(cluster: Cluster) -> None:
    reply = http.post(cluster.url, "/read", SMALL, {"Accept": http.ARROW_STREAM})
    assert reply.status == 200
    assert reply.headers["content-type"] == http.ARROW_STREAM
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.whole
    with pa.ipc.open_stream(reply.body) as reader:
        assert reader.read_all().to_pylist() == [{"x": 42}]


def test_response_headers_and_record(cluster: Cluster) -> None:
    for headers in ({}, {"Accept": http.ARROW_STREAM}):
        reply = http.post(cluster.url, "/read", SMALL, {"X-Eider-Client": "tester", **headers})
        query_id = reply.headers["x-eider-query-id"]
        assert re.fullmatch("[0-9a-f]{16}", query_id)
        assert reply.headers["x-eider-worker"] in {w.id for w in cluster.workers}
        assert reply.headers["x-eider-reason"]
        assert int(reply.headers["x-eider-queue-ms"]) >= 0
        record = http.get(cluster.url, f"/v1/queries/{query_id}?wait_ms=5000").json()
        assert record["state"] == "finished"
        assert record["id"] == query_id
        assert record["client"] == "tester"
        assert record["sql"] == "SELECT 42 AS x"
        assert (record["rows"], record["batches"], record["attempt"]) == (1, 1, 1)
        assert record["worker"] == reply.headers["x-eider-worker"]
        assert record["reason"] == reply.headers["x-eider-reason"]
        assert record["run_ms"] >= 0 and record["queue_ms"] >= 0
        assert record["error"] is None


def test_headers_say_what_it_cost(cluster: Cluster, block_urls: list[str]) -> None:
    http.post(cluster.url, "/clear_cache", {})
    sql = f"SELECT * FROM '{block_urls[7]}'"
    for cold in (True, False):
        reply = http.post(cluster.url, "/read", {"query": sql})
        told = {name[8:]: value for name, value in reply.headers.items() if "x-eider-" in name}
        assert told["rows"] == "140"
        assert (int(told["s3-bytes"]) > 0) is cold
        assert (int(told["s3-requests"]) > 0) is cold
        assert (float(told["cost-usd"]) > 0) is cold
        record = http.get(cluster.url, f"/v1/queries/{told['query-id']}?wait_ms=5000").json()
        for name in ("s3_requests", "s3_bytes", "cache_bytes", "cache_hits", "cache_misses"):
            assert record[name] == int(told[name.replace("_", "-")]), name
        for name in ("shared_fetches", "retries", "hedges", "s3_list_requests"):
            assert record[name] == int(told[name.replace("_", "-")]), name
    written = http.post(
        cluster.url, "/write", {"query": "COPY (SELECT 5 AS n) TO 's3://out/figures.parquet'"}
    )
    assert "x-eider-s3-requests" in written.headers


def stream_with_curl(url: str, headers: str) -> str:
    command = ["curl", "-sS", "--dump-header", "-", "-o", "/dev/null", "-d", SMALL.decode()]
    for header in (f"Accept: {http.ARROW_STREAM}", headers):
        command += ["-H", header]
    return subprocess.run(
        [*command, f"{url}/read"], check=True, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_a_stream_says_what_it_cost_in_its_trailers(cluster: Cluster) -> None:
    got = stream_with_curl(cluster.url, "TE: trailers")
    head, _, trailers = got.partition("\n\n")
    assert "Trailer: X-Eider-Rows" in head
    assert "X-Eider-Rows: 1" in trailers and "X-Eider-Cost-Usd: 0.0" in trailers
    assert "X-Eider-Rows" not in stream_with_curl(cluster.url, "TE: deflate")


def test_chunked_readers_take_trailers(cluster: Cluster) -> None:
    """Twice on one connection: what follows the trailers is the next answer."""
    headers = {"Accept": http.ARROW_STREAM, "TE": "trailers"}
    with httpx.Client(base_url=cluster.url, headers=headers, timeout=60) as client:
        for _ in range(2):
            reply = client.post("/read", content=SMALL)
            assert "trailer" in reply.headers
            with pa.ipc.open_stream(reply.content) as reader:
                assert reader.read_all().to_pylist() == [{"x": 42}]
    host, port = cluster.url.removeprefix("http://").split(":")
    plain = HTTPConnection(host, int(port), timeout=60)
    for _ in range(2):
        plain.request("POST", "/read", SMALL, headers)
        with pa.ipc.open_stream(plain.getresponse().read()) as reader:
            assert reader.read_all().to_pylist() == [{"x": 42}]
    plain.close()


def test_info_has_s3_figures(cluster: Cluster, block_urls: list[str]) -> None:
    with cluster.client() as client:
        http.post(cluster.url, "/clear_cache", {})
        result = client.query(f"SELECT * FROM '{block_urls[8]}'")
        assert result.arrow().num_rows == 140
        info = result.info
    assert info.state == "finished"
    assert info.rows == 140
    assert info.s3_requests and info.s3_requests >= 1
    assert info.s3_opens and info.s3_opens >= 1
    assert info.s3_bytes and info.s3_bytes > 10_000
    assert info.cost_usd and 0 < info.cost_usd < 0.001


def test_http_1_0_gets_only_the_buffered_form(cluster: Cluster) -> None:
    forty_two(http.exchange(cluster.url, request(SMALL, "1.0")))
    reply = http.exchange(cluster.url, request(SMALL, "1.0", f"Accept: {http.ARROW_STREAM}\r\n"))
    assert "transfer-encoding" not in reply.headers
    assert int(reply.headers["content-length"]) == len(reply.body)
    late = json.dumps({"query": FAILS_LATE}).encode()
    reply = http.exchange(cluster.url, request(late, "1.0", f"Accept: {http.ARROW_STREAM}\r\n"))
    assert reply.status == 400, "an error in mid-stream is an error from the start"


def test_error_in_mid_stream_breaks_the_chunked_body(cluster: Cluster) -> None:
    reply = http.post(cluster.url, "/read", {"query": FAILS_LATE}, {"Accept": http.ARROW_STREAM})
    assert reply.status == 200
    assert len(reply.body) > 0
    assert not reply.whole, "no last chunk: it cannot be taken for the whole"
    record = http.get(
        cluster.url, f"/v1/queries/{reply.headers['x-eider-query-id']}?wait_ms=5000"
    ).json()
    assert record["state"] == "failed"
    assert record["error"]["code"] == "INVALID_QUERY"
    buffered = http.post(cluster.url, "/read", {"query": FAILS_LATE})
    assert (buffered.status, buffered.json()["code"]) == (400, "INVALID_QUERY")


def test_keep_alive_and_pipelining(cluster: Cluster) -> None:
    with http.Connection(cluster.url) as connection:
        for _ in range(5):
            connection.send(request(SMALL))
            forty_two(connection.read_answer())
        connection.send(request(SMALL) * 3)
        for _ in range(3):
            forty_two(connection.read_answer())
        connection.send(request(b'{"query": "SELEC"}') + request(SMALL))
        assert connection.read_answer().status == 400
        forty_two(connection.read_answer())


def test_request_in_pieces(cluster: Cluster) -> None:
    with http.Connection(cluster.url) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(SMALL):
            connection.send(bytes([byte]))
        forty_two(connection.read_answer())


def test_chunked_request(cluster: Cluster) -> None:
    parts = b"".join(
        f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (SMALL[:7], SMALL[7:])
    )
    raw = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    forty_two(http.exchange(cluster.url, raw + parts + b"0\r\n\r\n"))


def test_expect_100_continue(cluster: Cluster) -> None:
    with http.Connection(cluster.url) as connection:
        head, body = request(SMALL, headers="Expect: 100-continue\r\n").split(b"\r\n\r\n")
        connection.send(head + b"\r\n\r\n")
        assert connection.read_head().status == 100
        connection.send(body)
        forty_two(connection.read_answer())


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"\x00" * 1000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_malformed_request(cluster: Cluster, raw: bytes) -> None:
    with http.Connection(cluster.url, timeout_s=15) as connection:
        try:
            connection.send(raw)
            connection.socket.shutdown(socket.SHUT_WR)
            reply = connection.read_answer()
        except ConnectionError:
            pass  # closing at once is an answer too
        else:
            assert 400 <= reply.status < 500, reply
    forty_two(http.post(cluster.url, "/read", SMALL))


def test_unknown_calls(cluster: Cluster) -> None:
    assert http.get(cluster.url, "/nothing").status == 404
    assert http.get(cluster.url, "/read").status == 405
    assert http.post(cluster.url, "/healthz", {}).status == 405
    assert http.get(cluster.url, "/healthz", method="HEAD").body == b""
    assert http.get(cluster.url, "/v1/queries/0000000000000000").status == 404
    assert http.get(cluster.url, "/v1/queries/0000000000000000", method="DELETE").status == 404
    assert http.get(cluster.url, "/v1/queries/..%2f..%2fetc").status == 404
    for path in ("/nothing", "/read"):
        assert http.get(cluster.url, path).json()["code"]


def started(cluster: Cluster, connection: http.Connection, marker: str) -> str:
    """Sends an endless query over `connection`; its id once it streams."""
    sql = f"{ENDLESS} WHERE i != {marker}"
    connection.post("/read", {"query": sql}, {"Accept": http.ARROW_STREAM})
    reply = connection.read_head()
    assert reply.status == 200
    assert connection.read_chunk()
    return reply.headers["x-eider-query-id"]


def ended_as(cluster: Cluster, query_id: str, code: str) -> None:
    record = wait_until(
        "the query is over",
        lambda: (q := cluster.query_status(query_id))["state"] == "failed" and q,
    )
    assert record["error"]["code"] == code
    wait_until(
        "its slot is free",
        lambda: cluster.worker_status(record["worker"])["occupied"] == 0,
    )


def test_close_cancels(cluster: Cluster) -> None:
    with http.Connection(cluster.url) as connection:
        query_id = started(cluster, connection, "101")
    ended_as(cluster, query_id, "CANCELLED")


def test_half_close_cancels(cluster: Cluster) -> None:
    with http.Connection(cluster.url) as connection:
        query_id = started(cluster, connection, "102")
        connection.socket.shutdown(socket.SHUT_WR)
        ended_as(cluster, query_id, "CANCELLED")


def test_close_cancels_a_query_without_rows_yet(cluster: Cluster) -> None:
    sql = "SELECT count(*) AS lonely FROM range(10000000000000) t(i) WHERE i % 3 = 1"
    with http.Connection(cluster.url) as connection:
        connection.post("/read", {"query": sql})
        record = wait_until(
            "it runs",
            lambda: (q := cluster.query_of("AS lonely")) and q["state"] == "running" and q,
        )
    ended_as(cluster, record["id"], "CANCELLED")


def test_delete_cancels(cluster: Cluster) -> None:
    with http.Connection(cluster.url) as connection:
        query_id = started(cluster, connection, "103")
        reply = http.get(cluster.url, f"/v1/queries/{query_id}", method="DELETE")
        assert 200 <= reply.status < 300
        with pytest.raises((ConnectionError, OSError)):
            while connection.read_chunk():
                pass
        ended_as(cluster, query_id, "CANCELLED")


def test_timeout_ms(cluster: Cluster) -> None:
    sql = "SELECT count(*) FROM range(10000000000000) t(i) WHERE i % 3 = 1"
    reply = http.post(cluster.url, "/read", {"query": sql, "timeout_ms": 300})
    assert reply.status == 504
    assert reply.json()["code"] == "DEADLINE_EXCEEDED"


def test_health_ready_and_metrics(cluster: Cluster) -> None:
    assert http.get(cluster.url, "/healthz").status == 200
    assert http.get(cluster.url, "/readyz").status == 200
    reply = http.get(cluster.url, "/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain")
    text = reply.body.decode()
    assert re.search(r"^# TYPE eider_\w+ (counter|gauge|histogram)$", text, re.MULTILINE)
    names = set(re.findall(r"^(\w+)[ {]", text, re.MULTILINE))
    assert names and all(name.startswith(("eider_", "process_")) for name in names), names


def test_status_calls(cluster: Cluster) -> None:
    workers = cluster.workers_status()
    assert {w["id"] for w in workers} == {"w1", "w2"}
    for worker in workers:
        assert worker["state"] == "up" and worker["ready"] is True
        assert worker["location"] == cluster.worker(worker["id"]).location
        assert worker["slots"] >= 8
        assert worker["threads"] >= 1
        assert 0 < worker["memory_limit_bytes"] <= 1 << 30
        assert worker["boot_id"]
    newest = http.post(cluster.url, "/read", SMALL).headers["x-eider-query-id"]
    assert cluster.queries()[0]["id"] == newest


def test_many_connections_at_once(cluster: Cluster) -> None:
    """Idle connections cost no thread each, and do not keep others out."""
    idle = [http.Connection(cluster.url) for _ in range(500)]
    try:
        forty_two(http.post(cluster.url, "/read", SMALL))
        for connection in idle[::50]:
            connection.send(request(SMALL))
            forty_two(connection.read_answer())
    finally:
        for connection in idle:
            connection.close()


def test_client_errors_are_typed(cluster: Cluster) -> None:
    with cluster.client() as client:
        for sql, kind in (
            ("SELEC", eider.InvalidQuery),
            ("FROM 's3://no-such-bucket/x.parquet'", eider.NotFound),
            ("FROM read_text('/etc/passwd')", eider.PermissionDenied),
        ):
            with pytest.raises(kind) as caught:
                client.query(sql).arrow()
            assert not caught.value.retryable
