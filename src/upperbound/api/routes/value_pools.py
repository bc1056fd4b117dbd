"""Value pools of templates: what their parameters take from columns, sampled once for every run."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field, SecretStr

from upperbound.api.errors import CHANGE, READ, problem_responses
from upperbound.api.parameters import Credentials, TemplateName, user_of
from upperbound.api.services import ControllerServices, Services, in_thread, with_target
from upperbound.errors import ConfigurationError, TemplateConflict
from upperbound.orchestrator.value_pools import PREPARING, prepare_template, template_order
from upperbound.scenario.connection_url import check_url, split_password
from upperbound.store.library import FoundScenario, find_stored, known
from upperbound.targets.postgres import ConnInfo
from upperbound.views.value_pools import TemplatePools, load_template_pools
from upperbound.views.view import View

router = APIRouter(prefix="/api/templates", tags=["templates"])


class PreparePools(View):
    """Where to sample from; the body may be left out."""

    url: Annotated[str | None, Field(max_length=2_000)] = None
    """A database in place of the template's target: ``postgresql://USER@HOST:PORT/DATABASE``."""
    credentials: Credentials | None = None
    """Used for this and kept nowhere."""


@router.get("/{template_id}/pools", summary="Value pools of a template", responses=problem_responses(*READ, 404, 409))
async def list_pools(template_id: TemplateName, services: Services) -> TemplatePools:
    """Return the columns that a template takes values of, and what is prepared of them on which database."""

    def load() -> TemplatePools:
        return _pools(services, _found(services, template_id))

    return await in_thread(load)


@router.post(
    "/{template_id}/pools",
    summary="Prepare value pools of a template",
    responses=problem_responses(*CHANGE, 404, 409, 424),
)
async def prepare_pools(
    template_id: TemplateName, request: Request, services: Services, given: PreparePools | None = None
) -> TemplatePools:
    """Sample the values that a template takes from columns, up to 1,000,000 of each, and answer when all are there.

    Every run of the template has the same values from then on. Those of an earlier call serve until then.
    """

    def prepare() -> TemplatePools:
        found = _found(services, template_id)
        order = template_order(found, _target(found, given or PreparePools()), sampled_by=user_of(request))
        prepare_template(services.store, order)
        return _pools(services, found)

    return await with_target(services, prepare)


def _found(services: ControllerServices, name: str) -> FoundScenario:
    """Return a template. Raises :class:`TemplateConflict` for a built-in scenario."""
    if known(services.store.templates, name) is None:
        raise TemplateConflict(
            f"{name!r} is a built-in scenario, and value pools are kept for templates; each run of it samples its own",
            hint="make a copy of it",
        )
    return find_stored(services.store.templates, name)


def _pools(services: ControllerServices, found: FoundScenario) -> TemplatePools:
    assert found.template is not None, "it is a template"
    return load_template_pools(services.store, found.template.template_id, found.loaded.scenario)


def _target(found: FoundScenario, given: PreparePools) -> ConnInfo | None:
    """Return where to sample from; None for the template's own target. Raises :class:`ConfigurationError`."""
    password = given.credentials.password if given.credentials else None
    own = getattr(found.loaded.scenario.target, "url", None)
    if given.url is None and (password is None or own is None):
        return None
    split = split_password(given.url or own or "")
    if fault := check_url(split.url):
        raise ConfigurationError(f"the target's URL {fault.message}", hint=fault.hint)
    return ConnInfo(split.url, password or (SecretStr(split.password) if split.password else None), PREPARING)
