"""The list of runs, with filters that stand in the address, and columns to choose."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from nicegui import ui

from upperbound.domain.run_state import RunStatus
from upperbound.errors import UpperboundError
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.html import Tag, button, heading, link
from upperbound.ui.components.panel import empty, error_note, panel
from upperbound.ui.components.reasons import reason_words
from upperbound.ui.components.words import (
    STATUS,
    count,
    duration,
    milliseconds,
    moment,
    percent,
    rate,
    status_tag,
)
from upperbound.ui.layout import frame
from upperbound.ui.pages.history.query import COLUMNS, HistoryQuery
from upperbound.ui.services import UiServices, in_thread
from upperbound.ui.settled import is_over
from upperbound.views.run_list import RunList, RunListEntry, load_run_list

PAGE_SIZE: Final = 50
MODES: Final = {"CONCURRENCY": "Threads", "QPS": "Rate", "FIND_MAX_CONCURRENCY": "Find maximum"}
NUMBERS: Final = frozenset({"duration", "threads", "workers", "operations", "qps", "p50", "p95", "p99", "errors"})
TABLE_TYPES: Final = {
    "": "Any table",
    "POSTGRES": "PostgreSQL",
    "SNOWFLAKE_POSTGRES": "Snowflake Postgres",
    "STANDARD": "Snowflake standard",
    "HYBRID": "Snowflake hybrid",
    "INTERACTIVE": "Snowflake interactive",
    "DYNAMIC": "Snowflake dynamic",
}


class HistoryPage:
    """One visitor's view of the list."""

    def __init__(self, services: UiServices, given: Mapping[str, str]) -> None:
        self._services, self._query = services, HistoryQuery.read(given)

    async def show(self) -> None:
        """Lay the page out."""
        with frame("Runs", "Runs"):
            with Tag("div", cls="head"):
                with Tag("div", cls="grow"):
                    heading(1, "Runs")
                    self._total = Tag("p", "", "muted", role="status")
                link("Templates", "/", "btn")
            self._filters()
            self._place = Tag("div", cls="stack")
        await self._refresh()

    def _filters(self) -> None:
        query = self._query
        with Tag("div", cls="row", role="search", aria_label="Filters"):
            self._input("q", "search", "Search names, ids, tags …", query.text, self._search, size="28")
            states = {"": "Any state", **{one.value: STATUS[one][0] for one in RunStatus}}
            self._select("State", states, query.status.value if query.status else "", self._choose_status)
            self._select("Table type", TABLE_TYPES, query.table_type, self._choose_table)
            self._input("from", "date", "From day, UTC", query.since.isoformat() if query.since else "", self._since)
            self._input("to", "date", "To day, UTC", query.until.isoformat() if query.until else "", self._until)
            if query.template_id:
                link(f"Template {query.template_id} ✕", replace(query, template_id="", page=1).address(), "chip")
            with Tag("details", style="position: relative"):
                Tag("summary", "Columns", "btn")
                with Tag("fieldset", cls="panel menu"):
                    Tag("legend", "Columns", "visually-hidden")
                    for key, word in COLUMNS.items():
                        with Tag("label", cls="check"):
                            box = Tag("input", type="checkbox", checked=key in query.columns)
                            Tag("span", word)
                        box.ticked(partial(self._choose_column, key))

    def _input(
        self, name: str, kind: str, label: str, value: str, take: Callable[[str], HistoryQuery], **attributes: Any
    ) -> None:
        placeholder = label if kind == "search" else None
        field = Tag(
            "input",
            cls="input narrow",
            type=kind,
            id=name,
            aria_label=label,
            title=label,
            placeholder=placeholder,
            value=value,
            **attributes,
        )
        field.typed(lambda text: self._ask(take(text)))

    def _select(self, label: str, options: Mapping[str, str], chosen: str, take: Callable[[str], HistoryQuery]) -> None:
        with Tag("select", cls="input narrow", aria_label=label) as select:
            for key, word in options.items():
                Tag("option", word, value=key, selected=key == chosen)
        select.chosen(lambda value: self._ask(take(value)))

    def _search(self, text: str) -> HistoryQuery:
        return replace(self._query, text=text, page=1)

    def _choose_status(self, value: str) -> HistoryQuery:
        return replace(self._query, status=RunStatus(value) if value else None, page=1)

    def _choose_table(self, value: str) -> HistoryQuery:
        return replace(self._query, table_type=value, page=1)

    def _since(self, value: str) -> HistoryQuery:
        return replace(self._query, since=HistoryQuery.read({"from": value}).since, page=1)

    def _until(self, value: str) -> HistoryQuery:
        return replace(self._query, until=HistoryQuery.read({"to": value}).until, page=1)

    async def _choose_column(self, key: str, shown: bool) -> None:
        await self._ask(self._query.with_column(key, shown=shown))

    async def _ask(self, query: HistoryQuery) -> None:
        """Show what another query finds, at an address of its own."""
        if query != self._query:
            self._query = query
            ui.navigate.history.replace(query.address())
            await self._refresh()

    async def _refresh(self) -> None:
        query = self._query
        try:
            found = await in_thread(
                load_run_list,
                self._services.store,
                query.filter(),
                limit=PAGE_SIZE,
                offset=(query.page - 1) * PAGE_SIZE,
            )
        except UpperboundError as error:
            self._place.clear()
            with self._place:
                error_note(error)
            return
        self._total.say("1 run" if found.total == 1 else f"{count(found.total)} runs")
        self._place.clear()
        with self._place:
            self._show(found)

    def _show(self, found: RunList) -> None:
        if not found.runs:
            with panel("Runs"):
                if self._query.is_filtered:
                    with empty("No run fits", "Loosen a filter, or begin anew."):
                        link("All runs", "/history", "btn")
                else:
                    with empty("No run yet", "Prepare one from a template or a built-in scenario."):
                        link("Templates", "/", "btn primary")
            return
        with Tag("section", cls="panel scroll-x", aria_label="Runs", tabindex="0"), Tag("table", cls="table"):
            with Tag("thead"), Tag("tr"):
                Tag("th", "Run", scope="col")
                Tag("th", "State", scope="col")
                for key in self._query.columns:
                    Tag("th", COLUMNS[key], "num" if key in NUMBERS else "", scope="col")
            with Tag("tbody"):
                for run in found.runs:
                    self._row(run)
        if found.total > PAGE_SIZE:
            self._pages(found.total)

    def _row(self, run: RunListEntry) -> None:
        path = f"/dashboard/history/{run.run_id}" if is_over(run.status, run.phase) else f"/dashboard/{run.run_id}"
        with Tag("tr"):
            with Tag("td", cls="wrap"):
                link(run.name, path)
                with Tag("div", cls="row tight"):
                    Tag("span", run.run_id, "mono muted small")
                    for key, value in run.tags.items():
                        Tag("span", f"{key}: {value}", "chip")
            with Tag("td"):
                status_tag(run.status)
            cells = _cells(run)
            for key in self._query.columns:
                Tag("td", cells[key], "num" if key in NUMBERS else "nowrap" if key == "created" else "")

    def _pages(self, total: int) -> None:
        last = (total - 1) // PAGE_SIZE + 1
        with Tag("div", cls="row"):
            for verb, page in (("Newer", self._query.page - 1), ("Older", self._query.page + 1)):
                off = not 1 <= page <= last
                on_click_once(
                    button(verb, disabled=off or None), partial(self._ask, replace(self._query, page=max(1, page)))
                )
            Tag("span", f"Page {self._query.page} of {last}", "muted")


def _cells(run: RunListEntry) -> dict[str, str]:
    """Return what each column says of a run."""
    template = f"{run.template_id}, version {run.template_version}" if run.template_id else ""
    return {
        "created": moment(run.created_at),
        "load": MODES.get(run.load_mode or "", run.load_mode or ""),
        "table": TABLE_TYPES.get(run.table_type or "-", run.table_type or ""),
        "template": template,
        "duration": duration(None if run.elapsed_seconds is None else round(run.elapsed_seconds)),
        "threads": count(run.threads),
        "workers": count(run.worker_count),
        "operations": count(run.total_operations),
        "qps": rate(run.qps),
        "p50": milliseconds(run.p50_ms),
        "p95": milliseconds(run.p95_ms),
        "p99": milliseconds(run.p99_ms),
        "errors": percent(run.error_pct),
        "reason": reason_words(run.reason) if run.reason else "",
    }
