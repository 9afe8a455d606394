"""Reads by other ways than plain S3 with fixed keys: TLS, https:// files, credentials in files."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import objects
from support.cluster import MakeCluster
from support.connect_proxy import ConnectProxy
from support.paths import versitygw_binary
from support.processes import Process, clean_environment, free_port
from support.rig import BUCKET, QueryFailed, Rig
from support.s3 import ACCESS_KEY, REGION, SECRET_KEY, S3Server
from support.tls import make_tls
from support.waiting import wait_until


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Files with ranges, and a count of the requests."""

    requests = 0

    def do_GET(self) -> None:
        Ranges.requests += 1
        content = Path(self.translate_path(self.path)).read_bytes()
        asked = self.headers.get("Range", "")
        first, _, last = asked.removeprefix("bytes=").partition("-")
        begin = int(first) if first else max(0, len(content) - int(last))
        end = min(len(content), int(last) + 1) if first and last else len(content)
        self.send_response(206)
        self.send_header("ETag", f'"{len(content)}"')
        self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
        self.send_header("Content-Length", str(end - begin))
        self.end_headers()
        self.wfile.write(content[begin:end])

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server: its URL, which ends in a slash, and its folder."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(Ranges, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()


def test_web_files_where_they_are_allowed(make_cluster: MakeCluster, web: tuple[str, Path]) -> None:
    url, folder = web
    (folder / "open").mkdir()
    (folder / "open" / "x.parquet").write_bytes(objects.small_parquet())
    (folder / "shut.parquet").write_bytes(objects.small_parquet())
    cluster = make_cluster(workers=1, worker_options=["--allow-path", f"{url}open/"])
    with cluster.client() as client:
        sql = f"SELECT count(*) AS n FROM '{url}open/x.parquet'"
        before = Ranges.requests
        first = client.query(sql).fetchall()
        asked = Ranges.requests - before
        assert client.query(sql).fetchall() == first
        assert (asked, Ranges.requests - before) == (1, 1), "the second is warm"
        for name in ("shut.parquet", "open/../shut.parquet"):
            with pytest.raises(Exception, match=r"(?i)permission|not allowed|cannot access"):
                client.query(f"SELECT * FROM '{url}{name}'").fetchall()


def test_tls(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """A server whose certificate is signed by nobody that the system knows."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    made += ["-keyout", str(key), "-out", str(cert), "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run(made, check=True, capture_output=True)
    folder = tmp_path / "tls-data" / BUCKET
    folder.mkdir(parents=True)
    (folder / "x.parquet").write_bytes(objects.small_parquet())
    (tmp_path / "metadata").mkdir()
    port = free_port()
    server = Process(
        "versitygw-tls",
        [
            str(versitygw_binary()),
            *("--port", f"127.0.0.1:{port}", "--cert", str(cert), "--key", str(key), "--quiet"),
            *("posix", "--sidecar", str(tmp_path / "metadata"), str(folder.parent)),
        ],
        tmp_path,
        clean_environment(ROOT_ACCESS_KEY=ACCESS_KEY, ROOT_SECRET_KEY=SECRET_KEY),
    )
    try:
        server.wait_listening(port)
        environment = {
            "AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        sql = f"SELECT count(*) FROM 's3://{BUCKET}/x.parquet'"
        trusting = make_cluster({**environment, "AWS_CA_BUNDLE": str(cert)}, workers=1)
        with trusting.client() as client:
            assert client.query(sql).fetchall()[0][0] > 0
        wary = make_cluster(environment, workers=1)
        with wary.client() as client, pytest.raises(Exception, match=r"(?i)certificate|SSL"):
            client.query(sql, timeout=20).fetchall()
    finally:
        server.stop()


def test_where_s3_is_reached_by_a_proxy_alone(make_cluster: MakeCluster, tmp_path: Path) -> None:
    """Buckets as hosts, TLS, and a name that only the proxy knows: nothing goes around it."""
    tls = make_tls(tmp_path, ["s3.test", f"{BUCKET}.s3.test"])
    server = S3Server(tmp_path, tls, domain="s3.test")
    proxy = ConnectProxy()
    try:
        server.make_bucket(BUCKET)
        url = server.put(BUCKET, "d/x.parquet", objects.small_parquet())
        environment = {
            **server.environment(),
            "AWS_ENDPOINT_URL": f"https://s3.test:{server.port}",
            "AWS_CA_BUNDLE": str(tls.ca),
        }
        cluster = make_cluster(environment, workers=1, worker_options=["--s3-proxy", proxy.url])
        with cluster.client() as client:
            assert client.query(f"SELECT count(*) FROM '{url}'").fetchall() == [(500,)]
            # Writes are DuckDB's own.
            client.write({"query": f"COPY (SELECT 1 AS n) TO 's3://{BUCKET}/d/y.parquet'"})
            found = client.query(f"SELECT count(*) FROM glob('s3://{BUCKET}/d/*')").fetchall()
            assert found == [(2,)]
        assert set(proxy.tunnels) == {f"{BUCKET}.s3.test:{server.port}"}
        assert not proxy.refused
    finally:
        proxy.stop()
        server.stop()


def write_credentials(file: Path, secret: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(f"[reader]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={secret}\n")
    os.replace(fresh, file)


def test_credentials_that_change_are_taken_over(
    make_cluster: MakeCluster, s3: S3Server, rig: Rig, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    write_credentials(file, "wrong-secret-0c1d")
    cluster = make_cluster(
        {"AWS_ENDPOINT_URL": s3.endpoint, "AWS_PROFILE": "reader"},
        workers=1,
        worker_options=["--s3-credentials-file", str(file)],
    )
    sql = f"SELECT count(*) FROM '{rig.fresh('small.parquet', objects.small_parquet())}'"
    with cluster.client() as client:
        with pytest.raises(Exception, match=r"(?i)not allowed|403|denied") as refused:
            client.query(sql).fetchall()
        assert "wrong-secret-0c1d" not in str(refused.value)
        write_credentials(file, SECRET_KEY)

        def answered() -> bool:
            try:
                return bool(client.query(sql).fetchall()[0][0] > 0)
            except Exception:
                return False

        wait_until("the new keys are in use", answered, 10)


def test_a_bucket_in_another_region(make_cluster: MakeCluster, s3: S3Server, rig: Rig) -> None:
    url = rig.fresh("small.parquet", objects.small_parquet())
    cluster = make_cluster({**s3.environment(), "AWS_REGION": "eu-west-1"}, workers=1)
    with cluster.client() as client:
        first = client.query(f"SELECT count(*) FROM '{url}'")
        assert first.fetchall() == [(500,)]
        folder = url.rpartition("/")[0]
        assert client.query(f"SELECT count(*) FROM '{folder}/*.parquet'").fetchall() == [(500,)]


def test_a_region_of_another_bucket_is_told(rig: Rig) -> None:
    with pytest.raises(QueryFailed) as missing:
        rig.run("SELECT * FROM 's3://no-such-bucket-here/x.parquet'")
    assert missing.value.code in {"NOT_FOUND", "PERMISSION_DENIED"}
    assert "s3://no-such-bucket-here/x.parquet" in missing.value.message
