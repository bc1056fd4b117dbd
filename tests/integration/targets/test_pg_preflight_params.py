"""A source of values that does not fit the type of its parameter is refused before the first query."""

from typing import Any

import pytest

from upperbound.errors import Problem, TargetMismatch
from upperbound.scenario.model import Scenario
from upperbound.targets.postgres import ConnInfo, open_connection, preflight


@pytest.fixture
def target(fresh_database: str) -> ConnInfo:
    """A database with a table that has a row and a column of many types."""
    info = ConnInfo(fresh_database)
    with open_connection(info) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
        connection.execute(
            "CREATE TABLE kinds (i2 smallint, i4 integer, i8 bigint, n numeric, t text, u uuid, tz timestamptz, m mood)"
        )
        connection.execute("INSERT INTO kinds VALUES (1, 2, 3, 4.5, 't', gen_random_uuid(), now(), 'sad')")
    return info


def problems(target: ConnInfo, sql: str, *params: dict[str, Any], table: str = "kinds") -> list[Problem]:
    """Return what the preflight says about one statement with these parameters; nothing when it fits."""
    operation = {"kind": "GENERIC_SQL", "operation_type": "READ", "name": "op", "weight_pct": 100, "sql": sql}
    scenario = Scenario.model_validate(
        {
            "name": "preflight",
            "target": {"kind": "postgres", "url": "postgresql://127.0.0.1/d", "table": table},
            "load": {"threads": 4, "duration_seconds": 10},
            "workload": {"operations": [operation | {"params": list(params)}]},
        }
    )
    try:
        preflight(target, scenario, 4)
    except TargetMismatch as error:
        return list(error.problems)
    return []


def by(number: int, by: Any = 1) -> dict[str, Any]:
    return {"offset_from": {"parameter": number, "by": by}}


@pytest.mark.parametrize(
    ("type_name", "param"),
    [
        ("text", {"text": [1, 5]}),
        ("varchar", {"text": 5}),
        ("bytea", {"text": 5}),
        ("uuid", {"uuid": "random"}),
        ("text", {"uuid": "seeded"}),
        ("timestamptz", {"now": {}}),
        ("timestamp", {"now": {"offset_seconds": [-5, 5]}}),
        ("date", {"now": {}}),
        ("smallint", {"hot_set": {"range": [1, 32_767]}}),
        ("integer", {"gaussian": {"pool": "i2"}}),
        ("text", {"hot_set": {"pool": "t"}}),
        ("mood", {"weighted": [{"value": "sad", "weight": 1}, {"value": "happy", "weight": 3}]}),
        ("bigint[]", {"list": {"pool": "i8"}, "size": 5}),
        ("uuid[]", {"list": {"uuid": "random"}, "size": 5}),
        ("mood[]", {"list": {"choice": ["sad", None]}, "size": 5}),
        ("mood[]", {"list": {"pool": "m"}, "size": 5}),
        ("bigint[]", {"list": {"sequence": {"after": "i8"}}, "size": 5}),
    ],
)
def test_what_fits_is_let_through(target: ConnInfo, type_name: str, param: dict[str, Any]) -> None:
    assert problems(target, f"SELECT $1::{type_name}", param) == []


