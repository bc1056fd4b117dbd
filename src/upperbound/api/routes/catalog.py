"""What a target holds: databases, schemas, tables, views and columns, a page at a time.

These are asked with POST although they change nothing: each makes this server connect to an address, perhaps with its
own password, which no page of another site may bring about.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter
from pydantic import Field, SecretStr

from upperbound.api.errors import CHANGE, problem_responses
from upperbound.api.parameters import Credentials, Text
from upperbound.api.services import ControllerServices, Services, with_target
from upperbound.errors import ConfigurationError
from upperbound.scenario.connection_url import check_url, split_password
from upperbound.scenario.kinds import Preset
from upperbound.scenario.targets import EmbeddedTarget, SnowflakeTarget
from upperbound.store.library import find_stored, known
from upperbound.targets.any_catalog import open_catalog, schema_name
from upperbound.targets.capabilities import PostgresCapabilities
from upperbound.targets.catalog import (
    PAGE_SIZE,
    PAGE_SIZE_MAX,
    Catalog,
    ColumnEntry,
    DatabaseEntry,
    ObjectEntry,
    Page,
    PageRequest,
    SchemaEntry,
    TableEntry,
)
from upperbound.targets.pg_catalog_reader import catalog_connection
from upperbound.targets.pg_doctor import read_capabilities
from upperbound.targets.postgres import ConnInfo
from upperbound.targets.snowflake import SnowflakeInfo, snowflake_info
from upperbound.targets.table_scenario import scenario_for_table
from upperbound.views.view import View

router = APIRouter(prefix="/api", tags=["catalog"])

Found = TypeVar("Found")
TableInput = Annotated[Text | None, Field(description="`schema.table`, as written in SQL; the template's by default.")]
ANSWERS = problem_responses(*CHANGE, 404, 424)


class TargetInput(View):
    """A database: named by its URL, or by a template whose target it is."""

    url: Annotated[
        str | None,
        Field(
            max_length=2_000,
            description="`postgresql://USER@HOST:PORT/DATABASE`.",
            examples=["postgresql://app@127.0.0.1:5432/shop"],
        ),
    ] = None
    template_id: Text | None = None
    """A template's id or name, in place of a URL."""
    credentials: Credentials | None = None
    """Used for this question and kept nowhere; without them the server's own places are asked (PGPASSWORD,
    ``~/.pgpass``, ``connections.toml``)."""


class ListInput(TargetInput):
    """Which part of a list is wanted."""

    search: Annotated[Text, Field(description="A part of the name, in any case.")] = ""
    limit: Annotated[int, Field(ge=1, le=PAGE_SIZE_MAX, description="Entries at most.")] = PAGE_SIZE
    after: Annotated[str | None, Field(max_length=2_000, description="The `next` of the page before.")] = None


class ObjectsInput(ListInput):
    """Which tables and views are wanted."""

    schema_name: Annotated[
        Text | None, Field(alias="schema", description="Of this schema, as it is written in SQL.")
    ] = None


class ColumnsInput(ListInput):
    """Which columns are wanted."""

    table: TableInput = None


class GenerateInput(TargetInput):
    """A scenario that is wanted for a table."""

    table: TableInput = None
    preset: Preset = Preset.MIXED
    key: Annotated[Text | None, Field(description="A column to read by, where the server knows no key.")] = None


class Databases(View):
    """A page of the server's databases."""

    items: list[DatabaseEntry]
    next: str | None
    """Pass it as ``after`` for the page that follows; null on the last one."""


class Schemas(View):
    """A page of the database's schemas."""

    items: list[SchemaEntry]
    next: str | None


class Objects(View):
    """A page of tables and views."""

    items: list[ObjectEntry]
    next: str | None


class Columns(View):
    """A page of columns, and everything else about their table."""

    items: list[ColumnEntry]
    next: str | None
    table: TableEntry


class GeneratedRefusal(View):
    """An operation that has no honest statement on a table."""

    kind: str
    reason: str


class GeneratedTemplate(View):
    """A scenario that was made for a table; it is kept nowhere."""

    yaml: str
    """With the reason for each statement as comments."""
    scenario: dict[str, Any]
    refusals: list[GeneratedRefusal]
    warnings: list[str]


@router.post("/catalog/databases", summary="Databases of a server", responses=ANSWERS)
async def databases(given: ListInput, services: Services) -> Databases:
    """List the server's databases."""
    page = await _ask(services, given, lambda catalog, _: catalog.databases(_page(given)))
    return Databases(items=list(page.items), next=page.next)


@router.post("/catalog/schemas", summary="Schemas of a database", responses=ANSWERS)
async def schemas(given: ListInput, services: Services) -> Schemas:
    """List the database's schemas."""
    page = await _ask(services, given, lambda catalog, _: catalog.schemas(_page(given)))
    return Schemas(items=list(page.items), next=page.next)


