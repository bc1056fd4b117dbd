"""The page of a finished run: the result at once, and what takes longer to work out part by part."""

import asyncio
import json
import shutil
from collections.abc import Callable
from typing import Any, Final

from nicegui import ui
from pydantic import SecretStr

from upperbound.domain.decide import DURATION_OVER
from upperbound.domain.enrichment_status import EnrichmentStatus
from upperbound.domain.guardrails import GuardrailLevel
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import TargetAuthFailed, UpperboundError
from upperbound.scenario.loader import LoadedScenario
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.store.results import ResultRow
from upperbound.store.runs import RunRow
from upperbound.store.templates import TemplateRef
from upperbound.ui.actions import told_by
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.dialogs import ask, ask_text
from upperbound.ui.components.html import Tag, button, link
from upperbound.ui.components.panel import error_note, note, panel
from upperbound.ui.components.phases import PhaseBubbles
from upperbound.ui.components.reasons import reason_words
from upperbound.ui.components.search import SearchSteps
from upperbound.ui.components.toasts import go_to
from upperbound.ui.layout import frame
from upperbound.ui.pages.dashboard.header import RunTitle
from upperbound.ui.pages.result import charts, figures, server
from upperbound.ui.pages.result.data import QueryData
from upperbound.ui.phase_steps import steps_of
from upperbound.ui.run_about import config_of, load_words, scaling_words, shape_of, time_words
from upperbound.ui.services import UiServices, in_thread
from upperbound.views.run_detail import kept_summary
from upperbound.views.run_summary import RunSummary, load_summary

INCOMPLETE: Final = frozenset({EnrichmentStatus.PENDING, EnrichmentStatus.PARTIAL, EnrichmentStatus.FAILED})
COMPLETE_TIP: Final = "Load queries that are not in the store, and ask the server once more"
GOES_ON: Final = "That may take some minutes, and goes on when this page is left."
LOOK_S: Final = 1.0
"""How often it is looked whether the result is complete."""


class ResultPage:
    """One visitor's view of one finished run."""

    def __init__(self, services: UiServices, run: RunRow) -> None:
        self._services, self._run = services, run

    async def show(self) -> None:
        """Lay out the result, and then fill in the parts that read more than a few rows."""
        run = self._run
        with frame(run.name, "Runs") as self._toasts:
            config = config_of(run.scenario_config)
            try:
                summary = await in_thread(self._summary)
            except UpperboundError as error:
                error_note(error)
                return
            if config is None:
                note(
                    "bad", "This run was made by another version of Upperbound, whose scenarios this one does not read"
                )
                return
            self._head(config, summary)
            parts = self._lay_out(config, summary)
        await ui.context.client.connected()
        for place, load, draw in parts:
            await self._fill(place, load, draw)

    def _summary(self) -> RunSummary:
        parent = self._services.store.results.get(self._run.run_id)
        return kept_summary(self._run, parent) or load_summary(self._services.store, self._run.run_id)

    def _head(self, config: RunConfig, summary: RunSummary) -> None:
        scenario, run = config.scenario, self._run
        spread = scaling_words(scenario, run.total_workers_expected)
        title = RunTitle(run.name, run.run_id, f"{load_words(scenario)} · {spread} · {time_words(scenario)}")
        title.update(run.status)
        with title.buttons:
            on_click_once(button("Run again", cls="primary"), lambda: self._again(None))
            if summary.template:
                link("Edit the template", f"/configure/{summary.template.template_id}", "btn")
            if summary.enrichment.status in INCOMPLETE:
                on_click_once(button("Complete the result", title=COMPLETE_TIP), self._complete)
            button("Export JSON", lambda: self._export(summary))
            button("Delete", self._delete, "danger")
        with Tag("section", cls="panel", aria_label="Progress"), Tag("div", cls="body", style="padding-top: 1rem"):
            reached = _reached(summary)
            PhaseBubbles().update(
                steps_of(run.status, run.phase, warmup=scenario.load.warmup_seconds > 0, reached=reached)
            )
        _banners(summary)

    def _lay_out(
        self, config: RunConfig, summary: RunSummary
    ) -> list[tuple[Tag, Callable[[], Any], Callable[[Any], None]]]:
        """Lay out every part; return the places that are filled in afterwards, with what reads and what draws each."""
        shape, store, run_id, home = (
            shape_of(config.scenario),
            self._services.store,
            self._run.run_id,
            self._services.home,
        )
        figures.headline(summary)
        if summary.find_max is not None:
            with panel("Search for the highest load"), Tag("div", cls="stack"):
                SearchSteps().update(summary.find_max)
        if not shape.writes:
            figures.only_reads()
        over_time = Tag("div", cls="cols-2 even")
        Tag("p", charts.ZOOM_HINT, "muted small")
        figures.kinds(summary, config.scenario)
        distribution = Tag("div", cls="cols-2")
        with panel("Statistics", flush=True):
            statistics = Tag("div")
        failures = Tag("div", cls="stack")
        told = Tag("div", cls="stack") if isinstance(config.scenario.target, SnowflakeTarget) else None
        with Tag("div", cls="cols-2"):
            figures.objectives(summary)
            figures.environment(summary, config)
        figures.workers(summary)
        data = QueryData(self._services, run_id, config.scenario)
        with panel("Log", flush=True):
            log = Tag("div")
        return [
            (
                over_time,
                charts.reads_series(store, run_id),
                lambda found: charts.over_time(found, shape, data.show_time),
            ),
            (
                distribution,
                charts.reads_histogram(store, run_id),
                lambda found: charts.distribution(found, data.show_slow),
            ),
            (statistics, charts.reads_statistics(store, run_id, home), charts.statistics),
            (
                failures,
                charts.reads_failures(store, run_id, home),
                lambda found: charts.failures(found, shape, data.show_failed),
            ),
            *(
                [(told, server.reads_enrichment(store, run_id), lambda found: server.server_says(found, shape))]
                if told is not None
                else []
            ),
            (log, lambda: store.logs.after(run_id), charts.log),
        ]

    async def _fill(self, place: Tag, load: Callable[[], Any], draw: Callable[[Any], None]) -> None:
        """Read one part and draw it; one that cannot be read says so and leaves the others."""
        with place:
            waiting = Tag("div", "Reading …", "empty low", role="status")
        try:
            found = await in_thread(load)
        except UpperboundError as error:
            place.clear()
            with place:
                error_note(error)
            return
        waiting.delete()
        with place:
            draw(found)

    # What can be done -------------------------------------------------------------------------------------------

    async def _again(self, password: SecretStr | None) -> None:
        """Prepare the same run once more, with its seed."""
        with told_by(self._toasts):
            try:
                go_to(f"/dashboard/{await in_thread(self._prepare_again, password)}")
            except TargetAuthFailed as error:
                ask_text(
                    "The server asks for a password",
                    f"{error.message}. What you give here goes to the server for this run alone, and is not kept.",
                    "Password",
                    "Try again",
                    lambda given: self._again(SecretStr(given)),
                    kind="password",
                )

    def _prepare_again(self, password: SecretStr | None) -> str:
        config = RunConfig.read(self._run.scenario_config)
        workload = config.scenario.workload.model_copy(update={"seed": config.seed})
        loaded = LoadedScenario(config.scenario.model_copy(update={"workload": workload}), (), None)
        template = None
        if self._run.template_id is not None and self._run.template_version is not None:
            template = TemplateRef(self._run.template_id, self._run.template_version)
        return self._services.controller.prepare(loaded, template=template, password=password)

    async def _complete(self) -> None:
        """Let what follows the load be done again, and show the page anew when it is."""
        with told_by(self._toasts):
            await in_thread(self._services.controller.process_again, self._run.run_id)
            self._toasts.show("info", "What is missing is loaded, and the server is asked once more", GOES_ON)
            # Written by a thread of the controller's, or by another process: there is nothing to be woken by.
            while (await in_thread(self._result)).enrichment_status == EnrichmentStatus.PENDING:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
            ui.navigate.reload()

    def _result(self) -> ResultRow:
        return self._services.store.results.get(self._run.run_id)

    def _export(self, summary: RunSummary) -> None:
        text = json.dumps(summary.model_dump(mode="json"), indent=2, ensure_ascii=False)
        ui.download.content(text, f"{summary.run_id}.json", "application/json")

    def _delete(self) -> None:
        async def remove() -> None:
            with told_by(self._toasts):
                await in_thread(self._remove)
                go_to("/history")

        ask(
            "Delete the run?",
            "Its result, its log and every recorded query go.",
            "Delete the run",
            remove,
            danger=True,
        )

    def _remove(self) -> None:
        run_id = self._run.run_id
        self._services.store.history.delete(run_id)
        self._services.controller.drop(run_id)
        shutil.rmtree(self._services.home / "runs" / run_id, ignore_errors=True)


