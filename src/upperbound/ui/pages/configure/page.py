"""The editor of a scenario: what is typed is checked as it is typed, by the rules that a run is held to."""

from dataclasses import dataclass

from nicegui import ui
from pydantic import SecretStr

from upperbound.errors import Problem, UpperboundError
from upperbound.scenario.connection_url import split_password
from upperbound.scenario.kinds import TableType
from upperbound.scenario.yaml_text import scenario_yaml
from upperbound.store.templates import TemplateRef
from upperbound.ui.actions import told_by
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.fields import Form
from upperbound.ui.components.html import Tag, button, heading, link
from upperbound.ui.components.panel import note, panel
from upperbound.ui.components.toasts import go_to
from upperbound.ui.draft import Draft, Verdict
from upperbound.ui.layout import frame
from upperbound.ui.pages.configure.basics import basics, objectives
from upperbound.ui.pages.configure.load import LoadSection
from upperbound.ui.pages.configure.operations import OperationsSection
from upperbound.ui.pages.configure.pools import PoolsSection
from upperbound.ui.pages.configure.target import TargetSection
from upperbound.ui.run_about import load_words, target_words, time_words
from upperbound.ui.services import UiServices, in_thread
from upperbound.ui.visitor import visitor


@dataclass
class Origin:
    """The template that is changed; of a new one nothing is known."""

    template_id: str | None = None
    version: int = 0
    saved: str = ""


