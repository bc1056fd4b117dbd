"""Fixtures that several test folders share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.databases import new_database
from tests.emulators.handle import SnowflakeDatabase, SnowflakeEmulator

from upperbound.targets.embedded.server import EmbeddedServer


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the width of lines to the product, whatever the terminal or the runner of the tests has set."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[EmbeddedServer]:
    """One embedded PostgreSQL for the whole session; durability is off, no test crashes this server's machine."""
    settings = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with EmbeddedServer(max_connections=100, settings=settings) as server:
        yield server


@pytest.fixture
def fresh_database(embedded_server: EmbeddedServer) -> Iterator[str]:
    """The URL, password included, of an empty database that is dropped after the test."""
    with new_database(embedded_server) as url:
        yield url


@pytest.fixture(scope="session")
def snowflake_emulator() -> Iterator[SnowflakeEmulator]:
    """One Snowflake emulator for the whole session; with several test processes, one for each."""
    with SnowflakeEmulator.start() as emulator:
        yield emulator


@pytest.fixture
def snowflake(snowflake_emulator: SnowflakeEmulator) -> Iterator[SnowflakeDatabase]:
    """An empty database in an emulated account that is as new: without faults, history, other users or warehouses."""
    with snowflake_emulator.fresh_database() as database:
        yield database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs Debian's PostgreSQL where it is not installed."""
    if any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        return
    missing = pytest.mark.skip(reason="system package missing: Debian's postgresql (as root, scripts/test installs it)")
    for item in items:
        if item.get_closest_marker("system_postgres"):
            item.add_marker(missing)
