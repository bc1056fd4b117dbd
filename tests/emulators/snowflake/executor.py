"""Runs a statement of a session: reads it, lets faults strike, waits for the warehouse, runs it and records it."""

import threading
import traceback
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlglot import exp
from tests.emulators.snowflake import definitions, engine, specials, stages
from tests.emulators.snowflake.account import Account
from tests.emulators.snowflake.binds import Value, rows_of
from tests.emulators.snowflake.catalog import TableKind, qualified
from tests.emulators.snowflake.commands import (
    Explain,
    RefreshTable,
    StageCommand,
)
from tests.emulators.snowflake.copying import copy, read_copy
from tests.emulators.snowflake.create_table import CreateTable
from tests.emulators.snowflake.errors import CANCELED, INTERNAL, STATEMENT_TIMEOUT, UNSUPPORTED, Conflict, SqlError
from tests.emulators.snowflake.faults import Fault
from tests.emulators.snowflake.history import Record
from tests.emulators.snowflake.placeholders import numbered
from tests.emulators.snowflake.results import Result, answer, failure, result_of
from tests.emulators.snowflake.rewrite import rewrite
from tests.emulators.snowflake.row_locks import locking
from tests.emulators.snowflake.sessions import Running, Session
from tests.emulators.snowflake.statements import Statement, read_statement, stored_tables
from tests.emulators.snowflake.whole_rows import of_whole_rows

_CANCELLING = ("SYSTEM$CANCEL_QUERY", "SYSTEM$CANCEL_ALL_QUERIES", "SYSTEM$ABORT_SESSION")


@dataclass
class Request:
    """A statement as the client sent it."""

    sql: str
    bindings: dict[str, Any] | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    describe_only: bool = False
    request_id: str = ""
    base_url: str = ""
    """How the client reaches the emulator, for uploads."""
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class _Seen:
    """What is known of a statement while it goes on, for its record."""

    query_type: str = "UNKNOWN"
    type_id: int = 0
    warehouse: str | None = None
    hybrid_only: bool = False
    rows_produced: int | None = None


