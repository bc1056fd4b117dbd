"""A Snowflake store's URL says where it is and how to log in, and never holds a secret."""

import builtins
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector

from upperbound.errors import ConfigurationError
from upperbound.snowflake_login import files
from upperbound.snowflake_login.decision import Login, Method
from upperbound.store.address import parse_store_url
from upperbound.store.engine import open_store
from upperbound.store.snowflake.connect import connect, store_login

ENTRIES = """
[default]
account = "at-default"
user = "ANN"
password = "of-default"
[prod]
account = "at-prod"
user = "ANN"
password = "of-prod"
[other]
account = "at-other"
user = "ANN"
password = "of-other"
"""


@pytest.fixture(autouse=True)
def no_files_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))


def secrets(login: Login) -> dict[str, str]:
    return {key: value.get_secret_value() for key, value in login.secrets.items()}


def login_of(url: str, home: Path, **environment: str) -> Login:
    given = {key: value for key, value in environment.items() if key == "UPPERBOUND_STORE_PASSWORD"}
    return store_login(parse_store_url(url, given), {"SNOWFLAKE_HOME": str(home), **environment})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "snowflake://?connection_name=prod&database=UB&schema=STORE",
            {"connection_name": "prod", "database": "UB", "schema": "STORE"},
        ),
        ("snowflake://", {}),
        (
            "snowflake://ann%40example.com@MYORG-PROD/UB/STORE?warehouse=WH&role=R",
            {
                "user": "ann@example.com",
                "account": "MYORG-PROD",
                "database": "UB",
                "schema": "STORE",
                "warehouse": "WH",
                "role": "R",
            },
        ),
        (
            "snowflake://ann@acc/%22My%20db%22?private_key_file=/k%26y.p8",
            {"user": "ann", "account": "acc", "database": '"My db"', "private_key_file": "/k&y.p8"},
        ),
        ("snowflake://ann@acc/db?database=db", {"user": "ann", "account": "acc", "database": "db"}),
    ],
)
def test_a_url_says_what_the_connector_is_told(url: str, expected: dict[str, str]) -> None:
    address = parse_store_url(url, {})
    assert (address.dialect, address.url, address.path, address.password) == ("snowflake", url, None, None)
    assert address.parameters == expected
    assert parse_store_url(address.url, {}) == address


def test_a_password_is_taken_out_and_goes_to_the_connector_alone(tmp_path: Path) -> None:
    address = parse_store_url("snowflake://ann:s3%40cret@acc/db?warehouse=WH", {})
    assert address.url == "snowflake://ann@acc/db?warehouse=WH"
    assert "s3@cret" not in repr(address)
    assert "s3" not in address.init_hint
    login = store_login(address, {"SNOWFLAKE_HOME": str(tmp_path)})
    assert secrets(login) == {"password": "s3@cret"}
    assert "s3@cret" not in repr(login)


def test_every_problem_is_told_at_once_and_no_secret_is_quoted() -> None:
    url = "snowflake://ann@a:b/db/sch/more?token=hush&warehous=w&port=x&protocol=ftp&database=other&passcode=hush"
    with pytest.raises(ConfigurationError) as caught:
        parse_store_url(url, {})
    assert {problem.where for problem in caught.value.problems} == {
        "",
        "account",
        "token",
        "warehous",
        "port",
        "protocol",
        "database",
        "passcode",
    }
    assert "hush" not in str(caught.value)
    assert "did you mean warehouse?" in str(caught.value)
    assert "connection_name=" in caught.value.hint


