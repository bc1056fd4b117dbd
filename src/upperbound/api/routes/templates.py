"""Templates: scenarios that are kept, with every version of each, and those that are built in."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from upperbound.api.errors import CHANGE, READ, problem_responses
from upperbound.api.parameters import (
    Overrides,
    Paged,
    PageNumber,
    PageSize,
    ScenarioInput,
    TemplateName,
    Text,
    load_input,
    user_of,
)
from upperbound.api.services import ControllerServices, Services, in_thread
from upperbound.api.uploads import read_upload, upload_body
from upperbound.api.validation import Validation, check, judged
from upperbound.errors import TemplateConflict
from upperbound.store.library import Kept, duplicate_any, find_stored, keep, known, text_of
from upperbound.store.templates import TemplateRow
from upperbound.views.templates import (
    TemplateEntry,
    VersionEntry,
    builtin_entry,
    load_template_list,
    template_entry,
    version_entry,
)
from upperbound.views.view import View

router = APIRouter(prefix="/api/templates", tags=["templates"])

Version = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="A version; the newest when left out.")]
BaseVersion = Annotated[int, Field(ge=1, le=2**31 - 1)]
Note = Annotated[Text, Field(description="What was done, for those who read the versions.")]


class SaveTemplate(View):
    """A scenario to keep."""

    scenario: ScenarioInput
    note: Note = ""


class ChangeTemplate(SaveTemplate):
    """A scenario to keep as the next version."""

    base_version: BaseVersion
    """The version that the change was made to: when there is a newer one, nothing is changed."""


class Rename(View):
    """Another name."""

    name: Text


class Duplicate(View):
    """What a copy is called."""

    name: Text
    version: BaseVersion | None = None
    """Of the original; null for the newest."""


class Tags(View):
    """Tags to set; null removes one, and those that are not named stay."""

    tags: Annotated[dict[Text, Text | None], Field(max_length=100)]


class UseTemplate(View):
    """How a template would be run."""

    version: BaseVersion | None = None
    overrides: Overrides = ()


class TemplateDetail(TemplateEntry):
    """A template with one of its versions."""

    shown_version: int | None
    """Which one; null for a built-in scenario."""
    note: str | None
    """What was done to come to it."""
    scenario: dict[str, Any]
    yaml: str
    """The same as people write it."""


class Saved(TemplateEntry):
    """A template after a scenario was kept in it."""

    done: Literal["made", "saved", "unchanged"]
    """A new template, a new version of one, or neither as the scenario is the newest one."""
    warnings: list[str]


class ValidateScenario(View):
    """A scenario to check."""

    scenario: ScenarioInput
    overrides: Overrides = ()


@router.get("", summary="List templates", responses=problem_responses(*READ))
async def list_templates(
    services: Services,
    search: Annotated[Text, Query(description="Words in names, tags, tables and operations.")] = "",
    tag: Annotated[
        list[Text] | None, Query(max_length=20, description="With this tag: `key=value`, or `key` for any value.")
    ] = None,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Paged[TemplateEntry]:
    """Return templates by name, then the built-in scenarios."""
    wanted: dict[str, str | None] = {}
    for text in tag or []:
        key, equals, value = text.partition("=")
        wanted[key] = value if equals else None
    offset = (page - 1) * page_size
    found = await in_thread(load_template_list, services.store, search, wanted, limit=page_size, offset=offset)
    return Paged[TemplateEntry].of(found.templates, found.total, page, page_size)


@router.post(
    "",
    status_code=201,
    summary="Keep a scenario as a template",
    responses=problem_responses(*CHANGE, 409),
)
async def create_template(given: SaveTemplate, request: Request, response: Response, services: Services) -> Saved:
    """Make a template that is called as its scenario is."""

    def create() -> Saved:
        loaded = load_input(given.scenario, ())
        row = services.store.templates.create(loaded.scenario, saved_by=user_of(request), note=given.note)
        return _saved(Kept(row, "made"), loaded.warnings)

    saved = await in_thread(create)
    response.headers["location"] = f"/api/templates/{saved.template_id}"
    return saved


@router.post(
    "/import",
    summary="Import a scenario",
    responses={**problem_responses(*CHANGE, 409, 415), 201: {"model": Saved, "description": "A new template"}},
    openapi_extra=upload_body(SaveTemplate),
)
async def import_template(request: Request, response: Response, services: Services) -> Saved:
    """Keep a scenario, in YAML or JSON: as a new template, or as the next version of the one that is called so."""
    given = await read_upload(request, SaveTemplate)

    def save() -> Saved:
        loaded = load_input(given.scenario, ())
        note = given.note or "imported"
        kept = keep(services.store.templates, loaded.scenario, saved_by=user_of(request), note=note)
        return _saved(kept, loaded.warnings)

    saved = await in_thread(save)
    response.status_code = 201 if saved.done == "made" else 200
    return saved


@router.post(
    "/validate",
    summary="Check a scenario",
    responses=problem_responses(*CHANGE),
)
async def validate(given: ValidateScenario) -> Validation:
    """Say whether a scenario is right, with every problem at once. Nothing is connected to."""
    return await in_thread(check, given.scenario, given.overrides)


@router.get("/{template_id}", summary="A template", responses=problem_responses(*READ, 404))
async def get_template(template_id: TemplateName, services: Services, version: Version = None) -> TemplateDetail:
    """Return a template, or a built-in scenario, with the scenario of one version."""
    return await in_thread(_detail, services, template_id, version)


@router.put(
    "/{template_id}",
    summary="Change a template",
    responses=problem_responses(*CHANGE, 404, 409),
)
async def change_template(
    template_id: TemplateName, given: ChangeTemplate, request: Request, services: Services
) -> Saved:
    """Keep a scenario as the next version; the same scenario makes none."""

    def change() -> Saved:
        loaded = load_input(given.scenario, ())
        row = _stored(services, template_id)
        saved = services.store.templates.save(
            row.template_id,
            loaded.scenario,
            base_version=given.base_version,
            saved_by=user_of(request),
            note=given.note,
        )
        done: Literal["saved", "unchanged"] = "unchanged" if saved.latest_version == given.base_version else "saved"
        return _saved(Kept(saved, done), loaded.warnings)

    return await in_thread(change)


@router.delete(
    "/{template_id}", status_code=204, summary="Delete a template", responses=problem_responses(*CHANGE, 404)
)
async def delete_template(template_id: TemplateName, services: Services) -> None:
    """Remove a template with all its versions; runs that were made of it keep what they ran."""

    def delete() -> None:
        services.store.templates.delete(_stored(services, template_id).template_id)

    await in_thread(delete)


@router.post("/{template_id}/rename", summary="Rename a template", responses=problem_responses(*CHANGE, 404, 409))
async def rename_template(
    template_id: TemplateName, given: Rename, request: Request, services: Services
) -> TemplateEntry:
    """Give a template another name, which is a new version; its id stays."""

    def rename() -> TemplateEntry:
        row = _stored(services, template_id)
        return template_entry(services.store.templates.rename(row.template_id, given.name, saved_by=user_of(request)))

    return await in_thread(rename)


@router.post("/{template_id}/tags", summary="Tag a template", responses=problem_responses(*CHANGE, 404))
async def tag_template(template_id: TemplateName, given: Tags, request: Request, services: Services) -> TemplateEntry:
    """Set and remove tags, which is a new version."""

    def tag() -> TemplateEntry:
        row = _stored(services, template_id)
        return template_entry(services.store.templates.tag(row.template_id, given.tags, saved_by=user_of(request)))

    return await in_thread(tag)


@router.post(
    "/{template_id}/duplicate",
    status_code=201,
    summary="Copy a template",
    responses=problem_responses(*CHANGE, 404, 409),
)
async def duplicate_template(
    template_id: TemplateName, given: Duplicate, request: Request, response: Response, services: Services
) -> TemplateEntry:
    """Make a template of a version of another, or of a built-in scenario."""

    def duplicate() -> TemplateEntry:
        templates = services.store.templates
        known(services.store.templates, template_id)
        return template_entry(
            duplicate_any(templates, template_id, given.name, saved_by=user_of(request), version=given.version)
        )

    made = await in_thread(duplicate)
    response.headers["location"] = f"/api/templates/{made.template_id}"
    return made


@router.get("/{template_id}/versions", summary="Versions of a template", responses=problem_responses(*READ, 404))
async def list_versions(template_id: TemplateName, services: Services) -> list[VersionEntry]:
    """Return every version, the newest first; a built-in scenario has none."""

    def versions() -> list[VersionEntry]:
        row = known(services.store.templates, template_id)
        return [version_entry(one) for one in services.store.templates.versions(row.template_id)] if row else []

    return await in_thread(versions)


@router.get(
    "/{template_id}/export",
    summary="Export a template",
    response_class=Response,
    responses={
        **problem_responses(*READ, 404),
        200: {"description": "The scenario", "content": {"application/yaml": {}}},
    },
)
async def export_template(template_id: TemplateName, services: Services, version: Version = None) -> Response:
    """Return a template as YAML; importing it again gives the same scenario."""

    def export() -> str:
        known(services.store.templates, template_id)
        return text_of(services.store.templates, template_id, version).yaml

    text = await in_thread(export)
    headers = {"content-disposition": 'attachment; filename="scenario.yaml"'}
    return Response(text, media_type="application/yaml", headers=headers)


@router.post("/{template_id}/use", summary="What a run would be", responses=problem_responses(*CHANGE, 404))
async def use_template(template_id: TemplateName, services: Services, given: UseTemplate | None = None) -> Validation:
    """Return a template's scenario with values replaced, checked, and the plan of a run. Nothing is made."""

    def use() -> Validation:
        asked = given or UseTemplate()
        known(services.store.templates, template_id)
        found = find_stored(services.store.templates, template_id, asked.overrides, asked.version)
        return judged(found.loaded)

    return await in_thread(use)


def _stored(services: ControllerServices, name: str) -> TemplateRow:
    """Return a template that can be changed.

    Raises :class:`TemplateNotFound`, and :class:`TemplateConflict` for a built-in scenario.
    """
    row = known(services.store.templates, name)
    if row is None:
        raise TemplateConflict(f"{name!r} is a built-in scenario, which cannot change", hint="change a copy of it")
    return row


def _detail(services: ControllerServices, name: str, version: int | None) -> TemplateDetail:
    templates = services.store.templates
    row = known(templates, name)
    text = text_of(templates, name, version)
    entry = builtin_entry(name) if row is None else template_entry(row)
    return TemplateDetail(
        **entry.model_dump(),
        shown_version=text.facts.get("version"),
        note=text.facts.get("note"),
        scenario=text.document,
        yaml=text.yaml,
    )


def _saved(kept: Kept, warnings: tuple[str, ...]) -> Saved:
    return Saved(**template_entry(kept.template).model_dump(), done=kept.done, warnings=list(warnings))
