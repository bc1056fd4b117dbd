"""Operations of several statements against a real server: kept as a whole or not at all, tried again, counted once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
from tests.integration.loadgen.rigs import Rig, Sink

from upperbound.clock import SystemClock
from upperbound.domain.arrivals import RateCurve, Share
from upperbound.domain.outcomes import Outcome
from upperbound.errors import TargetMismatch
from upperbound.loadgen.backlog import Pace
from upperbound.loadgen.compiled_executor import CompiledExecutor
from upperbound.loadgen.compiled_library import compiled_loop
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.event_loop import EventLoopExecutor
from upperbound.loadgen.open_loop import OpenLoopExecutor
from upperbound.loadgen.operations import Operation
from upperbound.querylog.records import RECORD
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.postgres import ConnInfo, preflight
from upperbound.testing.waiting import until
from upperbound.worker.preparation import prepare

ACCOUNTS = 20
RATE = 400
Admin = psycopg.Connection[tuple[Any, ...]]
Make = Callable[..., Rig]


@pytest.fixture
def admin(fresh_database: str) -> Iterator[Admin]:
    """A connection to a database with accounts and what was done to them."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance > -1000000))"
        )
        connection.execute("CREATE TABLE moves (account bigint NOT NULL, delta numeric NOT NULL)")
        connection.execute("INSERT INTO accounts SELECT i, 0 FROM generate_series(1, %s) AS i", (ACCOUNTS,))
        yield connection


def configure(url: str, *operations: dict[str, Any]) -> RunConfig:
    """Return a run of these operations, in equal shares."""
    share = 100 / len(operations)
    scenario = Scenario.model_validate(
        {
            "name": "transactions",
            "target": {"kind": "postgres", "url": "postgresql://127.0.0.1/d", "table": "accounts"},
            "load": {"threads": 8, "duration_seconds": 1},
            "workload": {
                "operations": [
                    {"kind": "GENERIC_SQL", "operation_type": "WRITE", "name": f"op{n}", "weight_pct": share}
                    | operation
                    for n, operation in enumerate(operations)
                ]
            },
        }
    )
    preflight(ConnInfo(url), scenario, 1)
    return RunConfig(
        scenario=scenario,
        threads=(8,),
        seed=5,
        target_url="postgresql://127.0.0.1/d",
        table="accounts",
        upperbound_version="test",
    )


@pytest.fixture(params=["python", "compiled", "open"])
def make(request: pytest.FixtureRequest, fresh_database: str) -> Make:
    """Makes a load of some operations: each of the three loops has to do what is shown here."""

    def rig(*operations: dict[str, Any], alter: Callable[[Operation], Operation] = lambda same: same) -> Rig:
        config = configure(fresh_database, *operations)
        prepared = prepare(config, ConnInfo(fresh_database), group_id=0, group_count=1)
        sink, errors = Sink(), ErrorTable()
        executor = executor_of(request.param)(
            operations=[alter(operation) for operation in prepared.operations],
            stream=prepared.stream,
            connect=prepared.connect,
            sink=sink,
            errors=errors,
            buffer_bytes=16 * RECORD.size,
        )
        if isinstance(executor, OpenLoopExecutor):
            now_ns = SystemClock().monotonic_ns()
            executor.plan(now_ns, now_ns)
        return Rig(executor, sink, errors)

    return rig


def executor_of(name: str) -> Callable[..., EventLoopExecutor]:
    if name == "open":
        curve = RateCurve(((0.0, float(RATE)),))
        return partial(OpenLoopExecutor, pace=Pace(curve, Share(0, 1), poisson=False, seed=1, backlog_s=1.0))
    return EventLoopExecutor if name == "python" else partial(CompiledExecutor, compiled=compiled_loop())


def move(**changes: Any) -> dict[str, Any]:
    """Return a transaction that changes a balance, reads it, and writes down what it did."""
    return {
        "statements": [
            "UPDATE {table} SET balance = balance + $1 WHERE id = $2",
            "SELECT balance FROM {table} WHERE id = $2",
            "INSERT INTO moves (account, delta) VALUES ($2, $1)",
        ],
        "params": [{"range": [-500, 500]}, {"range": [1, ACCOUNTS]}],
    } | changes


