"""Results through the coordinator, and what HTTP can do to them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

import eider
from eider import Client
from eider._asking import Patience
from stubs import (
    QUERY_ID,
    TABLE,
    Answer,
    HttpStub,
    Request,
    arrow_answer,
    cut_between_messages,
    error_object,
    head,
    json_answer,
    record,
    stream_bytes,
)

Serve = Callable[..., HttpStub]
Connect = Callable[..., Client]


def coordinator(read: Answer, after: Answer | None = None) -> Callable[[Request], Answer]:
    """Answers /read with `read`, and a look at the query with `after`."""

    def handler(request: Request) -> Answer:
        if request.path in ("/read", "/write"):
            return read
        if request.path.startswith("/v1/queries/") and after is not None:
            return after
        return json_answer(error_object("NOT_FOUND"), 404)

    return handler


def test_a_whole_result(serve: Serve, connect: Connect) -> None:
    server = serve(coordinator(arrow_answer()))
    reader = connect(server.url).read({"query": "SELECT 1", "args": [1]})
    assert isinstance(reader, pa.RecordBatchReader)
    assert reader.read_all().equals(TABLE)
    request = server.requests[0]
    assert request.json == {"query": "SELECT 1", "args": [1]}
    assert request.headers["accept"] == "application/vnd.apache.arrow.stream"
    assert request.headers["x-eider-client"].startswith("python-")


@pytest.mark.parametrize("size", [1, 7, 1000, 10_000_000])
def test_chunks_of_any_size(serve: Serve, connect: Connect, size: int) -> None:
    server = serve(coordinator(arrow_answer(size=size)))
    assert connect(server.url).query("q").arrow().equals(TABLE)


def test_zero_rows(serve: Serve, connect: Connect) -> None:
    server = serve(coordinator(arrow_answer(stream_bytes(TABLE.slice(0, 0)))))
    result = connect(server.url).query("q")
    assert result.arrow().schema == TABLE.schema
    assert result.fetchall() == []


def test_the_connection_is_kept(serve: Serve, connect: Connect) -> None:
    server = serve(coordinator(arrow_answer()))
    client = connect(server.url)
    for _ in range(3):
        client.query("q").arrow()
    assert {request.connection for request in server.requests} == {1}


def test_a_kept_connection_that_the_server_closed(serve: Serve, connect: Connect) -> None:
    server = serve(coordinator(arrow_answer()))
    client = connect(server.url)
    client.query("q").arrow()
    server.drop_connections()
    assert client.query("q").arrow().equals(TABLE)


def test_a_kept_connection_that_dies_under_the_request(serve: Serve, connect: Connect) -> None:
    dying: list[Answer] = [arrow_answer(), (b"", True), arrow_answer()]
    server = serve(lambda request: dying.pop(0))
    client = connect(server.url)
    client.query("q").arrow()
    assert client.query("q").arrow().equals(TABLE)
    assert len(server.requests) == 3


BREAKS = {
    "nothing after the head": arrow_answer(b"", last=False),
    "no last chunk": arrow_answer(last=False),
    "half of the last chunk": arrow_answer()[:-2],
    "inside a chunk": arrow_answer()[:-500],
    "between messages, no last chunk": arrow_answer(cut_between_messages(), last=False),
    "between messages, with a last chunk": arrow_answer(cut_between_messages()),
    "before the marker, with a last chunk": arrow_answer(stream_bytes()[:-8]),
    "inside the marker, with a last chunk": arrow_answer(stream_bytes()[:-4]),
    "inside a message, with a last chunk": arrow_answer(stream_bytes()[:-500]),
    "empty, with a last chunk": arrow_answer(b""),
    "more after the marker": arrow_answer(stream_bytes() + b"x"),
    "a chunk that is none": arrow_answer(last=False) + b"zz\r\n",
}


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("known", [True, False])
def test_a_broken_stream_raises(serve: Serve, connect: Connect, name: str, known: bool) -> None:
    error = error_object("RESOURCE_EXHAUSTED", "out of memory")
    after = json_answer(record(error if known else None))
    server = serve(coordinator((BREAKS[name], True), after))
    client = connect(server.url)
    expected = eider.ResourceExhausted if known else eider.ConnectionFailed

    def read_by(how: Callable[[pa.RecordBatchReader], object]) -> None:
        with pytest.raises(expected) as caught:
            how(client.read({"query": "q"}))
        assert caught.value.query_id == QUERY_ID
        if known:
            assert caught.value.message == "out of memory"

    read_by(lambda reader: reader.read_all())
    read_by(list)
    read_by(lambda reader: reader.read_pandas())
    with pytest.raises(expected):
        client.query("q").arrow()


def test_a_broken_reader_stays_broken(serve: Serve, connect: Connect) -> None:
    server = serve(coordinator((arrow_answer(cut_between_messages()), True)))
    reader = connect(server.url).read({"query": "q"})
    for _ in range(3):
        reader.read_next_batch()
    for _ in range(3):
        with pytest.raises(eider.ConnectionFailed):
            reader.read_next_batch()


def test_every_cut_raises(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the byte at which the stream is cut, and whether the body ends properly or not."""
    monkeypatch.setattr("eider._asking.MAX_RETRIES", 0)
    whole = stream_bytes(TABLE.slice(0, 4))
    answers: list[Answer] = []
    for length in range(len(whole)):
        answers.append((arrow_answer(whole[:length], last=False), True))
        answers.append(arrow_answer(whole[:length]))
    cuts = len(answers)

    def handler(request: Request) -> Answer:
        if request.path == "/read":
            return answers.pop(0)
        return json_answer(error_object("NOT_FOUND"), 404)

    client = connect(serve(handler).url)
    for _ in range(cuts):
        with pytest.raises(eider.Error):
            client.read({"query": "q"}).read_all()
    assert answers == []


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("INVALID_QUERY", 400, eider.InvalidQuery),
        ("NOT_FOUND", 404, eider.NotFound),
        ("PERMISSION_DENIED", 403, eider.PermissionDenied),
        ("DEADLINE_EXCEEDED", 504, eider.DeadlineExceeded),
        ("CANCELLED", 499, eider.Cancelled),
        ("POISONED", 503, eider.Poisoned),
        ("STORAGE_UNAVAILABLE", 503, eider.StorageUnavailable),
        ("RESOURCE_EXHAUSTED", 507, eider.ResourceExhausted),
        ("INTERNAL", 500, eider.Internal),
    ],
)
def test_errors_are_typed(
    serve: Serve,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    status: int,
    kind: type[eider.Error],
) -> None:
    monkeypatch.setattr("eider._asking.MAX_RETRIES", 0)
    answer = json_answer(
        error_object(code, "wörds", retryable=True), status, X_Eider_Query_Id=QUERY_ID
    )
    client = connect(serve(coordinator(answer)).url)
    with pytest.raises(kind) as caught:
        client.read({"query": "q"})
    error = caught.value
    assert (error.code, error.message, error.retryable) == (code, "wörds", True)
    assert error.query_id == QUERY_ID


