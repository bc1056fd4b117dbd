"""The warehouses of the emulated account: their state, their clusters, and the queue in front of them."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.snowflake.errors import NO_WAREHOUSE, OBJECT_EXISTS, OBJECT_MISSING, UNSUPPORTED, SqlError

SIZES = ("X-Small", "Small", "Medium", "Large", "X-Large", "2X-Large", "3X-Large", "4X-Large", "5X-Large", "6X-Large")
_BY_OPTION = {size.upper().replace("-", ""): size for size in SIZES} | {
    "XXLARGE": "2X-Large",
    "XXXLARGE": "3X-Large",
    **{f"X{number}LARGE": f"{number}X-Large" for number in range(2, 7)},
}


@dataclass
class Warehouse:
    """A warehouse; ``running`` and ``queued`` count real statements unless a test sets what is shown instead."""

    name: str
    size: str = "X-Small"
    kind: str = "STANDARD"
    state: str = "STARTED"
    min_clusters: int = 1
    max_clusters: int = 1
    started_clusters: int = 1
    scaling_policy: str = "STANDARD"
    auto_suspend_s: int = 600
    auto_resume: bool = True
    comment: str = ""
    slots_per_cluster: int | None = None
    """Statements that run at once in a cluster; None for as many as come."""
    shown_running: int | None = None
    shown_queued: int | None = None
    running: int = 0
    queued: int = 0
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    resumed: datetime = field(default_factory=lambda: datetime.now(UTC))
    tables: set[str] = field(default_factory=set)
    """Tables that were added to an interactive warehouse."""

    @property
    def slots(self) -> int | None:
        """How many statements run at once, or None for no limit."""
        return None if self.slots_per_cluster is None else self.slots_per_cluster * max(1, self.started_clusters)


SETTABLE = (
    "size",
    "kind",
    "state",
    "min_clusters",
    "max_clusters",
    "started_clusters",
    "scaling_policy",
    "auto_suspend_s",
    "auto_resume",
    "slots_per_cluster",
    "shown_running",
    "shown_queued",
)
"""The fields of a warehouse that a test may set directly."""

SHOW_COLUMNS: tuple[tuple[str, str], ...] = (
    ("name", "VARCHAR"),
    ("state", "VARCHAR"),
    ("type", "VARCHAR"),
    ("size", "VARCHAR"),
    ("min_cluster_count", "BIGINT"),
    ("max_cluster_count", "BIGINT"),
    ("started_clusters", "BIGINT"),
    ("running", "BIGINT"),
    ("queued", "BIGINT"),
    ("is_default", "VARCHAR"),
    ("is_current", "VARCHAR"),
    ("auto_suspend", "BIGINT"),
    ("auto_resume", "VARCHAR"),
    ("available", "VARCHAR"),
    ("provisioning", "VARCHAR"),
    ("quiescing", "VARCHAR"),
    ("other", "VARCHAR"),
    ("created_on", "TIMESTAMP WITH TIME ZONE"),
    ("resumed_on", "TIMESTAMP WITH TIME ZONE"),
    ("updated_on", "TIMESTAMP WITH TIME ZONE"),
    ("owner", "VARCHAR"),
    ("comment", "VARCHAR"),
    ("enable_query_acceleration", "VARCHAR"),
    ("query_acceleration_max_scale_factor", "BIGINT"),
    ("resource_monitor", "VARCHAR"),
    ("actives", "BIGINT"),
    ("pendings", "BIGINT"),
    ("failed", "BIGINT"),
    ("suspended", "BIGINT"),
    ("uuid", "VARCHAR"),
    ("scaling_policy", "VARCHAR"),
    ("budget", "VARCHAR"),
    ("owner_role_type", "VARCHAR"),
    ("resource_constraint", "VARCHAR"),
)
"""The columns of SHOW WAREHOUSES, with the engine's types."""


