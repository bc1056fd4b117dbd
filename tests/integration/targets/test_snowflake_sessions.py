"""Sessions of the load against an emulated account: tags, values, outcomes and cancelling."""

import contextlib
import threading
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests.emulators.handle import SnowflakeDatabase

from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets.blocking import BlockingStatement, StatementFailed
from upperbound.targets.sf_connection import SnowflakeInfo
from upperbound.targets.sf_sessions import SnowflakeSession, SnowflakeSessions, end_statements
from upperbound.targets.sf_target import snowflake_info
from upperbound.targets.sf_types import INTEGER, NUMBER, TEXT, TIME
from upperbound.testing.waiting import until

WARMUP = "upperbound:run_id=run-1:worker=worker-0:phase=WARMUP"
RUNNING = "upperbound:run_id=run-1:worker=worker-0:phase=RUNNING"


@pytest.fixture
def info(snowflake: SnowflakeDatabase, tmp_path: Path) -> SnowflakeInfo:
    (tmp_path / "connections.toml").write_text(snowflake.connections_toml("bench"))
    snowflake.rows(
        "CREATE HYBRID TABLE orders (id NUMBER(38,0) NOT NULL PRIMARY KEY, status VARCHAR(20), amount NUMBER(12,2), "
        "made_at TIMESTAMP_NTZ)"
    )
    snowflake.rows("INSERT INTO orders VALUES (1, 'new', 1.50, '2026-01-01'), (2, 'paid', 2.50, '2026-01-02')")
    target = SnowflakeTarget(connection_name="bench")
    return snowflake_info(target, purpose="upperbound:test", environment={"SNOWFLAKE_HOME": str(tmp_path)})


@pytest.fixture
def sessions(info: SnowflakeInfo) -> Iterator[SnowflakeSessions]:
    sessions = SnowflakeSessions(info, "run-1", "worker-0")
    yield sessions
    sessions.close()


@pytest.fixture
def session(sessions: SnowflakeSessions) -> Iterator[SnowflakeSession]:
    session = sessions.connect()
    yield session
    session.close()


def test_statements_carry_the_tag_of_their_phase(snowflake: SnowflakeDatabase, session: SnowflakeSession) -> None:
    assert session.execute(BlockingStatement("SELECT 1 AS before_it"), ()) == 1
    session.enter(Phase.MEASUREMENT)
    session.execute(BlockingStatement("SELECT 1 AS after_it"), ())
    tags = [(one["query_text"], one["query_tag"]) for one in snowflake.statements("_it")]
    assert tags == [("SELECT 1 AS before_it", WARMUP), ("SELECT 1 AS after_it", RUNNING)]


def test_values_arrive_as_what_they_are(snowflake: SnowflakeDatabase, session: SnowflakeSession) -> None:
    insert = BlockingStatement(
        "INSERT INTO orders VALUES (?, ?, ?, ?)", (INTEGER.bind, TEXT.bind, NUMBER.bind, TIME.bind), first_param=1
    )
    row = (b"never sent", b"7", "grün".encode(), b"12.50", b"2026-03-04 05:06:07.000008+00:00")
    assert session.execute(insert, row) == 1
    assert session.execute(insert, (None, b"8", None, None, None)) == 1
    stored = snowflake.rows("SELECT id, status, amount, CAST(made_at AS VARCHAR) FROM orders WHERE id > 6 ORDER BY id")
    assert stored[0][:3] == (7, "grün", Decimal("12.50"))
    assert str(stored[0][3]).startswith("2026-03-04 05:06:07.000008")
    assert stored[1] == (8, None, None, None)


def test_rows_are_those_returned_or_changed(session: SnowflakeSession) -> None:
    def rows(text: str, *, counts: bool = True) -> int:
        return session.execute(BlockingStatement(text, counts=counts), ())

    assert rows("SELECT * FROM orders") == 2
    assert rows("SELECT * FROM orders WHERE id = 0") == 0
    assert rows("UPDATE orders SET status = 'sent'") == 2
    assert rows("UPDATE orders SET status = 'sent' WHERE id = 0") == 0
    assert rows("DELETE FROM orders WHERE id = 2") == 1
    assert rows("BEGIN", counts=False) == rows("ROLLBACK", counts=False) == 0


def test_a_large_answer_is_counted_as_well(session: SnowflakeSession) -> None:
    assert session.execute(BlockingStatement("SELECT SEQ4() FROM TABLE(GENERATOR(ROWCOUNT => 5000))"), ()) == 5000