def test_an_unknown_code_is_kept(serve: Serve, connect: Connect) -> None:
    client = connect(serve(coordinator(json_answer(error_object("BRAND_NEW"), 418))).url)
    with pytest.raises(eider.Internal) as caught:
        client.read({"query": "q"})
    assert caught.value.code == "BRAND_NEW"


def test_an_answer_that_is_none_of_eiders(serve: Serve, connect: Connect) -> None:
    answer = head(502, Content_Length="9") + b"<html>502"
    with pytest.raises(eider.Internal, match="502"):
        connect(serve(coordinator(answer)).url).read({"query": "q"})


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", head()[:20], head(200, X="y")])
def test_an_answer_that_is_no_http(serve: Serve, connect: Connect, answer: bytes) -> None:
    with pytest.raises(eider.ConnectionFailed):
        connect(serve(coordinator((answer, True))).url).read({"query": "q"})


def test_an_unreachable_coordinator() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(eider.ConnectionFailed, match=r"refused.*asked \d+ times") as caught:
            client.query("q")
        assert caught.value.retryable
        assert not caught.value.sent
        assert caught.value.code == "CONNECTION_FAILED"
        with pytest.raises(eider.ConnectionFailed) as caught:
            client.write({"query": "COPY ..."})
        assert "asked" not in str(caught.value)


@pytest.mark.parametrize("reset", [False, True], ids=["refused", "reset"])
def test_a_coordinator_that_restarts(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, reset: bool
) -> None:
    """It takes no connection, or breaks the one it had; then it is back."""
    monkeypatch.setattr("eider._asking.MAX_AWAY_S", 30.0)
    failed = threading.Event()
    wait_s = Patience.wait_s

    def noted(patience: Patience, *arguments: Any) -> float | None:
        failed.set()
        return wait_s(patience, *arguments)

    monkeypatch.setattr(Patience, "wait_s", noted)
    answers: list[Answer] = [(b"", True)] if reset else []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = connect(f"http://127.0.0.1:{port}")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(lambda: client.query("q", timeout=30))
        assert failed.wait(10)
        answers.append(arrow_answer())
        serve(
            lambda request: answers.pop(0) if request.path == "/read" else json_answer(record()),
            port=port,
        )
        result = asked.result()
    assert result.arrow().equals(TABLE)
    assert answers == []
    assert result.info.asked is not None
    assert result.info.asked >= 2 + reset


