"""A server for each test, and one with a finished run for all of them."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.databases import new_database
from tests.integration.api.serving import Serving, serving
from tests.integration.orchestrator.conftest import ROWS

from upperbound.store.engine import open_store
from upperbound.targets.embedded.dataset import create_orders
from upperbound.targets.embedded.server import EmbeddedServer


@pytest.fixture(scope="session")
def target(embedded_server: EmbeddedServer) -> Iterator[str]:
    """A database with a table of orders, shared by all runs: each only adds to it."""
    with new_database(embedded_server) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            create_orders(connection, rows=ROWS)
        yield url


@pytest.fixture
def server(target: str, tmp_path: Path) -> Iterator[Serving]:
    """A server with an empty store of its own."""
    with open_store(f"sqlite:///{tmp_path}/store.db") as store, serving(store, tmp_path, target) as served:
        yield served


@pytest.fixture(scope="session")
def shared(target: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server whose runs tests read and leave as they are."""
    home = tmp_path_factory.mktemp("shared")
    with open_store(f"sqlite:///{home}/store.db") as store, serving(store, home, target) as served:
        yield served


@pytest.fixture(scope="session")
def finished(shared: Serving) -> str:
    """A run of the shared server that has completed."""
    return shared.finished(warmup_seconds=2, duration_seconds=4)
