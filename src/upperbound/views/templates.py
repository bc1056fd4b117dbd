"""Scenarios to choose from: the templates of a store, and those that are built in."""

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from upperbound.scenario.loader import builtin_names, builtin_text, parse_scenario
from upperbound.scenario.model import Scenario
from upperbound.store.templates import search_text
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.templates import TemplateRow, VersionRow


class TemplateEntry(View):
    """One template, or one built-in scenario: that has no id, no versions, and nobody who saved it."""

    template_id: str | None
    name: str
    built_in: bool
    """It is part of the program, and cannot be changed."""
    version: int | None
    """The newest one."""
    load_mode: str
    table_type: str
    tags: dict[str, str]
    created_by: str | None
    created_at: datetime | None
    updated_by: str | None
    updated_at: datetime | None


class TemplateList(View):
    """A page of what there is."""

    templates: list[TemplateEntry]
    """Those of the store by name, then the built-in ones."""
    total: int
    """How many there are on all pages."""


class VersionEntry(View):
    """One version of a template."""

    version: int
    saved_at: datetime
    saved_by: str
    note: str
    """What was done; may be empty."""


def load_template_list(
    store: "Store",
    text: str = "",
    tags: Mapping[str, str | None] | None = None,
    *,
    limit: int = 50,
    offset: int = 0,
) -> TemplateList:
    """Return the scenarios that hold every word of ``text`` and have every one of ``tags`` (None: any value).

    Raises:
        StoreUnreachable: the store cannot be read now.
    """
    page = store.templates.search(text, tags, limit=limit, offset=offset)
    built_in = [entry for name in builtin_names() if (entry := _matching(name, text, tags or {}))]
    first = max(0, offset - page.total)
    rest = built_in[first : first + limit - len(page.templates)]
    return TemplateList(templates=[*map(template_entry, page.templates), *rest], total=page.total + len(built_in))


def template_entry(row: "TemplateRow") -> TemplateEntry:
    """Return a stored template as it is listed."""
    return TemplateEntry(
        template_id=row.template_id,
        name=row.name,
        built_in=False,
        version=row.latest_version,
        load_mode=row.load_mode,
        table_type=row.table_type,
        tags=row.tags,
        created_by=row.created_by,
        created_at=row.created_at,
        updated_by=row.updated_by,
        updated_at=row.updated_at,
    )


def version_entry(row: "VersionRow") -> VersionEntry:
    """Return a version as it is listed."""
    return VersionEntry(version=row.version, saved_at=row.saved_at, saved_by=row.saved_by, note=row.note)


def builtin_entry(name: str) -> TemplateEntry:
    """Return a built-in scenario as it is listed."""
    return _builtin_entry(name, _builtin(name))


@functools.cache
def _builtin(name: str) -> Scenario:
    return parse_scenario(builtin_text(name), source=f"built-in scenario {name}").scenario


def _matching(name: str, text: str, tags: Mapping[str, str | None]) -> TemplateEntry | None:
    """Return a built-in scenario if it is what is looked for."""
    scenario = _builtin(name)
    searched = f"{name.casefold()}\n{search_text(scenario.model_dump(mode='json'))}"
    wanted = all(word in searched for word in text.casefold().split())
    tagged = all(key in scenario.tags and value in (None, scenario.tags[key]) for key, value in tags.items())
    return _builtin_entry(name, scenario) if wanted and tagged else None


def _builtin_entry(name: str, scenario: Scenario) -> TemplateEntry:
    return TemplateEntry(
        template_id=None,
        name=name,
        built_in=True,
        version=None,
        load_mode=scenario.load.mode.value,
        table_type=scenario.target.table_type.value,
        tags=scenario.tags,
        created_by=None,
        created_at=None,
        updated_by=None,
        updated_at=None,
    )