def test_a_write_is_not_retried_by_a_restart(serve: Serve, connect: Connect) -> None:
    server = serve(coordinator((b"", True)))
    with pytest.raises(eider.ConnectionFailed) as caught:
        connect(server.url).write({"query": "COPY ..."})
    assert caught.value.sent
    assert len(server.requests) == 1


def test_a_write_is_not_retried_when_its_worker_is_lost(serve: Serve, connect: Connect) -> None:
    lost = json_answer(error_object("WORKER_LOST", retryable=True), 502)
    server = serve(coordinator(lost))
    with pytest.raises(eider.WorkerLost):
        connect(server.url).write({"query": "COPY ..."})
    assert len(server.requests) == 1


def test_overloaded_is_waited_out(serve: Serve, connect: Connect) -> None:
    busy = json_answer(error_object("OVERLOADED", retryable=True, retry_after_ms=1), 503)
    answers = [busy, busy, busy, arrow_answer()]
    server = serve(lambda request: answers.pop(0))
    result = connect(server.url).query("q")
    assert result.arrow().equals(TABLE)
    assert len(server.requests) == 4
    assert result._asking.asked == 4


def test_overloaded_past_the_deadline(serve: Serve, connect: Connect) -> None:
    busy = json_answer(error_object("OVERLOADED", retryable=True), 503, Retry_After="60")
    server = serve(coordinator(busy))
    with pytest.raises(eider.Overloaded) as caught:
        connect(server.url).query("q", timeout=30)
    assert caught.value.retry_after_ms == 60_000
    assert len(server.requests) == 1


def test_a_lost_worker_before_the_result_is_retried(serve: Serve, connect: Connect) -> None:
    lost = json_answer(error_object("WORKER_LOST", retryable=True), 503)
    answers = [lost, lost, arrow_answer()]
    server = serve(lambda request: answers.pop(0))
    assert connect(server.url).read({"query": "q"}).read_all().equals(TABLE)


def test_a_whole_result_survives_a_lost_worker(serve: Serve, connect: Connect) -> None:
    reads: list[Answer] = [(arrow_answer(last=False), True)] * 2 + [arrow_answer()]
    error = error_object("WORKER_LOST", retryable=True)

    def handler(request: Request) -> Answer:
        return reads.pop(0) if request.path == "/read" else json_answer(record(error))

    server = serve(handler)
    result = connect(server.url).query("q", timeout=60)
    assert result.arrow().equals(TABLE)
    bodies = [request.json for request in server.requests if request.path == "/read"]
    assert len(bodies) == 3
    assert bodies[0]["timeout_ms"] == 60_000 > bodies[1]["timeout_ms"] >= bodies[2]["timeout_ms"]
    assert result.info.asked == 3


def test_a_whole_result_gives_up_in_the_end(serve: Serve, connect: Connect) -> None:
    error = error_object("WORKER_LOST", retryable=True)
    server = serve(coordinator((arrow_answer(last=False), True), json_answer(record(error))))
    with pytest.raises(eider.WorkerLost, match="asked 3 times") as caught:
        connect(server.url).query("q").df()
    assert caught.value.retryable
    assert server.paths().count("POST /read") == 3


def test_a_whole_result_survives_a_broken_connection(serve: Serve, connect: Connect) -> None:
    """The coordinator broke off in mid-result, and knows nothing of it afterwards."""
    reads: list[Answer] = [(arrow_answer(cut_between_messages(), last=False), True), arrow_answer()]

    def handler(request: Request) -> Answer:
        if request.path == "/read":
            return reads.pop(0)
        return json_answer(error_object("NOT_FOUND"), 404)

    assert connect(serve(handler).url).query("q").fetchall()[-1] == (999, "x")
    assert reads == []


def test_a_lost_worker_past_the_deadline(serve: Serve, connect: Connect) -> None:
    """No time is left for another try: the error is what there is to say."""
    error = error_object("WORKER_LOST", retryable=True)
    late = threading.Event()

    def handler(request: Request) -> Answer:
        if request.path != "/read":
            late.wait(1.0)
            return json_answer(record(error))
        return arrow_answer(last=False), True

    server = serve(handler)
    with pytest.raises(eider.WorkerLost):
        connect(server.url).query("q", timeout=0.5).arrow()
    assert server.paths().count("POST /read") == 1


def test_a_reader_does_not_retry(serve: Serve, connect: Connect) -> None:
    error = error_object("WORKER_LOST", retryable=True)
    server = serve(coordinator((arrow_answer(last=False), True), json_answer(record(error))))
    with pytest.raises(eider.WorkerLost) as caught:
        connect(server.url).query("q").reader().read_all()
    assert caught.value.retryable
    assert server.paths().count("POST /read") == 1


