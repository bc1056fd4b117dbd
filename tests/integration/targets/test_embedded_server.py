"""The embedded server starts, answers, and is gone when it should be."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from upperbound.clock import SystemClock
from upperbound.errors import ConfigurationError, EmbeddedServerError, PortInUse
from upperbound.targets.embedded import home
from upperbound.targets.embedded.server import EmbeddedServer

DEADLINE_S = 60.0

PARENT = """
import json, os, signal, sys
from pathlib import Path
import psycopg
from upperbound.targets.embedded.server import EmbeddedServer

signal.signal(signal.SIGINT, lambda *_: None)
keep = "keep" in sys.argv
with EmbeddedServer(max_connections=10, keep=keep) as server:
    if "fork" in sys.argv and os.fork() == 0:
        signal.pause()
    print(json.dumps({
        "pid": server.pid, "watcher": server.watcher_pid, "root": str(server.data_dir.parent),
        "url": server.url_with_password(), "stop_hint": server.stop_hint,
    }), flush=True)
    sys.stdin.readline()
    with psycopg.connect(server.url_with_password()) as connection:
        print(connection.execute("SELECT 'alive'").fetchone()[0], flush=True)
"""


@dataclass
class Parent:
    """A process that has started a server."""

    process: subprocess.Popen[str]
    pid: int
    watcher: int | None
    root: Path
    url: str
    stop_hint: str

    def kill(self) -> None:
        """End the process as a crash would."""
        self.process.kill()
        self.process.wait()

    def ask(self) -> str:
        """Let it connect to its server and end; return what it read."""
        return self.process.communicate("\n", timeout=DEADLINE_S)[0].strip()

    def server_is_gone(self) -> bool:
        """No process has the data directory as an argument, none works in it, and it does not exist."""
        return not self.root.exists() and not processes_of(self.root)


def processes_of(root: Path) -> list[int]:
    """Return the ids of processes that were started for ``root`` or work in it."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(root) in " ".join(process.cmdline()) or str(root) in process.cwd():
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition to hold; return False after the deadline."""
    clock = SystemClock()
    deadline_ns = clock.monotonic_ns() + DEADLINE_S * 1e9
    while not condition():
        if clock.monotonic_ns() > deadline_ns:
            return False
        clock.sleep(0.02)
    return True


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A directory that the server's user can enter; pytest's own belong to this user alone."""
    folder = Path(tempfile.mkdtemp(prefix="ub-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start_parent(open_folder: Path) -> Iterator[Callable[..., Parent]]:
    """Start processes that own a server; whatever they leave is removed."""
    parents: list[Parent] = []
    started: list[psutil.Process] = []

    def start(*arguments: str) -> Parent:
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TMPDIR": str(open_folder), "PGPASSWORD": "not-for-the-server"},
            start_new_session=True,
        )
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        started.extend([*psutil.Process(process.pid).children(recursive=True), psutil.Process(facts["pid"])])
        parents.append(Parent(process, root=Path(facts.pop("root")), **facts))
        return parents[-1]

    yield start
    for parent in parents:
        with parent.process:
            parent.process.kill()
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def test_it_answers_with_statistics_and_timing_and_is_gone_after_the_block() -> None:
    with EmbeddedServer(max_connections=17, settings={"work_mem": "7MB"}) as server:
        root, pid, watcher_pid = server.data_dir.parent, server.pid, server.watcher_pid
        assert root.stat().st_mode & 0o777 == 0o700
        assert watcher_pid is not None
        with psycopg.connect(server.url_with_password()) as connection:

            def shown(name: str) -> object:
                row = connection.execute(f"SHOW {name}").fetchone()
                assert row is not None
                return row[0]

            assert shown("max_connections") == "17"
            assert shown("work_mem") == "7MB"
            assert shown("track_io_timing") == "on"
            assert shown("listen_addresses") == "127.0.0.1"
            assert shown("server_encoding") == "UTF8"
            assert connection.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (True,)
    assert not root.exists()
    assert not psutil.pid_exists(pid)
    assert not psutil.pid_exists(watcher_pid)


def test_stop_and_start_may_be_called_again() -> None:
    server = EmbeddedServer(max_connections=10)
    server.stop()
    server.start()
    pid = server.pid
    server.start()
    assert server.pid == pid
    server.stop()
    server.stop()
    assert not server.is_running()
    with pytest.raises(EmbeddedServerError, match="not running"):
        _ = server.data_dir


def test_a_wrong_password_is_refused(embedded_server: EmbeddedServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://postgres:wrong@127.0.0.1:{embedded_server.port}/postgres")


def test_the_socket_is_in_the_private_directory_and_asks_for_the_password(embedded_server: EmbeddedServer) -> None:
    assert embedded_server.socket_dir.is_relative_to(embedded_server.data_dir.parent)
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(
            host=str(embedded_server.socket_dir), port=embedded_server.port, user="postgres", dbname="postgres"
        )


def test_the_password_is_shown_nowhere(embedded_server: EmbeddedServer) -> None:
    secret = embedded_server.password.get_secret_value()
    assert secret not in embedded_server.url
    assert secret not in repr(embedded_server.password)
    root = embedded_server.data_dir.parent
    for pid in processes_of(root):
        assert secret not in " ".join(psutil.Process(pid).cmdline())
    assert not (root / "password").exists()


def test_the_servers_environment_holds_none_of_ours(start_parent: Callable[..., Parent]) -> None:
    parent = start_parent()
    assert "PGPASSWORD" not in psutil.Process(parent.pid).environ()


def test_a_killed_parent_leaves_no_server_and_no_directory(start_parent: Callable[..., Parent]) -> None:
    parent = start_parent()
    with psycopg.connect(parent.url):
        parent.kill()
        assert until(parent.server_is_gone)


def test_a_forked_child_of_a_killed_parent_does_not_keep_the_server(start_parent: Callable[..., Parent]) -> None:
    parent = start_parent("fork")
    parent.kill()
    assert until(parent.server_is_gone)


def test_ctrl_c_reaches_neither_server_nor_watcher(start_parent: Callable[..., Parent]) -> None:
    parent = start_parent()
    os.killpg(parent.process.pid, signal.SIGINT)
    assert parent.ask() == "alive"
    assert parent.process.returncode == 0
    assert parent.server_is_gone()


def test_the_server_goes_when_its_watcher_is_killed(start_parent: Callable[..., Parent]) -> None:
    parent = start_parent()
    assert parent.watcher is not None
    os.kill(parent.watcher, signal.SIGKILL)
    assert until(lambda: not psutil.pid_exists(parent.pid))


def test_stop_removes_the_directory_when_the_watcher_was_killed() -> None:
    with EmbeddedServer(max_connections=10) as server:
        root, watcher_pid = server.data_dir.parent, server.watcher_pid
        assert watcher_pid is not None
        os.kill(watcher_pid, signal.SIGKILL)
    assert not root.exists()
    assert not processes_of(root)


def test_a_terminated_watcher_stops_its_server_in_order(start_parent: Callable[..., Parent]) -> None:
    parent = start_parent()
    assert parent.watcher is not None
    os.kill(parent.watcher, signal.SIGTERM)
    assert until(lambda: not parent.root.exists())
    assert not psutil.pid_exists(parent.pid)


def test_what_a_crash_of_parent_and_watcher_leaves_is_removed_by_the_next_start(
    start_parent: Callable[..., Parent],
) -> None:
    crashed = start_parent()
    assert crashed.watcher is not None
    os.kill(crashed.process.pid, signal.SIGSTOP)
    os.kill(crashed.watcher, signal.SIGKILL)
    crashed.kill()
    assert until(lambda: not psutil.pid_exists(crashed.pid))
    assert crashed.root.exists()
    running = start_parent()
    assert not crashed.root.exists()
    another = start_parent()
    assert running.root.exists()
    assert another.ask() == running.ask() == "alive"


def test_a_stopped_server_process_is_ended_all_the_same() -> None:
    with EmbeddedServer(max_connections=10) as server, psycopg.connect(server.url_with_password()) as connection:
        root = server.data_dir.parent
        os.kill(connection.info.backend_pid, signal.SIGSTOP)
        os.kill(server.pid, signal.SIGSTOP)
        server.stop()
    assert not root.exists()
    assert not processes_of(root)


def test_a_server_that_has_died_by_itself_is_cleaned_up() -> None:
    with EmbeddedServer(max_connections=10) as server:
        root = server.data_dir.parent
        os.kill(server.pid, signal.SIGKILL)
        assert until(lambda: not server.is_running())
    assert not root.exists()


def test_a_kept_server_outlives_its_parent_and_its_hint_stops_it(start_parent: Callable[..., Parent]) -> None:
    parent = start_parent("keep")
    assert parent.watcher is None
    assert parent.ask() == "alive"
    assert parent.process.returncode == 0
    with psycopg.connect(parent.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    subprocess.run(["sh", "-c", parent.stop_hint], check=True)
    assert until(parent.server_is_gone)


def test_the_watcher_sleeps_while_the_server_works(embedded_server: EmbeddedServer) -> None:
    watcher = psutil.Process(embedded_server.watcher_pid)
    before = watcher.num_ctx_switches()
    with psycopg.connect(embedded_server.url_with_password()) as connection:
        for _ in range(500):
            connection.execute("SELECT 1")
    assert watcher.num_ctx_switches() == before


def test_a_port_that_is_taken_is_named_and_nothing_is_left(open_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port} on 127.0.0.1 is in use"):
            EmbeddedServer(port=port, data_dir=open_folder / "pg").start()
    assert not (open_folder / "pg").exists()


def test_a_port_that_is_no_port_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="70000 is not a TCP port"):
        EmbeddedServer(port=70000).start()


def test_a_given_free_port_is_used() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with EmbeddedServer(max_connections=10, port=port) as server:
        assert server.port == port
        with psycopg.connect(server.url_with_password()) as connection:
            assert connection.info.port == port


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(open_folder: Path) -> None:
    server = EmbeddedServer(data_dir=open_folder / "pg", settings={"shared_buffers": "much"})
    with pytest.raises(EmbeddedServerError, match='invalid value for parameter "shared_buffers"'):
        server.start()
    assert not (open_folder / "pg").exists()
    assert not processes_of(open_folder / "pg")


def test_a_data_directory_that_is_in_use_is_left_alone(open_folder: Path) -> None:
    (open_folder / "mine.txt").write_text("keep me")
    with pytest.raises(EmbeddedServerError, match="is not empty"):
        EmbeddedServer(data_dir=open_folder).start()
    assert (open_folder / "mine.txt").read_text() == "keep me"


def test_a_data_directory_with_a_long_path_gets_its_socket_elsewhere(open_folder: Path) -> None:
    with EmbeddedServer(max_connections=10, data_dir=open_folder / ("x" * 100)) as server:
        sockets = server.socket_dir
        assert len(os.fsencode(sockets / f".s.PGSQL.{server.port}")) <= home.SOCKET_PATH_LIMIT
        with psycopg.connect(
            host=str(sockets),
            port=server.port,
            user="postgres",
            dbname="postgres",
            password=server.password.get_secret_value(),
        ) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not sockets.exists()
    assert not (open_folder / ("x" * 100)).exists()


def test_a_temporary_directory_that_the_server_cannot_reach_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(closed))
    with EmbeddedServer(max_connections=10) as server:
        inside = server.data_dir.is_relative_to(closed)
        assert inside == (os.geteuid() != 0)
