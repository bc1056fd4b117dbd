"""A store's URL is read once; what may be shown of it never holds a password."""

from pathlib import Path

import pytest

from upperbound.errors import ConfigurationError
from upperbound.store.address import parse_store_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////data/u.db", "/data/u.db"),
        ("sqlite:////data/a b?c#d%20.db", "/data/a b?c#d%20.db"),
        ("sqlite:///u.db", str(Path("u.db").absolute())),
        ("sqlite:///~/u.db", str(Path("~/u.db").expanduser())),
    ],
)
def test_an_sqlite_url_names_a_file_as_it_stands(url: str, path: str) -> None:
    address = parse_store_url(url, {})
    assert (address.dialect, str(address.path), address.url, address.password) == (
        "sqlite",
        path,
        f"sqlite:///{path}",
        None,
    )
    assert parse_store_url(address.url, {}) == address


@pytest.mark.parametrize(
    ("url", "shown", "password"),
    [
        ("postgresql://me@h:5432/db", "postgresql://me@h:5432/db", None),
        ("postgres://me:se%40cret@h/db?sslmode=require", "postgres://me@h/db?sslmode=require", "se@cret"),
        ("postgresql:///db?host=/run/pg&user=me&password=secret", "postgresql:///db?host=/run/pg&user=me", "secret"),
        ("postgresql://", "postgresql://", None),
        ("postgresql://a:1,b:2/db", "postgresql://a:1,b:2/db", None),
    ],
)
def test_a_postgresql_url_is_freed_of_its_password(url: str, shown: str, password: str | None) -> None:
    address = parse_store_url(url, {})
    assert (address.dialect, address.url, address.path) == ("postgresql", shown, None)
    assert (address.password.get_secret_value() if address.password else None) == password
    assert "s3cret" not in repr(address)
    assert "se@cret" not in repr(address)


def test_a_password_in_the_url_wins_over_the_environment() -> None:
    environ = {"UPPERBOUND_STORE_PASSWORD": "from-environment"}
    given, from_environment = (
        parse_store_url(url, environ).password for url in ("postgresql://me:given@h/db", "postgresql://me@h/db")
    )
    assert given is not None
    assert from_environment is not None
    assert given.get_secret_value() == "given"
    assert from_environment.get_secret_value() == "from-environment"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "store.db",
        "mysql://me:hush@h/db",
        "snowflake://me:hush@acc:ount/db",
        "snowflake://me@account/db?token=hush",
        "sqlite://",
        "sqlite:///",
        "sqlite://store.db",
        "sqlite:///:memory:",
        "postgresql:hush",
        "postgresql://me:hush/x@h/db",
        "postgresql://me:hush?x@h/db",
        "postgresql://me:%zzhush@h:port/db",
        "postgresql://me@h/db?passwort=hush",
        "postgresql://me@h/db?sslpassword=hush",
        "postgresql://me:sec ret hush@h:x/db",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_store_url(url, {})
    assert "hush" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
