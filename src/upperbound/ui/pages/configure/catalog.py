"""A dialog to pick a table: database, schema, table, as the server's catalog lists them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from upperbound.errors import TargetMismatch, UpperboundError
from upperbound.targets.any_catalog import open_catalog, table_type_of
from upperbound.targets.catalog import Catalog, DatabaseEntry, ObjectEntry, PageRequest, SchemaEntry
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.dialogs import Dialog
from upperbound.ui.components.html import Tag, button
from upperbound.ui.components.panel import empty, error_note, scroll_x
from upperbound.ui.components.words import count
from upperbound.ui.pages.configure.way_in import Choice, WayIn, in_database
from upperbound.ui.services import in_thread

SHOWN = 100
"""Tables that are listed; a search finds the others."""
NAMES = 1_000
"""Databases and schemas that can be chosen."""


@dataclass(frozen=True)
class Look:
    """What one look through a catalog has found."""

    databases: Sequence[DatabaseEntry]
    schemas: Sequence[SchemaEntry] = ()
    objects: Sequence[ObjectEntry] = ()
    nowhere: bool = False
    """The session is in no database, as those of Snowflake can be."""

    @property
    def current(self) -> str:
        """The database that was looked into; empty when it is not among those that are listed."""
        return next((one.name for one in self.databases if one.current), "")


class Browser:
    """One look through one server's catalog."""

    def __init__(self, place: WayIn, chosen: Callable[[Choice], Awaitable[None]]) -> None:
        """Let the visitor look; ``chosen`` is called with the table that is picked."""
        self._place, self._chosen = place, chosen
        self._database: str | None = None
        """Another one than what was typed leads to."""
        self._schema: str | None = None
        self._search = ""

    async def open(self) -> None:
        """Show the dialog. Raises :class:`UpperboundError` when there is no way in."""
        found = await in_thread(_look, self._place, self._search)
        self._dialog = Dialog("Choose a table")
        with self._dialog.body:
            with Tag("div", cls="fields"):
                self._select("Database", _choices(found), found.current, self._to_database)
                self._schemas = Tag("div")
                with Tag("div", cls="field"):
                    Tag("label", "Search", for_=f"search-{self._dialog.body.id}")
                    search = Tag("input", cls="input", type="search", id=f"search-{self._dialog.body.id}")
                    search.typed(self._searched)
            self._objects = scroll_x("Tables").attribute(style="max-height: 45vh; overflow: auto")
        with self._dialog.buttons:
            button("Close", self._dialog.close, "ghost")
        self._show(found)
        self._dialog.open()

    def _select(self, label: str, options: dict[str, str], chosen: str, take: Callable[[str], Awaitable[None]]) -> None:
        with Tag("div", cls="field") as field:
            Tag("label", label, for_=f"pick-{field.id}")
            with Tag("select", cls="input", id=f"pick-{field.id}") as select:
                for option, word in options.items():
                    Tag("option", word, value=option, selected=option == chosen)
        select.chosen(take)

    def _show(self, found: Look) -> None:
        """Show the schemas and tables of a database."""
        self._schemas.clear()
        with self._schemas:
            names = {"": "All", **{one.name: one.name for one in found.schemas if one.usable}}
            self._select("Schema", names, self._schema or "", self._to_schema)
        if found.nowhere:
            self._objects.clear()
            with self._objects:
                empty("No database is chosen", "The login leads to none: choose one above.", low=True)
            return
        self._list(found.objects)

    async def _to_database(self, name: str) -> None:
        if not name:
            return
        self._place = in_database(self._place, name)
        self._database, self._schema = name, None
        asked = self._asked
        try:
            found = await in_thread(_look, self._place, self._search)
        except UpperboundError as error:
            self._tell(error)
            return
        if asked == self._asked:
            self._show(found)

    async def _to_schema(self, name: str) -> None:
        self._schema = name or None
        await self._look_again()

    async def _searched(self, text: str) -> None:
        if text != self._search:
            self._search = text
            await self._look_again()

    @property
    def _asked(self) -> tuple[str | None, str | None, str]:
        """What the visitor wants to see now; an answer to anything else has come too late."""
        return self._database, self._schema, self._search

    async def _look_again(self) -> None:
        """List the tables that are asked for now."""
        asked = self._asked
        try:
            found = await in_thread(_objects, self._place, self._schema, self._search)
        except UpperboundError as error:
            self._tell(error)
            return
        if asked == self._asked:
            self._list(found)

    def _list(self, found: Sequence[ObjectEntry]) -> None:
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
            try:
                kind = await in_thread(table_type_of, self._place, entry.quoted)
            except UpperboundError as error:
                self._tell(error)
                return
            self._dialog.close()
            await self._chosen(Choice(self._place, entry.schema, entry.quoted, self._database, kind))

        with Tag("tr"):
            with Tag("td", cls="wrap"):
                on_click_once(Tag("button", entry.quoted, "btn small ghost mono", type="button"), take)
            Tag("td", entry.kind.value)
            Tag("td", count(entry.row_estimate), "num")

    def _tell(self, error: UpperboundError) -> None:
        self._objects.clear()
        with self._objects:
            error_note(error)


def _choices(found: Look) -> dict[str, str]:
    """Return the databases to choose from, words by value."""
    names = {one.name: one.name for one in found.databases}
    return names if found.current else {"": "Choose …", **names}


def _look(place: WayIn, search: str) -> Look:
    """List the databases, and what the current one holds, over one connection."""
    with open_catalog(place) as catalog:
        databases = catalog.databases(PageRequest(size=NAMES)).items
        try:
            schemas = catalog.schemas(PageRequest(size=NAMES)).items
        except TargetMismatch:
            if any(one.current for one in databases):
                raise
            return Look(databases, nowhere=True)
        return Look(databases, schemas, _found(catalog, None, search))


def _objects(place: WayIn, schema: str | None, search: str) -> Sequence[ObjectEntry]:
    with open_catalog(place) as catalog:
        return _found(catalog, schema, search)


def _found(catalog: Catalog, schema: str | None, search: str) -> Sequence[ObjectEntry]:
    return catalog.objects(PageRequest(size=SHOWN, search=search), schema).items
