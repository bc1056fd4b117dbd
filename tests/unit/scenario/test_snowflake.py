"""Scenarios whose target is Snowflake."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from tests.unit.scenario.samples import REMOVE, problems_of

from upperbound.scenario.loader import check_scenario, parse_scenario
from upperbound.scenario.model import Operation, Scenario
from upperbound.scenario.pool_needs import pool_needs
from upperbound.scenario.statements import render_marks
from upperbound.scenario.targets import SnowflakeTarget

TARGET: dict[str, Any] = {
    "kind": "snowflake",
    "connection_name": "bench",
    "warehouse": "BENCH_WH",
    "database": "APP",
    "schema": "PUBLIC",
    "table": "orders",
    "table_type": "HYBRID",
}
OPERATIONS: list[dict[str, Any]] = [
    {
        "kind": "POINT_LOOKUP",
        "weight_pct": 90,
        "sql": "SELECT * FROM {table} WHERE id = ?",
        "params": [{"pool": "id"}],
    },
    {
        "kind": "UPDATE",
        "weight_pct": 10,
        "sql": 'UPDATE {table} SET amount = $1, "Last" = $1 WHERE id = $2',
        "params": [{"range": [1, 9]}, {"pool": '"Id"'}],
    },
]


def document(*operations: dict[str, Any], **target: Any) -> dict[str, Any]:
    """Return a scenario with other operations, and keys of the target replaced or removed."""
    merged = {key: value for key, value in (TARGET | target).items() if value is not REMOVE}
    return {
        "name": "Hybrid point reads",
        "target": merged,
        "load": {"threads": 4, "duration_seconds": 5},
        "workload": {"operations": list(operations) or OPERATIONS},
    }


def scenario(*operations: dict[str, Any], **target: Any) -> Scenario:
    return check_scenario(document(*operations, **target)).scenario


def one(**what: Any) -> dict[str, Any]:
    return {"kind": "GENERIC_SQL", "operation_type": "WRITE", "weight_pct": 100, "sql": "SELECT 1"} | what


def operation(**what: Any) -> Operation:
    return Operation.model_validate(one(**what))


def test_the_scenario_of_the_how_to_page_is_right() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "measure-a-snowflake-table.md"
    (text,) = re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert isinstance(parse_scenario(textwrap.dedent(text)).scenario.target, SnowflakeTarget)


def test_its_target_has_the_words_of_the_format() -> None:
    target = scenario().target
    assert isinstance(target, SnowflakeTarget)
    assert (target.connection_name, target.warehouse, target.schema_name) == ("bench", "BENCH_WH", "PUBLIC")
    assert target.result_cache is False, "what is measured is the table, not the cache of results"
    assert target.allow_store_warehouse is False


def test_what_is_kept_of_it_is_read_as_the_same() -> None:
    made = scenario()
    kept = made.model_dump(mode="json")
    assert kept["target"]["schema"] == "PUBLIC"
    assert Scenario.model_validate(kept) == made


@pytest.mark.parametrize(
    ("target", "where", "said"),
    [
        ({"account": "https://me.snowflakecomputing.com"}, "target.account", "not an address"),
        ({"account": "my org"}, "target.account", "is no account identifier"),
        ({"warehouse": "a.b"}, "target.warehouse", "'a.b' has 2 parts"),
        ({"role": "my-role"}, "target.role", "is not a role name"),
        ({"table": "a.b.c.d"}, "target.table", "has 4 parts"),
        ({"table": "x" * 256}, "target.table", "longer than 255 bytes"),
        ({"table_type": "POSTGRES"}, "target.table_type", "'POSTGRES' is not known"),
        ({"password": "hush"}, "target.password", "a scenario holds no password"),
        ({"url": "postgresql://h/d"}, "target.url", "does not go with snowflake; it belongs to postgres"),
        ({"schema": 5}, "target.schema", "must be text"),
        ({"schema_name": "X"}, "target.schema_name", "did you mean 'schema'?"),
        ({"statement_timeout_seconds": 0}, "target.statement_timeout_seconds", "must be at least 1"),
    ],
)
def test_what_is_wrong_with_the_target_is_told_at_its_place(target: dict[str, Any], where: str, said: str) -> None:
    problems = problems_of(document(**target))
    assert list(problems) == [where]
    assert said in problems[where].message


@pytest.mark.parametrize(
    ("what", "where", "said"),
    [
        ({"sql": "SELECT ?", "params": []}, "params", "has 0 entries, and there is one ?"),
        ({"sql": "SELECT ?, ?", "params": [{"range": [1, 2]}]}, "params", "has 1 entry, and there are 2 ?"),
        ({"sql": "SELECT ?, $1", "params": [{"range": [1, 2]}]}, "sql", "parameters as ? and as $1"),
        (
            {"sql": None, "statements": ["SELECT ?", "SELECT 1"], "isolation": "serializable", "params": [{"now": {}}]},
            "isolation",
            "all read committed",
        ),
        (
            {"sql": "SELECT ?", "params": [{"list": {"range": [1, 5]}, "size": 3}]},
            "params.0",
            "takes no list as a parameter",
        ),
    ],
)
def test_what_snowflake_does_not_do_is_told_at_its_place(what: dict[str, Any], where: str, said: str) -> None:
    assert said in problems_of(document(one(**what)))[f"workload.operations.0.{where}"].message


def test_a_dynamic_table_is_not_written_to() -> None:
    told = problems_of(document(table_type="DYNAMIC"))
    assert list(told) == ["workload.operations.1.sql"]
    assert "writes to a dynamic table" in told["workload.operations.1.sql"].message


def test_question_marks_are_no_parameters_of_a_postgresql_target() -> None:
    plain = document(one(sql="SELECT ?", params=[]))
    plain["target"] = {"kind": "postgres", "url": "postgresql://me@h/d"}
    assert check_scenario(plain).scenario.workload.operations[0].params == ()


def test_each_use_of_a_parameter_is_a_question_mark_of_its_own() -> None:
    made = operation(sql="UPDATE {table} SET a = $2, b = $2 WHERE id = $1", params=[{"range": [1, 2]}] * 2)
    (rendered,) = render_marks(made, 'app.public."Orders"')
    assert rendered.text == '/* UB_KIND=GENERIC_SQL */ UPDATE "APP"."PUBLIC"."Orders" SET a = ?, b = ? WHERE id = ?'
    assert rendered.parameters == (1, 1, 0)


def test_question_marks_are_counted_over_all_statements_of_an_operation() -> None:
    texts = ["INSERT INTO a VALUES (?, '?', \"?\") -- ?", "UPDATE {table} SET b = ? WHERE c = ?"]
    made = operation(sql=None, statements=texts, params=[{"range": [1, 2]}] * 3)
    first, second = render_marks(made, "t")
    assert first.text.endswith("VALUES (?, '?', \"?\") -- ?")
    assert (first.parameters, second.parameters) == ((0,), (1, 2))


def test_pools_are_of_columns_as_snowflake_reads_their_names() -> None:
    assert [(need.table, need.column) for need in pool_needs(scenario())] == [('"ORDERS"', "ID"), ('"ORDERS"', "Id")]