def _reached(summary: RunSummary) -> set[Phase]:
    """Return the phases that a finished run is known to have been in."""
    if summary.started_at is None:
        return set()
    phases = {Phase.PROCESSING}
    if summary.warmup_seconds:
        phases.add(Phase.WARMUP)
    if summary.duration_seconds > 0:
        phases.add(Phase.MEASUREMENT)
    return phases


def _banners(summary: RunSummary) -> None:
    """Say what a reader has to know before the figures."""
    if summary.status is RunStatus.FAILED:
        note("bad", "The run has failed", [summary.failure_reason or "Its log says more."], role="alert")
    if summary.status is RunStatus.CANCELLED:
        note("warn", "The run was cancelled", [summary.cancellation_reason or ""])
    if summary.status is RunStatus.COMPLETED and summary.cancellation_reason:
        note("info", "What follows the load was cut short", [summary.cancellation_reason])
    if summary.status is RunStatus.COMPLETED and summary.completion_reason not in (None, DURATION_OVER):
        note("info", f"It ended because {reason_words(summary.completion_reason or '')}")
    if summary.measurement_problems:
        note(
            "bad",
            "The measurement did not take place as planned: its figures are not valid",
            summary.measurement_problems,
        )
    if summary.generator.client_bound:
        note(
            "warn",
            "The generator was the bottleneck",
            ["They describe the load generator and not the database: give it more workers, or another machine."],
        )
    if summary.arrivals is not None and summary.arrivals.problems:
        note("warn", "The rate was not offered as planned", summary.arrivals.problems)
    if summary.changes:
        lines = [
            f"At {one.at_s:.0f} s {one.initiated_by}: {one.threads} threads on {one.workers} workers"
            for one in summary.changes
        ]
        note("info", "The load was changed in the run: its figures are of more than one load", lines)
    guardrails = summary.guardrails
    if guardrails is not None and (guardrails.state is not GuardrailLevel.NORMAL or guardrails.actions):
        lines = [f"At {one.at_s:.0f} s {one.worker_id or 'the run'}: {one.reason}" for one in guardrails.actions]
        note("warn", f"Guardrails: {guardrails.state.value}", lines)
    if summary.query_log.problem:
        note("warn", "The query log is not complete", [summary.query_log.problem])
