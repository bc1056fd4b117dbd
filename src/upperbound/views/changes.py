"""What has changed the load of a run while it went on: users, and the stages of its scenario."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.events import EventRow
    from upperbound.store.runs import RunRow


class Change(View):
    """One change; the figures of a run that has any are of more than one load."""

    at_s: float
    """Seconds since the run's start."""
    initiated_by: str
    """The user, or ``plan`` for a stage."""
    threads: int
    """Over all workers, from then on."""
    workers: int
    """From then on."""
    target_qps: float | None = None
    """Operations per second over all workers from then on; null when the rate stayed, or there was none."""
    ramp_seconds: float
    """How long it was to take."""


def changes_of(run: "RunRow", events: Iterable["EventRow"]) -> list[Change]:
    """Return the changes of a run in their order."""
    changes: dict[str, Change] = {}
    for event in events:
        data, step_id = event.data, event.data.get("step_id")
        if run.start_time is None or step_id in changes or "total_threads" not in data:
            continue
        changes[str(step_id)] = Change(
            at_s=(event.created_at - run.start_time).total_seconds(),
            initiated_by=data["initiated_by"],
            threads=data["total_threads"],
            workers=data["total_workers"],
            target_qps=data.get("target_qps"),
            ramp_seconds=data["ramp_seconds"],
        )
    return list(changes.values())
