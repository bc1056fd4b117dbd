"""Before a run each operation is executed and undone on a real PostgreSQL, and what it does not do is told at once."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from upperbound.clock import SystemClock
from upperbound.errors import Problem, TargetMismatch, TargetUnreachable
from upperbound.orchestrator.sites import PostgresSite
from upperbound.planning import gate
from upperbound.planning.gate import try_operations
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.targets import pg_trial
from upperbound.targets.pg_describe import Connection
from upperbound.targets.postgres import ConnInfo, open_connection, preflight
from upperbound.testing.waiting import DEADLINE_S, until

TABLES = """
CREATE TABLE things (id bigint PRIMARY KEY, word text NOT NULL, price numeric, UNIQUE (word));
INSERT INTO things SELECT 10 * i, 'word ' || i, i FROM generate_series(1, 1000) AS i;
CREATE TABLE parts (thing bigint REFERENCES things DEFERRABLE INITIALLY DEFERRED, n serial);
CREATE TABLE log (said text);
CREATE TABLE taken (id int PRIMARY KEY);
INSERT INTO taken SELECT generate_series(1, 50);
"""
SECONDS = 0.3
"""How long the gate of a test waits for what takes too long."""


@pytest.fixture
def target(fresh_database: str) -> ConnInfo:
    """A database with a thousand things, the ids of which are multiples of ten."""
    info = ConnInfo(fresh_database)
    with open_connection(info) as connection:
        connection.execute(TABLES)
    return info


@pytest.fixture
def connection(target: ConnInfo) -> Iterator[Connection]:
    with open_connection(target) as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten every time that the gate waits."""
    monkeypatch.setattr(gate, "OPERATION_LIMIT_S", 2 * SECONDS)
    monkeypatch.setattr(pg_trial, "LOCK_TIMEOUT_S", SECONDS)
    monkeypatch.setattr(pg_trial, "LOOK_AFTER_S", SECONDS / 5)


def operation(sql: str, *params: dict[str, Any], kind: str = "POINT_LOOKUP", **more: Any) -> dict[str, Any]:
    implied = {"operation_type": more.pop("operation_type", "WRITE")} if kind == "GENERIC_SQL" else {}
    return {"kind": kind, "sql": sql, "params": list(params)} | implied | more


