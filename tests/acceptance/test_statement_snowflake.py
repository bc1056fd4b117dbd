"""``upperbound catalog statement`` as its user meets it, against an emulated account."""

import json

from tests.acceptance.place import Place
from tests.acceptance.snowflake_files import ROWS, account_files, write_scenario
from tests.emulators.handle import SnowflakeDatabase


def test_what_snowflake_makes_of_a_statement_is_told_and_nothing_is_executed(
    place: Place, snowflake: SnowflakeDatabase
) -> None:
    files, path = account_files(place, snowflake), write_scenario(place)
    read = ("catalog", "statement", "SELECT id, amount FROM {table} WHERE id = ?", "--scenario", path)
    told = place.run(*read, environment=files)
    assert told.code == 0, told.text
    assert told.out.splitlines() == [
        "$1: the type of the value that is given",
        "returns: ID NUMBER(38,0), AMOUNT NUMBER(12,2)",
    ]
    deleted = place.run("catalog", "statement", "DELETE FROM {table}", "--scenario", path, "--json", environment=files)
    assert deleted.code == 0, deleted.text
    document = json.loads(deleted.out)
    assert (document["parameters"], document["columns"]) == ([], [])
    assert document["plan"]
    assert snowflake.rows("SELECT COUNT(*) FROM orders") == [(ROWS,)]


def test_a_statement_that_snowflake_refuses_is_told(place: Place, snowflake: SnowflakeDatabase) -> None:
    files, path = account_files(place, snowflake), write_scenario(place)
    wrong = ("catalog", "statement", "UPDATE {table} SET nope = ? WHERE id = ?", "--scenario", path)
    refused = place.run(*wrong, environment=files)
    assert refused.code == 2, refused.text
    assert "the statement cannot be executed: Snowflake refuses" in refused.err
    assert "NOPE" in refused.err.upper()
