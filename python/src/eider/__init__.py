"""The client of Eider: SQL over Parquet in S3, through a coordinator and its workers.

from eider import Client

client = Client("http://127.0.0.1:5000")
print(client.query("SELECT * FROM read_parquet(?)", ["s3://bucket/file.parquet"]).df())
"""

from .client import CacheMode, Client, Delivery
from .errors import (
    Cancelled,
    ConnectionFailed,
    DeadlineExceeded,
    Error,
    Internal,
    InvalidQuery,
    NotFound,
    Overloaded,
    PermissionDenied,
    Poisoned,
    ResourceExhausted,
    StorageUnavailable,
    WorkerLost,
)
from .result import Info, Result

__version__ = "0.1.0"

__all__ = [
    "CacheMode",
    "Cancelled",
    "Client",
    "ConnectionFailed",
    "DeadlineExceeded",
    "Delivery",
    "Error",
    "Info",
    "Internal",
    "InvalidQuery",
    "NotFound",
    "Overloaded",
    "PermissionDenied",
    "Poisoned",
    "ResourceExhausted",
    "Result",
    "StorageUnavailable",
    "WorkerLost",
    "__version__",
]
