"""Templates: stored scenarios, every version of each (``TEST_TEMPLATES``, ``TEMPLATE_TAGS``, ``TEMPLATE_VERSIONS``)."""

import difflib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy import exc
from sqlalchemy.engine import Connection, RowMapping

from upperbound.errors import Problem, ScenarioError, TemplateConflict, TemplateNotFound
from upperbound.scenario.loader import builtin_names
from upperbound.scenario.model import Scenario
from upperbound.store.database import Database
from upperbound.store.dialects import insert_new
from upperbound.store.tables import template_tags, template_versions, test_templates
from upperbound.store.types import store_now
from upperbound.store.value_pools import TEMPLATES_LOCK, retire

_SIMILAR_SHOWN: Final = 3
_NEAR: Final = 0.7
"""How much of two words must be alike, from 0 to 1, for one to be taken for the other misspelt."""
_NAMES_COMPARED: Final = 1_000
"""Names that one which does not exist is compared with, at most."""


@dataclass(frozen=True)
class TemplateRef:
    """One version of one template; either may be deleted since."""

    template_id: str
    version: int
    """From 1."""


@dataclass(frozen=True)
class TemplateRow:
    """A template as it is now; times are aware and UTC."""

    template_id: str
    name: str
    """That of its newest scenario; no two templates have the same."""
    latest_version: int
    load_mode: str
    table_type: str
    created_by: str
    created_at: datetime
    updated_by: str
    updated_at: datetime
    tags: dict[str, str] = field(default_factory=dict)
    """Those of its newest scenario, in the order of their keys."""


@dataclass(frozen=True)
class VersionRow:
    """One version, without its scenario; nothing of it ever changes."""

    template_id: str
    version: int
    note: str
    """What was done, such as ``imported from orders.yaml``; may be empty."""
    saved_by: str
    saved_at: datetime
    """By the store's clock."""


@dataclass(frozen=True)
class StoredScenario(VersionRow):
    """One version with the complete scenario as it was validated."""

    document: dict[str, Any]
    """The scenario as JSON; an older version of Upperbound may have written it."""

    @property
    def scenario(self) -> Scenario:
        """The scenario. Raises :class:`ScenarioError` when this version of Upperbound does not accept it any more."""
        return _validated(self.document)


@dataclass(frozen=True)
class TemplatePage:
    """A part of what a search has found."""

    templates: Sequence[TemplateRow]
    """In the order of their names."""
    total: int
    """How many there are on all pages."""