class Warehouses:
    """All warehouses; safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._all: dict[str, Warehouse] = {}

    def create(self, name: str, options: dict[str, str], *, kind: str, replace: bool, if_not_exists: bool) -> bool:
        """Create a warehouse; returns False where there was one and that is fine. Raises SqlError otherwise."""
        with self._changed:
            if name in self._all and not replace:
                if if_not_exists:
                    return False
                raise SqlError(*OBJECT_EXISTS, f"SQL compilation error:\nObject '{name}' already exists.")
            warehouse = Warehouse(name, kind=kind)
            apply_options(warehouse, options)
            if options.get("INITIALLY_SUSPENDED", "").upper() == "TRUE":
                warehouse.state, warehouse.started_clusters = "SUSPENDED", 0
            self._all[name] = warehouse
            return True

    def alter(self, name: str, action: str, options: dict[str, str], *, if_exists: bool = False) -> None:
        """SET options of a warehouse, RESUME or SUSPEND it."""
        with self._changed:
            if if_exists and name not in self._all:
                return
            warehouse = self._existing(name)
            if action == "RESUME":
                if warehouse.state == "STARTED" and options.get("IF") != "SUSPENDED":
                    raise SqlError(90063, "22000", f"Invalid state. Warehouse '{name}' cannot be resumed.")
                _resume(warehouse)
            elif action == "SUSPEND":
                if warehouse.state == "SUSPENDED":
                    raise SqlError(90064, "22000", f"Invalid state. Warehouse '{name}' cannot be suspended.")
                warehouse.state, warehouse.started_clusters = "SUSPENDED", 0
            elif action == "SET":
                apply_options(warehouse, options)
            self._changed.notify_all()

    def set_tables(self, name: str, added: set[str], removed: set[str]) -> None:
        """Change which tables an interactive warehouse serves."""
        with self._changed:
            warehouse = self._existing(name)
            if warehouse.kind != "INTERACTIVE":
                raise SqlError(
                    *UNSUPPORTED, f"Unsupported feature 'tables of warehouse {name}': it is not interactive."
                )
            warehouse.tables = (warehouse.tables | added) - removed

    def drop(self, name: str, *, if_exists: bool) -> None:
        """Drop a warehouse."""
        with self._changed:
            if not if_exists:
                self._existing(name)
            self._all.pop(name, None)

    def set(self, name: str, fields: dict[str, Any]) -> None:
        """Set fields directly, as a test does; the warehouse is made if there is none. Raises ValueError for others."""
        if unknown := sorted(set(fields) - set(SETTABLE)):
            raise ValueError(f"a warehouse has no settable {', '.join(unknown)}; there are {', '.join(SETTABLE)}")
        with self._changed:
            warehouse = self._all.setdefault(name, Warehouse(name))
            for field_name, value in fields.items():
                setattr(warehouse, field_name, value)
            if warehouse.state == "SUSPENDED" and "started_clusters" not in fields:
                warehouse.started_clusters = 0
            self._changed.notify_all()

    def reset(self) -> None:
        """Drop all warehouses; statements that run keep the one they have."""
        with self._changed:
            self._all.clear()
            self._changed.notify_all()

    def find(self, name: str | None) -> Warehouse | None:
        """Return a warehouse by name."""
        with self._changed:
            return self._all.get(name or "")

    def rows(self, pattern: str | None, current: str | None) -> list[list[Any]]:
        """Return what SHOW WAREHOUSES shows, by :data:`SHOW_COLUMNS`; ``pattern`` is that of LIKE, in any case."""
        with self._changed:
            chosen = [found for name, found in sorted(self._all.items()) if matches_like(name, pattern)]
            return [_row(warehouse, current) for warehouse in chosen]

    @contextmanager
    def slot(self, name: str | None, cancelled: Callable[[], bool]) -> Iterator[int]:
        """Hold a place in a warehouse while a statement runs; yields the milliseconds that it was queued.

        A suspended warehouse is resumed if it resumes by itself. Raises SqlError without a warehouse, and returns
        early, to let the caller find out, when ``cancelled`` turns true.
        """
        start_s = time.monotonic()
        with self._changed:
            warehouse = self._all.get(name or "")
            if warehouse is None or (warehouse.state == "SUSPENDED" and not warehouse.auto_resume):
                raise SqlError(
                    *NO_WAREHOUSE,
                    "No active warehouse selected in the current session. "
                    "Select an active warehouse with the 'use warehouse' command.",
                )
            if warehouse.state == "SUSPENDED":
                _resume(warehouse)
            warehouse.queued += 1
            try:
                while _is_full(warehouse) and not cancelled():
                    self._changed.wait(0.02)
            finally:
                warehouse.queued -= 1
            warehouse.running += 1
        try:
            yield int((time.monotonic() - start_s) * 1000)
        finally:
            with self._changed:
                warehouse.running -= 1
                self._changed.notify_all()

    def _existing(self, name: str) -> Warehouse:
        warehouse = self._all.get(name)
        if warehouse is None:
            message = f"SQL compilation error:\nWarehouse '{name}' does not exist or not authorized."
            raise SqlError(*OBJECT_MISSING, message)
        return warehouse


def apply_options(warehouse: Warehouse, options: dict[str, str]) -> None:
    """Apply the options of CREATE and ALTER WAREHOUSE. Raises SqlError for a size that there is not."""
    for name, value in options.items():
        if name in _OPTIONS:
            field_name, convert = _OPTIONS[name]
            setattr(warehouse, field_name, convert(value))
    if warehouse.state == "STARTED":
        low, high = warehouse.min_clusters, max(warehouse.min_clusters, warehouse.max_clusters)
        warehouse.started_clusters = min(max(warehouse.started_clusters, low), high)


def _size(value: str) -> str:
    size = _BY_OPTION.get(value.upper().replace("-", "").replace("_", ""))
    if size is None:
        raise SqlError(1481, "42601", f"invalid value '{value}' for property 'WAREHOUSE_SIZE'")
    return size


_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "WAREHOUSE_SIZE": ("size", _size),
    "WAREHOUSE_TYPE": ("kind", str.upper),
    "MIN_CLUSTER_COUNT": ("min_clusters", int),
    "MAX_CLUSTER_COUNT": ("max_clusters", int),
    "SCALING_POLICY": ("scaling_policy", str.upper),
    "AUTO_SUSPEND": ("auto_suspend_s", lambda value: 0 if value.upper() == "NULL" else int(value)),
    "AUTO_RESUME": ("auto_resume", lambda value: value.upper() == "TRUE"),
    "MAX_CONCURRENCY_LEVEL": ("slots_per_cluster", int),
    "COMMENT": ("comment", str),
}


def matches_like(name: str, pattern: str | None) -> bool:
    """Tell whether a name matches a pattern of LIKE, in any case; None matches all."""
    if pattern is None:
        return True
    globbed = pattern.upper().replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
    return fnmatchcase(name.upper(), globbed.replace("%", "*").replace("_", "?"))


def _is_full(warehouse: Warehouse) -> bool:
    return warehouse.slots is not None and warehouse.running >= warehouse.slots


def _resume(warehouse: Warehouse) -> None:
    warehouse.state = "STARTED"
    warehouse.started_clusters = max(1, warehouse.min_clusters)
    warehouse.resumed = datetime.now(UTC)


def _row(warehouse: Warehouse, current: str | None) -> list[Any]:
    running = warehouse.running if warehouse.shown_running is None else warehouse.shown_running
    queued = warehouse.queued if warehouse.shown_queued is None else warehouse.shown_queued
    started = warehouse.started_clusters
    values: dict[str, Any] = {
        "name": warehouse.name,
        "state": warehouse.state,
        "type": warehouse.kind,
        "size": warehouse.size,
        "min_cluster_count": warehouse.min_clusters,
        "max_cluster_count": warehouse.max_clusters,
        "started_clusters": started,
        "running": running,
        "queued": queued,
        "is_default": "N",
        "is_current": "Y" if warehouse.name == current else "N",
        "auto_suspend": warehouse.auto_suspend_s,
        "auto_resume": "true" if warehouse.auto_resume else "false",
        "available": "100" if warehouse.state == "STARTED" else "",
        "provisioning": "0" if warehouse.state == "STARTED" else "",
        "quiescing": "0" if warehouse.state == "STARTED" else "",
        "other": "0" if warehouse.state == "STARTED" else "",
        "created_on": warehouse.created,
        "resumed_on": warehouse.resumed,
        "updated_on": warehouse.resumed,
        "owner": "ACCOUNTADMIN",
        "comment": warehouse.comment,
        "enable_query_acceleration": "false",
        "query_acceleration_max_scale_factor": 8,
        "resource_monitor": "null",
        "actives": started,
        "pendings": 0,
        "failed": 0,
        "suspended": warehouse.max_clusters - started,
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, warehouse.name)),
        "scaling_policy": warehouse.scaling_policy,
        "budget": None,
        "owner_role_type": "ROLE",
        "resource_constraint": None,
    }
    return [values[column] for column, _ in SHOW_COLUMNS]