@pytest.mark.parametrize("url", ["snowflake://ann@acc", "snowflake://ann@acc?schema=S", "snowflake://?schema=S"])
def test_an_account_needs_a_database(url: str) -> None:
    with pytest.raises(ConfigurationError, match="database"):
        parse_store_url(url, {})


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", "password"),
        ("?authenticator=SNOWFLAKE", "password"),
        ("?authenticator=snowflake_jwt&private_key_file=/k", "private_key_password"),
        ("?private_key_file=/k", "private_key_password"),
        ("?authenticator=oauth", "token"),
        ("?authenticator=PROGRAMMATIC_ACCESS_TOKEN", "token"),
    ],
)
def test_the_secret_of_the_environment_is_what_the_way_to_log_in_needs(query: str, name: str, tmp_path: Path) -> None:
    login = login_of(f"snowflake://ann@acc/db{query}", tmp_path, UPPERBOUND_STORE_PASSWORD="hush")
    assert secrets(login) == {name: "hush"}


@pytest.mark.parametrize(
    ("url", "environ", "account"),
    [
        ("snowflake://?connection_name=prod", {"SNOWFLAKE_DEFAULT_CONNECTION_NAME": "other"}, "at-prod"),
        ("snowflake://?database=UB", {"SNOWFLAKE_DEFAULT_CONNECTION_NAME": "other"}, "at-other"),
        ("snowflake://?database=UB", {}, "at-default"),
    ],
)
def test_without_an_account_an_entry_of_connections_toml_is_used(
    url: str, environ: dict[str, str], account: str, tmp_path: Path
) -> None:
    (tmp_path / "connections.toml").write_text(ENTRIES)
    login = login_of(url, tmp_path, **environ)
    assert (login.get("account"), secrets(login)) == (account, {"password": account.replace("at", "of")})
    assert login.get("database") == ("UB" if "database" in url else None)


def test_an_account_of_the_url_is_not_logged_in_to_with_the_password_of_another(tmp_path: Path) -> None:
    (tmp_path / "connections.toml").write_text(ENTRIES)
    with pytest.raises(ConfigurationError, match="which password") as caught:
        login_of("snowflake://ann@acc/db", tmp_path, SNOWFLAKE_DEFAULT_CONNECTION_NAME="other")
    assert "UPPERBOUND_STORE_PASSWORD" in caught.value.hint


def test_a_container_of_snowflakes_logs_in_with_its_own_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    monkeypatch.setattr(files, "CONTAINER_TOKEN", token)
    environ = {"SNOWFLAKE_HOST": "acc.snowflakecomputing.com", "SNOWFLAKE_ACCOUNT": "acc"}
    with pytest.raises(ConfigurationError, match="which user"):
        login_of("snowflake://?database=UB", tmp_path, **environ)
    token.write_text("hush")
    login = login_of("snowflake://?database=UB", tmp_path, **environ)
    assert (login.get("host"), login.get("account")) == ("acc.snowflakecomputing.com", "acc")
    assert (login.method, login.token_file, secrets(login)) == (Method.OAUTH, str(token), {})
    (tmp_path / "connections.toml").write_text(ENTRIES)
    named = environ | {"SNOWFLAKE_DEFAULT_CONNECTION_NAME": "other"}
    assert login_of("snowflake://?database=UB", tmp_path, **named).get("account") == "at-other", "a name goes first"


def test_each_session_is_in_utc_sees_the_newest_writes_and_says_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(snowflake.connector, "connect", lambda **given: told.update(given))
    address = parse_store_url("snowflake://ann:hush@acc/db?port=8080", {})
    connect(address)
    session = told["session_parameters"]
    assert (session["TIMEZONE"], session["READ_LATEST_WRITES"]) == ("UTC", True)
    assert session["QUERY_TAG"] == "upperbound:store"
    assert (told["autocommit"], told["paramstyle"], told["port"]) == (True, "qmark", 8080)
    assert session["HYBRID_TABLE_LOCK_TIMEOUT"] < session["STATEMENT_TIMEOUT_IN_SECONDS"] <= told["query_timeout"]


def test_without_the_packages_the_answer_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("snowflake."):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match="not installed") as caught:
        open_store("snowflake://?connection_name=prod")
    assert "pip install 'upperbound[snowflake]'" in caught.value.hint
