"""What a worker needs that lives in this process: a store, and a database to put its load on."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from upperbound.scenario.connection_url import split_password
from upperbound.store.engine import Store, open_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store for workers that run in this process; what they change in the process is changed back."""
    monkeypatch.setenv("UPPERBOUND_HOME", str(tmp_path))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    interval = sys.getswitchinterval()
    with open_store(f"sqlite:///{tmp_path}/store.db") as opened:
        yield opened
    for number, handler in handlers.items():
        signal.signal(number, handler)
    sys.setswitchinterval(interval)


@pytest.fixture
def database(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database, with its password where a worker looks for it."""
    given = split_password(fresh_database)
    monkeypatch.setenv("PGPASSWORD", given.password or "")
    return given.url