class ConfigurePage:
    """One visitor's editor."""

    def __init__(self, services: UiServices, draft: Draft, origin: Origin) -> None:
        self._services, self._draft, self._origin = services, draft, origin
        self._verdict = Verdict(None)
        self._touched = origin.template_id is not None
        self._passwords: dict[str, SecretStr] = {}
        """What the visitor has given, by the kind of target it is for: held for this page, and handed to the run
        alone."""

    async def show(self) -> None:
        """Lay the page out."""
        title = str(self._draft.get("name") or "New template")
        with frame(title, "Templates") as self._toasts:
            self._form = Form(self._draft, self._check)
            with Tag("div", cls="head"):
                with Tag("div", cls="grow"):
                    self._title = heading(1, title)
                    self._subtitle = Tag("p", "", "muted")
                with Tag("div", cls="row tight"):
                    link("Back", "/", "btn ghost")
                    on_click_once(button("Save"), self._save)
                    on_click_once(button("Save and prepare a run", cls="primary"), self._save_and_run)
            with Tag("div", cls="editor"):
                with Tag("div", cls="stack"):
                    basics(self._form)
                    self._target = TargetSection(self._services, self._form, self)
                    LoadSection(self._form)
                    self._operations = OperationsSection(self._services, self._form, self)
                    self._pools = PoolsSection(self._services, self, self._saved)
                    objectives(self._form)
                with Tag("div", cls="aside"):
                    with panel("Summary"):
                        self._summary = Tag("div", cls="stack tight", aria_live="polite")
                    with panel("As a file", flush=True):
                        self._source = Tag("pre", "", "source", tabindex="0", aria_label="The scenario as YAML")
        self._say_origin()
        await self._check()

    @property
    def scenario_text(self) -> str:
        """The scenario as YAML, as far as it is written."""
        return scenario_yaml(self._draft.document())

    @property
    def password(self) -> SecretStr | None:
        """What the visitor has given for the kind of target that is chosen; None for nothing."""
        return self._passwords.get(self._kind)

    @password.setter
    def password(self, given: SecretStr | None) -> None:
        self._passwords.pop(self._kind, None)
        if given is not None:
            self._passwords[self._kind] = given

    @property
    def _kind(self) -> str:
        return str(self._draft.get("target.kind"))

    @property
    def verdict(self) -> Verdict:
        """What the draft came to when it was last checked."""
        return self._verdict

    def take_table_type(self, found: TableType) -> None:
        """Keep the kind of the table, as its server tells it, and show it."""
        if self._draft.get("target.table_type") != found.value:
            self._draft.set("target.table_type", found.value)
            self._target.show()

    def tell(self, error: UpperboundError) -> None:
        """Bring up what went wrong."""
        self._toasts.error(error)

    async def _check(self) -> None:
        """Check the draft anew, and show what is wrong beside each field."""
        self._take_password()
        self._verdict = await in_thread(self._draft.judge)
        # Who begins with an empty page has done nothing wrong yet.
        beside = self._verdict.problems if self._touched else ()
        others = [*self._form.tell(beside)] if self._touched else list(self._verdict.problems)
        self._touched = True
        self._title.say(str(self._draft.get("name") or "New template"))
        self._source.say(self.scenario_text)
        self._operations.show_weight()
        self._summary.clear()
        with self._summary:
            self._summarize(self._verdict, others)
        await self._pools.refresh()

    def _take_password(self) -> None:
        """Take a password out of the URL as soon as one is typed: it is never part of a template."""
        url = self._draft.get("target.url")
        if isinstance(url, str) and (split := split_password(url)).password:
            self._passwords["postgres"] = SecretStr(split.password or "")
            self._draft.set("target.url", split.url)
            self._target.password_taken()

    def _summarize(self, verdict: Verdict, others: list[Problem]) -> None:
        if verdict.loaded is None:
            count = len(verdict.problems)
            note("bad", "1 problem" if count == 1 else f"{count} problems", [_told(problem) for problem in others])
            for problem in verdict.problems:
                if problem not in others:
                    Tag("p", _told(problem), "fault")
            return
        scenario = verdict.loaded.scenario
        note("ok", "Ready to be saved and run")
        with Tag("dl", cls="kv"):
            for name, text in (
                ("Target", target_words(scenario)),
                ("Load", load_words(scenario)),
                ("Time", time_words(scenario)),
                ("Operations", ", ".join(one.label for one in scenario.workload.operations)),
            ):
                Tag("dt", name)
                Tag("dd", text)
        for warning in verdict.warnings:
            note("warn", warning)

    # Saving -----------------------------------------------------------------------------------------------------

    async def _save(self) -> bool:
        """Keep the draft as a template, or as the next version of it; say whether that was done."""
        self._verdict = await in_thread(self._draft.judge)
        self._form.tell(self._verdict.problems)
        if self._verdict.loaded is None:
            self._toasts.show("bad", "It cannot be saved yet", "The summary lists what is wrong.")
            return False
        templates, who = self._services.store.templates, visitor(self._services)
        scenario, origin = self._verdict.loaded.scenario, self._origin
        try:
            if origin.template_id is None:
                row = await in_thread(templates.create, scenario, saved_by=who, note="written in the web interface")
                ui.navigate.history.replace(f"/configure/{row.template_id}")
            else:
                row = await in_thread(
                    templates.save,
                    origin.template_id,
                    scenario,
                    base_version=origin.version,
                    saved_by=who,
                    note="changed in the web interface",
                )
            unchanged = row.latest_version == origin.version
            origin.template_id, origin.version = row.template_id, row.latest_version
            origin.saved = f"{row.updated_by}, {row.updated_at:%Y-%m-%d %H:%M} UTC"
            self._say_origin()
            await self._pools.refresh()
        except UpperboundError as error:
            self._toasts.error(error)
            return False
        self._toasts.show("ok", "Nothing to save" if unchanged else f"Saved as version {row.latest_version}")
        return True

    async def _save_and_run(self) -> None:
        if not await self._save():
            return
        assert self._verdict.loaded is not None, "it was saved"
        template = TemplateRef(self._origin.template_id or "", self._origin.version)
        with told_by(self._toasts):
            run_id = await in_thread(
                self._services.controller.prepare, self._verdict.loaded, template=template, password=self.password
            )
            go_to(f"/dashboard/{run_id}")

    def _saved(self) -> TemplateRef | None:
        """Return the version that was saved last."""
        origin = self._origin
        return TemplateRef(origin.template_id, origin.version) if origin.template_id else None

    def _say_origin(self) -> None:
        origin = self._origin
        text = f"Version {origin.version}, saved by {origin.saved}" if origin.template_id else "Not saved yet"
        self._subtitle.say(text)


def _told(problem: Problem) -> str:
    """Return a problem with its place, as the scenario's file names it."""
    text = f"{problem.where}: {problem.message}" if problem.where else problem.message
    return f"{text} ({problem.hint})" if problem.hint else text
