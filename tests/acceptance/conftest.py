"""Fixtures of the acceptance tests."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from tests.acceptance.place import Place
from tests.acceptance.scenarios import ITEMS_DDL

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


@pytest.fixture
def place() -> Iterator[Place]:
    """A place of the test's own; whatever a failed test leaves there is ended and removed."""
    place = Place()
    yield place
    place.remove()


@pytest.fixture(scope="module")
def database(embedded_server: EmbeddedServer) -> Iterator[Database]:
    """A database with the table ``items`` for the tests of one module."""
    name = f"acceptance_{secrets.token_hex(6)}"
    with psycopg.connect(embedded_server.url_with_password(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(embedded_server.url_with_password(name), autocommit=True) as connection:
            connection.execute(ITEMS_DDL)
        yield Database(embedded_server, name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
