"""The warehouse under test: which it is, whether it runs, and what it does."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from upperbound.clock import Clock
from upperbound.errors import Problem, TargetMismatch, TargetUnreachable
from upperbound.scenario.identifiers import SNOWFLAKE, parse_name, quote_name
from upperbound.targets.sf_connection import query
from upperbound.targets.sf_session_type import Session

log = logging.getLogger(__name__)

RESUME_LIMIT_S: Final = 120.0
"""How long a warehouse may take to be there."""
_LOOK_S: Final = 0.5


@dataclass(frozen=True)
class Warehouse:
    """A warehouse as ``SHOW WAREHOUSES`` tells of it."""

    name: str
    state: str
    """``STARTED``, ``SUSPENDED``, ``RESUMING``, ``SUSPENDING``, ``RESIZING``."""
    type: str
    """``STANDARD``, ``SNOWPARK-OPTIMIZED``, ``INTERACTIVE``."""
    size: str
    auto_resume: bool

    @property
    def is_running(self) -> bool:
        """Whether it takes statements at once."""
        return self.state.upper() in ("STARTED", "RESIZING")

    @property
    def is_interactive(self) -> bool:
        """Whether it serves interactive tables, and those alone."""
        return "INTERACTIVE" in self.type.upper()


@dataclass(frozen=True)
class WarehouseLoad:
    """What a warehouse does at one moment, in the words and numbers of ``SHOW WAREHOUSES``."""

    name: str
    state: str
    size: str | None
    min_clusters: int | None
    """None where the account's edition has no clusters, as all numbers of clusters."""
    max_clusters: int | None
    started_clusters: int | None
    running: int
    """Queries that run."""
    queued: int
    """Queries that wait for the warehouse."""
    scaling_policy: str | None


def look_at_load(connection: Session, name: str) -> WarehouseLoad:
    """Return what a warehouse does now, by its true name. Raises as :func:`find_warehouse` does."""
    row = _show(connection, name)
    return WarehouseLoad(
        name=name,
        state=str(row.get("state", "")),
        size=_text(row.get("size")),
        min_clusters=_number(row.get("min_cluster_count")),
        max_clusters=_number(row.get("max_cluster_count")),
        started_clusters=_number(row.get("started_clusters")),
        running=_number(row.get("running")) or 0,
        queued=_number(row.get("queued")) or 0,
        scaling_policy=_text(row.get("scaling_policy")),
    )


def name_in_use(connection: Session, written: str | None) -> str | None:
    """Return the true name of a warehouse that is written as in ``target.warehouse``.

    For None the session's own; None as well when it has none. Raises :class:`ScenarioError` for what is no name.
    """
    if written is not None:
        return parse_name(written, "a warehouse name", "", SNOWFLAKE)
    current = query(connection, "SELECT CURRENT_WAREHOUSE() AS name")[0]["name"]
    return None if current is None else str(current)


def find_warehouse(connection: Session, name: str) -> Warehouse:
    """Return a warehouse by its true name. Raises :class:`TargetMismatch` when there is none that this role may see."""
    return _warehouse(_show(connection, name))


def _show(connection: Session, name: str) -> Mapping[str, Any]:
    pattern = name.replace("\\", "\\\\").replace("'", "''")
    rows = query(connection, f"SHOW WAREHOUSES LIKE '{pattern}'")
    for row in rows:
        if row.get("name") == name:
            return row
    others = sorted(str(row.get("name")) for row in query(connection, "SHOW WAREHOUSES"))[:8]
    hint = f"this role sees {', '.join(others)}" if others else "this role sees no warehouse: GRANT USAGE on one"
    problem = Problem("target.warehouse", f"there is no warehouse {name}", hint)
    raise TargetMismatch("the scenario does not fit the account", problems=[problem])


def make_warehouse_run(connection: Session, written: str | None, clock: Clock) -> float | None:
    """Let a warehouse run that is written as in ``target.warehouse``; the session's own for None.

    Returns and raises as :func:`resume` does.
    """
    name = name_in_use(connection, written)
    return None if name is None else resume(connection, name, clock)


def resume(connection: Session, name: str, clock: Clock) -> float | None:
    """Let a warehouse run, and return how many seconds that took; None when it ran already.

    Raises :class:`TargetMismatch` when this role may not resume it, and :class:`TargetUnreachable` when it does not
    come up within :data:`RESUME_LIMIT_S`.
    """
    if find_warehouse(connection, name).is_running:
        return None
    began_ns = clock.monotonic_ns()
    log.info("warehouse %s is suspended and is resumed before the clock starts", name)
    query(connection, f"ALTER WAREHOUSE {quote_name(name)} RESUME IF SUSPENDED")
    while not find_warehouse(connection, name).is_running:
        if clock.monotonic_ns() - began_ns > RESUME_LIMIT_S * 1e9:
            raise TargetUnreachable(
                f"warehouse {name} is not running {RESUME_LIMIT_S:.0f} s after it was resumed",
                hint="see its state in Snowflake; a resource monitor may hold it",
            )
        clock.sleep(_LOOK_S)
    took_s = (clock.monotonic_ns() - began_ns) / 1e9
    log.info("warehouse %s is running after %.1f s", name, took_s)
    return took_s


def _warehouse(row: Mapping[str, Any]) -> Warehouse:
    return Warehouse(
        name=str(row.get("name")),
        state=str(row.get("state", "")),
        type=str(row.get("type", "STANDARD")),
        size=str(row.get("size", "")),
        auto_resume=str(row.get("auto_resume", "true")).lower() in ("true", "y", "yes"),
    )


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _number(value: Any) -> int | None:
    """Return a number of ``SHOW``, which may be text; None where there is none."""
    return None if value in (None, "") else int(value)
