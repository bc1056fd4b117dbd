"""Runs as programs know them: made from a scenario in the body."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from upperbound.api.detail import load_detail
from upperbound.api.errors import CHANGE, READ, problem_responses
from upperbound.api.lifecycle import RunState, StartRequest, StopRequest, prepare, start, stop
from upperbound.api.parameters import (
    Credentials,
    Overrides,
    RunId,
    ScenarioInput,
    load_input,
    user_of,
)
from upperbound.api.services import Services, in_thread
from upperbound.api.uploads import read_upload, upload_body
from upperbound.views.run_detail import RunDetail
from upperbound.views.view import View

router = APIRouter(prefix="/api/runs", tags=["runs"])


class CreateRun(View):
    """A run that somebody wants."""

    scenario: ScenarioInput
    overrides: Overrides = ()
    credentials: Annotated[Credentials | None, Field(description="Kept in memory until the run has ended.")] = None


@router.post(
    "",
    status_code=201,
    summary="Prepare a run of a scenario",
    responses=problem_responses(*CHANGE, 409, 415, 424),
    openapi_extra=upload_body(CreateRun),
)
async def create_run(request: Request, response: Response, services: Services) -> RunState:
    """Check a scenario against its target and make a run that is PREPARED.

    Every problem is reported at once; those of a text have lines.
    """
    asked = await read_upload(request, CreateRun)
    loaded = await in_thread(load_input, asked.scenario, asked.overrides)
    return await prepare(services, response, loaded, template=None, credentials=asked.credentials)


@router.post(
    "/{run_id}/start",
    status_code=202,
    summary="Start a prepared run",
    responses=problem_responses(*CHANGE, 404, 409, 424),
)
async def start_run(run_id: RunId, services: Services, given: StartRequest | None = None) -> RunState:
    """Check the run once more and launch its workers. A run that cannot start stays PREPARED."""
    return await start(services, run_id, given)


@router.post("/{run_id}/stop", status_code=202, summary="Stop a run", responses=problem_responses(*CHANGE, 404))
async def stop_run(run_id: RunId, services: Services, request: Request, given: StopRequest | None = None) -> RunState:
    """Stop in two phases: workers send nothing more at once, and queries in flight may end."""
    return await stop(services, run_id, given, user=user_of(request))


@router.get("/{run_id}", summary="A run", responses=problem_responses(*READ, 404))
async def get_run(run_id: RunId, services: Services) -> RunDetail:
    """Return everything that is known of a run."""
    return await load_detail(services, run_id)
