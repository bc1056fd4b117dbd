"""The private directory of an embedded server: its making, its lock, and its removal."""

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from upperbound.errors import EmbeddedServerError
from upperbound.targets.embedded.binaries import ServerUser, reachable

PREFIX = "upperbound-pg-"
SOCKET_PATH_LIMIT = 107
"""The longest path of a Unix socket in bytes, its ending zero not counted."""

_LOCK = "lock"
_STATUS_LINE = 7


@dataclass
class ServerHome:
    """Directories and files of one server.

    ``root`` has mode 700 and belongs to the server's user. A lock on a file in it is held by the process that made it
    and by the server's watcher: a directory whose lock is free has been left behind by a crash of both, and is removed
    when the next server is made.
    """

    root: Path
    sockets: Path
    user: ServerUser
    _lock: int | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """The server's standard output and error."""
        return self.root / "server.log"

    @property
    def folders(self) -> list[Path]:
        """What has to be removed."""
        return [self.root] if self.sockets.is_relative_to(self.root) else [self.root, self.sockets]

    @property
    def lock_descriptors(self) -> tuple[int, ...]:
        """The descriptor that holds the lock, to hand to the watcher; empty when released."""
        return () if self._lock is None else (self._lock,)

    @classmethod
    def create(cls, user: ServerUser, wanted: Path | None, port: int) -> Self:
        """Make the directories, at ``wanted`` or in a temporary place that ``user`` can reach.

        Raises :class:`EmbeddedServerError` when that is impossible or ``wanted`` is not empty.
        """
        root = _make_wanted(wanted, user) if wanted is not None else _make_temporary(user)
        home = cls(root, root / "s", user)
        try:
            home._prepare(port)
        except OSError as error:
            home.remove()
            raise EmbeddedServerError(f"the server's directory {root} cannot be made: {error}") from error
        return home

    def write_private(self, name: str, text: str) -> Path:
        """Write a file that only the server's user can read, and return its path."""
        path = self.root / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        self._give(path)
        return path

    def says_ready(self) -> bool:
        """Say whether the postmaster has written that it accepts connections."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"

    def log_text(self) -> str:
        """Return the end of the server's log, at most 16 KiB; empty when there is none."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 16 * 1024))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def release(self) -> None:
        """Give up the lock and its file, so that this directory is never taken for one left behind."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
            (self.root / _LOCK).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything; safe to call again."""
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _prepare(self, port: int) -> None:
        self.root.chmod(0o700)
        self._lock = _locked(self.root)
        self.log.touch(mode=0o600)
        if len(os.fsencode(self.sockets / f".s.PGSQL.{port}")) > SOCKET_PATH_LIMIT:
            self.sockets = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        for path in (self.log, self.sockets, self.root):
            self._give(path)

    def _give(self, path: Path) -> None:
        if self.user.switch:
            os.chown(path, self.user.uid, self.user.gid, follow_symlinks=False)


def _locked(root: Path) -> int:
    """Make the lock file under another name first: one that has the final name is always locked or left behind."""
    draft = root / f"{_LOCK}.new"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    draft.rename(root / _LOCK)
    return descriptor


def _make_wanted(wanted: Path, user: ServerUser) -> Path:
    wanted = wanted.absolute()
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        occupied = any(wanted.iterdir())
    except OSError as error:
        raise EmbeddedServerError(f"the data directory {wanted} cannot be used: {error}") from error
    if occupied:
        raise EmbeddedServerError(f"the data directory {wanted} is not empty", hint="name one that is empty or absent")
    if not reachable(wanted.parent, user):
        raise EmbeddedServerError(
            f"the data directory {wanted} cannot be reached by the server's user (uid {user.uid})",
            hint="name one below directories that every user may enter",
        )
    return wanted


def _make_temporary(user: ServerUser) -> Path:
    bases = dict.fromkeys(Path(base) for base in (tempfile.gettempdir(), "/tmp", "/var/tmp"))  # noqa: S108  mkdtemp makes it private
    for base in bases:
        if not reachable(base, user):
            continue
        _sweep(base, user)
        try:
            return Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        except OSError:
            continue
    places = ", ".join(str(base) for base in bases)
    raise EmbeddedServerError(
        f"no temporary directory can be made that the server's user (uid {user.uid}) can reach; tried {places}",
        hint="set TMPDIR to a writable directory that every user may enter",
    )


def _sweep(base: Path, user: ServerUser) -> None:
    """Remove directories of servers whose process and watcher were both killed."""
    for root in base.glob(f"{PREFIX}*"):
        try:
            if root.lstat().st_uid != user.uid:
                continue
            descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _server_lives(root / "data"):
                shutil.rmtree(root, ignore_errors=True)
        except OSError:
            # Locked: its server is in use.
            continue
        finally:
            os.close(descriptor)


def _server_lives(data: Path) -> bool:
    try:
        pid = int((data / "postmaster.pid").read_text().split(maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return False
    return psutil.pid_exists(pid)
