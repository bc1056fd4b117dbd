"""The target of one run as its controller deals with it: one class for each kind of target."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import SecretStr

from upperbound.clock import Clock
from upperbound.errors import ConfigurationError, UpperboundError
from upperbound.orchestrator.enrichment import SnowflakeEnrichment
from upperbound.orchestrator.environment import postgres_driver
from upperbound.orchestrator.follow_up import Enrichment
from upperbound.orchestrator.pool_sources import PoolTarget
from upperbound.orchestrator.warehouse_poller import WarehouseWatch
from upperbound.planning.gate import try_operations
from upperbound.planning.pool_values import RunPools
from upperbound.planning.snowflake_gate import try_on_snowflake
from upperbound.scenario.kinds import TableType
from upperbound.scenario.model import Scenario
from upperbound.scenario.params import SequenceParam, elements
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets import postgres, snowflake
from upperbound.targets.postgres import ConnInfo
from upperbound.targets.sf_history import SnowflakeHistory
from upperbound.targets.snowflake import SnowflakeInfo, SnowflakeTable, WarehouseLoad

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checked:
    """A target that fits its scenario."""

    version: str
    """The server's kind and version."""
    driver: str
    """Name and version of what the workers talk to it with."""
    warnings: tuple[str, ...]
    """What does not prevent the run, but may surprise."""


@dataclass(frozen=True)
class EnrichmentOrder:
    """What a server is asked about."""

    run_id: str
    run_folder: Path
    scenario: Scenario
    start: datetime
    """When the run's clock started."""
    end: datetime | None
    """When its load had ended; None for now."""
    calls: "Callable[[], pa.Table]"
    """Returns what the workers have recorded; columns :data:`~upperbound.store.query_log.CALL_COLUMNS`."""


class Site(Protocol):
    """What has to be done about the target of a run.

    Every method raises :class:`TargetError` when the target cannot be reached or refuses the login.
    """

    @property
    def pool_target(self) -> PoolTarget:
        """Where value pools are sampled."""
        ...

    def check(self, scenario: Scenario, threads: int, clock: Clock) -> Checked:
        """Check that a scenario fits with so many connections; nothing is changed.

        Raises:
            TargetMismatch: it does not; every problem at once.
        """
        ...

    def sequence_starts(self, scenario: Scenario) -> dict[str, int]:
        """Return, by column, where sequences begin that go on after its highest value."""
        ...

    def try_operations(self, config: RunConfig, clock: Clock, pools: RunPools) -> tuple[str, ...]:
        """Execute each operation, undo it, and return what may surprise.

        Raises:
            TargetMismatch: operations do not do what they declare.
        """
        ...

    def make_ready(self, clock: Clock) -> None:
        """Do what has to be done before a run's clock starts, such as resuming a warehouse."""
        ...

    def watch_warehouse(self) -> WarehouseWatch | None:
        """Return what looks at the warehouse of a run; None for a target without one. Nothing is opened yet."""
        ...

    def enrichment(self, asked: EnrichmentOrder, clock: Clock) -> Enrichment | None:
        """Return what asks the server what it tells of a run; None for one that is not asked. Nothing is opened yet."""
        ...

    def end_sessions(self, run_id: str) -> int:
        """End what workers of a run that are gone have left on the server; return how much there was."""
        ...


def followed_columns(scenario: Scenario) -> list[str]:
    """Return the columns, as they are written, whose highest value a sequence of the scenario goes on after."""
    parameters = [parameter for operation in scenario.workload.operations for parameter in elements(operation.params)]
    sequences = [parameter.sequence for parameter in parameters if isinstance(parameter, SequenceParam)]
    return sorted({sequence.after for sequence in sequences if sequence.after is not None})


@dataclass(frozen=True)
class PostgresSite:
    """A PostgreSQL server."""

    info: ConnInfo
    end: Callable[[ConnInfo, str], int] = postgres.end_sessions

    @property
    def pool_target(self) -> PoolTarget:
        """Where value pools are sampled."""
        return self.info

    def check(self, scenario: Scenario, threads: int, clock: Clock) -> Checked:
        """Check the server against a scenario; see :class:`Site`."""
        report = postgres.preflight(self.info, scenario, threads, clock=clock)
        return Checked(f"PostgreSQL {report.server_version}", postgres_driver(), report.warnings)

    def sequence_starts(self, scenario: Scenario) -> dict[str, int]:
        """Return where sequences begin; see :class:`Site`."""
        columns, table = followed_columns(scenario), scenario.target.table or ""
        if not columns:
            return {}
        with postgres.open_connection(self.info) as connection:
            return {column: postgres.max_value(connection, table, column) + 1 for column in columns}

    def try_operations(self, config: RunConfig, clock: Clock, pools: RunPools) -> tuple[str, ...]:
        """Try the operations; see :class:`Site`."""
        return try_operations(self.info, config, clock, pools)

    def make_ready(self, clock: Clock) -> None:
        """Do nothing: a server that answers is ready."""

    def watch_warehouse(self) -> None:
        """Return nothing: a server of PostgreSQL has no warehouse."""

    def enrichment(self, asked: EnrichmentOrder, clock: Clock) -> None:
        """Return nothing: this version does not read the statistics of PostgreSQL."""

    def end_sessions(self, run_id: str) -> int:
        """End the sessions of the run's workers."""
        return self.end(self.info, run_id)


