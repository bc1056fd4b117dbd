"""A scenario that does not fit its target is told everything at once, before the first query."""

from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from upperbound.errors import Problem, TargetMismatch, TargetUnreachable
from upperbound.scenario.model import Scenario
from upperbound.targets import pg_preflight
from upperbound.targets.embedded.dataset import create_orders
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.pg_catalog import ServerFacts
from upperbound.targets.pg_preflight import connection_problems
from upperbound.targets.postgres import ConnInfo, open_connection, preflight


@pytest.fixture
def target(fresh_database: str) -> ConnInfo:
    """A database with orders, and a table with a column of each kind."""
    info = ConnInfo(fresh_database)
    with open_connection(info) as connection:
        create_orders(connection, rows=500, seed=1)
        connection.execute(
            "CREATE TABLE kinds (i2 smallint, i4 integer, i8 bigint, f8 float8, n numeric, t text, b boolean, u uuid,"
            " d date, ts timestamp, tz timestamptz, j jsonb, a int[])"
        )
        connection.execute("INSERT INTO kinds (i2, i4, i8, u) VALUES (32000, 5, 5000000000, gen_random_uuid())")
    return info


def operation(sql: str, *params: dict[str, Any], kind: str = "POINT_LOOKUP", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "sql": sql, "params": list(params), **more}