@router.post("/catalog/objects", summary="Tables and views", responses=ANSWERS)
async def objects(given: ObjectsInput, services: Services) -> Objects:
    """List tables and views with row estimates and sizes."""

    def ask(catalog: Catalog, asked: _Asked) -> Page[ObjectEntry]:
        return catalog.objects(_page(given), schema_name(given.schema_name, asked.connection))

    page = await _ask(services, given, ask)
    return Objects(items=list(page.items), next=page.next)


@router.post("/catalog/columns", summary="Columns of a table", responses=ANSWERS)
async def columns(given: ColumnsInput, services: Services) -> Columns:
    """List the columns of a table or view, with its keys, indexes and partitioning."""

    def ask(catalog: Catalog, asked: _Asked) -> tuple[Page[ColumnEntry], TableEntry]:
        table = _table(given.table, asked.table)
        return catalog.columns(table, _page(given)), catalog.table(table)

    page, entry = await _ask(services, given, ask)
    return Columns(items=list(page.items), next=page.next, table=entry)


@router.post("/catalog/postgres/capabilities", summary="What a PostgreSQL server can do", responses=ANSWERS)
async def capabilities(given: TargetInput, services: Services) -> PostgresCapabilities:
    """Return the server's version, room for connections, settings and statistics."""

    def ask() -> PostgresCapabilities:
        info = _target(services, given, "catalog").connection
        if not isinstance(info, ConnInfo):
            raise ConfigurationError(
                f"the template {given.template_id!r} is for Snowflake, and this is asked of PostgreSQL servers",
                hint="`upperbound doctor --snowflake` says what an account can do",
            )
        with catalog_connection(info) as connection:
            return read_capabilities(connection)

    return await with_target(services, ask)


@router.post("/templates/generate", summary="Generate a scenario for a table", tags=["templates"], responses=ANSWERS)
async def generate(given: GenerateInput, services: Services) -> GeneratedTemplate:
    """Write statements for a table from its catalog entry, each prepared by the server and none executed.

    What has no honest statement is left out, with the reason. Nothing is kept: send the scenario to `/api/templates`.
    """

    def make() -> GeneratedTemplate:
        asked = _target(services, given, "generate")
        table = _table(given.table, asked.table)
        made = scenario_for_table(asked.connection, asked.target, table, given.preset, given.key)
        return GeneratedTemplate(
            yaml=made.text,
            scenario=made.loaded.scenario.model_dump(mode="json"),
            refusals=[GeneratedRefusal(kind=one.kind.value, reason=one.reason) for one in made.refusals],
            warnings=list(made.warnings),
        )

    return await with_target(services, make)


@dataclass(frozen=True)
class _Asked:
    """The database that a question is about."""

    connection: ConnInfo | SnowflakeInfo
    target: dict[str, Any]
    """Its plain form as in a scenario, without the table and without a password."""
    table: str | None = None
    """The table that a template names."""


async def _ask(services: ControllerServices, given: TargetInput, question: Callable[[Catalog, _Asked], Found]) -> Found:
    """Return the answer of a target's catalog to a question."""

    def ask() -> Found:
        asked = _target(services, given, "catalog")
        with open_catalog(asked.connection) as catalog:
            return question(catalog, asked)

    return await with_target(services, ask)


def _target(services: ControllerServices, given: TargetInput, purpose: str) -> _Asked:
    """Return the target that a URL or a template names.

    Raises:
        ConfigurationError: not exactly one of URL and template is given, it is wrong, or nothing says how to log in.
        TemplateNotFound: there is no such template.
    """
    name = f"upperbound:{purpose}"
    password = given.credentials.password if given.credentials else None
    if (given.url is None) == (given.template_id is None):
        found = "neither was given" if given.url is None else "both were given"
        raise ConfigurationError(f"a database is named by url or by template_id, and {found}", hint="give one of them")
    if given.url is not None:
        split = split_password(given.url)
        if fault := check_url(split.url):
            raise ConfigurationError(f"the target's URL {fault.message}", hint=fault.hint)
        secret = password or (SecretStr(split.password) if split.password else None)
        return _Asked(ConnInfo(split.url, secret, name), {"kind": "postgres", "url": split.url})
    assert given.template_id is not None, "one of the two is given"
    known(services.store.templates, given.template_id)
    loaded = find_stored(services.store.templates, given.template_id).loaded
    target = loaded.scenario.target
    if isinstance(target, EmbeddedTarget):
        raise ConfigurationError(
            f"the template {given.template_id!r} brings its own server, which is there during a run alone",
            hint="name a server by its url",
        )
    plain = {"kind": target.kind} | target.model_dump(mode="json", exclude_defaults=True, exclude={"kind", "table"})
    if isinstance(target, SnowflakeTarget):
        return _Asked(snowflake_info(target, purpose=name, secret=password), plain, target.table)
    return _Asked(ConnInfo(target.url, password or loaded.password, name), plain, target.table)


def _page(given: ListInput) -> PageRequest:
    return PageRequest(given.limit, given.after, given.search)


def _table(given: str | None, own: str | None) -> str:
    """Return the table that is meant. Raises :class:`ConfigurationError` when there is none."""
    if table := given or own:
        return table
    raise ConfigurationError("no table was named", hint="give table: schema.table")
