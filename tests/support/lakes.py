"""Small Iceberg and Delta tables, written by hand: also ones that no honest writer makes."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa

from support.objects import to_parquet
from support.s3 import S3Server

_SNAPSHOT = 7
# Avro's names and types of what a manifest list says of a manifest, with Iceberg's field ids.
_MANIFEST_FILE = {
    "manifest_path": ("string", 500),
    "manifest_length": ("long", 501),
    "partition_spec_id": ("int", 502),
    "content": ("int", 517),
    "sequence_number": ("long", 515),
    "min_sequence_number": ("long", 516),
    "added_snapshot_id": ("long", 503),
    "added_files_count": ("int", 504),
    "existing_files_count": ("int", 505),
    "deleted_files_count": ("int", 506),
    "added_rows_count": ("long", 512),
    "existing_rows_count": ("long", 513),
    "deleted_rows_count": ("long", 514),
}
_DATA_FILE = {
    "content": ("int", 134),
    "file_path": ("string", 100),
    "file_format": ("string", 101),
    "record_count": ("long", 103),
    "file_size_in_bytes": ("long", 104),
}


def rows(part: int, count: int = 400) -> pa.Table:
    """Part of a table; its columns carry the field ids that Iceberg finds them by."""
    dice = np.random.default_rng(part)
    ids = pa.array(np.arange(count) + part * count)
    table = {"id": ids, "part": pa.array([part] * count), "v": pa.array(dice.random(count))}
    fields = [
        pa.field(name, column.type, metadata={"PARQUET:field_id": str(n + 1)})
        for n, (name, column) in enumerate(table.items())
    ]
    return pa.Table.from_arrays(list(table.values()), schema=pa.schema(fields))


def _fields(described: dict[str, tuple[Any, int]]) -> list[dict[str, Any]]:
    return [{"name": n, "type": kind, "field-id": id} for n, (kind, id) in described.items()]


def _avro(schema: dict[str, Any], records: list[dict[str, Any]], metadata: dict[str, str]) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, schema, records, metadata=metadata)
    return out.getvalue()


def _manifest(files: Sequence[tuple[str, int, int]], schema: dict[str, Any]) -> bytes:
    partition = {"type": "record", "name": "r102", "fields": []}
    data_file = [
        *_fields(_DATA_FILE),
        {"name": "partition", "type": partition, "field-id": 102},
    ]
    entry = {
        "type": "record",
        "name": "manifest_entry",
        "fields": [
            {"name": "status", "type": "int", "field-id": 0},
            {"name": "snapshot_id", "type": ["null", "long"], "default": None, "field-id": 1},
            {"name": "sequence_number", "type": ["null", "long"], "default": None, "field-id": 3},
            {
                "name": "file_sequence_number",
                "type": ["null", "long"],
                "default": None,
                "field-id": 4,
            },
            {
                "name": "data_file",
                "type": {"type": "record", "name": "r2", "fields": data_file},
                "field-id": 2,
            },
        ],
    }
    records = [
        {
            "status": 1,
            "snapshot_id": _SNAPSHOT,
            "sequence_number": 1,
            "file_sequence_number": 1,
            "data_file": {
                "content": 0,
                "file_path": url,
                "file_format": "PARQUET",
                "record_count": count,
                "file_size_in_bytes": size,
                "partition": {},
            },
        }
        for url, count, size in files
    ]
    metadata = {
        "schema": json.dumps(schema),
        "schema-id": "0",
        "partition-spec": "[]",
        "partition-spec-id": "0",
        "format-version": "2",
        "content": "data",
    }
    return _avro(entry, records, metadata)


def _manifest_list(manifest: str, size: int, count: int) -> bytes:
    schema = {"type": "record", "name": "manifest_file", "fields": _fields(_MANIFEST_FILE)}
    record: dict[str, int | str] = dict.fromkeys(_MANIFEST_FILE, 0)
    record |= {"manifest_path": manifest, "manifest_length": size}
    record |= {"sequence_number": 1, "min_sequence_number": 1, "added_snapshot_id": _SNAPSHOT}
    record |= {"added_files_count": 1, "added_rows_count": count}
    return _avro(schema, [record], {"format-version": "2"})


def put_iceberg(
    s3: S3Server,
    bucket: str,
    folder: str,
    parts: Sequence[pa.Table],
    data_file: str | None = None,
    manifest: str | None = None,
    manifest_list: str | None = None,
) -> str:
    """Puts an Iceberg table of these parts and returns its URL.

    What is named replaces, in the table's metadata, where its files are said to be.
    """
    root = f"s3://{bucket}/{folder}"
    files = []
    for number, part in enumerate(parts):
        content = to_parquet(part)
        url = s3.put(bucket, f"{folder}/data/{number}.parquet", content)
        files.append((data_file or url, part.num_rows, len(content)))
    columns = {"id": "long", "part": "long", "v": "double"}
    schema = {
        "type": "struct",
        "schema-id": 0,
        "fields": [
            {"id": n + 1, "name": name, "required": False, "type": kind}
            for n, (name, kind) in enumerate(columns.items())
        ],
    }
    content = _manifest(files, schema)
    manifest = manifest or f"{root}/metadata/m0.avro"
    s3.put(bucket, f"{folder}/metadata/m0.avro", content)
    listed = _manifest_list(manifest, len(content), sum(part.num_rows for part in parts))
    s3.put(bucket, f"{folder}/metadata/snap-7.avro", listed)
    metadata = {
        "format-version": 2,
        "table-uuid": "6f1c0b9e-0000-4000-8000-000000000001",
        "location": root,
        "last-sequence-number": 1,
        "last-updated-ms": 1_700_000_000_000,
        "last-column-id": len(columns),
        "schemas": [schema],
        "current-schema-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": []}],
        "default-spec-id": 0,
        "last-partition-id": 999,
        "sort-orders": [{"order-id": 0, "fields": []}],
        "default-sort-order-id": 0,
        "properties": {},
        "current-snapshot-id": _SNAPSHOT,
        "snapshots": [
            {
                "snapshot-id": _SNAPSHOT,
                "sequence-number": 1,
                "timestamp-ms": 1_700_000_000_000,
                "manifest-list": manifest_list or f"{root}/metadata/snap-7.avro",
                "summary": {"operation": "append"},
                "schema-id": 0,
            }
        ],
    }
    s3.put(bucket, f"{folder}/metadata/v1.metadata.json", json.dumps(metadata).encode())
    s3.put(bucket, f"{folder}/metadata/version-hint.text", b"1")
    return root


def put_delta(
    s3: S3Server,
    bucket: str,
    folder: str,
    parts: Sequence[pa.Table],
    data_file: str | None = None,
    deletion_vector: dict[str, Any] | None = None,
) -> str:
    """Puts a Delta table of these parts and returns its URL. As for `put_iceberg`."""
    fields = [
        {"name": name, "type": kind, "nullable": True, "metadata": {}}
        for name, kind in {"id": "long", "part": "long", "v": "double"}.items()
    ]
    protocol: dict[str, Any] = {"minReaderVersion": 1, "minWriterVersion": 2}
    properties = {}
    if deletion_vector:
        protocol = {"minReaderVersion": 3, "minWriterVersion": 7}
        protocol |= {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
        properties = {"delta.enableDeletionVectors": "true"}
    actions: list[dict[str, Any]] = [
        {"protocol": protocol},
        {
            "metaData": {
                "id": "6f1c0b9e-0000-4000-8000-000000000002",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": fields}),
                "partitionColumns": [],
                "configuration": properties,
                "createdTime": 1_700_000_000_000,
            }
        },
    ]
    for number, part in enumerate(parts):
        content = to_parquet(part)
        s3.put(bucket, f"{folder}/{number}.parquet", content)
        add = {
            "path": data_file or f"{number}.parquet",
            "partitionValues": {},
            "size": len(content),
            "modificationTime": 1_700_000_000_000,
            "dataChange": True,
        }
        if deletion_vector:
            add["deletionVector"] = deletion_vector
        actions.append({"add": add})
    log = "".join(json.dumps(action) + "\n" for action in actions)
    s3.put(bucket, f"{folder}/_delta_log/{0:020}.json", log.encode())
    return f"s3://{bucket}/{folder}"
