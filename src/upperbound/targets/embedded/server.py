"""A private PostgreSQL server that lives as long as the process that asked for it."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from pydantic import SecretStr

from upperbound.clock import Clock, SystemClock
from upperbound.errors import ConfigurationError, EmbeddedServerError, PortInUse
from upperbound.targets.embedded import watcher
from upperbound.targets.embedded.binaries import Binaries, ServerUser, find_binaries, server_user
from upperbound.targets.embedded.home import ServerHome

HOST = "127.0.0.1"
SUPERUSER = "postgres"
DATABASE = "postgres"

START_DEADLINE_S = 60.0
"""How long a server may take until it accepts connections."""
STOP_DEADLINE_S = 5.0 + sum(seconds for _, seconds in watcher.STOP_STEPS) + 5.0
"""How long a watcher may take to stop its server and remove its directory."""

_LOG_LINES = 8
_PORT_ATTEMPTS = 3
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_MEBIBYTE = 1024 * 1024


class _PortLost(EmbeddedServerError):
    """The free port that was chosen has been taken before the server could listen on it."""


class EmbeddedServer:
    """A PostgreSQL server on 127.0.0.1 with a private data directory, a free port and a generated password.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. The server stops and its directory goes away
    when this process ends, however it ends; with ``keep`` it stays, and :attr:`stop_hint` says how to stop it. A
    terminal's Ctrl-C does not reach the server.

    ``data_dir`` is a directory to use instead of one in the temporary directory; it must be absent or empty, and is
    removed like a temporary one. ``settings`` are ``postgresql.conf`` settings that go over ours.
    ``pg_stat_statements`` is loaded, and created in the database ``postgres``, where the installation has it. The
    build has no TLS and no ICU, which is enough for the loopback address.
    """

    def __init__(
        self,
        *,
        max_connections: int = 100,
        port: int | None = None,
        keep: bool = False,
        data_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._max_connections = max_connections
        self._wanted_port = port
        self._keep = keep
        self._wanted_dir = data_dir
        self._settings = dict(settings or {})
        self._clock = clock or SystemClock()
        self._password = secrets.token_urlsafe(24)
        self._port = 0
        self._home: ServerHome | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._postmaster: psutil.Process | None = None

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; 0 before the start."""
        return self._port

    @property
    def password(self) -> SecretStr:
        """The generated password of the superuser ``postgres``."""
        return SecretStr(self._password)

    @property
    def url(self) -> str:
        """The server's URL without the password."""
        return f"postgresql://{SUPERUSER}@{HOST}:{self._port}/{DATABASE}"

    @property
    def data_dir(self) -> Path:
        """PGDATA of the running server. Raises :class:`EmbeddedServerError` when it is not running."""
        return self._running_home().data

    @property
    def socket_dir(self) -> Path:
        """The directory of the server's Unix socket. Raises :class:`EmbeddedServerError` when it is not running."""
        return self._running_home().sockets

    @property
    def pid(self) -> int:
        """Process id of the postmaster. Raises :class:`EmbeddedServerError` when it has not been started."""
        if self._postmaster is None:
            raise EmbeddedServerError("the embedded PostgreSQL is not running")
        return self._postmaster.pid

    @property
    def watcher_pid(self) -> int | None:
        """Process id of the watcher; None for a kept server, which has none."""
        return None if self._watcher is None else self._watcher.pid

    @property
    def stop_hint(self) -> str:
        """The shell command that stops a kept server and removes its data."""
        folders = " ".join(str(folder) for folder in self._running_home().folders)
        return f"kill -INT {self.pid}; sleep 2; rm -r {folders}"

    def url_with_password(self, database: str = DATABASE) -> str:
        """Return the URL of one database with the password in it, for drivers; never print it."""
        return f"postgresql://{SUPERUSER}:{self._password}@{HOST}:{self._port}/{database}"

    def is_running(self) -> bool:
        """Say whether the postmaster is alive."""
        return self._postmaster is not None and _alive(self._postmaster)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not self._keep:
            self.stop()

    def start(self) -> None:
        """Initialise the data directory, start the server and wait until it accepts connections.

        Raises :class:`PortInUse` when the port asked for is taken and :class:`EmbeddedServerError` when there are no
        programs, no directory, or the server does not come up; nothing is left behind then. A second call on a running
        server does nothing.
        """
        if self.is_running():
            return
        user = server_user()
        binaries = find_binaries(user)
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self._port = _free_port() if self._wanted_port is None else _checked_port(self._wanted_port)
            try:
                self._start_on_port(binaries, user)
            except BaseException as error:
                self.stop()
                if isinstance(error, _PortLost) and self._wanted_port is None and attempt < _PORT_ATTEMPTS:
                    continue
                raise
            return

    def stop(self) -> None:
        """Stop the server and remove its directory; safe to call at any time and more than once."""
        if self._watcher is not None:
            self._dismiss_watcher(self._watcher)
            self._watcher = None
        if self._postmaster is not None and _alive(self._postmaster):
            # The watcher is gone before its time, or the server was to be kept.
            watcher.stop_server(self._postmaster.pid, self._ended_within)
        self._postmaster = None
        if self._home is not None:
            self._home.remove()
            self._home = None

    def _start_on_port(self, binaries: Binaries, user: ServerUser) -> None:
        self._home = ServerHome.create(user, self._wanted_dir, self._port)
        self._initialise(binaries, user, self._home)
        self._launch(binaries, user, self._home)
        self._await_ready(self._home)
        self._create_extensions(binaries)

    def _initialise(self, binaries: Binaries, user: ServerUser, home: ServerHome) -> None:
        password_file = home.write_private("password", self._password)
        command = [
            str(binaries.program("initdb")),
            *("-D", str(home.data), "-U", SUPERUSER, "-E", "UTF8", "--locale=C"),
            *("--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync", "--no-instructions"),
        ]
        code, said = _run_to_the_end(command, user, home.root)
        password_file.unlink()
        if code != 0:
            raise EmbeddedServerError(f"initdb failed with exit code {code} in {home.data}: {_last_lines(said)}")
        with (home.data / "postgresql.conf").open("a") as conf:
            conf.writelines(
                f"{name} = {_quoted(value)}\n" for name, value in self._configuration(binaries, home).items()
            )

    def _configuration(self, binaries: Binaries, home: ServerHome) -> dict[str, str]:
        ours = {
            "max_connections": str(self._max_connections),
            "shared_buffers": f"{_shared_buffers_mb()}MB",
            "track_io_timing": "on",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            # A statement that fails is the benchmark's to count; ten thousand of them a second would fill the disk.
            "log_min_messages": "log",
        }
        if binaries.has_library("pg_stat_statements"):
            ours["shared_preload_libraries"] = "pg_stat_statements"
        fixed = {"listen_addresses": HOST, "port": str(self._port), "unix_socket_directories": str(home.sockets)}
        return ours | self._settings | fixed

    def _launch(self, binaries: Binaries, user: ServerUser, home: ServerHome) -> None:
        order = watcher.Order(
            command=[str(binaries.program("postgres")), "-D", str(home.data)],
            environment=_environment(),
            directory=str(home.root),
            log=str(home.log),
            remove=[str(folder) for folder in home.folders],
            parent=os.getpid(),
            uid=user.uid if user.switch else None,
            gid=user.gid if user.switch else None,
            keep=self._keep,
        )
        if self._keep:
            home.release()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(watcher.__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=home.lock_descriptors,
            cwd="/",
            start_new_session=True,
        )
        self._watcher = process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(order.to_json().encode() + b"\n")
            process.stdin.flush()
        answer = json.loads(process.stdout.readline() or b'{"refused": "the process that watches it ended at once"}')
        if "refused" in answer:
            raise EmbeddedServerError(f"the embedded PostgreSQL cannot be started: {answer['refused']}")
        try:
            self._postmaster = psutil.Process(answer["started"])
        except psutil.NoSuchProcess:
            raise self._early_end(home) from None
        if self._keep:
            self._dismiss_watcher(process)
            self._watcher = None

    def _await_ready(self, home: ServerHome) -> None:
        """Return when the postmaster has written that it accepts connections."""
        deadline_ns = self._clock.monotonic_ns() + int(START_DEADLINE_S * 1e9)
        while not home.says_ready():
            if not self.is_running():
                raise self._early_end(home)
            if self._clock.monotonic_ns() > deadline_ns:
                said = _last_lines(home.log_text())
                raise EmbeddedServerError(
                    f"the embedded PostgreSQL accepts no connections after {START_DEADLINE_S:.0f} s; "
                    f"it last said: {said}"
                )
            self._clock.sleep(0.01)

    def _early_end(self, home: ServerHome) -> EmbeddedServerError:
        text = home.log_text()
        said = _last_lines(text)
        if "could not bind" in text and "in use" in text:
            return _PortLost(f"the embedded PostgreSQL cannot listen on port {self._port}: {said}")
        return EmbeddedServerError(f"the embedded PostgreSQL ended while starting; it last said: {said}")

    def _create_extensions(self, binaries: Binaries) -> None:
        try:
            with psycopg.connect(self.url_with_password(), autocommit=True, connect_timeout=10) as connection:
                if binaries.has_library("pg_stat_statements"):
                    loaded = connection.execute("SHOW shared_preload_libraries").fetchone()
                    if loaded is not None and "pg_stat_statements" in loaded[0]:
                        connection.execute("CREATE EXTENSION pg_stat_statements")
        except psycopg.Error as error:
            raise EmbeddedServerError(
                f"the embedded PostgreSQL has started but refuses its first client: {error}"
            ) from error

    def _dismiss_watcher(self, process: subprocess.Popen[bytes]) -> None:
        """Close the watcher's standard input, which is its word to stop the server, and wait for its end."""
        with process:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _ended_within(self, seconds: float) -> bool:
        assert self._postmaster is not None
        # It is no child of this process.
        return not psutil.wait_procs([self._postmaster], timeout=seconds)[1]

    def _running_home(self) -> ServerHome:
        if self._home is None:
            raise EmbeddedServerError("the embedded PostgreSQL is not running")
        return self._home