def one(admin: Admin, query: str) -> Any:
    row = admin.execute(query).fetchone()
    assert row is not None
    return row[0]


def books_agree(admin: Admin) -> bool:
    """Tell whether every balance is the sum of what was done to it."""
    wrong = one(
        admin,
        "SELECT count(*) FROM accounts a WHERE balance <> "
        "(SELECT coalesce(sum(delta), 0) FROM moves WHERE account = a.id)",
    )
    return bool(wrong == 0)


def test_the_statements_of_a_transaction_share_their_parameters_and_are_kept_as_a_whole(
    make: Make, admin: Admin
) -> None:
    load = make(move())
    load.start(8)
    until(lambda: len(load.sink.parts) >= 20, "records arrive")
    records = load.finish()
    assert (records["outcome"] == Outcome.OK).all()
    assert (records["rows"] == 3).all(), "a row changed, one read, one added"
    assert (records["retries"] == 0).all()
    assert (records["lag_ns"] > 0).all()
    assert (records["lag_ns"] <= records["end_ns"] - records["intended_ns"]).all(), "none waits from before its send"
    assert one(admin, "SELECT count(*) FROM moves") == len(records), "each record is one transaction"
    assert books_agree(admin)


def test_each_statement_commits_by_itself_where_that_is_asked_for(make: Make, admin: Admin) -> None:
    refused = ["INSERT INTO moves VALUES ($1, 1)", "INSERT INTO moves VALUES ($1, NULL::numeric)"]
    load = make({"statements": refused, "autocommit": True, "params": [{"range": [1, ACCOUNTS]}]})
    load.start(2)
    until(lambda: len(load.sink.parts) >= 2, "records arrive")
    records = load.finish()
    assert (records["outcome"] == Outcome.CONSTRAINT).all()
    assert one(admin, "SELECT count(*) FROM moves") == len(records), "what came before the failure was kept"


def test_a_transaction_that_fails_leaves_nothing_and_the_next_goes_on(make: Make, admin: Admin) -> None:
    broken = move(statements=[*move()["statements"], "UPDATE {table} SET balance = NULL WHERE id = $2"])
    load = make(move(), broken)
    load.start(8)
    until(lambda: len(load.sink.parts) >= 20, "records arrive")
    records = load.finish()
    failed = records["operation"] == 1
    assert failed.any()
    assert (records["outcome"][failed] == Outcome.CONSTRAINT).all()
    assert (records["rows"][failed] == 0).all(), "nothing of it was kept"
    assert (records["outcome"][~failed] == Outcome.OK).all()
    assert one(admin, "SELECT count(*) FROM moves") == (~failed).sum()
    assert books_agree(admin)


def test_a_commit_that_the_server_refuses_is_a_failure(make: Make, admin: Admin) -> None:
    admin.execute("ALTER TABLE moves ALTER account TYPE int")
    admin.execute(
        "ALTER TABLE moves ADD CONSTRAINT known FOREIGN KEY (account) REFERENCES accounts DEFERRABLE INITIALLY DEFERRED"
    )
    load = make(
        {"statements": ["INSERT INTO moves VALUES ($1, 1)"], "params": [{"range": [ACCOUNTS + 1, ACCOUNTS + 9]}]}
    )
    load.start(2)
    until(lambda: len(load.sink.parts) >= 2, "records arrive")
    records = load.finish()
    assert (records["outcome"] == Outcome.CONSTRAINT).all()
    assert one(admin, "SELECT count(*) FROM moves") == 0


