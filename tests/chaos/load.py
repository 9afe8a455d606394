"""The clients: a program at the desk whose threads ask without a pause and judge each answer.

    python load.py SETTINGS.json    (one object: the fields of Settings)

Writes a line of JSON for each query that ended to `output`, and "ready" to standard output once it
asks. It ends when the file `stop` appears: each thread finishes the query that it is in.
"""

from __future__ import annotations

import base64
import faulthandler
import io
import itertools
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import eider
import pyarrow as pa

from chaos.questions import Asked, Book
from support import http

# How an answer may come; of JSON results only the small ones are asked.
WAYS = ("relay", "direct", "reader, relay", "reader, direct", "JSON")
_WAY_WEIGHTS = (4, 4, 1, 1, 2)
# The clients' own patience past the deadline; what takes longer hangs.
HANG_S = 20.0


@dataclass(frozen=True)
class Settings:
    """How and whom to ask."""

    url: str
    flight_url: str
    s3_folder: str
    output: str
    stop: str
    seed: int
    threads: int
    pause_s: float  # between two queries of a thread, on the average
    timeout_s: float  # of each query
    whole_only: bool = False  # no readers and no raw HTTP: what repeats by itself


@dataclass
class Outcome:
    """What became of one query. Times are of CLOCK_MONOTONIC, which processes share."""

    number: int
    kind: str
    way: str
    sql: str
    start: float
    end: float = 0.0
    timeout_s: float = 0.0
    result: str = "right"  # right, wrong, error, untyped, hangs
    code: str = ""
    retryable: bool = False
    message: str = ""
    query_id: str = ""
    worker: str = ""


class JsonError(Exception):
    """An error of the JSON API, as its body says."""

    def __init__(self, answer: http.Answer) -> None:
        try:
            body = answer.json()
            self.code = str(body["code"])
            self.retryable = body["retryable"] is True
            super().__init__(f"HTTP {answer.status}: {body['error']}")
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"HTTP {answer.status} without a typed error: {answer}") from None
        self.query_id = answer.headers.get("x-eider-query-id", "")


class Load:
    """The threads and what they share."""

    def __init__(self, settings: Settings, book: Book, output: TextIO) -> None:
        self._settings = settings
        self._book = book
        self._output = output
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._under_way: dict[int, Outcome] = {}
        self._stop = threading.Event()
        options: dict[str, Any] = {
            "flight_url": settings.flight_url,
            "timeout": settings.timeout_s,
        }
        self._clients = {
            "relay": eider.Client(settings.url, delivery="relay", **options),
            "direct": eider.Client(settings.url, delivery="direct", **options),
        }

    def run(self) -> None:
        threads = [
            threading.Thread(target=self._ask_on, args=(n,), daemon=True)
            for n in range(self._settings.threads)
        ]
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        stop = Path(self._settings.stop)
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.05)
            if stop.exists():
                self._stop.set()
            if self._hang():
                return

    def _hang(self) -> bool:
        """Writes down what hangs, with all stacks, once."""
        now = time.monotonic()
        with self._lock:
            late = [o for o in self._under_way.values() if now > o.start + o.timeout_s + HANG_S]
        for outcome in late:
            outcome.result, outcome.end = "hangs", now
            self._write(outcome)
        if late:
            faulthandler.dump_traceback(all_threads=True)
        return bool(late)

    def _ask_on(self, thread: int) -> None:
        dice = random.Random(self._settings.seed * 1000 + thread)
        while not self._stop.wait(dice.expovariate(1) * self._settings.pause_s):
            asked = self._book.pick(dice)
            way = dice.choices(WAYS, _WAY_WEIGHTS)[0]
            if self._settings.whole_only:
                way = "direct" if "direct" in way else "relay"
            elif way == "JSON" and asked.question.kind == "megabytes":
                way = "direct"
            self._ask(asked, way)

    def _ask(self, asked: Asked, way: str) -> None:
        question = asked.question
        number = next(self._numbers)
        # Each query is its own, so that what befalls it is not laid at the door of another.
        sql = f"{question.sql} -- {number}"
        outcome = Outcome(
            number, question.kind, way, sql, time.monotonic(), timeout_s=self._settings.timeout_s
        )
        with self._lock:
            self._under_way[number] = outcome
        try:
            table = self._way(way)(sql, question.parameters, outcome)
            wrong = asked.difference(table)
            if wrong is not None:
                outcome.result, outcome.message = "wrong", wrong
        except (eider.Error, JsonError) as error:
            outcome.result = "error"
            outcome.code, outcome.retryable = error.code, error.retryable
            outcome.message = str(error)
            outcome.query_id = error.query_id or outcome.query_id
        except BaseException as error:
            outcome.result, outcome.message = "untyped", f"{type(error).__name__}: {error}"
        outcome.end = time.monotonic()
        with self._lock:
            del self._under_way[number]
        self._write(outcome)

    def _way(self, way: str) -> Callable[[str, Any, Outcome], pa.Table]:
        if way == "JSON":
            return self._json
        delivery = way.rpartition(" ")[2]
        client = self._clients[delivery]

        def ask(sql: str, parameters: Any, outcome: Outcome) -> pa.Table:
            result = client.query(sql, parameters)
            outcome.query_id = result.query_id or ""
            if way.startswith("reader"):
                return result.reader().read_all()
            table = result.arrow()
            outcome.query_id = result.query_id or ""
            return table

        return ask

    def _json(self, sql: str, parameters: Any, outcome: Outcome) -> pa.Table:
        timeout_s = self._settings.timeout_s
        body: dict[str, Any] = {"query": sql, "timeout_ms": int(timeout_s * 1000)}
        if parameters:
            body["args"] = parameters
        answer = http.post(self._settings.url, "/read", body, timeout_s=timeout_s + HANG_S / 2)
        outcome.query_id = answer.headers.get("x-eider-query-id", "")
        if not answer.whole:
            raise ConnectionError("the JSON answer broke off")
        if answer.status != 200:
            raise JsonError(answer)
        stream = base64.b64decode(answer.json()["result"])
        return pa.ipc.open_stream(io.BytesIO(stream)).read_all()

    def _write(self, outcome: Outcome) -> None:
        with self._lock:
            self._output.write(json.dumps(asdict(outcome)) + "\n")
            self._output.flush()


def main() -> int:
    settings = Settings(**json.loads(Path(sys.argv[1]).read_text()))
    book = Book(Path(settings.s3_folder))
    with Path(settings.output).open("a") as output:
        Load(settings, book, output).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
