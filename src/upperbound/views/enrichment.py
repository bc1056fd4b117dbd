"""How far the server's own view of a run has been fetched, and what it says."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from upperbound.views.server_view import CoverageView, OverheadPointView, ServerView, read_server_view
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.results import ResultRow

NOT_ENDED: Final = "the server is asked when the load is over"
NOT_ASKED: Final = "the server's own statistics are not collected in this version"
OTHER_VERSION: Final = (
    "what the server said was kept by another version of Upperbound in a form that this one does not read"
)
NOTHING_TOLD: Final = "the server has told nothing of the run"


class ServerBrief(View):
    """The server's view in a few figures, all of the measurement; percentiles may be withheld."""

    coverage: CoverageView
    server_p50_ms: float | None
    server_p95_ms: float | None
    overhead_p50_ms: float | None
    """What the client waited longer than the server took."""
    overhead_p95_ms: float | None
    queued_pct: float | None
    """The share of calls that waited for the warehouse."""
    clusters: int
    """Clusters that executed something."""
    withheld: str | None
    """Why percentiles are not shown."""


class Enrichment(View):
    """How far the server's own view of the run has been fetched."""

    status: str
    reason: str | None
    server: ServerBrief | None = None
    """What it says in short; null when it has not told anything."""


class EnrichmentStatusView(View):
    """The same with everything that the server says."""

    run_id: str
    status: str
    """``PENDING``, ``COMPLETED``, ``PARTIAL``, ``SKIPPED`` or ``FAILED``."""
    reason: str | None
    updated_at: datetime | None
    """When the run's result was last changed."""
    server: ServerView | None
    note: str | None
    """Why there is nothing of the server, when the reason does not say it."""


class OverheadTimeline(View):
    """What the client waited longer than the server took, over time."""

    run_id: str
    step_s: int
    points: list[OverheadPointView]
    note: str | None
    """Why there are no points."""


def enrichment_of(parent: "ResultRow") -> Enrichment:
    """Return how far the server's view has been fetched, and what it says in short."""
    if not parent.enrichment_status:
        return Enrichment(status="SKIPPED", reason=NOT_ASKED)
    view = read_server_view(parent.server_view)
    brief = None if view is None else _brief(view)
    return Enrichment(status=parent.enrichment_status, reason=parent.enrichment_reason, server=brief)


def load_enrichment(store: "Store", run_id: str) -> EnrichmentStatusView:
    """Return how far the server's view of a run has been fetched, and all it says. Raises :class:`RunNotFound`."""
    parent = store.results.get(run_id)
    view = read_server_view(parent.server_view)
    lost = parent.server_view is not None and view is None
    return EnrichmentStatusView(
        run_id=run_id,
        status=parent.enrichment_status or "PENDING",
        reason=parent.enrichment_reason,
        updated_at=parent.updated_at,
        server=view,
        note=OTHER_VERSION if lost else None if parent.enrichment_status else NOT_ENDED,
    )


def load_overhead(store: "Store", run_id: str) -> OverheadTimeline:
    """Return the overhead of a run over time. Raises :class:`RunNotFound`."""
    found = load_enrichment(store, run_id)
    if found.server is None:
        return OverheadTimeline(run_id=run_id, step_s=1, points=[], note=found.note or found.reason or NOTHING_TOLD)
    series = found.server.overhead_series
    none = None if series.points else "no call of one statement and one attempt is matched"
    return OverheadTimeline(run_id=run_id, step_s=series.step_s, points=series.points, note=series.withheld or none)


def _brief(view: ServerView) -> ServerBrief:
    times = view.measurement
    return ServerBrief(
        coverage=times.coverage,
        server_p50_ms=times.server.p50_ms,
        server_p95_ms=times.server.p95_ms,
        overhead_p50_ms=times.overhead.p50_ms,
        overhead_p95_ms=times.overhead.p95_ms,
        queued_pct=view.queue.any.share_pct,
        clusters=sum(one.number is not None for one in view.clusters),
        withheld=times.withheld,
    )
