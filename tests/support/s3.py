"""A real S3 server (versitygw, which checks signatures) and a signed PUT and DELETE."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import ssl
import urllib.parse
from pathlib import Path

import httpx

from support.paths import versitygw_binary
from support.processes import Process, clean_environment, free_port
from support.tls import Tls

REGION = "us-east-1"
ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-6f1c0b9e"


class S3Server:
    """Started by the constructor; `stop` ends it."""

    def __init__(self, folder: Path, tls: Tls | None = None, domain: str = "") -> None:
        """With `domain` it also serves buckets as hosts of it (virtual-host style)."""
        self._tls = tls
        options = ["--cert", str(tls.cert), "--key", str(tls.key)] if tls else []
        options += ["--virtual-domain", domain] if domain else []
        data = folder / "s3"
        sidecar = folder / "metadata"
        data.mkdir()
        self.data = data  # a folder for each bucket; a file written there is an object
        sidecar.mkdir()
        self.port = free_port()
        self.process = Process(
            "versitygw",
            [
                str(versitygw_binary()),
                *("--port", f"127.0.0.1:{self.port}", "--keep-alive", "--quiet", *options),
                *("posix", "--sidecar", str(sidecar), str(data)),
            ],
            folder,
            clean_environment(ROOT_ACCESS_KEY=ACCESS_KEY, ROOT_SECRET_KEY=SECRET_KEY),
        )
        self.process.wait_listening(self.port)
        trusted = ssl.create_default_context(cafile=str(tls.ca)) if tls else True
        self._session = httpx.Client(base_url=self.endpoint, timeout=60, verify=trusted)

    @property
    def endpoint(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def environment(self, port: int | None = None) -> dict[str, str]:
        """The AWS names by which an Eider process finds this server (or a proxy to it)."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def make_bucket(self, bucket: str) -> None:
        self._send("PUT", f"/{bucket}")

    def put(self, bucket: str, key: str, content: bytes) -> str:
        """Puts an object and returns its URL."""
        self._send("PUT", f"/{bucket}/{key}", content)
        return f"s3://{bucket}/{key}"

    def delete(self, bucket: str, key: str) -> None:
        self._send("DELETE", f"/{bucket}/{key}")

    def stop(self) -> None:
        self._session.close()
        self.process.stop()

    def _send(self, method: str, path: str, content: bytes = b"") -> None:
        path = urllib.parse.quote(path, safe="/-_.~")
        headers = sign(method, f"127.0.0.1:{self.port}", path, content)
        answer = self._session.request(method, path, content=content, headers=headers)
        answer.raise_for_status()


def sign(method: str, host: str, path: str, content: bytes) -> dict[str, str]:
    """The headers of AWS Signature Version 4 for a request without a query string."""
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{REGION}/s3/aws4_request"
    digest = hashlib.sha256(content).hexdigest()
    signed = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": moment}
    names = ";".join(signed)
    lines = "".join(f"{k}:{v}\n" for k, v in signed.items())
    canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{digest}"
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (moment[:8], REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return {**signed, "authorization": authorization}
