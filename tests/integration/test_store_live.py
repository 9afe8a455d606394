"""The S3 client of the core against a real server, which checks each signature.

The checks are C++ (src/store/s3_live_test.cc); this starts the server and fills the bucket.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.paths import ROOT
from support.processes import clean_environment
from support.s3 import S3Server

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


def test_the_client_agrees_with_a_real_server(tmp_path: Path) -> None:
    program = newest_test_program()
    server = S3Server(tmp_path)
    try:
        server.make_bucket("live")
        for key in ODD_KEYS:
            server.put("live", key, key.encode())
        server.put("live", "empty", b"")
        many = tmp_path / "s3" / "live" / "many"
        many.mkdir()
        for number in range(MANY_KEYS):
            (many / f"{number:04}").write_bytes(b"x")
        environment = clean_environment(
            EIDER_TEST_S3_ENDPOINT=f"127.0.0.1:{server.port}", **server.environment()
        )
        ran = subprocess.run(
            [program, "--gtest_filter=S3LiveTest.*"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "SKIPPED" not in ran.stdout
        assert "[  PASSED  ]" in ran.stdout
    finally:
        server.stop()
