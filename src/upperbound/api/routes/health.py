"""Whether the controller is well."""

from typing import Literal

from fastapi import APIRouter, Response

import upperbound
from upperbound.api.services import Services, in_thread
from upperbound.errors import StoreError
from upperbound.views.view import View

router = APIRouter(tags=["controller"])


class StoreHealth(View):
    """The store as it answers now."""

    reachable: bool
    latency_ms: float | None
    """Of one question; null when there was no answer."""
    reason: str | None
    """Why there was none."""


class LeaseHealth(View):
    """A run that this process drives, and for how long it may."""

    run_id: str
    remaining_s: float | None
    """Until its lease runs out; null when that is not known, or the run has ended."""


class Health(View):
    """How the controller is."""

    status: Literal["ok", "store_away"]
    version: str
    store: StoreHealth
    leases: list[LeaseHealth]


@router.get(
    "/health",
    summary="Health",
    responses={503: {"model": Health, "description": "The store is away"}},
    openapi_extra={"security": []},
)
async def health(services: Services, response: Response) -> Health:
    """Say whether the process, its store and the leases on its runs are well; 503 when the store is away."""
    found = await in_thread(_look, services)
    if not found.store.reachable:
        response.status_code = 503
    return found


def _look(services: Services) -> Health:
    started_ns = services.clock.monotonic_ns()
    leases = []
    reason: str | None = None
    latency_ms: float | None = None
    owned = services.controller.owned()
    try:
        services.store.now()
        latency_ms = (services.clock.monotonic_ns() - started_ns) / 1e6
        rows = services.store.runs.leases([run.run_id for run in owned])
        leases = [LeaseHealth(run_id=run.run_id, remaining_s=rows.get(run.run_id)) for run in owned]
    except StoreError as error:
        reason = error.message
        leases = [LeaseHealth(run_id=run.run_id, remaining_s=None) for run in owned]
    return Health(
        status="ok" if reason is None else "store_away",
        version=upperbound.__version__,
        store=StoreHealth(reachable=reason is None, latency_ms=latency_ms, reason=reason),
        leases=leases,
    )
