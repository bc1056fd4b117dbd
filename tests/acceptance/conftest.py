"""Fixtures of the acceptance tests."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from tests.acceptance.place import GONE_S, Place, until
from tests.acceptance.scenarios import ITEMS_DDL
from tests.databases import new_database

from upperbound.store.engine import init_store
from upperbound.targets.embedded.server import EmbeddedServer


@dataclass(frozen=True)
class Database:
    """A database of the tests' own server that holds the table ``items``."""

    server: EmbeddedServer
    name: str

    @property
    def url(self) -> str:
        """Its URL without the password."""
        return self.server.url.rpartition("/")[0] + f"/{self.name}"

    @property
    def url_with_password(self) -> str:
        """Its URL with the password."""
        return self.server.url_with_password(self.name)

    @property
    def password(self) -> str:
        """The password of its user."""
        return self.server.password.get_secret_value()

    @property
    def environment(self) -> dict[str, str | None]:
        """What a user sets to reach it."""
        return {"PGPASSWORD": self.password}

    def sessions(self) -> int:
        """Return how many connections of Upperbound it has."""
        with psycopg.connect(self.url_with_password) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name LIKE 'upperbound%%'",
                [self.name],
            ).fetchone()
        assert row is not None
        return int(row[0])

    def executes(self, statement: str) -> bool:
        """Say whether a session of Upperbound executes a statement now, whatever comment leads it."""
        with psycopg.connect(self.url_with_password) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'active' AND query LIKE %s",
                [self.name, f"/*%*/ {statement}"],
            ).fetchone()
        assert row is not None
        return bool(row[0])

    def is_free(self) -> bool:
        """Say whether no connection of Upperbound is left, waiting a moment for the server to see that one has gone."""
        return until(lambda: self.sessions() == 0, GONE_S)


@pytest.fixture
def place() -> Iterator[Place]:
    """A place of the test's own; whatever a failed test leaves there is ended and removed."""
    place = Place()
    yield place
    place.remove()


@pytest.fixture(scope="session")
def items_template(embedded_server: EmbeddedServer) -> str:
    """The name of a database with the table ``items``, to be copied and never connected to."""
    name = f"template_{secrets.token_hex(6)}"
    with psycopg.connect(embedded_server.url_with_password(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(embedded_server.url_with_password(name), autocommit=True) as connection:
        connection.execute(ITEMS_DDL)
    return name


@pytest.fixture
def database(embedded_server: EmbeddedServer, items_template: str) -> Iterator[Database]:
    """A database with the table ``items`` of the test's own, so that what one test leaves there spoils no other."""
    name = f"acceptance_{secrets.token_hex(6)}"
    with psycopg.connect(embedded_server.url_with_password(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {items_template}")
    yield Database(embedded_server, name)
    with psycopg.connect(embedded_server.url_with_password(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, place: Place) -> str:
    """The URL of an SQLite store, then of a PostgreSQL store; the place looks into it, and commands have to name it."""
    if request.param == "postgresql":
        place.store_url = str(request.getfixturevalue("postgres_store"))
    return place.store_url


@pytest.fixture
def postgres_store(embedded_server: EmbeddedServer) -> Iterator[str]:
    """The URL, password included, of a PostgreSQL store of the test's own."""
    with new_database(embedded_server) as url:
        init_store(url)
        yield url