class TemplateRepository:
    """Reads and changes templates; every method is one transaction.

    A template is called and tagged as its newest scenario is: to rename or to tag it is to save another version of it.
    """

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        self._now = store_now() if now is None else now
        columns = test_templates.c
        self._select = sa.select(*(column for column in columns if column is not columns.search_text))

    def create(self, scenario: Scenario, *, saved_by: str, note: str = "") -> TemplateRow:
        """Keep a scenario as version 1 of a new template that is called as it is.

        Raises :class:`TemplateConflict` when a template or a built-in scenario has its name.
        """
        return self._create(scenario.model_dump(mode="json"), saved_by, note)

    def save(
        self, template_id: str, scenario: Scenario, *, base_version: int, saved_by: str, note: str = ""
    ) -> TemplateRow:
        """Keep a scenario as the next version of a template whose newest one is ``base_version``.

        Of several that save on the same base exactly one succeeds. A scenario that is the same as the base makes no
        version. Raises :class:`TemplateConflict` when there is a newer version than the base, or its name is taken, and
        :class:`TemplateNotFound`.
        """
        with self._database.transaction(lock=TEMPLATES_LOCK) as connection:
            present = self._lock(connection, template_id)
            if present["latest_version"] != base_version:
                raise _stale(present, base_version)
            return self._advance(connection, present, scenario.model_dump(mode="json"), saved_by, note)

    def rename(self, template_id: str, name: str, *, saved_by: str) -> TemplateRow:
        """Give a template another name, in a new version.

        Raises :class:`TemplateConflict` when it is taken, :class:`ScenarioError` when it is none, and
        :class:`TemplateNotFound`.
        """
        with self._database.transaction(lock=TEMPLATES_LOCK) as connection:
            present = self._lock(connection, template_id)
            document = self._document(connection, template_id, present["latest_version"])
            renamed = _dumped({**document, "name": name})
            return self._advance(connection, present, renamed, saved_by, f"renamed from {present['name']}")

    def tag(self, template_id: str, tags: Mapping[str, str | None], *, saved_by: str) -> TemplateRow:
        """Set tags, or with None remove them, in a new version; others stay, and nothing to change makes no version.

        Raises :class:`TemplateNotFound`.
        """
        with self._database.transaction(lock=TEMPLATES_LOCK) as connection:
            present = self._lock(connection, template_id)
            document = self._document(connection, template_id, present["latest_version"])
            merged = {**document.get("tags", {}), **tags}
            kept = {key: value for key, value in merged.items() if value is not None}
            return self._advance(connection, present, _dumped({**document, "tags": kept}), saved_by, "tagged")

    def duplicate(self, template_id: str, name: str, *, saved_by: str, version: int | None = None) -> TemplateRow:
        """Make a template of another name that begins with a version, the newest or a given one, of this one.

        Raises :class:`TemplateConflict` when the name is taken, :class:`ScenarioError` when it is none, and
        :class:`TemplateNotFound`.
        """
        source = self.version(template_id, version)
        note = f"duplicated from {source.document['name']}, version {source.version}"
        return self._create(_dumped({**source.document, "name": name}), saved_by, note)

    def delete(self, template_id: str) -> None:
        """Remove a template with all its versions and value pools; runs keep the scenario they ran, and its version.

        Raises :class:`TemplateNotFound`.
        """
        with self._database.transaction(lock=TEMPLATES_LOCK) as connection:
            self._lock(connection, template_id)
            for table in (template_tags, template_versions, test_templates):
                connection.execute(sa.delete(table).where(table.c.template_id == template_id))
            # Runs that use its value pools still need them: they go as replaced ones do.
            retire(connection, template_id)

    def get(self, template_id: str) -> TemplateRow:
        """Return one template. Raises :class:`TemplateNotFound`."""
        with self._database.connection() as connection:
            return self._get(connection, template_id)

    def find(self, name_or_id: str) -> TemplateRow:
        """Return the template that is called so, or else has this id.

        Raises :class:`TemplateNotFound`, which names templates that are called nearly so.
        """
        columns = test_templates.c
        either = sa.or_(columns.name == name_or_id, columns.template_id == name_or_id)
        with self._database.connection() as connection:
            found = connection.execute(sa.select(columns.template_id, columns.name).where(either)).all()
            if not found:
                raise self._unknown(connection, name_or_id)
            first = min(found, key=lambda row: row.name != name_or_id)
            return self._get(connection, first.template_id)

    def version(self, template_id: str, version: int | None = None) -> StoredScenario:
        """Return one version, the newest when no number is given. Raises :class:`TemplateNotFound`."""
        with self._database.connection() as connection:
            if version is None:
                version = self._get(connection, template_id).latest_version
            columns = template_versions.c
            query = sa.select(template_versions).where(columns.template_id == template_id, columns.version == version)
            row = connection.execute(query).mappings().first()
            if row is None:
                template = self._get(connection, template_id)
                raise TemplateNotFound(
                    f"the template {template.name!r} has no version {version}",
                    hint=f"it has versions 1 to {template.latest_version}",
                )
            fields = dict(row)
            return StoredScenario(document=fields.pop("scenario"), **fields)

    def versions(self, template_id: str) -> list[VersionRow]:
        """Return every version of a template, without scenarios, the newest first. Raises :class:`TemplateNotFound`."""
        columns = template_versions.c
        query = sa.select(*(column for column in columns if column is not columns.scenario))
        query = query.where(columns.template_id == template_id).order_by(columns.version.desc())
        with self._database.connection() as connection:
            rows = connection.execute(query).mappings().all()
            if not rows:
                raise _not_found(template_id)
            return [VersionRow(**row) for row in rows]

    def search(
        self, text: str = "", tags: Mapping[str, str | None] | None = None, *, limit: int = 50, offset: int = 0
    ) -> TemplatePage:
        """Return the templates that hold every word of ``text`` and have every one of ``tags``, by name.

        Words are looked for in names, tags, tables and names of operations, in either case and within words; the value
        None stands for any value of the tag.
        """
        columns, tagged = test_templates.c, template_tags.c
        conditions = [columns.search_text.contains(word, autoescape=True) for word in text.casefold().split()]
        for key, value in (tags or {}).items():
            matching = sa.select(tagged.tag_key).where(tagged.template_id == columns.template_id, tagged.tag_key == key)
            conditions.append(sa.exists(matching if value is None else matching.where(tagged.tag_value == value)))
        count = sa.select(sa.func.count()).select_from(test_templates).where(*conditions)
        page = self._select.where(*conditions).order_by(columns.name, columns.template_id).limit(limit).offset(offset)
        with self._database.connection() as connection:
            total = connection.execute(count).scalar_one()
            rows = connection.execute(page).mappings().all()
            return TemplatePage(self._with_tags(connection, rows), total)

    def _create(self, document: dict[str, Any], saved_by: str, note: str) -> TemplateRow:
        template_id = f"t-{secrets.token_hex(4)}"
        _refuse_builtin(document["name"])
        who = {"created_by": saved_by, "created_at": self._now, "updated_by": saved_by, "updated_at": self._now}
        with self._database.transaction(lock=TEMPLATES_LOCK) as connection:
            self._require_free(connection, document["name"], template_id)
            try:
                connection.execute(
                    sa.insert(test_templates).values(
                        template_id=template_id, latest_version=1, **_columns_of(document), **who
                    )
                )
            except exc.IntegrityError:
                raise _name_taken(document["name"]) from None
            self._write_version(connection, TemplateRef(template_id, 1), document, saved_by, note)
            return self._get(connection, template_id)

    def _require_free(self, connection: Connection, name: str, template_id: str) -> None:
        """Look whether another template is called so, on a store that does not refuse a second one by itself."""
        if self._database.dialect != "snowflake":
            return
        columns = test_templates.c
        other = sa.select(columns.template_id).where(columns.name == name, columns.template_id != template_id)
        if connection.execute(other).first() is not None:
            raise _name_taken(name)

    def _lock(self, connection: Connection, template_id: str) -> RowMapping:
        """Return the template's row, which no other transaction changes before this one has ended."""
        query = self._select.where(test_templates.c.template_id == template_id).with_for_update()
        row = connection.execute(query).mappings().first()
        if row is None:
            raise _not_found(template_id)
        return row

    def _advance(
        self, connection: Connection, present: RowMapping, document: dict[str, Any], saved_by: str, note: str
    ) -> TemplateRow:
        """Write the next version of a template that is locked, unless it would be the same as the newest."""
        template_id, version = present["template_id"], present["latest_version"]
        if document == _as_of_now(self._document(connection, template_id, version)):
            return self._get(connection, template_id)
        if document["name"] != present["name"]:
            _refuse_builtin(document["name"])
            self._require_free(connection, document["name"], template_id)
        values = {"latest_version": version + 1, "updated_by": saved_by, "updated_at": self._now}
        change = sa.update(test_templates).where(test_templates.c.template_id == template_id)
        try:
            connection.execute(change.values(**_columns_of(document), **values))
        except exc.IntegrityError:
            raise _name_taken(document["name"]) from None
        self._write_version(connection, TemplateRef(template_id, version + 1), document, saved_by, note)
        return self._get(connection, template_id)

    def _write_version(
        self, connection: Connection, ref: TemplateRef, document: dict[str, Any], saved_by: str, note: str
    ) -> None:
        """Add a version, and let the tags be those of its scenario."""
        connection.execute(
            sa.insert(template_versions).values(
                template_id=ref.template_id,
                version=ref.version,
                scenario=document,
                note=note,
                saved_by=saved_by,
                saved_at=self._now,
            )
        )
        connection.execute(sa.delete(template_tags).where(template_tags.c.template_id == ref.template_id))
        for key, value in document["tags"].items():
            values = {"template_id": ref.template_id, "tag_key": key, "tag_value": value}
            # Two keys may become one when what a store cannot hold is replaced.
            insert_new(self._database.dialect, template_tags, values).run(connection)

    def _document(self, connection: Connection, template_id: str, version: int) -> dict[str, Any]:
        columns = template_versions.c
        query = sa.select(columns.scenario).where(columns.template_id == template_id, columns.version == version)
        document: dict[str, Any] = connection.execute(query).scalar_one()
        return document

    def _get(self, connection: Connection, template_id: str) -> TemplateRow:
        query = self._select.where(test_templates.c.template_id == template_id)
        rows = self._with_tags(connection, connection.execute(query).mappings().all())
        if not rows:
            raise _not_found(template_id)
        return rows[0]

    def _with_tags(self, connection: Connection, rows: Sequence[RowMapping]) -> list[TemplateRow]:
        """Return templates with their tags."""
        columns = template_tags.c
        tags: dict[str, dict[str, str]] = {row["template_id"]: {} for row in rows}
        query = sa.select(template_tags).where(columns.template_id.in_(list(tags))).order_by(columns.tag_key)
        for row in connection.execute(query).all():
            tags[row.template_id][row.tag_key] = row.tag_value
        return [TemplateRow(**row, tags=tags[row["template_id"]]) for row in rows]

    def _unknown(self, connection: Connection, name: str) -> TemplateNotFound:
        query = sa.select(test_templates.c.name).order_by(test_templates.c.name).limit(_NAMES_COMPARED)
        near = similar(name, list(connection.execute(query).scalars()))
        return _not_found(name, hint=f"did you mean {' or '.join(map(repr, near))}?" if near else "")


