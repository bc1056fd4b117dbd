"""The value pools of a template: what it needs, what is prepared, and preparing it with its progress in sight."""

import asyncio
import secrets
from collections.abc import Callable, Sequence

from upperbound.domain.value_pools import PoolNeed
from upperbound.errors import ConfigurationError, UpperboundError
from upperbound.orchestrator.value_pools import PREPARING, PoolOrder, prepare_template
from upperbound.scenario.targets import EmbeddedTarget, SnowflakeTarget
from upperbound.store.templates import TemplateRef
from upperbound.targets.postgres import ConnInfo
from upperbound.targets.snowflake import snowflake_info
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.html import Tag, button
from upperbound.ui.components.panel import panel, scroll_x
from upperbound.ui.components.words import count, moment, tag
from upperbound.ui.pages.configure.editor import Editor
from upperbound.ui.services import UiServices, in_thread
from upperbound.ui.visitor import visitor
from upperbound.views.value_pools import TemplatePools, load_template_pools

Saved = Callable[[], TemplateRef | None]


class PoolsSection:
    """A panel that is there when the scenario takes values from columns."""

    def __init__(self, services: UiServices, editor: Editor, saved: Saved) -> None:
        """Show the pools of the template that ``saved`` names, as soon as there is one."""
        self._services, self._editor, self._saved = services, editor, saved
        with Tag("div", hidden=True) as self._place, panel("Value pools"), Tag("div", cls="stack"):
            self._words = Tag("p", "", "muted small")
            self._list = Tag("div")
            with Tag("div", cls="row") as self._row:
                on_click_once(button("Prepare value pools"), self._prepare)
                self._bar = Tag("progress", max="1", aria_label="Values sampled", hidden=True)
                self._told = Tag("span", "", "muted small", role="status")

    async def refresh(self) -> None:
        """Hold what is prepared against what the scenario needs now."""
        loaded, saved = self._editor.verdict.loaded, self._saved()
        if loaded is None:
            return
        template_id = saved.template_id if saved else ""
        try:
            found = await in_thread(load_template_pools, self._services.store, template_id, loaded.scenario)
        except UpperboundError as error:
            self._editor.tell(error)
            return
        self._place.show(bool(found.needed))
        self._row.show(found.can_be_prepared and saved is not None)
        self._words.say(_words(found, saved=saved is not None))
        self._list.clear()
        with self._list:
            _table(found)

    async def _prepare(self) -> None:
        """Sample every pool on the server; what was prepared before serves until all of it is there."""
        loaded, saved = self._editor.verdict.loaded, self._saved()
        if loaded is None or saved is None or isinstance(loaded.scenario.target, EmbeddedTarget):
            self._editor.tell(ConfigurationError("pools are prepared for a template that is saved and right"))
            return
        given, target = loaded.scenario.workload.seed, loaded.scenario.target
        try:
            place = (
                snowflake_info(target, purpose=PREPARING, secret=self._editor.password)
                if isinstance(target, SnowflakeTarget)
                else ConnInfo(target.url, self._editor.password, PREPARING)
            )
        except UpperboundError as error:
            self._editor.tell(error)
            return
        order = PoolOrder(
            scenario=loaded.scenario,
            template=saved,
            target=place,
            seed=secrets.randbits(31) if given is None else given,
            sampled_by=visitor(self._services),
        )
        self._bar.show(True)
        try:
            await in_thread(prepare_template, self._services.store, order, Progress(self._show))
        except UpperboundError as error:
            self._editor.tell(error)
            self._told.say("Nothing was changed.")
        else:
            self._told.say("Prepared.")
        self._bar.show(False)
        await self.refresh()

    def _show(self, done: int, wanted: int, doing: str) -> None:
        self._bar.attribute(max=str(max(1, wanted)), value=str(done))
        self._told.say(doing)


class Progress:
    """Counts values in the thread that samples, and shows them in the page's."""

    def __init__(self, show: Callable[[int, int, str], None]) -> None:
        self._show, self._loop = show, asyncio.get_running_loop()
        self._done = self._wanted = 0

    def planned(self, table: str, needs: Sequence[PoolNeed]) -> None:
        """Learn how many values there are to be at most."""
        self._wanted = sum(need.limit for need in needs)
        self._tell(f"Looking at {table} …")

    def begun(self, need: PoolNeed) -> None:
        """Say that the server is choosing."""
        self._tell(f"The server chooses values of {need.column} …")

    def sampled(self, need: PoolNeed, values: int) -> None:
        """Count values that have come."""
        self._done += values
        self._tell(f"{need.column}: {count(self._done)} values so far")

    def done(self, need: PoolNeed) -> None:
        """Say that a column is complete."""
        self._tell(f"{need.column} is complete")

    def _tell(self, doing: str) -> None:
        self._loop.call_soon_threadsafe(self._show, self._done, self._wanted, doing)


def _words(found: TemplatePools, *, saved: bool) -> str:
    columns = ", ".join(found.needed)
    if not found.can_be_prepared:
        return f"Values of {columns} are sampled for each run, on the server that is started for it."
    if not saved:
        return f"Values of {columns} are sampled for each run. Save the template to keep the same ones for every run."
    return f"Values of {columns} are sampled for each run, unless they are prepared here for every one."


def _table(found: TemplatePools) -> None:
    if not found.servers:
        return
    with scroll_x("Prepared value pools"), Tag("table", cls="table"):
        with Tag("thead"), Tag("tr"):
            Tag("th", "Server", scope="col")
            Tag("th", "Column", scope="col")
            Tag("th", "Values", "num", scope="col")
            Tag("th", "Sampled (UTC)", scope="col")
        with Tag("tbody"):
            for server in found.servers:
                for pool in server.pools:
                    with Tag("tr"):
                        Tag("td", server.server, "wrap")
                        Tag("td", pool.column, "mono")
                        Tag("td", count(pool.values), "num")
                        Tag("td", moment(pool.sampled_at), "nowrap")
                for reason in server.missing:
                    with Tag("tr"):
                        Tag("td", server.server, "wrap")
                        with Tag("td", colspan="3"):
                            tag("missing", "▲", "warn")
                            Tag("span", f" {reason}", "small")