def test_a_write_is_sent_once(serve: Serve, connect: Connect) -> None:
    server = serve(coordinator((arrow_answer(last=False), True)))
    client = connect(server.url)
    with pytest.raises(eider.ConnectionFailed):
        client.write({"query": "COPY ..."})
    assert server.paths().count("POST /write") == 1


def test_a_write_never_takes_a_kept_connection(serve: Serve, connect: Connect) -> None:
    server = serve(coordinator(arrow_answer()))
    client = connect(server.url)
    client.query("q").arrow()
    assert client.write({"query": "COPY ..."}).equals(TABLE)
    assert [request.connection for request in server.requests] == [1, 2]


def test_the_batches_stream(serve: Serve, connect: Connect) -> None:
    """The first batch is there while the server still holds back the rest."""
    first_half, more = arrow_answer(cut_between_messages(), last=False), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(first_half)
            more.wait()
            whole = arrow_answer(stream_bytes())
            # The rest of the stream, in one chunk.
            rest = stream_bytes()[len(cut_between_messages()) :]
            assert len(whole) > len(rest)
            connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))

    thread = threading.Thread(target=run)
    thread.start()
    client = connect(f"http://127.0.0.1:{listener.getsockname()[1]}")
    reader = client.read({"query": "q"})
    assert reader.read_next_batch().num_rows == 100
    more.set()
    assert reader.read_all().num_rows == 900
    thread.join()
    listener.close()


@pytest.mark.parametrize("how", ["drop", "close"])
def test_what_is_dropped_is_cancelled(serve: Serve, connect: Connect, how: str) -> None:
    server = serve(coordinator(arrow_answer(cut_between_messages(), last=False)))
    result = connect(server.url).query("q")
    if how == "close":
        result.close()
        with pytest.raises(eider.Cancelled):
            result.arrow()
    else:
        reader = result.reader()
        reader.read_next_batch()
        del reader, result
    assert server.gone.wait(10)


def test_a_silent_server_meets_the_timeout(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eider._coordinator.GRACE_S", 0.0)
    server = serve(coordinator(b""))
    with pytest.raises(eider.DeadlineExceeded):
        connect(server.url).query("q", timeout=0.05)
    assert server.requests[0].json["timeout_ms"] == 50


def test_one_client_for_eight_threads(serve: Serve, connect: Connect) -> None:
    server = serve(coordinator(arrow_answer()))
    client = connect(server.url)
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: client.query("q").arrow(), range(200)))
    assert all(table.equals(TABLE) for table in results)
    assert max(request.connection for request in server.requests) <= 8


def test_connections_that_idle_are_left_alone(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = 16
    all_there = threading.Barrier(crowd)

    def answer(request: Request) -> Answer:
        if request.json["query"] == "crowd":
            all_there.wait(30)
        return arrow_answer()

    server = serve(answer)
    client = connect(server.url)
    with ThreadPoolExecutor(crowd) as threads:
        list(threads.map(lambda _: client.query("crowd").arrow(), range(crowd)))
    assert len({request.connection for request in server.requests}) == crowd
    server.requests.clear()
    for _ in range(3):
        client.query("one").arrow()
    assert len({request.connection for request in server.requests}) == 1
    assert not server.gone.is_set()
    # Those that have idled for too long go when the next request is over.
    monkeypatch.setattr("eider._http._MAX_IDLE_S", 0.0)
    client.query("one").arrow()
    assert server.gone.wait(30)
    assert {request.connection for request in server.requests} == {server.requests[0].connection}


def test_explain(serve: Serve, connect: Connect) -> None:
    server = serve(lambda request: json_answer({"key": "s3://b/k", "worker": "w1"}))
    route = connect(server.url).explain("q ?", [1], files="s3://b/k")
    assert route == {"key": "s3://b/k", "worker": "w1"}
    asked = server.requests[0]
    assert (asked.method, asked.path) == ("POST", "/v1/explain")
    assert asked.json == {"query": "q ?", "args": [1], "buckets": ["s3://b/k"]}


def test_clear_cache(serve: Serve, connect: Connect) -> None:
    server = serve(lambda request: json_answer({"cleared": 1}))
    client = connect(server.url)
    assert client.clear_cache() == 1
    client.clear_cache("grpc://127.0.0.1:5005")
    assert [request.json for request in server.requests] == [
        {},
        {"worker_location": "grpc://127.0.0.1:5005"},
    ]


def test_a_closed_client(serve: Serve) -> None:
    client = Client(serve(coordinator(arrow_answer())).url)
    client.query("q").arrow()
    client.close()
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.query("q")
