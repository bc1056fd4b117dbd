"""Does a scenario fit a PostgreSQL target? Everything that can be known before the first query, in one answer."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from upperbound.clock import Clock
from upperbound.errors import Problem, TargetMismatch, TargetUnreachable
from upperbound.scenario.kinds import OperationType
from upperbound.scenario.model import Operation, Scenario
from upperbound.scenario.sql_text import tokenize
from upperbound.scenario.written_table import writes_table
from upperbound.targets.pg_catalog import (
    ServerFacts,
    is_view,
    server_facts,
    similar_columns,
    similar_tables,
    table_problem,
)
from upperbound.targets.pg_connection import ConnInfo, open_connection
from upperbound.targets.pg_describe import (
    INDETERMINATE_TYPE,
    UNDEFINED_COLUMN,
    UNDEFINED_TABLE,
    Connection,
    StatementFault,
    StatementShape,
)
from upperbound.targets.pg_doctor import target_clock_offset
from upperbound.targets.pg_operation import describe_operation
from upperbound.targets.pg_parameters import ParameterCheck
from upperbound.targets.pg_words import said

LOCK_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 60


@dataclass(frozen=True)
class TargetReport:
    """A target that fits its scenario."""

    server_version: str
    database: str
    max_connections: int
    used_connections: int
    """By others, at the time of the check."""
    warnings: tuple[str, ...]
    """What does not prevent the run, but may surprise."""


def preflight(target: ConnInfo, scenario: Scenario, threads: int, *, clock: Clock | None = None) -> TargetReport:
    """Check that ``scenario`` can run on ``target`` with ``threads`` connections; nothing is changed there.

    Checked are the table, each statement, the user's privileges for it, the type of each parameter against what its
    generator makes, columns of pools and sequences, and room for the connections. With ``clock`` the server's clock is
    compared with this host's as well: a difference is a warning.

    Raises :class:`TargetUnreachable` and :class:`TargetAuthFailed` when there is no way in, and :class:`TargetMismatch`
    with every problem found.
    """
    connection = open_connection(target)
    try:
        connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
        connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        return _Preflight(connection, scenario, threads, clock).run()
    except psycopg.OperationalError as error:
        raise TargetUnreachable(
            f"PostgreSQL at {target.address} gave up during the checks before the run: {said(error)}",
            hint="see the server's log; a table that is locked has to be free",
        ) from None
    finally:
        connection.close()


class _Preflight:
    """The checks of one scenario over one connection."""

    def __init__(self, connection: Connection, scenario: Scenario, threads: int, clock: Clock | None) -> None:
        self._connection = connection
        self._scenario = scenario
        self._threads = threads
        self._clock = clock
        self._table = scenario.target.table
        self._parameters = ParameterCheck(connection, self._table, _inserts_max(scenario))

    def run(self) -> TargetReport:
        facts = server_facts(self._connection)
        table = table_problem(self._connection, self._table) if self._table is not None else None
        problems = [*([table] if table else []), *self._server_problems(facts)]
        if table is None and self._table is not None and is_view(self._connection, self._table):
            problems.extend(_view_problems(self._scenario, self._table))
        for index, operation in enumerate(self._scenario.workload.operations):
            problems.extend(self._operation_problems(index, operation, table is not None))
        if problems:
            unique = tuple(dict.fromkeys(problems))
            raise TargetMismatch(f"the scenario does not fit database {facts.database}", problems=unique)
        warnings = (*self._parameters.warnings, *_durability_warnings(facts, self._scenario))
        if self._clock is not None and (told := target_clock_offset(self._connection, self._clock).warning("target")):
            warnings = (*warnings, told)
        return TargetReport(facts.version, facts.database, facts.max_connections, facts.used_connections, warnings)

    def _server_problems(self, facts: ServerFacts) -> Iterator[Problem]:
        yield from connection_problems(facts, self._threads)
        if facts.read_only and _writes(self._scenario):
            yield Problem(
                "target.url",
                "the server takes no writes from this session, and the scenario has some",
                "use the primary, not a standby, or a user without default_transaction_read_only",
            )

    def _operation_problems(self, index: int, operation: Operation, table_missing: bool) -> Iterator[Problem]:
        where = f"workload.operations.{index}"
        found = describe_operation(self._connection, operation, self._table)
        if isinstance(found, list):
            for item in found:
                if isinstance(item, Problem):
                    yield Problem(f"{where}.{item.where}", item.message, item.hint)
                # One missing table is one problem, not one for each statement that reads it.
                elif not (table_missing and _lacks_table(operation.texts[item.statement], item.fault)):
                    place = f"{where}.{_place(operation, item.statement)}"
                    yield self._statement_problem(place, operation, item.fault)
            return
        for number, statement in enumerate(found.statements):
            if refusal := self._refusal(statement.text, statement.shape):
                place = f"{where}.{_place(operation, number)}"
                yield Problem(place, f"{operation.label}: {refusal}", "grant the user what the statement needs")
        for number, (oid, parameter) in enumerate(zip(found.param_oids, operation.params, strict=True)):
            place = f"{where}.params.{number}"
            subject = f"{operation.label}: ${number + 1}"
            yield from self._parameters.problems(place, subject, oid, parameter, column_check=not table_missing)
            yield from self._parameters.offset_problems(place, subject, oid, operation.params, number)

    def _statement_problem(self, where: str, operation: Operation, fault: StatementFault) -> Problem:
        hint = fault.hint
        if fault.sqlstate == UNDEFINED_TABLE:
            hint = similar_tables(self._connection, fault.subject)
        elif fault.sqlstate == UNDEFINED_COLUMN and not hint and self._table is not None:
            hint = similar_columns(self._connection, self._table, fault.subject)
        elif fault.sqlstate == INDETERMINATE_TYPE:
            hint = "name the type in the statement, as in $1::integer"
        return Problem(where, f"{operation.label}: {fault.message}", hint)

    def _refusal(self, statement: str, shape: StatementShape) -> str:
        """Return why the user may not execute a statement; empty when nothing forbids it.

        EXPLAIN checks privileges without executing. Whatever else it complains about may be the fault of the NULLs that
        stand for the parameters.
        """
        nulls = ", ".join(["NULL"] * len(shape.param_oids))
        arguments = f"({nulls})" if nulls else ""
        try:
            with self._connection.transaction(force_rollback=True):
                self._connection.execute(f"PREPARE ub_preflight AS {statement}")
                self._connection.execute(f"EXPLAIN EXECUTE ub_preflight{arguments}")
        except psycopg.errors.InsufficientPrivilege as error:
            return error.diag.message_primary or "permission denied"
        except psycopg.OperationalError:
            raise
        except psycopg.DatabaseError:
            return ""
        finally:
            self._connection.execute("DEALLOCATE ALL")
        return ""


def _lacks_table(text: str, fault: StatementFault) -> bool:
    return fault.sqlstate == UNDEFINED_TABLE and "{table}" in text


def _place(operation: Operation, statement: int) -> str:
    """Return where in its operation a statement is written."""
    return "sql" if operation.sql is not None else f"statements.{statement}"


def _view_problems(scenario: Scenario, view: str) -> Iterator[Problem]:
    """Yield a problem for each statement that writes to the target, which is a view."""
    for index, operation in enumerate(scenario.workload.operations):
        for number, text in enumerate(operation.texts):
            if writes_table(list(tokenize(text))):
                yield Problem(
                    f"workload.operations.{index}.{_place(operation, number)}",
                    f"{operation.label}: writes to {view}, which is a view, and views are for reading here",
                    "write to the tables behind it, in a scenario of their own or by their names",
                )


def connection_problems(facts: ServerFacts, threads: int) -> Iterator[Problem]:
    """Yield a problem for each limit that ``threads`` more connections would exceed."""
    used = facts.used_connections
    reckoning = f"max_connections {facts.max_connections}, {facts.reserved_connections} reserved, {used} in use"
    limits = [(facts.max_connections - facts.reserved_connections - used, reckoning, "max_connections")]
    for owner, limit, taken in (
        ("user", facts.role_limit, facts.role_used),
        ("database", facts.database_limit, facts.database_used),
    ):
        if limit >= 0:
            limits.append((limit - taken, f"the {owner} may have {limit}, {taken} in use", f"the {owner}'s limit"))
    for room, reckoning, setting in limits:
        free = max(room, 0)
        if threads > free:
            advice = f"lower it to {free}, or raise {setting}" if free else f"close sessions, or raise {setting}"
            message = f"{threads} threads need a connection each, and the server has {free} to give ({reckoning})"
            yield Problem("load.threads", message, advice)


def _writes(scenario: Scenario) -> bool:
    return any(operation.operation_type is OperationType.WRITE for operation in scenario.workload.operations)


def _inserts_max(scenario: Scenario) -> int:
    """Return a generous guess of how often an operation may be executed in the run: 20,000 times a second."""
    return int((scenario.load.warmup_seconds + scenario.load.duration_seconds) * 20_000)


def _durability_warnings(facts: ServerFacts, scenario: Scenario) -> Iterator[str]:
    if not _writes(scenario):
        return
    if not facts.fsync:
        yield "fsync is off on the server: its writes are faster than those of a server that keeps its data"
    if not facts.synchronous_commit:
        yield "synchronous_commit is off on the server: commits do not wait for the disk"