class Executor:
    """Runs statements against an account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def execute(self, session: Session, request: Request, faults: list[Fault]) -> dict[str, Any]:
        """Run a statement and return the answer for the client; a failure is an answer, too."""
        running = Running(request.query_id, request.request_id, request.sql)
        session.running[request.request_id] = running
        start, seen = datetime.now(UTC), _Seen()
        tag = str(request.parameters.get("QUERY_TAG") or session.parameter("QUERY_TAG"))
        error: SqlError | None = None
        try:
            with _turn(session, running), self._time_limit(session, request, running):
                result = self._run(session, request, running, faults, seen)
                seen.rows_produced = result.rows_produced
                final = self._final(session)
        except SqlError as found:
            error = _reason(running, found)
        except Exception as found:  # noqa: BLE001  # an answer that is no SQL error is asked for again six times
            traceback.print_exc()
            error = SqlError(*INTERNAL, f"The emulator failed: {type(found).__name__}: {found}")
        finally:
            session.running.pop(request.request_id, None)
        if not request.describe_only:
            session.last_query_id = request.query_id
            self._record(session, request, running, start, tag, seen, error)
        if error is not None:
            return failure(error, query_id=request.query_id)
        return answer(result, query_id=request.query_id, type_id=seen.type_id, context=final)

    def cancel(self, session: Session, running: Running) -> None:
        """Stop a statement, wherever it waits."""
        running.cancelled.set()
        session.engine._duck_conn.interrupt()

    def _run(self, session: Session, request: Request, running: Running, faults: list[Fault], seen: _Seen) -> Result:
        statement = read_statement(request.sql)
        seen.query_type, seen.type_id = statement.query_type, statement.type_id
        rows, is_array = rows_of(request.bindings)
        if request.describe_only and (described := self._described(session, statement)):
            return described
        seen.hybrid_only = self._is_hybrid_only(session, statement)
        with ExitStack() as stack:
            if statement.needs_warehouse:
                seen.warehouse = session.warehouse
                slot = self._account.warehouses.slot(session.warehouse, running.cancelled.is_set)
                running.queued_ms = stack.enter_context(slot)
            _suffer(faults, running)
            return self._perform(session, statement, request, running, rows, is_array, faults)

    def _described(self, session: Session, statement: Statement) -> Result | None:
        if statement.expression is None:
            return None
        return engine.describe(session.engine, self._rewritten(session, statement))

    def _perform(
        self,
        session: Session,
        statement: Statement,
        request: Request,
        running: Running,
        rows: list[list[Value]],
        is_array: bool,
        faults: list[Fault],
    ) -> Result:
        account, special = self._account, statement.special
        if special is not None:
            return self._special(session, statement, running)
        expression = statement.expression
        if isinstance(expression, exp.Put):
            return stages.put(account, session, expression, rows[0], request.base_url)
        if isinstance(expression, exp.Copy) and (copying := read_copy(expression, _lost_rows(faults))):
            return account.transactions.write(session, running, lambda: copy(account, session, copying))
        if isinstance(expression, exp.Select) and (stopped := self._cancel_function(expression)):
            return stopped
        sql = self._rewritten(session, statement)
        if rows[0]:
            sql = numbered(sql)

        def work() -> Result:
            return engine.run(session.engine, sql, rows, is_array=is_array)

        if (touch := locking(account.catalog, session, expression, rows)) is not None:
            account.transactions.write(session, running, touch)

        if statement.writes:
            self._check_writable(session, statement)
            return account.transactions.write(session, running, work)
        if isinstance(expression, exp.Query | exp.Show | exp.Describe):
            return definitions.complete(account, session, expression, _without_conflict(work))
        if not isinstance(expression, exp.Create | exp.Drop | exp.Alter | exp.TruncateTable | exp.Command):
            return definitions.follow(account, session, expression, _without_conflict(work))
        result = account.transactions.define(session, running, work)
        return definitions.follow(account, session, expression, result)

    def _special(self, session: Session, statement: Statement, running: Running) -> Result:
        special = statement.special
        if isinstance(special, CreateTable):
            return definitions.create_table(self._account, session, running, special)
        if isinstance(special, RefreshTable):
            return definitions.refresh(self._account, session, running, special.table)
        if isinstance(special, StageCommand):
            return stages.run(self._account, session, special)
        if isinstance(special, Explain):
            plan = engine.explain(session.engine, self._rewritten(session, read_statement(special.sql)))
            return result_of([("content", "VARCHAR")], [[plan]])
        return specials.answer(self._account, session, special)

    def _rewritten(self, session: Session, statement: Statement) -> str:
        assert statement.expression is not None
        expression = statement.expression
        if isinstance(expression, exp.Update):
            expression = of_whole_rows(self._account, session, expression)
        expression, tables = rewrite(expression, self._account.context(session))
        self._account.fill(tables)
        return expression.sql(dialect="snowflake")

    def _check_writable(self, session: Session, statement: Statement) -> None:
        assert statement.expression is not None
        target = next(iter(stored_tables(statement.expression)), None)
        if target is None:
            return
        name = qualified(target, session.engine.database, session.engine.schema)
        if self._account.catalog.kind(name) is TableKind.DYNAMIC:
            message = f"Unsupported feature '{statement.query_type} on {name[2]}': a dynamic table is read-only."
            raise SqlError(*UNSUPPORTED, message)

    def _is_hybrid_only(self, session: Session, statement: Statement) -> bool:
        if statement.expression is None or not (statement.writes or isinstance(statement.expression, exp.Query)):
            return False
        names = [
            qualified(parts, session.engine.database, session.engine.schema)
            for parts in stored_tables(statement.expression)
        ]
        return bool(names) and all(self._account.catalog.kind(name) is TableKind.HYBRID for name in names)

    def _cancel_function(self, expression: exp.Select) -> Result | None:
        for call in expression.find_all(exp.Anonymous):
            name = str(call.this).upper()
            if name in _CANCELLING:
                said = self._cancel_by_function(name, call.expressions[0].name)
                return result_of([(f"{name}('{call.expressions[0].name}')", "VARCHAR")], [[said]])
        return None

    def _cancel_by_function(self, name: str, argument: str) -> str:
        if name == "SYSTEM$CANCEL_QUERY":
            found = self._account.sessions.running(argument)
            if found is None:
                return "Identified SQL statement is not currently executing."
            self.cancel(*found)
            return f"query [{argument}] terminated."
        for session in self._account.sessions.all():
            if str(session.session_id) == argument:
                for running in list(session.running.values()):
                    self.cancel(session, running)
                if name == "SYSTEM$ABORT_SESSION":
                    self._account.sessions.close(session)
        return "session aborted." if name == "SYSTEM$ABORT_SESSION" else "all queries cancelled."

    @contextmanager
    def _time_limit(self, session: Session, request: Request, running: Running) -> Iterator[None]:
        """Stop the statement when STATEMENT_TIMEOUT_IN_SECONDS has passed."""
        own = request.parameters.get("STATEMENT_TIMEOUT_IN_SECONDS")
        limit_s = float(own or session.parameter("STATEMENT_TIMEOUT_IN_SECONDS", "0"))
        if limit_s <= 0:
            yield
            return

        def stop() -> None:
            running.timed_out = True
            self.cancel(session, running)

        timer = threading.Timer(limit_s, stop)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _final(self, session: Session) -> dict[str, Any]:
        return {
            "finalDatabaseName": session.engine.database,
            "finalSchemaName": session.engine.schema,
            "finalWarehouseName": session.warehouse,
            "finalRoleName": session.role,
        }

    def _record(
        self,
        session: Session,
        request: Request,
        running: Running,
        start: datetime,
        tag: str,
        seen: _Seen,
        error: SqlError | None,
    ) -> None:
        warehouse = self._account.warehouses.find(seen.warehouse)
        self._account.history.add(
            Record(
                query_id=request.query_id,
                query_text=request.sql,
                query_type=seen.query_type,
                session_id=session.session_id,
                user_name=session.user,
                role_name=session.role,
                database_name=session.engine.database,
                schema_name=session.engine.schema,
                warehouse_name=seen.warehouse,
                warehouse_size=warehouse.size if warehouse else None,
                warehouse_type=warehouse.kind if warehouse else None,
                cluster_number=1 + session.session_id % max(1, warehouse.started_clusters) if warehouse else None,
                query_tag=tag,
                start_time=start,
                end_time=datetime.now(UTC),
                queued_ms=running.queued_ms,
                blocked_ms=running.blocked_ms,
                rows_produced=seen.rows_produced,
                error_code=error.code if error else None,
                error_message=error.message if error else None,
                hybrid_only=seen.hybrid_only,
            )
        )


@contextmanager
def _turn(session: Session, running: Running) -> Iterator[None]:
    """Wait for the session's earlier statement to end."""
    while not session.lock.acquire(timeout=0.05):
        if running.cancelled.is_set():
            raise SqlError(*CANCELED, "SQL execution canceled")
    try:
        yield
    finally:
        session.lock.release()


def _lost_rows(faults: list[Fault]) -> int:
    return sum(fault.rows for fault in faults if fault.action == "lose_rows")


def _suffer(faults: list[Fault], running: Running) -> None:
    for fault in faults:
        if fault.action == "latency" and fault.delay_ms > 0:
            running.cancelled.wait(fault.delay_ms / 1000)
        elif fault.action == "error":
            raise SqlError(fault.code, fault.sqlstate, fault.message)
    if running.cancelled.is_set():
        raise SqlError(*CANCELED, "SQL execution canceled")


def _without_conflict(work: Any) -> Result:
    try:
        result: Result = work()
    except Conflict as conflict:
        raise SqlError(625, "57014", str(conflict)) from conflict
    return result


def _reason(running: Running, error: SqlError) -> SqlError:
    if error.code == CANCELED[0] and running.timed_out:
        message = "Statement reached its statement or warehouse timeout and was canceled."
        return SqlError(*STATEMENT_TIMEOUT, message)
    return error
