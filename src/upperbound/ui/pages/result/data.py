"""The queries of a run, one by one: filtered, sorted, a page at a time."""

from dataclasses import replace
from functools import partial
from typing import Any, Final

from upperbound.domain.executions import ExecutionFilter, ExecutionOrder
from upperbound.domain.phases import Phase
from upperbound.errors import UpperboundError
from upperbound.scenario.model import Scenario
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.html import Tag, button
from upperbound.ui.components.panel import empty, error_note, panel, scroll_x
from upperbound.ui.components.words import NONE, count, milliseconds, tag
from upperbound.ui.draft import number_or_text
from upperbound.ui.services import UiServices, in_thread
from upperbound.views.query_log import QueryExecution, QueryExecutions, load_executions

PAGE_SIZE: Final = 25
ORDERS: Final = {
    "Time": ExecutionOrder.STARTED,
    "Latency ms": ExecutionOrder.RESPONSE,
    "Service ms": ExecutionOrder.SERVICE,
    "Rows": ExecutionOrder.ROWS,
}
"""Columns that the list can be sorted by."""


class QueryData:
    """A panel that reads nothing until somebody asks for queries."""

    def __init__(self, services: UiServices, run_id: str, scenario: Scenario) -> None:
        self._services, self._run_id = services, run_id
        self._wanted = ExecutionFilter()
        self._order, self._descending, self._page = ExecutionOrder.STARTED, False, 0
        operations = [one.label for one in scenario.workload.operations]
        with panel("Query log", flush=True) as self._header:
            self._filters = Tag("div", cls="row", style="padding: 0.2rem 1rem 0.6rem")
            self._operations = operations
            self._place = Tag("div")
            with self._place, empty("Every query was kept", "Choose what to look at, or begin with all.", low=True):
                on_click_once(button("Show queries"), self._list)
        self._draw_filters()

    async def show_time(self, begin_s: float, end_s: float) -> None:
        """Show the queries that were started between two moments."""
        await self._go(ExecutionFilter(from_s=begin_s, to_s=end_s), ExecutionOrder.STARTED, descending=False)

    async def show_slow(self, min_ms: float) -> None:
        """Show the queries of the measurement that took at least so long, the slowest first."""
        wanted = ExecutionFilter(min_ms=min_ms, phase=Phase.MEASUREMENT)
        await self._go(wanted, ExecutionOrder.RESPONSE, descending=True)

    async def show_failed(self) -> None:
        """Show the queries that failed."""
        await self._go(ExecutionFilter(failed=True), ExecutionOrder.STARTED, descending=False)

    async def _go(self, wanted: ExecutionFilter, order: ExecutionOrder, *, descending: bool) -> None:
        self._wanted, self._order, self._descending, self._page = wanted, order, descending, 0
        self._draw_filters()
        await self._list()
        self._header.run_method("scrollIntoView", {"behavior": "smooth", "block": "start"})

    def _draw_filters(self) -> None:
        wanted = self._wanted
        self._filters.clear()
        with self._filters:
            operations = {"": "Any operation", **{label: label for label in self._operations}}
            self._select("Operation", operations, next(iter(wanted.operations), ""), "operations")
            outcomes = {"": "Any outcome", "failed": "Failed", "succeeded": "Succeeded"}
            outcome = "" if wanted.failed is None else "failed" if wanted.failed else "succeeded"
            self._select("Outcome", outcomes, outcome, "failed")
            phases = {"": "Any phase", Phase.WARMUP.value: "Warmup", Phase.MEASUREMENT.value: "Measurement"}
            self._select("Phase", phases, wanted.phase.value if wanted.phase else "", "phase")
            self._number("At least, ms", wanted.min_ms, "min_ms")
            self._number("From, s", wanted.from_s, "from_s")
            self._number("To, s", wanted.to_s, "to_s")

    def _select(self, label: str, options: dict[str, str], chosen: str, name: str) -> None:
        with Tag("select", cls="input narrow", aria_label=label) as select:
            for key, word in options.items():
                Tag("option", word, value=key, selected=key == chosen)
        select.chosen(partial(self._filter, name))

    def _number(self, label: str, value: float | None, name: str) -> None:
        shown = "" if value is None else f"{value:g}"
        field = Tag(
            "input", cls="input narrow", size="9", placeholder=label, aria_label=label, value=shown, inputmode="decimal"
        )
        field.typed(partial(self._filter, name))

    async def _filter(self, name: str, text: str) -> None:
        value: Any = number_or_text(text)
        if name == "operations":
            value = (text,) if text else ()
        elif name == "failed":
            value = {"failed": True, "succeeded": False}.get(text)
        elif name == "phase":
            value = Phase(text) if text else None
        elif isinstance(value, str):
            return
        wanted = replace(self._wanted, **{name: value})
        if wanted != self._wanted:
            self._wanted, self._page = wanted, 0
            await self._list()

    async def _sort(self, order: ExecutionOrder) -> None:
        self._descending = not self._descending if order is self._order else order is not ExecutionOrder.STARTED
        self._order, self._page = order, 0
        await self._list()

    async def _turn(self, by: int) -> None:
        self._page = max(0, self._page + by)
        await self._list()

    async def _list(self) -> None:
        try:
            found = await in_thread(
                load_executions,
                self._services.store,
                self._run_id,
                self._wanted,
                home=self._services.home,
                order=self._order,
                descending=self._descending,
                limit=PAGE_SIZE,
                offset=self._page * PAGE_SIZE,
            )
        except UpperboundError as error:
            self._place.clear()
            with self._place:
                error_note(error)
            return
        self._place.clear()
        with self._place:
            self._show(found)

    def _show(self, found: QueryExecutions) -> None:
        if found.note:
            empty("The queries cannot be shown", found.note, low=True)
            return
        if not found.executions:
            empty("No query fits", "Loosen a filter.", low=True)
            return
        with scroll_x("Queries"), Tag("table", cls="table", data_queries=True):
            with Tag("thead"), Tag("tr"):
                for name in ("Time", "Operation", "Latency ms", "Service ms", "Outcome", "Rows", "Worker", "Thread"):
                    self._heading(name)
            with Tag("tbody"):
                for one in found.executions:
                    _row(one)
        last = (found.total - 1) // PAGE_SIZE
        with Tag("div", cls="row", style="padding: 0.6rem 1rem"):
            for verb, by, off in (("Previous", -1, self._page == 0), ("Next", 1, self._page >= last)):
                on_click_once(button(verb, cls="small", disabled=off or None), partial(self._turn, by))
            first = self._page * PAGE_SIZE + 1
            shown = f"{count(first)} to {count(first + len(found.executions) - 1)} of {count(found.total)}"
            Tag("span", shown, "muted small", role="status")

    def _heading(self, name: str) -> None:
        order = ORDERS.get(name)
        cls = "num" if name in {"Latency ms", "Service ms", "Rows", "Thread"} else ""
        if order is None:
            Tag("th", name, cls, scope="col")
            return
        mine = order is self._order
        direction = "descending" if self._descending else "ascending"
        with Tag("th", cls=cls, scope="col", aria_sort=direction if mine else None):
            arrow = (" ↓" if self._descending else " ↑") if mine else ""
            Tag("button", f"{name}{arrow}", "sort", type="button").on("click", partial(self._sorted, order))

    async def _sorted(self, order: ExecutionOrder, _: object) -> None:
        await self._sort(order)


def _row(one: QueryExecution) -> None:
    with Tag("tr"):
        Tag("td", f"{one.elapsed_s:.3f} s", "num", style="text-align: left")
        Tag("td", one.operation, "wrap")
        Tag("td", milliseconds(one.response_ms), "num")
        Tag("td", milliseconds(one.service_ms), "num")
        with Tag("td", cls="wrap"):
            if one.outcome == "ok":
                tag("ok", "✓", "ok")
            else:
                tag(one.outcome, "✕", "bad")
                Tag("div", one.error or NONE, "small muted")
        Tag("td", count(one.rows), "num")
        Tag("td", one.worker_id, "nowrap")
        Tag("td", str(one.thread), "num")