class SnowflakeSite:
    """A Snowflake account."""

    def __init__(self, info: SnowflakeInfo, target: SnowflakeTarget, store_warehouse: str | None = None) -> None:
        self._info, self._target = info, target
        self._store_warehouse = store_warehouse
        self._table: SnowflakeTable | None = None

    @property
    def pool_target(self) -> PoolTarget:
        """Where value pools are sampled."""
        return self._info

    def check(self, scenario: Scenario, threads: int, clock: Clock) -> Checked:
        """Check the account against a scenario; see :class:`Site`. Snowflake sets no limit to connections."""
        del threads, clock
        return self._told(snowflake.preflight(self._info, scenario, store_warehouse=self._store_warehouse))

    def check_target(self) -> Checked:
        """Check the warehouse and the table alone, for a scenario that is not complete; raises as :meth:`check`."""
        return self._told(snowflake.preflight_target(self._info, self._target))

    def _told(self, report: snowflake.SnowflakeReport) -> Checked:
        """Return what a check comes to, and keep the table."""
        self._table = report.table
        warnings = report.warnings
        if report.warehouse is not None and not report.warehouse.is_running:
            warnings += (f"warehouse {report.warehouse.name} was suspended, and is resumed before the clock starts",)
        return Checked(f"Snowflake {report.server_version}", snowflake.driver_version(), warnings)

    def sequence_starts(self, scenario: Scenario) -> dict[str, int]:
        """Return where sequences begin; see :class:`Site`."""
        columns = followed_columns(scenario)
        if not columns:
            return {}
        with contextlib.closing(snowflake.open_session(self._info)) as session:
            table = self._table or snowflake.read_table(session, scenario.target.table or "")
            return {column: snowflake.max_value(session, table, column) + 1 for column in columns}

    def try_operations(self, config: RunConfig, clock: Clock, pools: RunPools) -> tuple[str, ...]:
        """Try the operations, on a warehouse that runs; see :class:`Site`."""
        self.make_ready(clock)
        return try_on_snowflake(self._info, config, self._table, clock, pools)

    def make_ready(self, clock: Clock) -> None:
        """Resume the warehouse when it is suspended."""
        with contextlib.closing(snowflake.open_session(self._info)) as session:
            snowflake.make_warehouse_run(session, self._target.warehouse, clock)

    def watch_warehouse(self) -> WarehouseWatch:
        """Return what looks at the warehouse."""
        return _Watch(self._info, self._target.warehouse)

    def enrichment(self, asked: EnrichmentOrder, clock: Clock) -> Enrichment:
        """Return what reads Snowflake's history of the run."""
        operations = asked.scenario.workload.operations
        return SnowflakeEnrichment(
            clock,
            asked.run_id,
            history=SnowflakeHistory(self._info, asked.run_id),
            calls=asked.calls,
            run_folder=asked.run_folder,
            start=asked.start,
            end=asked.end,
            single=frozenset(one.label for one in operations if not one.is_transaction and len(one.texts) == 1),
            omits_short=self._target.table_type is TableType.HYBRID,
        )

    def end_sessions(self, run_id: str) -> int:
        """Cancel the statements of the run's workers."""
        return snowflake.end_statements(self._info, run_id)


class _Watch:
    """Looks at a warehouse over one session, which is opened at the first look and anew after a failure."""

    def __init__(self, info: SnowflakeInfo, written: str | None) -> None:
        self._info, self._written = info, written
        self._session: snowflake.Session | None = None
        self._name: str | None = None

    def look(self) -> WarehouseLoad | None:
        """Return what the warehouse does now; None when the session has none."""
        try:
            if self._session is None:
                self._session = snowflake.open_session(self._info)
                self._name = snowflake.name_in_use(self._session, self._written)
            return None if self._name is None else snowflake.look_at_load(self._session, self._name)
        except UpperboundError:
            self.close()
            raise

    def close(self) -> None:
        """Close the session."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(Exception):
                session.close()


def open_site(
    scenario: Scenario,
    url: str | None,
    secret: SecretStr | None,
    purpose: str,
    *,
    store_warehouse: str | None = None,
    timeout_s: int | None = None,
    end: Callable[[ConnInfo, str], int] = postgres.end_sessions,
) -> Site:
    """Return the target of a scenario; nothing is opened yet.

    ``url`` is where a PostgreSQL server is, ``secret`` a password or token given for this run, and ``purpose`` what the
    server shows of a session. ``store_warehouse`` is what the store runs on, which a run does not measure unless it is
    allowed to. ``timeout_s`` is for one login.

    Raises:
        ConfigurationError: nothing says how to log in.
    """
    target = scenario.target
    if isinstance(target, SnowflakeTarget):
        info = snowflake.snowflake_info(target, purpose=purpose, secret=secret)
        return SnowflakeSite(replace(info, login_timeout_s=timeout_s) if timeout_s else info, target, store_warehouse)
    if url is None:
        raise ConfigurationError(f"nothing says where the server of {scenario.name!r} is", hint="set target.url")
    given = ConnInfo(url=url, password=secret, application_name=purpose)
    return PostgresSite(replace(given, connect_timeout_s=timeout_s) if timeout_s else given, end)
