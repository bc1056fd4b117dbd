"""The log of a run."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query

from upperbound.api.errors import READ, problem_responses
from upperbound.api.parameters import RunId
from upperbound.api.services import Services, in_thread
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.views.log_lines import LogLines, load_log

router = APIRouter(prefix="/api/tests/{test_id}", tags=["results"])

SEQUENCE_MAX = 2**53
"""Whole numbers up to here are the same in every language that reads JSON."""


@router.get("/logs", summary="Log", responses=problem_responses(*READ, 404))
async def logs(
    test_id: RunId,
    services: Services,
    after: Annotated[int, Query(ge=0, le=SEQUENCE_MAX, description="Only lines after this sequence number.")] = 0,
    level: Annotated[LogLevel | None, Query(description="Of this level and above.")] = None,
    source: Annotated[list[LogSource] | None, Query(description="Any of these.")] = None,
    worker_id: Annotated[str | None, Query(pattern=r"^worker-[0-9]{1,6}$", description="Of this worker.")] = None,
    limit: Annotated[int, Query(ge=1, le=5_000, description="At most so many lines.")] = 1_000,
) -> LogLines:
    """Return what the orchestrator and the workers have said, in the order in which the store took it in.

    Asking again with `last_sequence` as `after` gives what has come since, and no line twice.
    """
    find = partial(load_log, services.store, test_id, after=after, worker_id=worker_id, limit=limit)
    return await in_thread(find, levels=level.and_above if level else None, sources=source or None)
