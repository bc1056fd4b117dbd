"""What a worker needs that lives in this process: a store, and a database to put its load on."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from upperbound.scenario.connection_url import split_password
from upperbound.store.engine import Store, open_store


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """Change back what a worker that has lived in this process has changed in it."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    interval = sys.getswitchinterval()
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    sys.setswitchinterval(interval)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store for workers that run in this process."""
    monkeypatch.setenv("UPPERBOUND_HOME", str(tmp_path))
    with open_store(f"sqlite:///{tmp_path}/store.db") as opened:
        yield opened


@pytest.fixture
def database(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database, with its password where a worker looks for it."""
    given = split_password(fresh_database)
    monkeypatch.setenv("PGPASSWORD", given.password or "")
    return given.url
