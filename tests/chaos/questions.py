"""What the clients ask, the data that it is asked of, and plain DuckDB's answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from support import data, objects
from support.oracle import assert_same, plain_duckdb

BUCKET = "chaos"
DAYS = 24
TEXTS = 4
TEXT_ROWS = 20_000
_RANGES = 8  # slices of the large file


@dataclass(frozen=True)
class Question:
    """One statement. Its rows come in an order of their own unless it is `ordered`."""

    kind: str
    sql: str
    parameters: list[Any] | None = None
    ordered: bool = True
    weight: int = 1


@dataclass
class Asked:
    """A question and plain DuckDB's answer to it."""

    question: Question
    answer: pa.Table = field(repr=False)

    def difference(self, got: pa.Table) -> str | None:
        """Why that is not the answer; None when it is."""
        mine, want = got, self.answer
        if not self.question.ordered:
            keys = [(name, "ascending") for name in want.column_names]
            if mine.column_names == want.column_names:
                mine, want = mine.sort_by(keys), want.sort_by(keys)
        try:
            assert_same(mine, want)
        except AssertionError as error:
            return f"{got.num_rows} rows for {want.num_rows}: {str(error)[:2000]}"
        return None


def put_data(put: Callable[[str, str, bytes], str]) -> None:
    """Puts all of it by `put(bucket, key, content)`."""
    for day in range(1, DAYS + 1):
        put(BUCKET, f"days/{day:02}.parquet", data.parquet_bytes(data.blocks(day)))
    for number in range(TEXTS):
        put(BUCKET, f"texts/{number}.csv", objects.csv_text(TEXT_ROWS, number + 1))
    put(BUCKET, "large.parquet", objects.large_parquet())


def questions() -> list[Question]:
    large = f"'s3://{BUCKET}/large.parquet'"
    days = [f"s3://{BUCKET}/days/{day:02}.parquet" for day in range(1, DAYS + 1)]
    texts = [f"s3://{BUCKET}/texts/{number}.csv" for number in range(TEXTS)]
    made = [
        Question(
            "one key",
            "SELECT hash, number, size, timestamp FROM read_parquet(?) ORDER BY number",
            [day],
            weight=4,
        )
        for day in days
    ]
    made += [
        Question(
            "one key, no order",
            f"SELECT * EXCLUDE (difficulty) FROM '{day}' WHERE size > 500000",
            ordered=False,
            weight=2,
        )
        for day in days[::2]
    ]
    for tens in (0, 1, 2):
        glob = f"s3://{BUCKET}/days/{tens}*.parquet"
        made.append(
            Question(
                "glob, aggregate",
                "SELECT date, count(*) AS n, sum(size) AS bytes, min(hash) AS first, "
                f"max(timestamp) AS last FROM read_parquet('{glob}') GROUP BY date ORDER BY date",
                weight=8,
            )
        )
        made.append(
            Question(
                "glob, rows",
                f"SELECT hash, number, weight FROM read_parquet('{glob}')",
                ordered=False,
                weight=4,
            )
        )
    made += [
        Question(
            "join",
            f"SELECT b.number, b.size, t.name FROM '{day}' b JOIN read_csv('{text}') t "
            "ON t.id = b.number - 894601 ORDER BY b.number",
            weight=3,
        )
        for day, text in zip(days[::4], texts * 2, strict=False)
    ]
    made += [
        Question(
            "CSV",
            f"SELECT count(*) AS n, sum(v) AS v, max(name) AS name FROM read_csv('{text}')",
            weight=4,
        )
        for text in texts
    ]
    step = 8 * objects.ROW_GROUP // _RANGES
    made += [
        Question(
            "megabytes",
            f"SELECT id, v, a, b FROM {large} WHERE id >= {i * step} AND id < {(i + 3) * step}",
            ordered=False,
            weight=2,
        )
        for i in range(_RANGES)
    ]
    made += [
        Question(
            "large, aggregate",
            f"SELECT v % 100 AS g, count(*) AS n, sum(id) AS ids, max(a) AS a FROM {large} "
            f"WHERE v % 7 = {rest} GROUP BY g ORDER BY g",
            weight=2,
        )
        for rest in range(7)
    ]
    return made


class Book:
    """All questions with their answers, from plain DuckDB on the S3 server's own files."""

    def __init__(self, s3_folder: Path) -> None:
        connection = plain_duckdb()
        self._asked = []
        for question in questions():
            sql = question.sql.replace("s3://", f"{s3_folder}/")
            parameters = [
                value.replace("s3://", f"{s3_folder}/") if isinstance(value, str) else value
                for value in question.parameters or []
            ]
            answer = connection.execute(sql, parameters or None).to_arrow_table()
            assert answer.num_rows > 0, f"{question} answers nothing: it would prove nothing"
            self._asked.append(Asked(question, answer))
        connection.close()
        self._weights = [asked.question.weight for asked in self._asked]

    def pick(self, dice: random.Random) -> Asked:
        return dice.choices(self._asked, self._weights)[0]
