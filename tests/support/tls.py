"""A certificate authority of the tests' own, and a server's certificate by it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tls:
    ca: Path  # what a client is to trust
    cert: Path
    key: Path


def make_tls(folder: Path, names: list[str]) -> Tls:
    """For a server that is reached by these names (and as 127.0.0.1)."""
    ca, ca_key = folder / "ca.pem", folder / "ca-key.pem"
    cert, key = folder / "server.pem", folder / "server-key.pem"
    request, extensions = folder / "server.csr", folder / "server.ext"
    alternatives = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    extensions.write_text(f"subjectAltName={alternatives}\n")
    made = ["-newkey", "rsa:2048", "-nodes"]
    _openssl("req", "-x509", *made, "-days", "2", "-keyout", ca_key, "-out", ca, "-subj", "/CN=CA")
    _openssl("req", *made, "-keyout", key, "-out", request, "-subj", "/CN=localhost")
    _openssl(
        *("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial"),
        *("-days", "2", "-extfile", extensions, "-out", cert),
    )
    return Tls(ca, cert, key)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
