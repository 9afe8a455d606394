"""Daft on a local Ray cluster: a distributed engine, `processes` workers on this machine.

Its SQL does no arithmetic of decimals and no SUBSTRING ... FROM: the tables' decimals are read as
doubles and the one such expression of TPC-H is written as a call, so that more queries run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import daft
import pyarrow as pa
import ray
from daft.io import IOConfig, S3Config


class Session:
    def __init__(self, tables: dict[str, Any]) -> None:
        self._tables = tables

    def table(self, sql: str, arguments: list[Any]) -> pa.Table:
        return daft.sql(_spelled(sql), **self._tables).to_arrow()

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        yield from daft.sql(sql, **self._tables).to_arrow_iter()


def _spelled(sql: str) -> str:
    return re.sub(r"(?i)substring\((\w+) from (\d+) for (\d+)\)", r"substr(\1, \2, \3)", sql)


def _doubles(table: Any) -> Any:  # noqa: ANN401
    """The table with doubles where it has decimals."""
    decimals = [field.name for field in table.schema() if "Decimal" in str(field.dtype)]
    return table.with_columns({n: daft.col(n).cast(daft.DataType.float64()) for n in decimals})


class Daft:
    """Options: `tables` (name to URL), `processes`, `address` (empty: loopback)."""

    def __init__(self, options: dict[str, Any]) -> None:
        os.environ["DAFT_PROGRESS_BAR"] = "0"
        named = {"_node_ip_address": options["address"]} if options.get("address") else {}
        ray.init(
            num_cpus=options["processes"],
            include_dashboard=False,
            logging_level="ERROR",
            log_to_driver=False,
            object_store_memory=1 << 30,
            **named,
        )
        daft.set_runner_ray()
        s3 = S3Config(
            endpoint_url=os.environ["AWS_ENDPOINT_URL"],
            region_name=os.environ["AWS_REGION"],
            key_id=os.environ["AWS_ACCESS_KEY_ID"],
            access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
            use_ssl=False,
            force_virtual_addressing=False,
        )
        config = IOConfig(s3=s3)
        self._tables = {
            name: _doubles(daft.read_parquet(url, io_config=config))
            for name, url in options["tables"].items()
        }

    def session(self) -> Session:
        return Session(self._tables)

    def report(self) -> dict[str, Any]:
        return {"version": daft.__version__}


connect = Daft
