"""The command line: what people type, and how it fails."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support import http
from support.cluster import Cluster
from support.paths import eider_binary
from support.processes import Process, clean_environment, free_port
from support.s3 import S3Server
from support.waiting import wait_until


@pytest.fixture
def env(tmp_path: Path, s3: S3Server) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return clean_environment(HOME=str(home), XDG_STATE_HOME=str(home / "state"), **s3.environment())


def eider(
    *arguments: str, env: dict[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(eider_binary()), *arguments],
        env=env or clean_environment(),
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def query(cluster: Cluster, *arguments: str) -> str:
    done = eider("query", "--url", cluster.url, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_query_as_a_table(cluster: Cluster, blocks_glob: str) -> None:
    shown = query(cluster, f"SELECT count(*) AS blocks FROM '{blocks_glob}'")
    assert "blocks" in shown and "4200" in shown


def test_query_formats(cluster: Cluster, tmp_path: Path) -> None:
    sql = "SELECT i, 'a,\"b' || i AS s, NULL AS n FROM range(3) t(i)"
    rows = list(csv.reader(io.StringIO(query(cluster, "--format", "csv", sql))))
    assert rows[0] == ["i", "s", "n"]
    assert rows[2][:2] == ["1", 'a,"b1']
    text = query(cluster, "--format", "json", sql)
    try:
        objects = json.loads(text)
    except ValueError:
        objects = [json.loads(line) for line in text.splitlines()]
    assert objects[2] == {"i": 2, "s": 'a,"b2', "n": None}
    for name, read in (("arrow", pa.ipc.open_stream), ("parquet", None)):
        file = tmp_path / f"out.{name}"
        query(cluster, "--format", name, "--output", str(file), sql)
        table = read(file.read_bytes()).read_all() if read else pq.read_table(file)
        assert table.column("i").to_pylist() == [0, 1, 2]


def test_query_parameters_and_standard_input(cluster: Cluster) -> None:
    sql = "SELECT ?::INT + ?::INT AS n"
    assert "42" in query(cluster, "--format", "csv", "-p", "40", "-p", "2", sql)
    done = eider("query", "--url", cluster.url, "--format", "csv", "-", stdin="SELECT 43 AS n")
    assert (done.returncode, done.stdout.split()) == (0, ["n", "43"])


@pytest.mark.parametrize(
    ("sql", "says"), [("SELEC 1", "syntax error"), ("FROM read_text('/etc/passwd')", "/etc/passwd")]
)
def test_query_that_fails(cluster: Cluster, sql: str, says: str) -> None:
    done = eider("query", "--url", cluster.url, sql)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stdout == ""


def test_query_that_breaks_leaves_no_file_that_looks_whole(
    cluster: Cluster, tmp_path: Path
) -> None:
    sql = (
        "SELECT (CASE WHEN i = 2999990 THEN 'no number' ELSE i::VARCHAR END)::BIGINT AS n "
        "FROM range(3000000) t(i)"
    )
    file = tmp_path / "broken.parquet"
    done = eider("query", "--url", cluster.url, "--format", "parquet", "-o", str(file), sql)
    assert done.returncode == 1
    assert "no number" in done.stderr
    assert not file.exists()


def test_query_without_a_coordinator(cluster: Cluster) -> None:
    port = free_port()
    done = eider("query", "--url", f"http://127.0.0.1:{port}", "SELECT 1")
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot connect to"), done.stderr
    assert str(port) in done.stderr
    assert "eider up" in done.stderr
    assert eider("status", "--url", f"http://127.0.0.1:{port}").stderr.startswith("error: cannot")


def test_status(cluster: Cluster) -> None:
    done = eider("status", "--url", cluster.url)
    assert done.returncode == 0, done.stderr
    for worker in cluster.workers:
        assert worker.id in done.stdout
    parsed = json.loads(eider("status", "--url", cluster.url, "--json").stdout)
    assert parsed


def test_help_and_version() -> None:
    top = eider("--help")
    assert top.returncode == 0
    for name in ("up", "coordinator", "worker", "query", "explain", "status", "keygen", "cache"):
        assert name in top.stdout
        assert eider(name, "--help").returncode == 0
    assert eider("--version").stdout.strip()


def test_keygen(tmp_path: Path) -> None:
    file = tmp_path / "cluster.key"
    assert eider("keygen", str(file)).returncode == 0
    assert len(file.read_text()) == 65
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_text()
    again = eider("keygen", str(file))
    assert again.returncode != 0 and str(file) in again.stderr
    assert file.read_text() == before


# ---- exit code 2 and one line, before anything starts


def refused(env: dict[str, str], *arguments: str) -> str:
    done = eider(*arguments, env=env)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    lines = (done.stdout + done.stderr).strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.fixture
def taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


def test_port_in_use(env: dict[str, str], taken_port: str) -> None:
    free = str(free_port())
    for arguments in (
        ("worker", "--port", taken_port),
        ("coordinator", "--port", taken_port),
        ("coordinator", "--port", free, "--flight-port", taken_port),
        ("up", "--port", taken_port),
        ("up", "--port", free, "--flight-port", taken_port),
    ):
        assert taken_port in refused(env, *arguments)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_directory_without_permission(env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    where = str(folder / "cache")
    assert where in refused(env, "worker", "--port", str(free_port()), "--cache-dir", where)


def test_unwritable_directory(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.write_text("")
    where = str(file / "cache")
    assert where in refused(env, "worker", "--port", str(free_port()), "--cache-dir", where)
    assert where in refused(env, "up", "--port", str(free_port()), "--cache-dir", where)
    assert "/proc/eider" in refused(
        env, "worker", "--port", str(free_port()), "--cache-dir", "/proc/eider"
    )
    state = str(file / "state")
    assert state in refused(env, "worker", "--port", str(free_port()), "--state-dir", state)


def test_two_workers_on_one_cache_directory(env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "shared-cache"
    port = free_port()
    first = Process(
        "first",
        [str(eider_binary()), "worker", "--port", str(port), "--cache-dir", str(folder)],
        tmp_path,
        env,
    )
    try:
        first.wait_listening(port)
        line = refused(env, "worker", "--port", str(free_port()), "--cache-dir", str(folder))
        assert str(folder) in line
    finally:
        first.stop()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("worker", "--no-such-flag"), "--no-such-flag"),
        (("worker", "--prot", "5005"), "--prot"),
        (("worker", "--port", "x"), "port"),
        (("worker", "--port", "70000"), "70000"),
        (("worker", "--port", "-1"), "-1"),
        (("worker", "--slots", "0"), "slots"),
        (("worker", "--threads", "many"), "threads"),
        (("worker", "--memory-limit", "lots"), "lots"),
        (("worker", "--memory-limit", "1KB"), "memory-limit"),
        (("worker", "--cache", "maybe"), "maybe"),
        (("worker", "--coordinator", "ftp://localhost"), "ftp://localhost"),
        (("worker", "--init", "/no/such/file.sql"), "/no/such/file.sql"),
        (("worker", "--config", "/no/such/file.toml"), "/no/such/file.toml"),
        (("worker", "--cluster-key-file", "/no/such/key"), "/no/such/key"),
        (("worker", "--log-format", "xml"), "xml"),
        (("worker", "--drain-timeout", "soon"), "soon"),
        (("coordinator", "--workers", "http://localhost:5005"), "http://localhost:5005"),
        (("coordinator", "--max-json-result", "x"), "max-json-result"),
        (("coordinator", "--slots", "4"), "--slots"),
        (("up", "--workers", "0"), "workers"),
        (("up", "--workers", "1000"), "1000"),
        (("query", "--format", "xml", "SELECT 1"), "xml"),
        (("status", "--url", "grpc://nowhere"), "grpc://nowhere"),
        (("no-such-command",), "no-such-command"),
    ],
    ids=" ".join,
)
def test_bad_flag(env: dict[str, str], arguments: tuple[str, ...], named: str) -> None:
    assert named in refused(env, *arguments)


def test_bad_environment_and_config_file(env: dict[str, str], tmp_path: Path) -> None:
    assert "EIDER_SLOTS" in refused({**env, "EIDER_SLOTS": "zero"}, "worker")
    config = tmp_path / "eider.toml"
    config.write_text("slots = 4\nslotz = 5\n")
    assert "slotz" in refused(env, "worker", "--config", str(config))
    config.write_text("slots = \n")
    assert str(config) in refused(env, "worker", "--config", str(config))


def test_beyond_loopback_needs_a_key(env: dict[str, str]) -> None:
    for command in ("worker", "coordinator"):
        line = refused(env, command, "--port", str(free_port()), "--bind", "0.0.0.0")
        assert "keygen" in line


def test_bad_init_sql(env: dict[str, str], tmp_path: Path) -> None:
    init = tmp_path / "init.sql"
    init.write_text("CREATE NONSENSE;")
    line = refused(env, "worker", "--port", str(free_port()), "--init", str(init))
    assert str(init) in line


# ---- eider up, as the README has it


@pytest.mark.parametrize("stop_by", [signal.SIGTERM, signal.SIGINT], ids=["term", "ctrl-c"])
def test_up_and_query(
    env: dict[str, str], tmp_path: Path, blocks_glob: str, stop_by: signal.Signals
) -> None:
    port = free_port()
    up = Process(
        "up",
        [str(eider_binary()), "up", "--port", str(port), "--flight-port", str(free_port())],
        tmp_path,
        env,
    )
    try:
        up.wait_listening(port)
        url = f"http://127.0.0.1:{port}"
        wait_until("it is ready", lambda: http.get(url, "/readyz").status == 200)
        assert len(http.get(url, "/v1/workers").json()["workers"]) == 2
        done = eider("query", "--url", url, f"SELECT count(*) AS n FROM '{blocks_glob}'", env=env)
        assert done.returncode == 0, done.stderr
        assert "4200" in done.stdout
        assert eider("status", "--url", url, env=env).returncode == 0
        up.signal(stop_by)
        assert up.popen.wait(20) == 0, up.log()
    finally:
        up.stop()


def test_processes_by_hand_share_the_key_of_the_state_directory(
    env: dict[str, str], tmp_path: Path, block_urls: list[str]
) -> None:
    port, worker_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    commands = {
        "coordinator": ["coordinator", "--port", str(port), "--flight-port", str(free_port())],
        "worker": ["worker", "--port", str(worker_port), "--coordinator", url],
    }
    started = [
        Process(name, [str(eider_binary()), *arguments], tmp_path, env)
        for name, arguments in commands.items()
    ]
    try:
        started[0].wait_listening(port)
        wait_until("it is ready", lambda: http.get(url, "/readyz").status == 200, 30)
        done = eider(
            "query",
            "--url",
            url,
            "--format",
            "csv",
            f"SELECT count(*) AS n FROM '{block_urls[0]}'",
            env=env,
        )
        assert done.stdout.split() == ["n", "140"], done.stderr
        keys = list(Path(env["HOME"]).rglob("cluster.key"))
        assert len(keys) == 1
        assert keys[0].stat().st_mode & 0o777 == 0o600
    finally:
        for process in started:
            process.stop()


def test_json_logs(env: dict[str, str], tmp_path: Path) -> None:
    """The log goes to standard error; standard output has the one line for whoever started it."""
    command = [str(eider_binary()), "worker", "--port", "0", "--log-format", "json"]
    with (tmp_path / "log").open("w") as log:
        worker = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True)
    assert worker.stdout is not None
    assert "grpc://127.0.0.1:" in worker.stdout.readline()
    worker.terminate()
    assert worker.wait(20) == 0
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_type_that_parquet_has_not(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "no.parquet"
    sql = "SELECT INTERVAL 1 DAY AS i"
    done = eider("query", "--url", cluster.url, "--format", "parquet", "-o", str(file), sql)
    assert done.returncode == 1
    assert "INVALID_QUERY" in done.stderr
    assert "cast it" in done.stderr
