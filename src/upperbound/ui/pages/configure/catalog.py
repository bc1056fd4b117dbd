"""A dialog to pick a table: database, schema, table, as the server's catalog lists them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from urllib.parse import quote, urlsplit, urlunsplit

from upperbound.errors import UpperboundError
from upperbound.targets.catalog import DatabaseEntry, ObjectEntry, PageRequest, SchemaEntry
from upperbound.targets.pg_catalog_reader import PostgresCatalog, catalog_connection
from upperbound.targets.pg_connection import ConnInfo
from upperbound.ui.components.dialogs import Dialog
from upperbound.ui.components.html import Tag, button
from upperbound.ui.components.panel import empty, error_note, scroll_x
from upperbound.ui.components.words import count
from upperbound.ui.services import in_thread

SHOWN = 100
"""Tables that are listed; a search finds the others."""


class Browser:
    """One look through one server's catalog."""

    def __init__(self, info: ConnInfo, chosen: Callable[[str, str], Awaitable[None]]) -> None:
        """Let the visitor look; ``chosen`` is called with the URL and the table, as it is written in SQL."""
        self._info, self._chosen = info, chosen
        self._schema: str | None = None
        self._search = ""

    async def open(self) -> None:
        """Show the dialog. Raises :class:`UpperboundError` when there is no way in."""
        databases, schemas = await in_thread(_places, self._info)
        self._dialog = Dialog("Choose a table")
        with self._dialog.body:
            with Tag("div", cls="fields"):
                self._select("Database", [one.name for one in databases], _current(databases), self._to_database)
                self._schemas = Tag("div")
                with Tag("div", cls="field"):
                    Tag("label", "Search", for_=f"search-{self._dialog.body.id}")
                    search = Tag("input", cls="input", type="search", id=f"search-{self._dialog.body.id}")
                    search.typed(self._searched)
            self._objects = scroll_x("Tables").attribute(style="max-height: 45vh; overflow: auto")
        with self._dialog.buttons:
            button("Close", self._dialog.close, "ghost")
        self._show_schemas(schemas)
        await self._list()
        self._dialog.open()

    def _select(self, label: str, options: Sequence[str], chosen: str, take: Callable[[str], Awaitable[None]]) -> None:
        with Tag("div", cls="field") as field:
            Tag("label", label, for_=f"pick-{field.id}")
            with Tag("select", cls="input", id=f"pick-{field.id}") as select:
                for option in options:
                    Tag("option", option or "All", value=option, selected=option == chosen)
        select.chosen(take)

    def _show_schemas(self, schemas: Sequence[SchemaEntry]) -> None:
        self._schemas.clear()
        with self._schemas:
            names = ["", *(one.name for one in schemas if one.usable)]
            self._select("Schema", names, self._schema or "", self._to_schema)

    async def _to_database(self, name: str) -> None:
        parts = urlsplit(self._info.url)
        self._info = replace(self._info, url=urlunsplit(parts._replace(path=f"/{quote(name, safe='')}")))
        self._schema = None
        try:
            _, schemas = await in_thread(_places, self._info)
        except UpperboundError as error:
            self._tell(error)
            return
        self._show_schemas(schemas)
        await self._list()

    async def _to_schema(self, name: str) -> None:
        self._schema = name or None
        await self._list()

    async def _searched(self, text: str) -> None:
        if text != self._search:
            self._search = text
            await self._list()

    async def _list(self) -> None:
        try:
            found = await in_thread(_objects, self._info, self._schema, self._search)
        except UpperboundError as error:
            self._tell(error)
            return
        self._objects.clear()
        with self._objects:
            if not found:
                empty("Nothing fits", "No table or view of this name can be seen by this user.", low=True)
                return
            with Tag("table", cls="table"):
                with Tag("thead"), Tag("tr"):
                    Tag("th", "Table", scope="col")
                    Tag("th", "Kind", scope="col")
                    Tag("th", "Rows, about", "num", scope="col")
                with Tag("tbody"):
                    for entry in found:
                        self._row(entry)

    def _row(self, entry: ObjectEntry) -> None:
        async def take() -> None:
            self._dialog.close()
            await self._chosen(self._info.url, entry.quoted)

        with Tag("tr"):
            with Tag("td", cls="wrap"):
                Tag("button", entry.quoted, "btn small ghost mono", type="button").on("click", take)
            Tag("td", entry.kind.value)
            Tag("td", count(entry.row_estimate), "num")

    def _tell(self, error: UpperboundError) -> None:
        self._objects.clear()
        with self._objects:
            error_note(error)


def _places(info: ConnInfo) -> tuple[Sequence[DatabaseEntry], Sequence[SchemaEntry]]:
    with catalog_connection(info) as connection:
        catalog = PostgresCatalog(connection)
        page = PageRequest(size=1_000)
        return catalog.databases(page).items, catalog.schemas(page).items


def _objects(info: ConnInfo, schema: str | None, search: str) -> Sequence[ObjectEntry]:
    with catalog_connection(info) as connection:
        return PostgresCatalog(connection).objects(PageRequest(size=SHOWN, search=search), schema).items


def _current(databases: Sequence[DatabaseEntry]) -> str:
    return next((one.name for one in databases if one.current), "")
