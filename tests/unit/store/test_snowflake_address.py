"""A Snowflake store's URL says where it is and how to log in, and never holds a secret."""

import builtins
from pathlib import Path
from typing import Any

import pytest

from upperbound.errors import ConfigurationError
from upperbound.store.address import parse_store_url
from upperbound.store.engine import open_store
from upperbound.store.snowflake import connect
from upperbound.store.snowflake.connect import connect_parameters


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


def test_a_password_is_taken_out_and_goes_to_the_connector_alone() -> None:
    address = parse_store_url("snowflake://ann:s3%40cret@acc/db?warehouse=WH", {})
    assert address.url == "snowflake://ann@acc/db?warehouse=WH"
    assert "s3@cret" not in repr(address)
    assert "s3" not in address.init_hint
    assert connect_parameters(address, {})["password"] == "s3@cret"


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
def test_the_secret_of_the_environment_is_what_the_way_to_log_in_needs(query: str, name: str) -> None:
    address = parse_store_url(f"snowflake://ann@acc/db{query}", {"UPPERBOUND_STORE_PASSWORD": "hush"})
    told = connect_parameters(address, {})
    assert told[name] == "hush"
    assert not {"password", "private_key_password", "token"} - {name} & told.keys()


@pytest.mark.parametrize(
    ("url", "environ", "name"),
    [
        ("snowflake://?connection_name=prod", {"SNOWFLAKE_DEFAULT_CONNECTION_NAME": "other"}, "prod"),
        ("snowflake://?database=UB", {"SNOWFLAKE_DEFAULT_CONNECTION_NAME": "other"}, "other"),
        ("snowflake://?database=UB", {}, "default"),
        ("snowflake://ann@acc/db", {"SNOWFLAKE_DEFAULT_CONNECTION_NAME": "other"}, None),
    ],
)
def test_without_an_account_an_entry_of_connections_toml_is_used(
    url: str, environ: dict[str, str], name: str | None
) -> None:
    assert connect_parameters(parse_store_url(url, {}), environ).get("connection_name") == name


def test_a_container_of_snowflakes_logs_in_with_its_own_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "CONTAINER_TOKEN", tmp_path / "token")
    environ = {"SNOWFLAKE_HOST": "acc.snowflakecomputing.com", "SNOWFLAKE_ACCOUNT": "acc"}
    address = parse_store_url("snowflake://?database=UB", {})
    assert connect_parameters(address, environ)["connection_name"] == "default", "there is no token"
    (tmp_path / "token").write_text("hush")
    told = connect_parameters(address, environ)
    assert (told["host"], told["account"]) == ("acc.snowflakecomputing.com", "acc")
    assert (told["authenticator"], told["token_file_path"]) == ("OAUTH", str(tmp_path / "token"))
    assert "connection_name" not in told
    named = environ | {"SNOWFLAKE_DEFAULT_CONNECTION_NAME": "other"}
    assert connect_parameters(address, named)["connection_name"] == "other", "what is named goes first"


def test_each_session_is_in_utc_sees_the_newest_writes_and_says_whose_it_is() -> None:
    told = connect_parameters(parse_store_url("snowflake://ann@acc/db?port=8080", {}), {})
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
