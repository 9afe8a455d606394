"""The S3 client of the core against a real server, which checks each signature.

The checks are C++ (src/store/s3_live_test.cc); this starts the server and fills the bucket.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.connect_proxy import ConnectProxy
from support.paths import ROOT
from support.processes import clean_environment
from support.s3 import S3Server
from support.tls import make_tls

# The same as kOddKeys; each object holds its own name.
ODD_KEYS = [
    "odd/plain.txt",
    "odd/a=1/b=2.parquet",
    "odd/with space.txt",
    "odd/plus+plus.txt",
    "odd/per%20cent%.txt",
    "odd/ä€🦆.txt",
    "odd/q?uery&and=amp#hash.txt",
    "odd/quote'\"<tag>&amp;.txt",
    "odd/(paren)!*~$,;:@.txt",
]
MANY_KEYS = 1200  # more than a page of a list


def newest_test_program() -> Path:
    built = list(ROOT.glob("build/*/src/store/eider_store_test"))
    if not built:
        pytest.skip("eider_store_test is not built")
    return max(built, key=lambda path: path.stat().st_mtime)


def fill(server: S3Server, data: Path) -> None:
    server.make_bucket("live")
    for key in ODD_KEYS:
        server.put("live", key, key.encode())
    server.put("live", "empty", b"")
    many = data / "live" / "many"
    many.mkdir()
    for number in range(MANY_KEYS):
        (many / f"{number:04}").write_bytes(b"x")


def check(server: S3Server, host: str, **how: str) -> None:
    """Runs the checks against `host`, by the way that `how` says."""
    variables = {f"EIDER_TEST_S3_{name.upper()}": value for name, value in how.items()}
    ran = subprocess.run(
        [newest_test_program(), "--gtest_filter=S3LiveTest.*"],
        env=clean_environment(
            EIDER_TEST_S3_ENDPOINT=f"{host}:{server.port}", **variables, **server.environment()
        ),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "SKIPPED" not in ran.stdout
    assert "[  PASSED  ]" in ran.stdout


def test_the_client_agrees_with_a_real_server(tmp_path: Path) -> None:
    server = S3Server(tmp_path, domain="localhost")
    try:
        fill(server, tmp_path / "s3")
        check(server, "127.0.0.1")
        # Buckets as hosts: live.localhost, which is this machine to libcurl.
        check(server, "localhost", style="vhost")
    finally:
        server.stop()


def test_by_tls_through_a_proxy(tmp_path: Path) -> None:
    tls = make_tls(tmp_path, ["localhost", "live.localhost"])
    server = S3Server(tmp_path, tls, domain="localhost")
    proxy = ConnectProxy()
    try:
        fill(server, tmp_path / "s3")
        check(server, "127.0.0.1", ca=str(tls.ca), proxy=proxy.url)
        assert set(proxy.tunnels) == {f"127.0.0.1:{server.port}"}
        proxy.tunnels.clear()
        check(server, "localhost", ca=str(tls.ca), proxy=proxy.url, style="vhost")
        assert set(proxy.tunnels) == {f"live.localhost:{server.port}"}
        assert not proxy.refused
    finally:
        proxy.stop()
        server.stop()