def similar(name: str, names: Sequence[str]) -> list[str]:
    """Return those of ``names`` that ``name`` may have been meant for, the nearest first.

    One that is misspelt is held against whole names, their beginnings and their words; a part of a name will do too.
    """
    wanted = name.casefold()
    forms: dict[str, str] = {}
    for other in names:
        folded = other.casefold()
        for form in (folded, folded[: len(wanted)], *folded.replace(",", " ").split()):
            forms.setdefault(form, other)
    near = [forms[form] for form in difflib.get_close_matches(wanted, list(forms), n=10, cutoff=_NEAR)]
    parts = [other for other in names if wanted and wanted in other.casefold()]
    return list(dict.fromkeys([*near, *parts]))[:_SIMILAR_SHOWN]


def search_text(document: Mapping[str, Any]) -> str:
    """Return what a search for words looks through in a scenario, in one case."""
    operations = document["workload"]["operations"]
    words = [document["name"], document["target"].get("table"), document["target"].get("table_type")]
    words += [word for key, value in document["tags"].items() for word in (key, value)]
    words += [operation.get("name") for operation in operations]
    return "\n".join(word for word in words if word).casefold()


def _columns_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a template's row says of its newest scenario."""
    return {
        "name": document["name"],
        "load_mode": document["load"]["mode"],
        "table_type": document["target"]["table_type"],
        "search_text": search_text(document),
    }


