"""From what is typed in the editor to the target, and from a table that is picked back to what is typed."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from upperbound.errors import ConfigurationError
from upperbound.scenario.kinds import TableType
from upperbound.targets.postgres import ConnInfo
from upperbound.targets.snowflake import SnowflakeInfo
from upperbound.ui.draft import Draft
from upperbound.ui.pages.configure.way_in import Choice, in_database, keep_choice, typed_account, way_in

ENTRY = """
[bench]
account = "MYORG-BENCH"
user = "ANNA"
password = "of-the-entry"
database = "SHOP"
schema = "SALES"
"""


@pytest.fixture(autouse=True)
def connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "connections.toml"
    file.touch(mode=0o600)
    file.write_text(ENTRY)
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))
    monkeypatch.delenv("SNOWFLAKE_DEFAULT_CONNECTION_NAME", raising=False)


def draft(**target: Any) -> Draft:
    """Return a draft on Snowflake that is not complete."""
    return Draft({"name": "", "target": {"kind": "snowflake", "connection_name": "bench", **target}})


def account(made: Draft, password: str | None = None) -> SnowflakeInfo:
    found = way_in(made, SecretStr(password) if password else None, "test")
    assert isinstance(found, SnowflakeInfo)
    return found


def test_the_way_into_an_account_is_that_of_its_entry_and_what_is_typed_wins() -> None:
    found = account(draft(schema="other", warehouse="bench_wh", role="tester"))
    assert {key: found.login.get(key) for key in ("account", "database", "schema", "warehouse", "role")} == {
        "account": "MYORG-BENCH",
        "database": "SHOP",
        "schema": "other",
        "warehouse": "bench_wh",
        "role": "tester",
    }
    assert found.settings.query_tag == "upperbound:test"


def test_a_password_that_is_typed_takes_the_place_of_the_entrys_and_is_in_no_repr() -> None:
    found = account(draft(), "typed-here")
    assert found.login.secrets["password"].get_secret_value() == "typed-here"
    assert "typed-here" not in repr(found)
    assert account(draft()).login.secrets["password"].get_secret_value() == "of-the-entry"


def test_a_table_that_is_half_typed_does_not_stand_in_the_way_of_the_catalog() -> None:
    assert account(draft(table="a b", table_type="HYBRID")).login.get("database") == "SHOP"
    with pytest.raises(ConfigurationError, match="cannot be looked at") as caught:
        typed_account(draft(table="a b"))
    assert [problem.where for problem in caught.value.problems] == ["target.table"]


def test_every_value_that_is_wrong_is_told_at_its_field() -> None:
    with pytest.raises(ConfigurationError) as caught:
        account(draft(warehouse="a.b", account="https://x", table="a b"))
    told = {problem.where: str(problem) for problem in caught.value.problems}
    assert set(told) == {"target.warehouse", "target.account"}
    assert "ORGANISATION-ACCOUNT" in told["target.account"]


def test_a_connection_that_is_not_there_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="has no entry 'bank'") as caught:
        account(draft(connection_name="bank"))
    assert "entries there are: bench" in caught.value.hint


@pytest.mark.parametrize(("name", "written"), [("OTHER", "OTHER"), ("odd one", '"odd one"'), ("lower", '"lower"')])
def test_another_database_of_an_account_is_written_as_in_sql_and_has_no_schema_of_the_first(
    name: str, written: str
) -> None:
    found = in_database(account(draft()), name)
    assert isinstance(found, SnowflakeInfo)
    assert (found.login.get("database"), found.login.get("schema")) == (written, None)
    assert found.login.get("account") == "MYORG-BENCH"


def test_another_database_of_a_server_is_in_its_url() -> None:
    place = ConnInfo("postgresql://app@db:5432/shop?sslmode=require", SecretStr("typed-here"))
    assert in_database(place, "odd/one") == ConnInfo(
        "postgresql://app@db:5432/odd%2Fone?sslmode=require", SecretStr("typed-here")
    )


def test_a_table_that_is_picked_brings_its_schema_its_kind_and_another_database() -> None:
    made = draft(schema="SALES", table_type="STANDARD")
    keep_choice(made, Choice(account(made), "PUBLIC", "PUBLIC.ORDERS", None, TableType.HYBRID))
    assert made.document()["target"] == {
        "kind": "snowflake",
        "connection_name": "bench",
        "schema": "PUBLIC",
        "table": "PUBLIC.ORDERS",
        "table_type": "HYBRID",
    }
    keep_choice(made, Choice(account(made), "sales", '"sales".ORDERS', "odd one", TableType.STANDARD))
    assert made.get("target.database") == '"odd one"'
    assert (made.get("target.schema"), made.get("target.table_type")) == ('"sales"', "STANDARD")


def test_a_table_of_a_server_leaves_its_kind_as_it_was() -> None:
    made = Draft({"target": {"kind": "postgres", "url": "postgresql://db/shop", "table_type": "SNOWFLAKE_POSTGRES"}})
    keep_choice(made, Choice(ConnInfo("postgresql://db/other"), "public", "public.items", "other"))
    assert made.document()["target"] == {
        "kind": "postgres",
        "url": "postgresql://db/other",
        "table": "public.items",
        "table_type": "SNOWFLAKE_POSTGRES",
    }