def test_the_id_of_a_statement_is_the_one_that_the_history_knows_it_by(
    snowflake: SnowflakeDatabase, session: SnowflakeSession
) -> None:
    def id_of(text: str, *, counts: bool = True) -> str:
        with contextlib.suppress(StatementFailed):
            session.execute(BlockingStatement(text, counts=counts), ())
        return str(uuid.UUID(bytes=session.take_statement_id()))

    def known_as(text: str) -> str:
        return str(snowflake.statements(text)[-1]["query_id"])

    assert id_of("SELECT 'short'") == known_as("'short'")
    assert id_of("SELECT 'long', SEQ4() FROM TABLE(GENERATOR(ROWCOUNT => 5000))") == known_as("'long'")
    assert id_of("INSERT INTO orders VALUES (1, 'twice', 1, NULL)") == known_as("'twice'"), "it failed, and has one"
    assert uuid.UUID(id_of("BEGIN", counts=False)).int == 0
    assert id_of("SELECT 'inside'") == known_as("'inside'")
    assert uuid.UUID(id_of("ROLLBACK", counts=False)).int == 0


def test_answers_of_one_query_are_counted_whatever_size_they_have(session: SnowflakeSession) -> None:
    insert = BlockingStatement("INSERT INTO orders (id) SELECT SEQ4() + 3 FROM TABLE(GENERATOR(ROWCOUNT => 500))")
    assert session.execute(insert, ()) == 500
    query = BlockingStatement("SELECT id FROM orders WHERE id < ?", (INTEGER.bind,), is_query=True)
    asked = (3, 3, 400, 400, 3, 400, 0, 3)
    counts = [session.execute(query, (str(below).encode(),)) for below in asked]
    assert counts == [2, 2, 399, 399, 2, 399, 0, 2]


def test_the_driver_reports_nothing_of_its_use(session: SnowflakeSession) -> None:
    assert not session._connection.telemetry_enabled


@pytest.mark.parametrize(
    ("text", "outcome", "code"),
    [
        ("INSERT INTO orders VALUES (1, 'twice', 1, NULL)", Outcome.CONSTRAINT, "200001"),
        ("SELECT * FROM nowhere", Outcome.SYNTAX, "002003"),
        ("SELEC 1", Outcome.SYNTAX, "001003"),
        ("SELECT nothing FROM orders", Outcome.SYNTAX, "000904"),
    ],
)
def test_what_the_server_refuses_is_told_by_class_and_code(
    session: SnowflakeSession, text: str, outcome: Outcome, code: str
) -> None:
    with pytest.raises(StatementFailed) as caught:
        session.execute(BlockingStatement(text), ())
    assert (caught.value.outcome, caught.value.code, caught.value.broken) == (outcome, code, False)
    assert session.execute(BlockingStatement("SELECT 1"), ()) == 1, "the session goes on"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(604, Outcome.STATEMENT_TIMEOUT), (625, Outcome.LOCK_TIMEOUT), (90073, Outcome.RESOURCE_EXHAUSTED)],
)
def test_faults_of_the_server_are_told_by_class(
    snowflake: SnowflakeDatabase, session: SnowflakeSession, code: int, outcome: Outcome
) -> None:
    snowflake.fault("error", code=code, pattern="orders", message="as the test wants it")
    with pytest.raises(StatementFailed, match="as the test wants it") as caught:
        session.execute(BlockingStatement("SELECT * FROM orders"), ())
    assert (caught.value.outcome, caught.value.broken) == (outcome, False)


def test_a_session_that_is_gone_is_broken(snowflake: SnowflakeDatabase, session: SnowflakeSession) -> None:
    snowflake.expire_tokens(master=True)
    with pytest.raises(StatementFailed) as caught:
        session.execute(BlockingStatement("SELECT 1"), ())
    assert caught.value.broken


def test_a_statement_in_flight_is_cancelled(
    snowflake: SnowflakeDatabase, sessions: SnowflakeSessions, session: SnowflakeSession
) -> None:
    ended: list[StatementFailed] = []

    def execute() -> None:
        try:
            session.execute(BlockingStatement("SELECT * FROM orders"), ())
        except StatementFailed as failure:
            ended.append(failure)

    snowflake.fault("latency", delay_ms=60_000, pattern="orders")
    thread = threading.Thread(target=execute)
    thread.start()
    until(lambda: snowflake.counts()["running"] == 1, "the statement to be executed")
    assert sessions.cancel([session]) == 1
    thread.join(30)
    assert [failure.outcome for failure in ended] == [Outcome.STATEMENT_TIMEOUT]


def test_nothing_is_ended_of_a_run_that_has_left_nothing(info: SnowflakeInfo, session: SnowflakeSession) -> None:
    # The emulator's history has no statement that is still executed; see docs/reference/unverified-on-snowflake.md.
    session.execute(BlockingStatement("SELECT * FROM orders"), ())
    assert end_statements(info, "run-1") == 0
