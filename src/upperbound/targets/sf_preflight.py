"""Does a scenario fit a Snowflake target? Everything that can be known before the first query, in one answer."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from upperbound.errors import Problem, TargetMismatch
from upperbound.scenario.identifiers import SNOWFLAKE, parse_name
from upperbound.scenario.kinds import OperationType, TableType
from upperbound.scenario.model import Operation, Scenario
from upperbound.scenario.sql_text import tokenize
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.scenario.written_table import writes_table
from upperbound.targets.sf_connection import SnowflakeInfo, open_session, query
from upperbound.targets.sf_operation import parameter_types
from upperbound.targets.sf_session_type import Session
from upperbound.targets.sf_tables import SnowflakeTable, read_table
from upperbound.targets.sf_warehouse import Warehouse, find_warehouse


@dataclass(frozen=True)
class SnowflakeReport:
    """A target that fits its scenario."""

    server_version: str
    account: str
    table: SnowflakeTable | None
    """The table under test."""
    warehouse: Warehouse | None
    warnings: tuple[str, ...]
    """What does not prevent the run, but may surprise."""


def preflight(info: SnowflakeInfo, scenario: Scenario, *, store_warehouse: str | None = None) -> SnowflakeReport:
    """Check that ``scenario`` can run on the target; nothing is changed there.

    Checked are the warehouse, which may not be ``store_warehouse`` unless the scenario allows that, the table and its
    kind, and the type of each parameter. Whether the statements work is seen when they are tried.

    Raises :class:`TargetUnreachable` and :class:`TargetAuthFailed` when there is no way in, and :class:`TargetMismatch`
    with every problem found.
    """
    assert isinstance(scenario.target, SnowflakeTarget), "other targets have checks of their own"
    with contextlib.closing(open_session(info)) as connection:
        return _Preflight(connection, scenario.target, scenario.workload.operations, store_warehouse).run()


def preflight_target(info: SnowflakeInfo, target: SnowflakeTarget) -> SnowflakeReport:
    """Check the warehouse and the table of a target alone, for a scenario that is not complete; raises as above."""
    with contextlib.closing(open_session(info)) as connection:
        return _Preflight(connection, target, (), None).run()


class _Preflight:
    """The checks of one target, and of what is to be done there, over one session."""

    def __init__(
        self,
        connection: Session,
        target: SnowflakeTarget,
        operations: Sequence[Operation],
        store_warehouse: str | None,
    ) -> None:
        self._connection, self._target, self._operations = connection, target, operations
        self._store_warehouse = store_warehouse
        self._problems: list[Problem] = []
        self._warnings: list[str] = []

    def run(self) -> SnowflakeReport:
        facts = query(
            self._connection,
            "SELECT CURRENT_VERSION() AS version, CURRENT_ACCOUNT() AS account, CURRENT_WAREHOUSE() AS warehouse",
        )[0]
        warehouse = self._warehouse(facts["warehouse"])
        table = self._table()
        if table is not None:
            self._problems += self._table_problems(table, warehouse)
        for number, operation in enumerate(self._operations):
            if self._target.table is not None and table is None:
                break  # One missing table is one problem, not one for each parameter.
            try:
                parameter_types(operation, table)
            except TargetMismatch as error:
                self._problems += [
                    Problem(f"workload.operations.{number}.{one.where}", f"{operation.label}: {one.message}", one.hint)
                    for one in error.problems
                ]
        account = str(facts["account"])
        if self._problems:
            raise TargetMismatch(f"the scenario does not fit account {account}", problems=self._problems)
        return SnowflakeReport(str(facts["version"]), account, table, warehouse, tuple(self._warnings))

    def _warehouse(self, current: str | None) -> Warehouse | None:
        """Look at the warehouse of the session."""
        wanted = self._target.warehouse
        name = parse_name(wanted, "a warehouse name", "", SNOWFLAKE) if wanted is not None else current
        if name is None:
            hint = "set target.warehouse, or a warehouse in the entry of connections.toml"
            self._problems.append(Problem("target.warehouse", "the session has no warehouse", hint))
            return None
        if name == self._store_warehouse and not self._target.allow_store_warehouse:
            self._problems.append(
                Problem(
                    "target.warehouse",
                    f"{name} is the warehouse of the store, whose statements would share it with the load",
                    "measure another one, or set target.allow_store_warehouse: true",
                )
            )
        try:
            found = find_warehouse(self._connection, name)
        except TargetMismatch as error:
            self._problems += error.problems or (Problem("target.warehouse", error.message, error.hint),)
            return None
        if current is not None and current != name:
            hint = "GRANT USAGE on the warehouse to the role"
            self._problems.append(Problem("target.warehouse", f"the role may not use {name}", hint))
        return found

    def _table(self) -> SnowflakeTable | None:
        if self._target.table is None:
            return None
        try:
            return read_table(self._connection, self._target.table)
        except TargetMismatch as error:
            self._problems += error.problems or (Problem("target.table", error.message, error.hint),)
            return None

    def _table_problems(self, table: SnowflakeTable, warehouse: Warehouse | None) -> Iterator[Problem]:
        said = self._target.table_type
        if table.kind is not None and table.kind is not said:
            yield Problem(
                "target.table_type",
                f"{table.name.quoted} is of type {table.kind.value}, and the scenario says {said.value}",
                f"set target.table_type: {table.kind.value}",
            )
        if table.kind is None:
            yield from self._read_only(table, "a view, and views are for reading here")
        if table.kind is TableType.DYNAMIC:
            yield from self._read_only(table, "a dynamic table, which Snowflake alone changes")
            self._warnings.append(f"{table.name.quoted} is as current as its last refresh: {table.refresh}")
        if warehouse is None:
            return
        if table.kind is TableType.INTERACTIVE and not warehouse.is_interactive:
            self._warnings.append(
                f"{table.name.quoted} is interactive and {warehouse.name} is not: what is measured is a standard read"
            )
        if warehouse.is_interactive and table.kind is not TableType.INTERACTIVE:
            yield Problem(
                "target.warehouse",
                f"{warehouse.name} is an interactive warehouse, which serves interactive tables alone",
                "use another warehouse",
            )

    def _read_only(self, table: SnowflakeTable, why: str) -> Iterator[Problem]:
        """Yield a problem for each statement that writes to the target."""
        for index, operation in enumerate(self._operations):
            if operation.operation_type is OperationType.READ:
                continue
            for number, text in enumerate(operation.texts):
                if writes_table(list(tokenize(text))):
                    place = "sql" if operation.sql is not None else f"statements.{number}"
                    message = f"{operation.label}: writes to {table.name.quoted}, which is {why}"
                    yield Problem(
                        f"workload.operations.{index}.{place}", message, "write to another table, or read only"
                    )
