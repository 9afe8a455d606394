"""What servers, proxies and networks can do to a request over HTTP, below the API."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import eider
from eider import Client
from eider._answer import Broken, _Body
from eider._http import Pool
from stubs import (
    TABLE,
    Answer,
    HttpStub,
    arrow_answer,
    error_object,
    head,
    json_answer,
)

Serve = Callable[..., HttpStub]
Connect = Callable[..., Client]


def raw(framing: bytes, body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\n%s\r\n\r\n%s" % (status, framing, body)


CHUNKED = b"Transfer-Encoding: chunked"
NONSENSE = {
    "no end": raw(b"X: y", b"hello"),
    "early hints": raw(b"X: y", b"", b"103 Early Hints") + raw(b"Content-Length: 5", b"hello"),
    "length of words": raw(b"Content-Length: abc", b"hello"),
    "negative length": raw(b"Content-Length: -5", b"hello"),
    "length with underscore": raw(b"Content-Length: 1_0", b"hellohello"),
    "two lengths": raw(b"Content-Length: 5\r\nContent-Length: 4", b"hello"),
    "short": raw(b"Content-Length: 9", b"hello"),
    "a header without colon": raw(b"Content-Length: 5\r\nnonsense\r\nX: y", b"hello"),
    "gzip": raw(b"Transfer-Encoding: gzip, chunked", b"5\r\nhello\r\n0\r\n\r\n"),
    "negative chunk": raw(CHUNKED, b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunk of minus one": raw(CHUNKED, b"-1\r\nhello\r\n0\r\n\r\n"),
    "chunk with prefix": raw(CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk without size": raw(CHUNKED, b"\r\nhello\r\n0\r\n\r\n"),
    "chunk too long": raw(CHUNKED, b"4\r\nhello\r\n0\r\n\r\n"),
    "chunk too short": raw(CHUNKED, b"6\r\nhello\r\n0\r\n\r\n"),
    "enormous chunk": raw(CHUNKED, b"7fffffffffffff\r\nhello\r\n0\r\n\r\n"),
    "endless size": raw(CHUNKED, b"0" * 10_000),
    "endless trailers": raw(CHUNKED, b"5\r\nhello\r\n0\r\n" + b"a: b\r\n" * 200),
    "cut before the last line": raw(CHUNKED, b"5\r\nhello\r\n0\r\n"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_framing_that_makes_no_sense(serve: Serve, name: str) -> None:
    server = serve(lambda request: (NONSENSE[name], True))
    pool = Pool(server.url, {})
    with pytest.raises(Broken):
        ask(pool)
    assert server.gone.wait(10)
    assert pool._idle == []


def ask(pool: Pool) -> None:
    response = pool.request("GET", "/", headers={})
    try:
        response.read_all(1 << 50)
    finally:
        response.close()
        with pytest.raises(Broken):
            response.read(1)


WHOLE = {
    "length": raw(b"Content-Length: 5", b"hello"),
    "chunks": raw(CHUNKED, b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    "extensions and trailers": raw(CHUNKED, b'5 ;a="b"\r\nhello\r\n0;c\r\nX: y\r\n\r\n'),
    "100 first": b"HTTP/1.1 100 Continue\r\n\r\n" + raw(b"Content-Length: 5", b"hello"),
    "equal lengths": raw(b"Content-Length: 5\r\nContent-Length: 5", b"hello"),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("step", [1, 3, 100])
def test_whole_bodies(serve: Serve, name: str, step: int) -> None:
    server = serve(lambda request: WHOLE[name])
    pool = Pool(server.url, {})
    for _ in range(2):
        response = pool.request("GET", "/", headers={})
        assert b"".join(iter(lambda: response.read(step), b"")) == b"hello"  # noqa: B023
        response.close()
        response.close()
    assert {request.connection for request in server.requests} == {1}
    assert len(pool._idle) == 1
    pool.close()


def test_a_broken_body_stays_broken() -> None:
    body = _Body(io.BytesIO(b"5\r\nhello\r\nzz\r\n\r\n0\r\n\r\n"), 0, chunked=True)
    for _ in range(2):
        with pytest.raises(Broken):
            body.read(9)
    assert not body.whole


def test_a_page_without_an_end_is_shown_where_it_is_an_error(serve: Serve) -> None:
    server = serve(lambda request: (raw(b"X: y", b"<html>", b"502 Bad Gateway"), True))
    with Client(server.url) as client, pytest.raises(eider.Internal, match=r"502.*<html>"):
        client.query("q")


def test_what_was_not_asked_for_is_no_answer(serve: Serve, connect: Connect) -> None:
    """Such as the 408 of a proxy that gives a connection up."""
    stray = json_answer(error_object("NOT_FOUND", "stray"), 408)
    answers: list[Answer] = [arrow_answer(), arrow_answer()]
    server = serve(lambda request: answers.pop(0))
    client = connect(server.url)
    client.query("q").arrow()
    (connection,) = server._connections
    connection.sendall(stray)
    [(_, kept)] = client._coordinator._pool._idle
    kept.sock.recv(1, socket.MSG_PEEK)  # it has arrived
    assert client.query("q").arrow().equals(TABLE)
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_forked_process_has_connections_of_its_own(serve: Serve, connect: Connect) -> None:
    server = serve(lambda request: arrow_answer())
    client = connect(server.url)
    client.query("q").arrow()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if client.query("q").arrow().equals(TABLE) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client.query("q").arrow()
    assert [request.connection for request in server.requests] == [1, 2, 1]


def test_ctrl_c_between_batches_loses_none(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(lambda request: arrow_answer())
    result = connect(server.url).query("q")

    def interrupted(batches: Any, schema: Any) -> None:
        raise KeyboardInterrupt

    class Table:
        from_batches = staticmethod(interrupted)

    monkeypatch.setattr("eider.result.pa.Table", Table)
    with pytest.raises(KeyboardInterrupt):
        result.arrow()
    monkeypatch.undo()
    with pytest.raises(eider.Cancelled):
        result.arrow()


def test_a_length_that_is_not_reached(serve: Serve, connect: Connect) -> None:
    """A JSON body that is whole by itself, but shorter than was said."""
    body = b'{"cleared": 1}'
    server = serve(lambda request: (head(200, Content_Length=str(len(body) + 9)) + body, True))
    with pytest.raises(eider.ConnectionFailed, match="before the answer was whole"):
        connect(server.url).clear_cache()


def test_a_server_that_keeps_no_connection(serve: Serve, connect: Connect) -> None:
    whole = arrow_answer().split(b"\r\n", 1)
    closing = b"\r\n".join([whole[0], b"Connection: close", whole[1]])
    server = serve(lambda request: (closing, True))
    client = connect(server.url)
    for _ in range(2):
        assert client.query("q").arrow().equals(TABLE)
    assert [request.connection for request in server.requests] == [1, 2]


@pytest.mark.parametrize(
    ("url", "host", "port", "shown"),
    [
        ("http://Host:5000", "host", 5000, "http://host:5000"),
        ("http://host/", "host", 80, "http://host"),
        ("https://host/base", "host", 443, "https://host"),
        ("http://[::1]:5000", "::1", 5000, "http://[::1]:5000"),
        (
            "http://xn--bcher-kva.example:1",
            "xn--bcher-kva.example",
            1,
            "http://xn--bcher-kva.example:1",
        ),
    ],
)
def test_urls(url: str, host: str, port: int, shown: str) -> None:
    pool = Pool(url, {})
    assert (pool.host, pool.port, pool.url) == (host, port, shown)


@pytest.mark.parametrize(
    "url",
    [
        "", "host:5000", "ftp://host", "http://", "http://:5000", "http://host:x", "http://host:-1",
        "http://host:65536", "http://[::1", "http://ho st", "http://host\n", "http://host/?q",
        "http://host/#f", "http://user:s3cret@host", "ftp://user:s3cret@host",
        "http://user:s3cret@host\n", "user:s3cret@host:5000", "http://user:s3cret@ho\u2100st:1",
        "http://bücher.example", "http://[::1]x:1", "http://[v1.x]", None, b"http://host",
    ],
)  # fmt: skip
def test_urls_that_are_none(url: Any) -> None:
    with pytest.raises(ValueError, match="the coordinator's URL") as caught:
        Client(url)
    assert "s3cret" not in str(caught.value)


def test_an_answer_before_the_body_was_read(connect: Connect) -> None:
    answer = json_answer(error_object("INVALID_QUERY", "too large"), 413)

    def run(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        ran = threads.submit(run, listener)
        client = connect(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(eider.InvalidQuery, match="too large"):
            client.query("q" * 50_000_000, timeout=10)
        ran.result()


def test_a_path_before_the_calls(serve: Serve, connect: Connect) -> None:
    server = serve(lambda request: arrow_answer())
    connect(server.url + "/bä%20se/").query("q").arrow()
    assert server.requests[0].path == "/b%C3%A4%20se/read"
