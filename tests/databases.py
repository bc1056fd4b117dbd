"""Databases of tests on the embedded server."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from upperbound.targets.embedded.server import EmbeddedServer


@contextmanager
def new_database(server: EmbeddedServer) -> Iterator[str]:
    """Make a database and yield its URL, password included; it is dropped after, whoever is connected."""
    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(server.url_with_password(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield server.url_with_password(name)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