def scenario(*operations: dict[str, Any], table: str | None = "public.orders", **load: Any) -> Scenario:
    weights = [100 // len(operations)] * len(operations)
    weights[0] += 100 - sum(weights)
    return Scenario.model_validate(
        {
            "name": "preflight",
            "target": {"kind": "postgres", "url": "postgresql://127.0.0.1/d", "table": table},
            "load": {"threads": 4, "duration_seconds": 10} | load,
            "workload": {
                "operations": [
                    {"name": f"op{index}", "weight_pct": weight} | item
                    for index, (item, weight) in enumerate(zip(operations, weights, strict=True))
                ]
            },
        }
    )


def problems_of(target: ConnInfo, checked: Scenario, threads: int = 4) -> dict[str, Problem]:
    with pytest.raises(TargetMismatch) as caught:
        preflight(target, checked, threads)
    found = {problem.where: problem for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems)
    return found


def only_problem(target: ConnInfo, checked: Scenario, threads: int = 4) -> Problem:
    (problem,) = problems_of(target, checked, threads).values()
    return problem


LOOKUP = operation("SELECT * FROM {table} WHERE id = $1", {"pool": "id"})


def test_a_scenario_that_fits_is_reported(target: ConnInfo) -> None:
    fitting = scenario(
        LOOKUP,
        operation("SELECT * FROM {table} WHERE customer_id = $1 LIMIT 10", {"range": [1, 25]}, kind="RANGE_SCAN"),
        operation(
            "INSERT INTO {table} VALUES ($1, $2, $3, $4, $5, $6)",
            {"sequence": {"after": "id"}},
            {"zipf": {"range": [1, 100]}},
            {"choice": ["new", "paid"]},
            {"choice": [1, 2.5, "10.50"]},
            {"choice": ["2024-01-01 00:00:00+00"]},
            {"choice": [None, "text"]},
            kind="INSERT",
        ),
        operation(
            "UPDATE {table} SET amount = amount + $1 WHERE id = $2",
            {"range": [1, 5]},
            {"zipf": {"pool": "id"}},
            kind="UPDATE",
        ),
    )
    report = preflight(target, fitting, 4)
    assert report.server_version.startswith("18")
    assert report.database.startswith("test_")
    assert report.max_connections == 100
    assert 0 <= report.used_connections < 20
    assert "fsync is off" in report.warnings[0]
    assert "synchronous_commit is off" in report.warnings[1]


def test_nothing_is_executed_and_nothing_is_left(target: ConnInfo) -> None:
    preflight(target, scenario(operation("DELETE FROM {table} WHERE id = $1", {"pool": "id"}, kind="UPDATE")), 4)
    with open_connection(target) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (500,)


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_views_are_for_reading(target: ConnInfo, kind: str) -> None:
    with open_connection(target) as connection:
        connection.execute(f"CREATE {kind} seen AS SELECT id, status FROM orders".encode())
        connection.execute("CREATE TABLE kept (id bigint)")
    reads = operation("SELECT * FROM {table} WHERE id = $1", {"range": [1, 500]})
    copies = operation("INSERT INTO kept SELECT id FROM {table} WHERE id = $1", {"range": [1, 500]}, kind="INSERT")
    preflight(target, scenario(reads, copies, table="public.seen"), 4)
    writes = operation("UPDATE {table} SET status = 'x' WHERE id = $1", {"range": [1, 500]}, kind="UPDATE")
    problem = problems_of(target, scenario(reads, writes, table="public.seen"))["workload.operations.1.sql"]
    assert "op1: writes to public.seen, which is a view" in problem.message


def test_all_problems_come_at_once_each_with_its_place(target: ConnInfo) -> None:
    found = problems_of(
        target,
        scenario(
            operation("SELECT * FORM {table}"),
            operation("SELECT idd FROM {table} WHERE id = $1", {"pool": "id"}),
            operation("SELECT * FROM {table} WHERE id = $1 AND status = $2", {"pool": "idd"}, {"range": [1, 2]}),
            operation("SELECT * FROM ordrs"),
            LOOKUP,
        ),
        threads=5_000,
    )
    assert set(found) == {
        "load.threads",
        "workload.operations.0.sql",
        "workload.operations.1.sql",
        "workload.operations.2.params.0",
        "workload.operations.2.params.1",
        "workload.operations.3.sql",
    }
    assert 'op0: syntax error at or near "FORM" at character 10' in found["workload.operations.0.sql"].message
    assert "orders.id" in found["workload.operations.1.sql"].hint
    assert 'column "idd" does not exist' in found["workload.operations.2.params.0"].message
    assert found["workload.operations.2.params.0"].hint == "did you mean id?"
    assert "$2 is of type text and cannot take whole numbers" in found["workload.operations.2.params.1"].message
    assert found["workload.operations.3.sql"].hint == "did you mean public.orders?"
    assert "max_connections 100, 0 reserved" in found["load.threads"].message


def test_a_missing_table_is_one_problem_with_a_suggestion(target: ConnInfo) -> None:
    problem = only_problem(target, scenario(LOOKUP, LOOKUP | {"kind": "RANGE_SCAN"}, table="public.orderz"))
    assert problem.where == "target.table"
    assert "there is no table public.orderz in database test_" in problem.message
    assert problem.hint == "did you mean public.orders?"


def test_a_table_in_another_schema_is_suggested(target: ConnInfo) -> None:
    assert only_problem(target, scenario(LOOKUP, table="sales.orders")).hint == "did you mean public.orders?"
    assert "there are public.kinds, public.orders" in only_problem(target, scenario(LOOKUP, table="zzz")).hint


def test_a_database_without_tables_says_so(fresh_database: str) -> None:
    assert "has no tables" in only_problem(ConnInfo(fresh_database), scenario(LOOKUP)).hint


def test_an_index_is_no_table(target: ConnInfo) -> None:
    problems = problems_of(target, scenario(LOOKUP, table="public.orders_pkey"))
    assert "is no table and no view" in problems["target.table"].message


@pytest.mark.parametrize("column", ["t", "b", "u", "d", "ts", "tz", "a"])
@pytest.mark.parametrize("source", [{"range": [1, 9]}, {"zipf": {"range": [1, 9]}}, {"sequence": {"start": 1}}])
def test_whole_numbers_do_not_fit_other_types(target: ConnInfo, column: str, source: dict[str, Any]) -> None:
    problem = only_problem(target, scenario(operation(f"SELECT 1 FROM kinds WHERE {column} = $1", source)))
    assert problem.where == "workload.operations.0.params.0"
    assert "cannot take whole numbers" in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    ("column", "source"),
    [
        ("i2", {"range": [1, 32_768]}),
        ("i4", {"range": [-(2**31) - 1, 0]}),
        ("i4", {"zipf": {"range": [1, 2**31]}}),
        ("i2", {"sequence": {"start": 32_768}}),
        ("i4", {"sequence": {"after": "i8"}}),
        ("i4", {"pool": "i8"}),
        ("i4", {"choice": [1, 2**31]}),
    ],
)
def test_numbers_beyond_the_type_are_found(target: ConnInfo, column: str, source: dict[str, Any]) -> None:
    sql = f"SELECT 1 FROM kinds WHERE {column} = $1"
    problem = only_problem(target, scenario(operation(sql, source), table="kinds"))
    assert "smallint" in problem.message or "integer" in problem.message


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("i4", ["5"], "cannot take '5'"),
        ("i4", [1.5, True], "cannot take 1.5, True"),
        ("t", [5], "cannot take 5"),
        ("b", ["true"], "cannot take 'true'"),
        ("u", ["no uuid"], "badly formed"),
        ("n", ["ten"], 'invalid input syntax for type numeric: "ten"'),
        ("d", ["2024-02-30"], "date/time field value out of range"),
        ("tz", ["soon"], "invalid input syntax"),
        ("j", ["{"], "invalid input syntax for type json"),
        ("a", ["1"], "malformed array literal"),
    ],
)
def test_choices_that_are_no_values_of_the_type_are_found(
    target: ConnInfo, column: str, values: list[Any], says: str
) -> None:
    sql = f"SELECT 1 FROM kinds WHERE {column} = $1"
    assert says in only_problem(target, scenario(operation(sql, {"choice": values}))).message


def test_a_pool_needs_values(target: ConnInfo) -> None:
    sql = "SELECT 1 FROM kinds WHERE t = $1"
    problem = only_problem(target, scenario(operation(sql, {"pool": "t"}), table="kinds"))
    assert "holds no value to choose from" in problem.message