def _dumped(document: Mapping[str, Any]) -> dict[str, Any]:
    return _validated(document).model_dump(mode="json")


def _validated(document: Mapping[str, Any]) -> Scenario:
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        problems = [Problem(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_input=False)]
        raise ScenarioError("the template's scenario cannot be used", problems=problems) from None


def _as_of_now(document: dict[str, Any]) -> dict[str, Any]:
    """Return a scenario as this version of Upperbound writes it; one that it does not accept any more stays as it is.

    An older version left out the keys that it did not know, which now have their defaults.
    """
    try:
        return _dumped(document)
    except ScenarioError:
        return document


def _refuse_builtin(name: str) -> None:
    if name in builtin_names():
        raise TemplateConflict(f"{name!r} is a built-in scenario, which cannot change", hint="choose another name")


def _name_taken(name: str) -> TemplateConflict:
    return TemplateConflict(f"there is a template {name!r} already", hint="choose another name, or delete that one")


def _stale(present: RowMapping, base_version: int) -> TemplateConflict:
    latest = present["latest_version"]
    return TemplateConflict(
        f"the template {present['name']!r} is at version {latest}, saved by {present['updated_by']}, and the change "
        f"was made to version {base_version}; nothing was changed",
        hint=f"look at version {latest} and make the change to that",
    )


def _not_found(name_or_id: str, hint: str = "") -> TemplateNotFound:
    return TemplateNotFound(
        f"there is no template {name_or_id!r} in the store", hint=hint or "`upperbound template list` shows them"
    )