def config(target: ConnInfo, *operations: dict[str, Any], seed: int = 5) -> RunConfig:
    weights = [100 // len(operations)] * len(operations)
    weights[0] += 100 - sum(weights)
    scenario = Scenario.model_validate(
        {
            "name": "gate",
            "target": {"kind": "postgres", "url": "postgresql://127.0.0.1/d", "table": "things"},
            "load": {"threads": 8, "duration_seconds": 1},
            "workload": {
                "operations": [
                    {"name": f"op{place}", "weight_pct": weight} | written
                    for place, (written, weight) in enumerate(zip(operations, weights, strict=True))
                ]
            },
        }
    )
    preflight(target, scenario, 1)
    return RunConfig(
        scenario=scenario,
        threads=(4, 4),
        seed=seed,
        target_url="postgresql://127.0.0.1/d",
        table="things",
        sequence_starts=PostgresSite(target).sequence_starts(scenario),
        upperbound_version="test",
    )


def tried(target: ConnInfo, *operations: dict[str, Any]) -> tuple[str, ...]:
    """Try operations that do what they declare; return the warnings."""
    return try_operations(target, config(target, *operations), SystemClock())


def problems_of(target: ConnInfo, *operations: dict[str, Any]) -> list[Problem]:
    made = config(target, *operations)
    with pytest.raises(TargetMismatch, match="each was tried before the run, and undone") as caught:
        try_operations(target, made, SystemClock())
    return list(caught.value.problems)


def problem_of(target: ConnInfo, written: dict[str, Any]) -> Problem:
    (problem,) = problems_of(target, written)
    assert problem.where == "workload.operations.0"
    return problem


def everything(connection: Connection) -> list[tuple[Any, ...]]:
    """Return what the tables hold."""
    return connection.execute(
        "SELECT 'things', count(*), sum(id), sum(price), min(word) FROM things UNION ALL"
        " SELECT 'parts', count(*), sum(thing), NULL, NULL FROM parts UNION ALL"
        " SELECT 'log', count(*), NULL, NULL, min(said) FROM log ORDER BY 1"
    ).fetchall()


KEYED = {"pool": "id"}
LOOKUP = operation("SELECT * FROM {table} WHERE id = $1", KEYED, expect="one")


def test_operations_that_do_what_they_declare_pass_and_leave_nothing(target: ConnInfo, connection: Connection) -> None:
    before = everything(connection)
    new = "INSERT INTO {table} (id, word, price) VALUES ($1, $2, 1)"
    words: list[dict[str, Any]] = [{"sequence": {"after": "id"}}, {"text": 20}]
    warnings = tried(
        target,
        LOOKUP,
        operation(
            "SELECT * FROM {table} WHERE id BETWEEN $1 AND $2", {"range": [1, 900]}, offset(9), kind="RANGE_SCAN"
        ),
        operation(new, *words, kind="INSERT", expect="one"),
        operation("UPDATE {table} SET price = price + 1 WHERE id = $1", KEYED, kind="UPDATE", expect="one"),
        operation("INSERT INTO log SELECT word FROM {table}", kind="GENERIC_SQL", expect="rows"),
        operation("DELETE FROM {table} WHERE id < $1", {"choice": [0]}, kind="GENERIC_SQL", expect="none"),
        operation("DELETE FROM {table}", kind="GENERIC_SQL"),
        operation("INSERT INTO {table} (id, word) VALUES ($1, $2) RETURNING id", *words, kind="INSERT", name="other"),
    )
    assert warnings == ()
    assert everything(connection) == before
    assert sessions_of(connection) == 0


def offset(by: int) -> dict[str, Any]:
    return {"offset_from": {"parameter": 1, "by": by}}


def sessions_of(connection: Connection) -> int:
    """Return how many other sessions the database has, after those that are closing have gone."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    until(lambda: connection.execute(count).fetchall() == [(0,)], "the gate's session has gone")
    return 0


def test_an_operation_that_finds_nothing_is_told_with_the_values_that_were_tried(target: ConnInfo) -> None:
    found = problem_of(target, operation("SELECT * FROM {table} WHERE id = $1", {"range": [20_000, 90_000]}))
    assert found.message.startswith("op0: 10 executions with $1 = ")
    assert found.message.endswith(", … returned no row; expected at least one")
    values = found.message.partition("$1 = ")[2].partition(" returned")[0].split(", ")
    assert len(values) == 3
    assert all(20_000 <= int(value) <= 90_000 for value in values[:2])
    assert "declare expect: any" in found.hint


def test_every_kind_of_value_is_readable(target: ConnInfo) -> None:
    found = problem_of(
        target,
        operation(
            "UPDATE {table} SET price = $2 WHERE id = $1 AND word = $3 AND $4::uuid IS NULL AND $5::int[] IS NULL",
            {"choice": [None]},
            {"choice": [1.5]},
            {"choice": ["it's " + 50 * "x"]},
            {"uuid": "random"},
            {"list": {"range": [1, 9]}, "size": 2},
            kind="UPDATE",
        ),
    )
    assert found.message.startswith("op0: 10 executions with $1 = NULL, …; $2 = 1.5, …; $3 = 'it''s xxx")
    assert "xxx…', …; $4 = '" in found.message
    assert found.message.endswith("'; … affected no row; expected at least one".replace("'; …", ", …; …"))


def test_a_statement_without_parameters_is_executed_once(target: ConnInfo) -> None:
    found = problem_of(target, operation("SELECT * FROM {table} WHERE id < 0", kind="RANGE_SCAN"))
    assert found.message == "op0: 1 execution returned no row; expected at least one"


def test_a_value_that_honestly_finds_nothing_is_followed_by_others(target: ConnInfo, connection: Connection) -> None:
    connection.execute("CREATE SEQUENCE executions")
    # What a sequence has given out is the one thing that a rollback leaves.
    counted = "WITH one AS MATERIALIZED (SELECT nextval('executions')) SELECT FROM one, things WHERE id = $1"
    gaps = operation(counted, {"choice": [10, 11, 11, 11, 11, 11, 11, 11]})
    passed, refused = list[int](), list[int]()
    for seed in range(20):
        connection.execute("ALTER SEQUENCE executions RESTART")
        made = config(target, gaps, seed=seed)
        try:
            assert try_operations(target, made, SystemClock()) == ()
            outcome = passed
        except TargetMismatch:
            outcome = refused
        outcome += [count for (count,) in connection.execute("SELECT last_value FROM executions").fetchall()]
    assert set(refused) == {10}
    assert min(passed) == 1
    assert 1 < max(passed) <= 10
    assert len(passed) > len(refused)


def test_rows_beyond_what_is_declared_are_told_at_once(target: ConnInfo) -> None:
    many, some = problems_of(
        target,
        operation("SELECT * FROM {table} WHERE id <= $1", {"choice": [30]}, expect="one"),
        operation("SELECT * FROM {table} WHERE id = $1", {"choice": [30]}, expect="none"),
    )
    assert many.message == "op0: 1 execution with $1 = 30 returned 3 rows; expected exactly one"
    assert some.message == "op1: 1 execution with $1 = 30 returned 1 row; expected none"


def test_all_failures_of_all_operations_are_told_with_what_the_server_says(
    target: ConnInfo, connection: Connection
) -> None:
    connection.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not on a %', 'Sunday'"
        " USING HINT = 'come back tomorrow'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON log EXECUTE FUNCTION refuse()"
    )
    before = everything(connection)
    found = problems_of(
        target,
        operation("INSERT INTO {table} (id, word) VALUES ($1, 'new')", {"range": [10, 10]}, kind="INSERT"),
        operation("INSERT INTO parts (thing) VALUES ($1)", {"range": [1, 9]}, kind="INSERT"),
        operation("INSERT INTO log VALUES ($1)", {"text": 5}, kind="INSERT"),
        operation("SELECT 1 / ($1::int - $1)", {"range": [1, 9]}, kind="GENERIC_SQL", operation_type="READ"),
        operation("SELECT $1::text::int", {"choice": ["x"]}, kind="GENERIC_SQL", operation_type="READ"),
        operation("INSERT INTO taken VALUES ($1)", {"sequence": {"start": 10}}, kind="INSERT"),
        LOOKUP,
        operation("SELECT * FROM {table} WHERE id < 0"),
    )
    assert [problem.where for problem in found] == [f"workload.operations.{place}" for place in (0, 1, 2, 3, 4, 5, 7)]
    wanted = [
        ("10 executions with $1 = 10, … failed: duplicate key", "things_pkey", "(Key (id)=(10) already exists.)"),
        ("violates foreign key constraint", "(Key (thing)=", 'is not present in table "things".)'),
        ("not on a Sunday", "(come back tomorrow)", "$1 = '"),
        ("10 executions with $1 = ", "failed: division by zero", "check what params draw"),
        ("10 executions with $1 = 'x', … failed: invalid input syntax for type integer",),
        ("10 executions with $1 = 10, 11, … failed: duplicate key", "{sequence: {after: COLUMN}}"),
        ("op7: 1 execution returned no row; expected at least one",),
    ]
    for problem, parts in zip(found, wanted, strict=True):
        assert all(part in str(problem) for part in parts), str(problem)
    assert everything(connection) == before


def test_a_failure_that_other_values_do_not_have_is_a_warning(target: ConnInfo) -> None:
    divide = operation("SELECT 1 / $1::int", {"choice": [0, 1]}, kind="GENERIC_SQL", operation_type="READ")
    told = {try_operations(target, config(target, divide, seed=seed), SystemClock()) for seed in range(8)}
    assert () in told
    assert ("op0: 1 of 2 executions before the run failed: division by zero",) in told


def test_failures_and_missing_rows_are_told_apart(target: ConnInfo) -> None:
    mixed = operation("SELECT 1 / $1::int FROM {table} WHERE id = 10 AND $1::int = 0", {"choice": [0, 1]})
    assert re.fullmatch(
        r"op0: of 10 executions \d with \$1 = 0, … failed, and the others returned no row,"
        r" where at least one is expected: division by zero",
        problem_of(target, mixed).message,
    )


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_another_session_holds_is_told_with_the_session(target: ConnInfo, connection: Connection) -> None:
    update = config(target, operation("UPDATE {table} SET price = 0 WHERE id = $1", KEYED, kind="UPDATE"))
    with connection.transaction():
        connection.execute("SELECT FROM things FOR UPDATE")
        with pytest.raises(TargetMismatch) as caught:
            try_operations(target, update, SystemClock())
    (problem,) = caught.value.problems
    assert "failed: canceling statement due to lock timeout" in problem.message
    holder = f"session {connection.info.backend_pid} (upperbound, user postgres, idle in transaction)"
    assert problem.message.endswith(f": the lock is held by {holder}")
    assert problem.hint == "wait until the lock is free, or end the session that holds it"


@pytest.mark.usefixtures("impatient")
def test_a_table_that_nobody_may_read_now_does_not_hold_up_the_gate(target: ConnInfo, connection: Connection) -> None:
    made = config(target, LOOKUP)
    with connection.transaction():
        connection.execute("LOCK TABLE things")
        with pytest.raises(TargetMismatch, match="op0: canceling statement due to lock timeout"):
            try_operations(target, made, SystemClock())


@pytest.mark.usefixtures("impatient")
def test_what_takes_too_long_is_passed_over_with_a_warning(target: ConnInfo) -> None:
    nap = {"kind": "GENERIC_SQL", "operation_type": "READ"}
    warnings = tried(
        target,
        operation("SELECT pg_sleep(60)", **nap),
        operation(
            "WITH nap AS MATERIALIZED (SELECT pg_sleep($1)) SELECT FROM nap WHERE nap IS NULL", {"choice": [0.4]}
        ),
        LOOKUP,
    )
    assert warnings == (
        "op0 was not checked before the run: one execution takes longer than 0.6 s",
        "op1 was not checked before the run: 1 execution returned no row, and 0.6 s were over; expected at least one",
    )


def test_a_time_limit_of_the_users_own_holds_in_the_run_too_and_is_a_problem(
    target: ConnInfo, connection: Connection
) -> None:
    connection.execute("ALTER ROLE CURRENT_USER SET statement_timeout = '50ms'")
    try:
        found = problem_of(target, operation("SELECT pg_sleep(60)"))
    finally:
        connection.execute("ALTER ROLE CURRENT_USER RESET statement_timeout")
    assert found.message == "op0: 1 execution failed: canceling statement due to statement timeout"


def test_operations_beyond_the_time_for_all_are_not_tried(target: ConnInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "TOTAL_LIMIT_S", 0)
    assert tried(target, LOOKUP) == ("op0 was not tried before the run: 0 s were over",)


def test_what_no_rollback_would_undo_is_not_executed(target: ConnInfo, connection: Connection) -> None:
    connection.execute(
        "CREATE PROCEDURE say(word text) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (word); COMMIT; END $$"
    )
    vacuum, call = tried(
        target,
        operation("VACUUM log", kind="GENERIC_SQL"),
        operation("CALL say($1)", {"text": 5}, kind="INSERT"),
    )
    assert vacuum == "op0 was not tried before the run: VACUUM cannot run inside a transaction block"
    assert call == "op1 was not tried before the run: invalid transaction termination"
    assert connection.execute("SELECT count(*) FROM log").fetchall() == [(0,)]


def test_rows_that_the_server_does_not_count_cannot_be_checked(target: ConnInfo, connection: Connection) -> None:
    connection.execute("CREATE PROCEDURE say(word text) LANGUAGE sql AS $$ INSERT INTO log VALUES (word) $$")
    call = operation("CALL say($1)", {"text": 5}, kind="INSERT")
    (warning,) = tried(target, call, {**call, "name": "quiet", "expect": "any"})
    assert warning == "op0: the server counts no rows for this statement, so that expect: rows cannot be checked"


def test_what_has_no_share_of_the_mix_is_not_tried(target: ConnInfo) -> None:
    assert tried(target, LOOKUP | {"weight_pct": 100}, operation("SELECT 1 / 0", weight_pct=0)) == ()


def test_many_rows_are_counted_without_being_kept(target: ConnInfo) -> None:
    many = operation("SELECT * FROM generate_series(1, $1::int)", {"choice": [300_000]}, expect="one")
    assert problem_of(target, many).message.endswith("returned 300,000 rows; expected exactly one")


def several(*statements: str, params: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return an operation of several statements."""
    written = operation("", *params, kind="GENERIC_SQL") | more | {"statements": list(statements)}
    del written["sql"]
    return written


def test_statements_of_one_operation_see_each_other_and_their_rows_are_summed_up(
    target: ConnInfo, connection: Connection
) -> None:
    before = everything(connection)
    statements = (
        "INSERT INTO {table} (id, word) VALUES ($1, $2)",
        "UPDATE {table} SET price = 5 WHERE word = $2",
        "INSERT INTO log SELECT current_setting('transaction_isolation') FROM {table} WHERE id = $1 AND price = 5",
        "SELECT 1 / (count(*) FILTER (WHERE said = 'serializable'))::int FROM log",
    )
    params: list[dict[str, Any]] = [{"sequence": {"after": "id"}}, {"text": 30}]
    transaction = several(*statements, params=params, isolation="serializable", expect="rows")
    assert tried(target, transaction) == ()
    (found,) = problems_of(target, transaction | {"expect": "one"})
    assert "op0: 1 execution with $1 = 10001; $2 = '" in found.message
    assert found.message.endswith("affected 4 rows; expected exactly one")
    assert tried(target, several(*statements[:3], params=params, autocommit=True)) == ()
    assert everything(connection) == before


def test_a_statement_that_fails_fails_its_operation_and_values_stand_under_the_parameters_they_come_from(
    target: ConnInfo,
) -> None:
    statements = (
        "SELECT FROM {table} WHERE id = $2",
        "UPDATE {table} SET price = 1 / ($1::int - $3::int) WHERE id = $2",
    )
    params: list[dict[str, Any]] = [{"choice": [7]}, {"choice": [10]}, {"choice": [7]}]
    (found,) = problems_of(target, several(*statements, params=params))
    assert found.message == "op0: 10 executions with $1 = 7, …; $2 = 10, …; $3 = 7, … failed: division by zero"


def test_keys_of_the_run_are_not_used_up(target: ConnInfo, connection: Connection) -> None:
    insert = "INSERT INTO {table} (id, word) VALUES ($1, gen_random_uuid())"
    made = config(target, operation(insert, {"sequence": {"after": "id"}}, kind="INSERT"))
    assert made.sequence_starts == {"id": 10_001}
    for _ in range(2):
        assert try_operations(target, made, SystemClock()) == ()
    assert connection.execute("SELECT max(id) FROM things").fetchall() == [(10_000,)]


def test_a_session_that_is_ended_on_the_server_ends_the_gate(target: ConnInfo, connection: Connection) -> None:
    made = config(target, operation("SELECT pg_sleep(300)"))
    running = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND pid <> pg_backend_pid()"
    ended: list[BaseException] = []

    def try_them() -> None:
        try:
            try_operations(target, made, SystemClock())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            ended.append(error)

    thread = threading.Thread(target=try_them)
    thread.start()
    until(lambda: bool(connection.execute(running).fetchall()), "the operation is executed")
    connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({running}) AS sleeping".encode())
    thread.join(DEADLINE_S)
    (error,) = ended
    assert isinstance(error, TargetUnreachable)
    assert "gave up while the operations were tried" in str(error)
