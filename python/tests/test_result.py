"""The forms of a result, and its info."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import eider
from eider import Client
from stubs import (
    QUERY_ID,
    TABLE,
    Answer,
    HttpStub,
    Request,
    arrow_answer,
    error_object,
    json_answer,
    record,
    stream_bytes,
)

Serve = Callable[[Callable[[Request], Answer]], HttpStub]


def answers(request: Request) -> Answer:
    return arrow_answer() if request.path == "/read" else json_answer(record())


def test_all_forms_of_one_result(serve: Serve) -> None:
    server = serve(answers)
    with Client(server.url) as client, client.query("q") as result:
        assert result.schema == TABLE.schema
        assert result.arrow().equals(TABLE)
        assert isinstance(result.df(), pd.DataFrame)
        assert isinstance(result.pl(), pl.DataFrame)
        assert result.pl().height == result.df().shape[0] == 1000
        assert result.fetchall()[999] == (999, "x")
        assert result.reader().read_all().equals(TABLE)
        assert server.paths() == ["POST /read"]


def test_frames_keep_integers_beside_nulls(serve: Serve) -> None:
    """A float has no room for them all."""
    large = 2**53 + 1
    names = ["i", "i", "i_1", "b", "s", "l"]
    columns = [
        pa.array([large, None]),
        pa.array([1, 2]),
        pa.array([None, 3], pa.uint8()),
        pa.array([True, None]),
        pa.array([{"a": large}, {"a": None}]),
        pa.array([[large, None], None]),
    ]
    table = pa.Table.from_arrays(columns, names)
    with Client(serve(lambda _: arrow_answer(stream_bytes(table))).url) as client:
        result = client.query("q")
        frame = result.df()
        assert list(frame.columns) == ["i", "i_2", "i_1", "b", "s", "l"]
        assert [str(kind) for kind in frame.dtypes[:4]] == ["Int64", "int64", "UInt8", "boolean"]
        assert frame["i"][0] == large
        assert frame["i"].isna()[1]
        assert frame["s"][0] == {"a": large}
        assert list(frame["l"][0]) == [large, None]
        assert result.pl().columns == list(frame.columns)


def test_a_closed_client_asks_nothing(serve: Serve) -> None:
    server = serve(answers)
    client = Client(server.url)
    client.close()
    for ask in (lambda: client.explain("q"), client.clear_cache, lambda: client.query("q")):
        with pytest.raises(ValueError, match="closed"):
            ask()
    assert server.paths() == []


def test_a_reader_is_taken_once(serve: Serve) -> None:
    with Client(serve(answers).url) as client:
        result = client.query("q")
        assert result.reader().read_all().equals(TABLE)
        with pytest.raises(ValueError, match="taken"):
            result.reader()
        with pytest.raises(ValueError, match="taken"):
            result.arrow()


def test_info_is_asked_for_once_and_late(serve: Serve) -> None:
    server = serve(answers)
    with Client(server.url) as client:
        result = client.query("q")
        result.arrow()
        assert server.paths() == ["POST /read"]
        info = result.info
        assert (info.query_id, info.worker, info.reason) == (QUERY_ID, "w1", "home rank 0")
        assert (info.state, info.queue_ms, info.run_ms) == ("finished", 3, 5.5)
        assert info.asked == 1
        assert (info.rows, info.s3_requests, info.s3_bytes) == (1000, 2, None)
        assert (info.cache_bytes, info.cost_usd) == (0, 8e-7)
        assert info.record["location"] == info.location
        assert result.info is info
        assert server.paths()[1:] == [f"GET /v1/queries/{QUERY_ID}?wait_ms=1000"]


def test_info_that_the_coordinator_forgot(serve: Serve) -> None:
    def handler(request: Request) -> Answer:
        if request.path == "/read":
            return arrow_answer()
        return json_answer(error_object("NOT_FOUND"), 404)

    with Client(serve(handler).url) as client:
        result = client.query("q")
        result.arrow()
        assert (result.info.worker, result.info.queue_ms, result.info.run_ms) == ("w1", 3, None)


def test_the_body(serve: Serve) -> None:
    server = serve(answers)
    with Client(server.url, timeout=2.5) as client:
        client.query("SELECT $a", {"a": b"\x00"}, files=["s3://b/k"], timeout=1).arrow()
        client.query("SELECT 'é'").arrow()
        client.query("q", cache="refresh", priority=-3).arrow()
        client.read({"query": "q", "cache": "off"}).read_all()
        with pytest.raises(ValueError, match="one of use, passive, off, refresh, not 'some'"):
            client.query("q", cache="some")  # type: ignore[arg-type]
        for priority in (11, -11, 1.5, True, "high"):
            with pytest.raises(ValueError, match="from -10 to 10"):
                client.query("q", priority=priority)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="positive number of seconds, not '5'"):
            client.query("q", timeout="5")  # type: ignore[arg-type]
        for files in (5, ["s3://b/k", None]):
            with pytest.raises(TypeError, match="a URL or a list of URLs"):
                client.query("q", files=files)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="sql must be a string, not 5"):
            client.query(5)  # type: ignore[arg-type]
    assert [request.json for request in server.requests] == [
        {
            "query": "SELECT $a",
            "args": {"a": {"type": "BLOB", "value": "\\x00"}},
            "buckets": ["s3://b/k"],
            "timeout_ms": 1000,
        },
        {"query": "SELECT 'é'", "timeout_ms": 2500},
        {"query": "q", "cache": "refresh", "priority": -3, "timeout_ms": 2500},
        {"query": "q", "cache": "off", "timeout_ms": 2500},
    ]


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("127.0.0.1:5000", {}),
        ("grpc://127.0.0.1:5000", {}),
        ("http://u:p@127.0.0.1:5000", {}),
        ("http://127.0.0.1:5000", {"delivery": "pigeon"}),
        ("http://127.0.0.1:5000", {"timeout": 0}),
        ("http://127.0.0.1:5000", {"timeout": "5"}),
        ("http://127.0.0.1:5000", {"client_id": "a\r\nb"}),
        ("http://127.0.0.1:5000", {"flight_url": "127.0.0.1:5001"}),
        ("http://127.0.0.1:5000", {"flight_url": "http://127.0.0.1:5001"}),
    ],
)
def test_bad_options(url: str, options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"must|takes"):
        Client(url, **options)  # type: ignore[arg-type]


def test_errors_cross_processes() -> None:
    error = eider.WorkerLost("gone", query_id=QUERY_ID)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is eider.WorkerLost
    assert (copy.message, copy.retryable, copy.query_id) == ("gone", True, QUERY_ID)
    assert str(copy) == f"WORKER_LOST: gone (query {QUERY_ID})"