def _run_to_the_end(command: list[str], user: ServerUser, folder: Path) -> tuple[int, str]:
    """Run a program as ``user``; return its exit code and what it said, its errors if there were any.

    When this is interrupted, nothing the program has started is left to write into ``folder``.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(),
        user=user.uid if user.switch else None,
        group=user.gid if user.switch else None,
        extra_groups=[] if user.switch else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # Ctrl-C is for this process, which then cleans up.
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Every child holds the other end of the pipe for errors: it ends when the last of them has.
            process.communicate()
            raise
    return process.returncode, err or out


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _environment() -> dict[str, str]:
    """Return what the server may see of our environment: no PG* settings, no secrets, no locale."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _checked_port(port: int) -> int:
    if not 1 <= port <= 65535:
        raise ConfigurationError(f"port {port} is not a TCP port", hint="choose one from 1024 to 65535, or none")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # PostgreSQL listens with this option: connections of an earlier server that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise ConfigurationError(
                f"this user may not listen on port {port}", hint="choose one from 1024 to 65535, or none"
            ) from error
        except OSError as error:
            raise PortInUse(
                f"port {port} on {HOST} is in use by another process",
                hint="choose another port, or leave it out to get a free one",
            ) from error
    return port


def _shared_buffers_mb() -> int:
    """Return an eighth of the machine's memory between 128 and 512 MiB: room for the data, not at others' cost."""
    return max(128, min(512, psutil.virtual_memory().total // 8 // _MEBIBYTE))


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-_LOG_LINES:]) or "nothing"
