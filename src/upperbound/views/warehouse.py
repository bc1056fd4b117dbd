"""The warehouse under test over the time of a run."""

from datetime import datetime
from typing import TYPE_CHECKING

from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.warehouse_polls import WarehousePollRow

NO_WAREHOUSE = "the run's target has no warehouse"
NOT_SEEN = "the warehouse was not looked at: the run has not started, or its log says why"


class WarehousePoint(View):
    """One look at the warehouse, in Snowflake's words and numbers."""

    elapsed_s: float
    """When it was, in seconds since the start of the run."""
    polled_at: datetime
    state: str
    """Such as ``STARTED`` or ``SUSPENDED``."""
    size: str | None
    min_clusters: int | None
    """Null where the account's edition has no clusters, as all numbers of clusters."""
    max_clusters: int | None
    started_clusters: int | None
    running: int
    """Queries that it ran."""
    queued: int
    """Queries that waited for it."""
    scaling_policy: str | None


class WarehouseDetails(View):
    """The warehouse at the last look."""

    run_id: str
    warehouse: str | None
    last: WarehousePoint | None
    note: str | None
    """Why there is nothing to show."""


class WarehouseSeries(View):
    """The warehouse over time."""

    run_id: str
    warehouse: str | None
    points: list[WarehousePoint]
    note: str | None
    """Why there is nothing to show."""


def load_warehouse_details(store: "Store", run_id: str) -> WarehouseDetails:
    """Return the last look at a run's warehouse. Raises :class:`RunNotFound`."""
    missing = _missing(store, run_id)
    poll = store.warehouse_polls.newest(run_id)
    if poll is None:
        return WarehouseDetails(run_id=run_id, warehouse=None, last=None, note=missing)
    return WarehouseDetails(run_id=run_id, warehouse=poll.warehouse, last=_point(poll), note=None)


def load_warehouse_series(store: "Store", run_id: str) -> WarehouseSeries:
    """Return every look at a run's warehouse, in their order. Raises :class:`RunNotFound`."""
    missing = _missing(store, run_id)
    polls = store.warehouse_polls.series(run_id)
    return WarehouseSeries(
        run_id=run_id,
        warehouse=polls[-1].warehouse if polls else None,
        points=[_point(poll) for poll in polls],
        note=None if polls else missing,
    )


def _missing(store: "Store", run_id: str) -> str:
    """Say why a run may have no looks at a warehouse."""
    target = RunConfig.read(store.runs.get(run_id).scenario_config).scenario.target
    return NOT_SEEN if isinstance(target, SnowflakeTarget) else NO_WAREHOUSE


def _point(poll: "WarehousePollRow") -> WarehousePoint:
    return WarehousePoint(
        elapsed_s=poll.elapsed_s,
        polled_at=poll.polled_at,
        state=poll.state,
        size=poll.size,
        min_clusters=poll.min_clusters,
        max_clusters=poll.max_clusters,
        started_clusters=poll.started_clusters,
        running=poll.running,
        queued=poll.queued,
        scaling_policy=poll.scaling_policy,
    )
