"""Preparing, starting and stopping runs, for the routes of tests and of runs alike."""

from fastapi import Response

from upperbound.api.parameters import Credentials
from upperbound.api.services import ControllerServices, in_thread, with_target
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.scenario.loader import LoadedScenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.templates import TemplateRef
from upperbound.views.view import View


class StartRequest(View):
    """How to start a run; the body may be left out."""

    credentials: Credentials | None = None
    """What the target asks for, unless the server's own places (PGPASSWORD, ``~/.pgpass``) or the request that prepared
    the run have it."""


class StopRequest(View):
    """How to stop a run; the body may be left out."""

    force: bool = False
    """End it at once, without its drain. The two-phase stop comes first in any case."""


class RunState(View):
    """A run after something was done to it."""

    test_id: str
    run_id: str
    name: str
    status: RunStatus
    phase: Phase
    warnings: list[str]
    """What the checks have found that does not prevent the run."""


async def prepare(
    services: ControllerServices,
    response: Response,
    loaded: LoadedScenario,
    *,
    template: TemplateRef | None,
    credentials: Credentials | None,
) -> RunState:
    """Make a run that is PREPARED; nothing is started for it but an embedded server."""
    password = credentials.password if credentials else loaded.password
    run_id = await with_target(services, services.controller.prepare, loaded, template=template, password=password)
    response.headers["location"] = f"/api/tests/{run_id}"
    return await run_state(services, run_id, warnings=loaded.warnings)


async def start(services: ControllerServices, run_id: str, request: StartRequest | None) -> RunState:
    """Start a prepared run: its workers are launched when this returns."""
    password = request.credentials.password if request and request.credentials else None
    await with_target(services, services.controller.start, run_id, password=password)
    return await run_state(services, run_id)


async def stop(services: ControllerServices, run_id: str, request: StopRequest | None, *, user: str) -> RunState:
    """Ask a run to stop; safe in every state, and as often as one likes."""
    force = request is not None and request.force
    await in_thread(services.controller.stop, run_id, initiated_by=f"{user} by the web server", force=force)
    return await run_state(services, run_id)


async def again(
    services: ControllerServices, response: Response, run_id: str, *, credentials: Credentials | None
) -> RunState:
    """Prepare the same run once more: its scenario as it was run, with its seed."""
    run = await in_thread(services.store.runs.get, run_id)
    config = RunConfig.read(run.scenario_config)
    workload = config.scenario.workload.model_copy(update={"seed": config.seed})
    scenario = config.scenario.model_copy(update={"workload": workload})
    template = None
    if run.template_id is not None and run.template_version is not None:
        template = TemplateRef(run.template_id, run.template_version)
    loaded = LoadedScenario(scenario, (), None)
    return await prepare(services, response, loaded, template=template, credentials=credentials)


async def run_state(services: ControllerServices, run_id: str, *, warnings: tuple[str, ...] = ()) -> RunState:
    """Return a run as it is now."""
    run = await in_thread(services.store.runs.get, run_id)
    return RunState(
        test_id=run.run_id,
        run_id=run.run_id,
        name=run.name,
        status=run.status,
        phase=run.phase,
        warnings=[*warnings, *services.controller.warnings(run_id)],
    )