@pytest.mark.parametrize(
    ("type_name", "param", "said", "hint"),
    [
        ("bigint", {"text": 5}, "op: $1 is of type bigint and cannot take random text", "{range: [1, 100]}"),
        ("uuid", {"text": 5}, "op: $1 is of type uuid and cannot take random text", "{uuid: random}"),
        ("mood", {"text": 5}, 'op: $1 is of type mood: invalid input value for enum mood: "abcde"', "{pool: column}"),
        ("bigint", {"uuid": "random"}, "op: $1 is of type bigint and cannot take a UUID", "{range: [1, 100]}"),
        ("text", {"now": {}}, "op: $1 is of type text and cannot take a time", "{text: 20}"),
        ("timestamptz", {"range": [1, 2]}, "is of type timestamp with time zone and cannot take whole", "{now: {}}"),
        ("text", {"hot_set": {"range": [1, 2]}}, "op: $1 is of type text and cannot take whole numbers", "{text: 20}"),
        ("smallint", {"gaussian": {"range": [1, 40_000]}}, "holds -32768 to 32767, not 1 to 40000", "narrow"),
        (
            "smallint",
            {"hot_set": {"pool": "i8"}},
            "cannot take every value of column i8, which is bigint",
            "$1::bigint",
        ),
        ("bigint", {"weighted": [{"value": "a", "weight": 1}]}, "cannot take 'a'", "without quotes"),
        (
            "bigint",
            {"list": {"range": [1, 2]}, "size": 2},
            "op: $1 is of type bigint and cannot take a list",
            "= ANY($1)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(
    target: ConnInfo, type_name: str, param: dict[str, Any], said: str, hint: str
) -> None:
    (problem,) = problems(target, f"SELECT $1::{type_name}", param)
    assert said in problem.message
    assert hint in problem.hint
    assert problem.where == "workload.operations.0.params.0"


@pytest.mark.parametrize(
    ("type_name", "element", "said"),
    [
        ("integer[]", {"range": [1, 2**40]}, "op: a value of $1 is of type integer, which holds"),
        ("text[]", {"range": [1, 2]}, "op: a value of $1 is of type text and cannot take whole numbers"),
        ("integer[]", {"pool": "i8"}, "op: a value of $1 is of type integer and cannot take every value of column i8"),
        ("integer[]", {"pool": "absent"}, "column absent of kinds cannot be used"),
        ("mood[]", {"choice": ["glad"]}, 'invalid input value for enum mood: "glad"'),
    ],
)
def test_what_a_list_is_made_of_is_checked_against_the_type_of_its_values(
    target: ConnInfo, type_name: str, element: dict[str, Any], said: str
) -> None:
    (problem,) = problems(target, f"SELECT $1::{type_name}", {"list": element, "size": 3})
    assert said in problem.message
    assert problem.where == "workload.operations.0.params.0.list"


def test_in_is_not_how_a_list_is_written_and_the_hint_says_how(target: ConnInfo) -> None:
    listed = {"list": {"pool": "i8"}, "size": 3}
    (problem,) = problems(target, "SELECT * FROM {table} WHERE i8 IN ($1)", listed)
    assert "write = ANY($1) in place of IN ($1)" in problem.hint
    assert problems(target, "SELECT * FROM {table} WHERE i8 = ANY($1)", listed) == []


@pytest.mark.parametrize(
    ("types", "params", "said"),
    [
        (["integer", "text"], [{"range": [1, 9]}, by(1)], "op: $2 is of type text and cannot take whole numbers"),
        (["smallint", "smallint"], [{"range": [1, 32_000]}, by(1, 900)], "not 901 to 32900"),
        (["date", "bigint"], [{"now": {}}, by(1)], "op: $2 is of type bigint and cannot take a time"),
        (["numeric", "numeric"], [{"pool": "n"}, by(1)], "adds to values of column n, which is numeric"),
        (["text", "bigint", "bigint"], [{"zipf": {"pool": "t"}}, by(1), by(2)], "adds to values of column t"),
    ],
)
def test_an_offset_is_checked_against_its_own_type_and_against_what_it_is_added_to(
    target: ConnInfo, types: list[str], params: list[dict[str, Any]], said: str
) -> None:
    sql = ", ".join(f"${place}::{name}" for place, name in enumerate(types, 1))
    found = problems(target, f"SELECT {sql}", *params)
    assert said in found[0].message
    assert found[0].where == "workload.operations.0.params.1"


def test_an_offset_that_fits_is_let_through(target: ConnInfo) -> None:
    params = [{"pool": "i8"}, by(1, [0, 50]), {"now": {}}, by(3, -60), {"sequence": {"start": 1}}, by(5)]
    types = ["bigint", "bigint", "timestamptz", "timestamp", "bigint", "numeric"]
    sql = ", ".join(f"${place}::{name}" for place, name in enumerate(types, 1))
    assert problems(target, f"SELECT {sql}", *params) == []
