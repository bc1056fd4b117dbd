"""What a run needs is taken away before or in its middle: it says what is gone, and leaves nothing behind."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import CLOCK, Place
from tests.acceptance.scenarios import ITEMS_DDL, items_scenario

from upperbound.domain.run_state import RunStatus
from upperbound.orchestrator.log_space import FREE_DISK_BYTES
from upperbound.targets.embedded.server import EmbeddedServer

MEBIBYTE = 2**20


@pytest.fixture
def own_server() -> Iterator[EmbeddedServer]:
    """A server of the test's own with the table ``items``, to be taken away."""
    with EmbeddedServer(max_connections=30, settings={"fsync": "off"}) as server:
        with psycopg.connect(server.url_with_password(), autocommit=True) as connection:
            connection.execute(ITEMS_DDL)
        yield server


def test_a_server_that_goes_away_fails_the_run_with_the_reason(place: Place, own_server: EmbeddedServer) -> None:
    place.write("scenario.yaml", items_scenario(own_server.url))
    environment = {"PGPASSWORD": own_server.password.get_secret_value()}
    command = place.start("run", "scenario.yaml", "--json", "run.json", environment=environment)
    place.measuring_run(command)

    own_server.stop()
    stopped_at = CLOCK.utc_now()
    outcome = command.wait()

    assert outcome.code == 4, outcome.text
    failed_at = place.runs()[0].end_time
    assert failed_at is not None
    assert failed_at - stopped_at < timedelta(seconds=20.0)
    assert "the target is gone" in outcome.text
    assert "FAILED" in outcome.text
    summary = place.summary("run.json")
    assert summary["status"] == RunStatus.FAILED
    assert "the target is gone" in summary["completion_reason"]
    assert [error["class"] for error in summary["errors"]] == ["connection_lost"]
    assert place.nothing_is_left(), place.leftovers()


def mount(folder: Path, size_bytes: int) -> None:
    """Mount an empty file system of its own size at ``folder``, or skip the test where that is not allowed."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root: a small file system has to be mounted")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0755", "upperbound-test", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this system does not allow mounting: {mounted.stderr.strip()}")


@pytest.fixture
def small_disk(place: Place) -> Iterator[Place]:
    """A place whose home is on a disk with 20 MiB more than a run needs to start."""
    mount(place.home, FREE_DISK_BYTES + 20 * MEBIBYTE)
    yield place
    place.end_processes()
    subprocess.run(["umount", "--lazy", str(place.home)], check=True)


def fill(disk: Path, *, leave_bytes: int) -> None:
    """Fill a disk up but for ``leave_bytes`` with a file that nobody wants."""
    with (disk / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, shutil.disk_usage(disk).free - leave_bytes)


def fill_up(disk: Path) -> None:
    """Fill a disk up to the last byte, while others write to it as well."""
    fill(disk, leave_bytes=4 * MEBIBYTE)
    with (disk / "ballast").open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))


def test_a_disk_with_too_little_room_is_refused_before_the_start(small_disk: Place, database: Database) -> None:
    small_disk.write("scenario.yaml", items_scenario(database.url))
    fill(small_disk.home, leave_bytes=FREE_DISK_BYTES - 8 * MEBIBYTE)

    outcome = small_disk.run("run", "scenario.yaml", environment=database.environment)

    assert outcome.code == 2, outcome.text
    assert "MiB are free in" in outcome.text
    assert str(small_disk.home) in outcome.text
    assert "at least 256 MiB" in outcome.text
    assert not small_disk.runs()
    assert not small_disk.run_folders()
    assert small_disk.nothing_is_left(), small_disk.leftovers()


def test_a_disk_that_fills_up_in_the_middle_fails_the_run_and_is_named(small_disk: Place, database: Database) -> None:
    small_disk.write("scenario.yaml", items_scenario(database.url))
    command = small_disk.start("run", "scenario.yaml", "--json", "run.json", environment=database.environment)
    run = small_disk.measuring_run(command)

    fill_up(small_disk.home)
    outcome = command.wait()

    assert outcome.code == 4, outcome.text
    assert "the query log cannot be written" in outcome.text
    assert str(small_disk.home / "runs" / run.run_id) in outcome.text
    summary = small_disk.summary("run.json")
    assert summary["status"] == RunStatus.FAILED
    assert "query log" in summary["completion_reason"]
    assert small_disk.nothing_is_left(), small_disk.leftovers()
