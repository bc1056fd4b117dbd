"""What this controller is, and how it is set."""

from fastapi import APIRouter

import upperbound
from upperbound.api.errors import problem_responses
from upperbound.api.services import Services, in_thread
from upperbound.views.settings import SettingEntry
from upperbound.views.view import View

router = APIRouter(prefix="/api", tags=["controller"], responses=problem_responses(401, 421))


class Info(View):
    """This controller."""

    version: str
    store: str
    """The kind of its store: ``sqlite`` or ``postgresql``."""
    owned_runs: list[str]
    """The runs that it drives now."""


@router.get("/info", summary="What this controller is")
async def info(services: Services) -> Info:
    """Return the version, the kind of the store, and the runs that are driven here."""
    owned = await in_thread(services.controller.owned)
    return Info(version=upperbound.__version__, store=services.store.dialect, owned_runs=[run.run_id for run in owned])


@router.get("/settings", summary="Settings in effect")
async def settings(services: Services) -> list[SettingEntry]:
    """Return every setting with where it comes from, secrets masked."""
    return list(services.settings)
