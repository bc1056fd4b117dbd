"""Checks of a PostgreSQL server as a target."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg

from upperbound.clock import Clock
from upperbound.domain.clock_offset import HARMLESS
from upperbound.domain.diagnosis import Check, CheckArea, CheckList
from upperbound.domain.histogram import Histogram
from upperbound.errors import ConfigurationError, TargetError
from upperbound.orchestrator.diagnosis import settings
from upperbound.planning.gate import try_operations
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.capabilities import PostgresCapabilities
from upperbound.targets.pg_doctor import latency_floor, read_capabilities, target_clock_offset
from upperbound.targets.pg_words import said
from upperbound.targets.postgres import ConnInfo, open_connection, preflight

REACHABLE: Final = "reachable"
CONNECTIONS: Final = "connections"
FITS: Final = "scenario fits"
OPERATIONS: Final = "operations"
CLOCK: Final = "clock"
FLOOR: Final = "latency floor"
STATEMENT_TIMEOUT_S: Final = 10
NAMES: Final = (CONNECTIONS, *settings.NAMES, CLOCK, FLOOR, FITS, OPERATIONS)
"""What cannot be checked when there is no way in."""


@dataclass(frozen=True)
class TargetDiagnosis:
    """What was found of a target."""

    checks: list[Check]
    capabilities: PostgresCapabilities | None = None
    """None when the server could not be asked."""
    latency_floor_s: float = 0.0
    """Median of an empty statement; 0 when it was not measured."""


def check_target(
    info: ConnInfo, clock: Clock, scenario: Scenario | None, threads: int | None, tried: RunConfig | None = None
) -> TargetDiagnosis:
    """Check the server at ``info``, and whether ``scenario`` with so many ``threads`` fits it where there is one.

    With ``tried``, the run that it would be, its operations are executed and rolled back.
    """
    checks = CheckList(CheckArea.TARGET)
    try:
        connection = open_connection(info)
    except (TargetError, ConfigurationError) as error:
        checks.fail(REACHABLE, error.message, error.hint, unreachable=isinstance(error, TargetError))
        checks.skip("there is no way into the target", *NAMES)
        return TargetDiagnosis(checks.checks)
    with connection:
        asked = _Asked(checks, info, connection, clock)
        asked.look(threads)
        floor_s = asked.floor_s
    fits = _fit(checks, info, scenario, threads)
    _operations(checks, info, clock, tried, fits=fits)
    return TargetDiagnosis(checks.checks, asked.capabilities, floor_s)


class _Asked:
    """The questions to one server over one connection; each is asked even when another has failed."""

    def __init__(
        self, checks: CheckList, info: ConnInfo, connection: psycopg.Connection[tuple[object, ...]], clock: Clock
    ) -> None:
        self._checks, self._info, self._connection, self._clock = checks, info, connection, clock
        self.capabilities: PostgresCapabilities | None = None
        self.floor_s = 0.0

    def look(self, threads: int | None) -> None:
        """Ask everything."""
        self._try(REACHABLE, self._read)
        if self.capabilities is None:
            self._checks.skip("the server did not say what it can do", CONNECTIONS, *settings.NAMES)
        else:
            _connections(self._checks, self.capabilities, threads)
            settings.check_settings(self._checks, self.capabilities)
        self._try(CLOCK, self._compare_clocks)
        self._try(FLOOR, self._measure_floor)

    def _try(self, name: str, ask: Callable[[], None]) -> None:
        if self._connection.closed:
            self._checks.skip("the connection was lost", name)
            return
        try:
            ask()
        except psycopg.Error as error:
            lost = self._connection.closed
            self._checks.fail(name, said(error), "see the server's log", unreachable=lost)

    def _read(self) -> None:
        self._connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'".encode())
        found = self.capabilities = read_capabilities(self._connection)
        where = f"PostgreSQL {found.version} at {self._info.address}, {found.user} in database {found.database}"
        if found.supported:
            self._checks.ok(REACHABLE, where)
        else:
            advice = "figures of the client are right; statistics of the server may be missing"
            self._checks.warn(REACHABLE, f"{where}: this version is not tested", advice)

    def _compare_clocks(self) -> None:
        offset = target_clock_offset(self._connection, self._clock)
        if offset.is_large:
            self._checks.warn(CLOCK, f"{offset}; {HARMLESS}", "set both clocks by NTP")
        else:
            self._checks.ok(CLOCK, str(offset))

    def _measure_floor(self) -> None:
        floor = latency_floor(self._connection, self._clock)
        self.floor_s = floor.percentile_us(50) / 1e6
        self._checks.ok(FLOOR, describe_floor(floor))


def describe_floor(floor: Histogram) -> str:
    """Return the latency of the empty statement in words; a p99 of too few samples is left out."""
    tail = f", p99 {floor.percentile_us(99) / 1000:.3f} ms" if floor.total >= 100 else ""
    median = floor.percentile_us(50) / 1000
    return f"SELECT 1 takes {median:.3f} ms in the median{tail} ({floor.total:,} times): no query can be faster"


def _connections(checks: CheckList, found: PostgresCapabilities, threads: int | None) -> None:
    room = found.connections
    free, setting = room.free
    text = f"{room.used:,} of {room.max_connections:,} in use, {room.reserved} reserved, {free:,} to give"
    if threads is None:
        checks.ok(CONNECTIONS, text)
    elif threads > free:
        advice = f"lower load.threads to {free}, or raise {setting}" if free else f"close sessions, or raise {setting}"
        checks.fail(CONNECTIONS, f"{text}; {threads:,} asked for", advice)
    else:
        checks.ok(CONNECTIONS, f"{text}; {threads:,} asked for")


def _fit(checks: CheckList, info: ConnInfo, scenario: Scenario | None, threads: int | None) -> bool | None:
    """Check whether a scenario fits and return the answer; None when there is no scenario."""
    if scenario is None or threads is None:
        checks.skip("no scenario was named", FITS)
        return None
    try:
        report = preflight(info, scenario, threads)
    except TargetError as error:
        checks.fail(FITS, error.message, error.hint, unreachable=True)
    except ConfigurationError as error:
        fail_with_problems(checks, FITS, error)
    else:
        statements = len(scenario.workload.operations)
        if report.warnings:
            checks.warn(FITS, "\n".join(report.warnings), "the run will start; judge its figures with this in mind")
        else:
            checks.ok(FITS, f"table, privileges, parameters and each of {statements} statements")
        return True
    return False


def _operations(checks: CheckList, info: ConnInfo, clock: Clock, tried: RunConfig | None, *, fits: bool | None) -> None:
    """Execute the operations of a scenario that fits, and roll them back."""
    if fits is None:
        checks.skip("no scenario was named", OPERATIONS)
    elif tried is None:
        checks.skip("operations are executed, and rolled back, with --execute only", OPERATIONS)
    elif not fits:
        checks.skip("the scenario does not fit", OPERATIONS)
    else:
        try:
            warnings = try_operations(info, tried, clock)
        except TargetError as error:
            checks.fail(OPERATIONS, error.message, error.hint, unreachable=True)
        except ConfigurationError as error:
            fail_with_problems(checks, OPERATIONS, error)
        else:
            if warnings:
                checks.warn(OPERATIONS, "\n".join(warnings), "the run will start; judge its figures with this in mind")
            else:
                checks.ok(OPERATIONS, "each was executed and rolled back, and does what it declares")


def fail_with_problems(checks: CheckList, name: str, error: ConfigurationError) -> None:
    """Add a failed check with every problem of ``error``, and what to do about them."""
    found = [f"{problem.where}: {problem.message}" if problem.where else problem.message for problem in error.problems]
    hints = dict.fromkeys(problem.hint for problem in error.problems if problem.hint)
    checks.fail(name, "\n".join(found or [error.message]), "\n".join([*hints] or [error.hint]))
