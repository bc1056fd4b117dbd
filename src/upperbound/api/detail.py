"""A run's detail, its parts read side by side."""

from functools import partial
from typing import TYPE_CHECKING, Any

from upperbound.api.parts import read_parts
from upperbound.api.services import ControllerServices, in_thread
from upperbound.domain.phases import Phase
from upperbound.views.run_detail import DetailParts, RunDetail, build_run_detail, is_settled

if TYPE_CHECKING:
    from collections.abc import Callable


async def load_detail(services: ControllerServices, run_id: str) -> RunDetail:
    """Return a run. Raises :class:`upperbound.errors.RunNotFound`."""
    store = services.store
    run = await in_thread(store.runs.get, run_id)
    parts: dict[str, Callable[[], Any]] = {
        "parent": partial(store.results.get, run_id),
        "children": partial(store.results.children, run_id),
        "heartbeats": partial(store.heartbeats.list, run_id),
        "events": partial(store.events.all, run_id),
    }
    if not is_settled(run):
        parts["snapshots"] = partial(store.snapshots.newest, run_id, phase=Phase.MEASUREMENT)
    found, notes = await read_parts(parts)
    owned = any(one.run_id == run_id for one in services.controller.owned())
    warnings = services.controller.warnings(run_id)
    build = partial(build_run_detail, run, DetailParts(**found), owned_here=owned, warnings=warnings, notes=notes)
    # Reading histograms takes some milliseconds of the processor: not on the event loop.
    return await in_thread(build)
