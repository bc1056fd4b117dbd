"""The list of what can be run, with a search, and the way in for somebody who is new."""

from functools import partial
from typing import Final

from upperbound.errors import StoreError, UpperboundError
from upperbound.scenario.builtins import BuiltinScenario, builtin_scenarios
from upperbound.ui.actions import DEMO
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.html import Tag, button, heading, link
from upperbound.ui.components.panel import empty, error_note, panel, scroll_x
from upperbound.ui.components.words import moment
from upperbound.ui.layout import frame
from upperbound.ui.pages.templates.acts import TemplateActs
from upperbound.ui.services import UiServices, in_thread
from upperbound.views.run_list import load_run_list
from upperbound.views.templates import TemplateEntry, TemplateList, load_template_list

PAGE_SIZE: Final = 50
MODES: Final = {
    "CONCURRENCY": "Fixed threads",
    "QPS": "Fixed rate",
    "FIND_MAX_CONCURRENCY": "Find maximum",
}
"""How load modes are called."""


class TemplatesPage:
    """One visitor's view of the list."""

    def __init__(self, services: UiServices) -> None:
        self._services = services
        self._text = ""
        self._tag: tuple[str, str] | None = None
        self._page = 0
        self._about = {entry.name: entry for entry in builtin_scenarios()}

    async def show(self) -> None:
        """Lay the page out."""
        with frame("Templates", "Templates") as toasts:
            self._acts = TemplateActs(self._services, toasts, self._refresh)
            with Tag("div", cls="head"):
                with Tag("div", cls="grow"):
                    heading(1, "Templates")
                    Tag(
                        "p",
                        "A template is a scenario that is kept: what to send, how much of it, and for how long.",
                        "muted",
                    )
                link("New template", "/configure/new", "btn primary")
            self._hint = Tag("div", hidden=True)
            with Tag("div", cls="row"):
                search = Tag(
                    "input",
                    cls="input narrow",
                    type="search",
                    placeholder="Search names, tables, tags …",
                    aria_label="Search templates",
                    size="34",
                )
                search.typed(self._searched)
                self._tags = Tag("div", cls="row tight")
            self._found = Tag("div", cls="stack")
        await self._refresh()
        await self._greet()

    async def _searched(self, text: str) -> None:
        if text != self._text:
            self._text, self._page = text, 0
            await self._refresh()

    async def _greet(self) -> None:
        """Show the way in to somebody whose store has no run yet."""
        try:
            runs = await in_thread(load_run_list, self._services.store, limit=1)
        except StoreError:
            return
        if runs.total:
            return
        with self._hint.show(True).restyle("note info"):
            Tag("span", "→", "glyph", aria_hidden="true")
            with Tag("div", cls="stack tight"):
                Tag("strong", "Nothing has been measured yet. Three clicks lead to a first result:")
                Tag(
                    "span",
                    "prepare the demo run, start it, and half a minute later open its result. It brings its own "
                    "PostgreSQL server with 100,000 orders, which is thrown away afterwards.",
                )
                with Tag("div", cls="row"):
                    on_click_once(button("Prepare the demo run", cls="primary"), lambda: self._acts.run_builtin(DEMO))

    async def _refresh(self) -> None:
        tags = dict([self._tag]) if self._tag else {}
        try:
            listed = await in_thread(
                load_template_list,
                self._services.store,
                self._text,
                tags,
                limit=PAGE_SIZE,
                offset=self._page * PAGE_SIZE,
            )
        except UpperboundError as error:
            self._found.clear()
            with self._found:
                error_note(error)
            return
        self._show_tags(listed)
        self._found.clear()
        with self._found:
            self._show_found(listed)

    def _show_tags(self, listed: TemplateList) -> None:
        """Offer the tags of what is listed, and the one that is chosen, to choose by."""
        known = {(key, value) for entry in listed.templates for key, value in entry.tags.items()}
        if self._tag:
            known.add(self._tag)
        self._tags.clear()
        with self._tags:
            for key, value in sorted(known)[:12]:
                pressed = (key, value) == self._tag
                Tag("button", f"{key}: {value}", "chip", type="button", aria_pressed=str(pressed).lower()).on(
                    "click", lambda _, pair=(key, value): self._choose(pair)
                )

    async def _choose(self, pair: tuple[str, str]) -> None:
        self._tag, self._page = None if pair == self._tag else pair, 0
        await self._refresh()

    def _show_found(self, listed: TemplateList) -> None:
        own = [entry for entry in listed.templates if not entry.built_in]
        built_in = [self._about[entry.name] for entry in listed.templates if entry.built_in]
        built_in.sort(key=lambda about: about.name != DEMO)
        searching = bool(self._text.strip() or self._tag)
        with panel("Your templates", flush=True):
            if own:
                self._show_own(own)
            elif searching:
                empty("None of your templates fits", "Try another word, or take the tag away.", low=True)
            else:
                empty(
                    "You have no templates yet",
                    "Start from a built-in scenario below, or from a table of your own with New template.",
                    low=True,
                )
        if built_in:
            with panel("Built-in scenarios"), Tag("div", cls="cols-3"):
                for about in built_in:
                    self._show_builtin(about)
        if listed.total > PAGE_SIZE:
            self._show_pages(listed.total)

    def _show_own(self, entries: list[TemplateEntry]) -> None:
        with scroll_x("Your templates"), Tag("table", cls="table"):
            with Tag("thead"), Tag("tr"):
                Tag("th", "Template", scope="col")
                Tag("th", "Load", "hide-narrow", scope="col")
                Tag("th", "Table", "hide-narrow", scope="col")
                Tag("th", "Version", "num hide-narrow", scope="col")
                Tag("th", "Saved (UTC)", "hide-narrow", scope="col")
                with Tag("th", scope="col"):
                    Tag("span", "Actions", "visually-hidden")
            with Tag("tbody"):
                for entry in entries:
                    self._show_template(entry)

    def _show_template(self, entry: TemplateEntry) -> None:
        template_id = entry.template_id or ""
        with Tag("tr"):
            with Tag("td", cls="wrap"):
                link(entry.name, f"/configure/{template_id}")
                if entry.tags:
                    with Tag("div", cls="row tight"):
                        for key, value in entry.tags.items():
                            Tag("span", f"{key}: {value}", "chip")
            Tag("td", MODES.get(entry.load_mode, entry.load_mode), "hide-narrow nowrap")
            Tag("td", entry.table_type, "hide-narrow")
            Tag("td", str(entry.version), "num hide-narrow")
            with Tag("td", cls="hide-narrow"):
                Tag("div", moment(entry.updated_at), "nowrap")
                Tag("div", entry.updated_by, "muted small ellipsis")
            with Tag("td"), Tag("div", cls="row tight", style="justify-content: flex-end"):
                acts = self._acts
                on_click_once(
                    button("Run", cls="primary small", aria_label=f"Run {entry.name}"),
                    lambda: acts.run_template(template_id),
                )
                link("Edit", f"/configure/{template_id}", "btn small", aria_label=f"Edit {entry.name}")
                more = [
                    ("Duplicate", lambda: acts.duplicate(entry), ""),
                    ("Export", lambda: acts.export(entry), ""),
                    ("Delete", lambda: acts.delete(entry), "danger"),
                ]
                for verb, handler, cls in more:
                    button(verb, handler, f"small {cls}".strip(), aria_label=f"{verb} {entry.name}")

    def _show_builtin(self, about: BuiltinScenario) -> None:
        with Tag("article", cls="op", aria_label=about.title):
            with Tag("div", cls="stack tight"):
                heading(3, about.title)
                Tag("p", about.about, "muted small")
            with Tag("div", cls="row tight", style="align-self: end"):
                on_click_once(
                    button("Run", cls="small", aria_label=f"Run {about.title}"),
                    lambda: self._acts.run_builtin(about.name),
                )
                link("Use as a template", f"/configure/new?from={about.name}", "btn small ghost")

    def _show_pages(self, total: int) -> None:
        last = (total - 1) // PAGE_SIZE

        async def turn(by: int) -> None:
            self._page = min(max(0, self._page + by), last)
            await self._refresh()

        with Tag("div", cls="row"):
            for verb, by, off in (("Previous", -1, self._page == 0), ("Next", 1, self._page == last)):
                on_click_once(button(verb, disabled=off or None), partial(turn, by))
            Tag("span", f"Page {self._page + 1} of {last + 1}", "muted")