def test_what_lost_against_others_is_tried_again_with_the_same_parameters(make: Make, admin: Admin) -> None:
    load = make(move(isolation="serializable", retry={"serialization_failure": 50, "deadlock": 50}))
    load.start(8)
    until(
        lambda: any(part for part in load.sink.parts) and load.sink.records["retries"].max() > 0, "one is tried again"
    )
    records = load.finish()
    won = records["outcome"] == Outcome.OK
    assert (records["retries"][won] > 0).any(), "a repeated one was committed"
    assert one(admin, "SELECT count(*) FROM moves") == won.sum(), "an operation is kept once, whatever it took"
    assert books_agree(admin)


def test_deadlocks_are_failures_unless_they_may_be_tried_again(make: Make, admin: Admin) -> None:
    admin.execute(
        "ALTER DATABASE " + one(admin, "SELECT quote_ident(current_database())") + " SET deadlock_timeout = '20ms'"
    )
    statements = [f"UPDATE {{table}} SET balance = balance + 1 WHERE id = {place}" for place in (1, 2)]
    load = make({"statements": statements}, {"statements": statements[::-1]})
    load.start(8)
    until(lambda: any(load.sink.parts) and (load.sink.records["outcome"] == Outcome.DEADLOCK).any(), "a deadlock")
    records = load.finish()
    deadlocked = records["outcome"] == Outcome.DEADLOCK
    assert (records["retries"] == 0).all()
    assert one(admin, "SELECT sum(balance) FROM accounts") == 2 * int((~deadlocked).sum())


def test_attempts_end_with_what_the_policy_allows(make: Make, admin: Admin) -> None:
    admin.execute("CREATE FUNCTION lose() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '40001'; END $$")
    statements = ["INSERT INTO moves VALUES (1, 1)", "SELECT lose()"]
    load = make(
        {"statements": statements, "retry": {"serialization_failure": 3, "deadlock": 9}}, {"sql": "SELECT lose()"}
    )
    load.start(2)
    until(lambda: len(load.sink.parts) >= 2, "records arrive")
    records = load.finish()
    assert (records["outcome"] == Outcome.SERIALIZATION_FAILURE).all()
    tried = records["retries"][records["operation"] == 0]
    assert (tried == 3).mean() > 0.8, "all but those that the end of the load cut short"
    assert (tried <= 3).all()
    assert (records["retries"][records["operation"] == 1] == 0).all()
    assert one(admin, "SELECT count(*) FROM moves") == 0


def test_a_single_statement_is_tried_again_as_well(make: Make, admin: Admin) -> None:
    admin.execute("CREATE SEQUENCE turns")
    admin.execute(
        "CREATE FUNCTION lose_twice() RETURNS int LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('turns') % 3 <> 0 THEN RAISE SQLSTATE '40001'; END IF; RETURN 1; END $$"
    )
    load = make({"sql": "SELECT lose_twice()", "retry": {"serialization_failure": 2}})
    load.start(1)
    until(lambda: len(load.sink.parts) >= 2, "records arrive")
    records = load.finish()
    assert (records["outcome"][:-1] == Outcome.OK).all()
    assert (records["retries"][:-1] == 2).all()


