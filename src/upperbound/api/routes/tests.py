"""Runs as the web interface knows them: prepared from templates, started, watched, stopped, listed, deleted."""

import shutil
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from upperbound.api.detail import load_detail
from upperbound.api.errors import CHANGE, READ, problem_responses
from upperbound.api.lifecycle import RunState, StartRequest, StopRequest, again, prepare, run_state, start, stop
from upperbound.api.parameters import (
    Credentials,
    Overrides,
    Paged,
    PageNumber,
    PageSize,
    RunId,
    TemplateName,
    Text,
    user_of,
)
from upperbound.api.services import ControllerServices, Live, Services, in_thread
from upperbound.domain.run_state import RunStatus
from upperbound.errors import ConfigurationError
from upperbound.scenario.kinds import TableType
from upperbound.store.history import RunFilter
from upperbound.store.library import find_stored, known
from upperbound.views.run_detail import RunDetail
from upperbound.views.run_list import RunListEntry, load_run_list
from upperbound.views.view import View

router = APIRouter(prefix="/api/tests", tags=["tests"])


class FromTemplate(View):
    """How to make a run of a template; the body may be left out."""

    version: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None
    """A version of the template; null for the newest."""
    overrides: Overrides = ()
    credentials: Credentials | None = None
    """Kept in memory until the run has ended."""


class RerunRequest(View):
    """How to prepare a run again; the body may be left out."""

    credentials: Credentials | None = None
    """Kept in memory until the run has ended."""


@router.post(
    "/from-template/{template_id}",
    status_code=201,
    summary="Prepare a run of a template",
    responses=problem_responses(*CHANGE, 404, 409, 424),
)
async def prepare_from_template(
    template_id: TemplateName, services: Services, response: Response, given: FromTemplate | None = None
) -> RunState:
    """Check a template or a built-in scenario against its target and make a run that is PREPARED.

    Nothing is sent before it is started. Every problem is reported at once.
    """
    asked = given or FromTemplate()
    await in_thread(known, services.store.templates, template_id)
    found = await in_thread(find_stored, services.store.templates, template_id, asked.overrides, asked.version)
    return await prepare(services, response, found.loaded, template=found.template, credentials=asked.credentials)


@router.post(
    "/{test_id}/start",
    status_code=202,
    summary="Start a prepared run",
    responses=problem_responses(*CHANGE, 404, 409, 424),
)
async def start_test(test_id: RunId, services: Services, given: StartRequest | None = None) -> RunState:
    """Check the run once more and launch its workers. A run that cannot start stays PREPARED."""
    return await start(services, test_id, given)


@router.post("/{test_id}/stop", status_code=202, summary="Stop a run", responses=problem_responses(*CHANGE, 404))
async def stop_test(test_id: RunId, services: Services, request: Request, given: StopRequest | None = None) -> RunState:
    """Stop in two phases: workers send nothing more at once, and queries in flight may end.

    A prepared run is cancelled at once; one that has ended stays as it is.
    """
    return await stop(services, test_id, given, user=user_of(request))


@router.post(
    "/{test_id}/rerun",
    status_code=201,
    summary="Prepare the same run again",
    responses=problem_responses(*CHANGE, 404, 409, 424),
)
async def rerun_test(
    test_id: RunId, services: Services, response: Response, given: RerunRequest | None = None
) -> RunState:
    """Make a run that is PREPARED of the scenario and the seed of another."""
    return await again(services, response, test_id, credentials=given.credentials if given else None)


@router.post(
    "/{test_id}/retry-enrichment",
    status_code=202,
    summary="Finish what follows the load",
    responses=problem_responses(*CHANGE, 404, 409),
)
async def retry_enrichment(test_id: RunId, services: Services) -> RunState:
    """Load queries that are not in the store yet, and ask the run's server once more for its own view.

    Returns at once; ``enrichment`` of the run says how far it has come. Nothing is doubled however often this is done.
    """
    await in_thread(services.controller.process_again, test_id)
    return await run_state(services, test_id)


@router.get("", summary="List runs", responses=problem_responses(*READ))
async def list_tests(
    services: Services,
    status: Annotated[list[RunStatus] | None, Query(description="Any of these.")] = None,
    table_type: Annotated[TableType | None, Query(description="Of this type of table.")] = None,
    template_id: Annotated[Text | None, Query(description="Made of this template.")] = None,
    q: Annotated[Text, Query(description="Words that are all in the name, the id or the tags.")] = "",
    created_from: Annotated[
        datetime | None, Query(alias="from", description="Made at this time or later; UTC unless it says otherwise.")
    ] = None,
    created_to: Annotated[datetime | None, Query(alias="to", description="Made before this time.")] = None,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Paged[RunListEntry]:
    """Return runs, the newest first, that all the filters let pass."""
    wanted = RunFilter(
        statuses=tuple(status or ()),
        table_type=table_type.value if table_type else None,
        template_id=template_id,
        text=q,
        created_from=_aware(created_from),
        created_to=_aware(created_to),
    )
    offset = (page - 1) * page_size
    found = await in_thread(load_run_list, services.store, wanted, limit=page_size, offset=offset)
    return Paged[RunListEntry].of(found.runs, found.total, page, page_size)


@router.get("/{test_id}", summary="A run", responses=problem_responses(*READ, 404))
async def get_test(test_id: RunId, services: Services) -> RunDetail:
    """Return everything that is known of a run; a part that cannot be read is empty, and ``notes`` says why."""
    return await load_detail(services, test_id)


@router.delete("/{test_id}", status_code=204, summary="Delete a run", responses=problem_responses(*CHANGE, 404, 409))
async def delete_test(test_id: RunId, services: Services, live: Live) -> None:
    """Remove a run with its results, its log and its queries; refused while it is on its way."""
    await in_thread(_delete, services, test_id)
    live.wake(test_id)


def _delete(services: ControllerServices, run_id: str) -> None:
    services.store.history.delete(run_id)
    services.controller.drop(run_id)
    shutil.rmtree(services.home / "runs" / run_id, ignore_errors=True)


def _aware(moment: datetime | None) -> datetime | None:
    """Return a moment with its zone: UTC when none was given. Raises :class:`ConfigurationError`."""
    if moment is None:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ConfigurationError(f"{moment} is beyond the calendar") from None