def test_a_sequence_follows_whole_numbers_only(target: ConnInfo) -> None:
    sql = "SELECT 1 FROM kinds WHERE i4 = $1"
    problem = only_problem(target, scenario(operation(sql, {"sequence": {"after": "u"}}), table="kinds"))
    assert "a sequence needs whole numbers" in problem.message


def test_a_sequence_that_will_run_out_is_a_warning(target: ConnInfo) -> None:
    sql = "INSERT INTO kinds (i2) VALUES ($1)"
    filled = scenario(operation(sql, {"sequence": {"after": "i2"}}, kind="INSERT"), table="kinds")
    assert "reaches the end of the type after 767 values" in preflight(target, filled, 4).warnings[0]


def test_a_parameter_without_a_type_says_how_to_give_it_one(target: ConnInfo) -> None:
    problem = only_problem(target, scenario(operation("SELECT 1 WHERE $1 IS NULL", {"range": [1, 2]})))
    assert "could not determine data type" in problem.message
    assert "$1::integer" in problem.hint


def test_a_user_without_privileges_is_told_before_the_run(target: ConnInfo, embedded_server: EmbeddedServer) -> None:
    with open_connection(target) as admin:
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'reader' CONNECTION LIMIT 3")
        admin.execute("GRANT SELECT ON orders TO reader")
        database = admin.info.dbname
    try:
        url = f"postgresql://reader@127.0.0.1:{embedded_server.port}/{database}"
        reader = ConnInfo(url, SecretStr("reader"))
        insert = operation("INSERT INTO {table} (id) VALUES ($1)", {"sequence": {"after": "id"}}, kind="INSERT")
        pool = operation("SELECT $1::bigint", {"pool": "i8"})
        found = problems_of(reader, scenario(LOOKUP, insert))
        assert "op1: permission denied for table orders" in found["workload.operations.1.sql"].message
        assert "the user may have 3, 0 in use" in found["load.threads"].message
        assert set(found) == {"workload.operations.1.sql", "load.threads"}
        found = problems_of(reader, scenario(pool, table="kinds"), threads=2)
        assert "permission denied for table kinds" in found["workload.operations.0.params.0"].message
        assert preflight(reader, scenario(LOOKUP), 2).max_connections == 100
    finally:
        with open_connection(target) as admin:
            admin.execute("DROP OWNED BY reader")
            admin.execute("DROP ROLE reader")


def test_a_session_that_may_not_write_is_a_problem_for_writes_only(target: ConnInfo) -> None:
    read_only = ConnInfo(f"{target.url}?options=-c%20default_transaction_read_only%3Don")
    assert preflight(read_only, scenario(LOOKUP), 4).database
    insert = operation("INSERT INTO {table} (id) VALUES ($1)", {"sequence": {"after": "id"}}, kind="INSERT")
    assert only_problem(read_only, scenario(insert)).where == "target.url"


def test_a_locked_table_does_not_hold_the_check_up(target: ConnInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_preflight, "LOCK_TIMEOUT_S", 1)
    with psycopg.connect(target.url) as holder:
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        with pytest.raises((TargetMismatch, TargetUnreachable), match="lock timeout"):
            preflight(target, scenario(LOOKUP), 4)


def test_odd_but_correct_statements_pass(target: ConnInfo) -> None:
    report = preflight(
        target,
        scenario(
            operation("SELECT '100%' LIKE $1", {"choice": ["a%"]}, kind="GENERIC_SQL", operation_type="READ"),
            operation("WITH x AS (SELECT $1::int AS n) SELECT * FROM x", {"range": [1, 2]}),
            operation("SELECT id FROM {table} LIMIT $1", {"range": [1, 2]}),
            operation("SHOW work_mem", kind="GENERIC_SQL", operation_type="READ"),
        ),
        4,
    )
    assert report.warnings == ()


def facts(**changes: Any) -> ServerFacts:
    values: dict[str, Any] = {
        "version": "18",
        "database": "d",
        "max_connections": 100,
        "reserved_connections": 3,
        "used_connections": 10,
        "role_limit": -1,
        "role_used": 0,
        "database_limit": -1,
        "database_used": 0,
        "read_only": False,
        "fsync": True,
        "synchronous_commit": True,
    }
    return ServerFacts(**values | changes)


@pytest.mark.parametrize(
    ("server", "threads", "hints"),
    [
        (facts(), 87, []),
        (facts(), 88, ["lower it to 87, or raise max_connections"]),
        (facts(used_connections=98), 1, ["close sessions, or raise max_connections"]),
        (facts(role_limit=5, role_used=1), 4, []),
        (facts(role_limit=5, role_used=1), 5, ["lower it to 4, or raise the user's limit"]),
        (
            facts(database_limit=5),
            88,
            ["lower it to 87, or raise max_connections", "lower it to 5, or raise the database's limit"],
        ),
    ],
)
def test_room_is_what_is_neither_reserved_nor_used(server: ServerFacts, threads: int, hints: list[str]) -> None:
    assert [problem.hint for problem in connection_problems(server, threads)] == hints