def test_a_stop_lets_transactions_end_and_leaves_none_open(make: Make, admin: Admin) -> None:
    slow = move(statements=[*move()["statements"], "SELECT pg_sleep(0.05)"])
    load = make(slow)
    load.start(8)
    until(lambda: one(admin, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%'") > 1, "some sleep")
    stop_ns = SystemClock().monotonic_ns()
    load.executor.stop()
    records = load.finish()
    assert (records["outcome"] == Outcome.OK).all()
    assert records["start_ns"].max() < stop_ns + 1_000_000_000
    assert one(admin, "SELECT count(*) FROM moves") == len(records)
    assert books_agree(admin)


def test_a_connection_that_is_lost_in_a_transaction_counts_once(make: Make, admin: Admin) -> None:
    slow = move(statements=[*move()["statements"], "SELECT pg_sleep(0.2)"], retry={"deadlock": 5})
    load = make(slow)
    load.start(4)
    until(lambda: one(admin, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%'") >= 4, "all sleep")
    killed = admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND query LIKE '%pg_sleep%' AND datname = current_database()"
    ).fetchall()
    until(lambda: any(load.sink.parts) and (load.sink.records["outcome"] == Outcome.OK).any(), "the load goes on")
    records = load.finish()
    lost = records["outcome"] == Outcome.CONNECTION_LOST
    # One or the other may have gone on to its COMMIT since all were seen asleep.
    assert lost.sum() == len(killed) >= 1
    assert (records["retries"][lost] == 0).all()
    assert one(admin, "SELECT count(*) FROM moves") == (~lost).sum()
    assert books_agree(admin)


def test_a_transaction_that_cannot_be_rolled_back_fails_once_and_costs_its_connection(make: Make, admin: Admin) -> None:
    def with_a_rollback_that_is_none(operation: Operation) -> Operation:
        return replace(operation, rollback=operation.statements[1] if operation.rollback else None)

    broken = {"statements": ["SELECT 1", "INSERT INTO moves VALUES (1, NULL::numeric)"]}
    load = make(broken, {"sql": "SELECT 2"}, alter=with_a_rollback_that_is_none)
    load.start(2)
    until(lambda: len(load.sink.parts) >= 2, "records arrive")
    records = load.finish()
    failed = records["operation"] == 0
    assert failed.any()
    assert (records["outcome"][failed] == Outcome.CONSTRAINT).all()
    assert (records["outcome"][~failed] == Outcome.OK).all(), "nothing is sent into a transaction that was given up"
    assert one(admin, "SELECT count(*) FROM moves") == 0


def test_threads_are_retired_between_transactions(make: Make, admin: Admin) -> None:
    load = make(move())
    load.start(8)
    until(lambda: len(load.sink.parts) >= 5, "records arrive")
    load.executor.set_threads(2)
    until(lambda: load.executor.active_threads == 2, "six threads are retired")
    until(
        lambda: (
            one(
                admin,
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'upperbound'"
                " AND datname = current_database() AND pid <> pg_backend_pid()",
            )
            == 2
        ),
        "their sessions end",
    )
    records = load.finish()
    assert (records["outcome"] == Outcome.OK).all()
    assert books_agree(admin)


def test_one_parameter_takes_the_type_that_all_its_statements_take(fresh_database: str, admin: Admin) -> None:
    del admin
    config = configure(fresh_database, move())
    prepared = prepare(config, ConnInfo(fresh_database), group_id=0, group_count=1)
    update, select, insert = prepared.operations[0].statements[1:-1]
    assert [len(one.param_formats or ()) for one in (update, select, insert)] == [2, 1, 2]
    row = next(prepared.stream(0).rows[0])
    assert row is not None
    assert row[update.params] == row[insert.params], "both have $1 and $2, in the order of their numbers"
    assert row[select.params] == row[update.params][1:], "this one has $2 alone"


def test_a_parameter_that_statements_take_for_different_things_is_refused(fresh_database: str, admin: Admin) -> None:
    admin.execute("CREATE TABLE days (day date, at timestamp)")
    statements = ["INSERT INTO days (day) VALUES ($1)", "INSERT INTO days (at) VALUES ($1)"]
    with pytest.raises(TargetMismatch) as caught:
        configure(fresh_database, {"statements": statements, "params": [{"choice": ["2026-01-01"]}]})
    (problem,) = caught.value.problems
    assert problem.where == "workload.operations.0.params.0"
    assert problem.message == "$1 is date in statement 0 and timestamp in statement 1, and a parameter has one type"
    assert problem.hint == "cast it in the others, as in $1::date"


def test_faults_of_statements_are_named_by_their_place(fresh_database: str, admin: Admin) -> None:
    del admin
    with pytest.raises(TargetMismatch) as caught:
        configure(fresh_database, {"statements": ["SELECT 1", "SELECT nothing FROM {table}", "SELECT 1 FROM nowhere"]})
    assert [problem.where for problem in caught.value.problems] == [
        "workload.operations.0.statements.1",
        "workload.operations.0.statements.2",
    ]
