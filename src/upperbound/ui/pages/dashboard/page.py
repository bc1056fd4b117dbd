"""The page of a run that is prepared or goes on: one subscription, opened when the run has been started."""

import contextlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nicegui import background_tasks, ui
from pydantic import SecretStr

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import IllegalTransition, TargetAuthFailed, UpperboundError
from upperbound.scenario.loads import FindMaxLoad, QpsLoad
from upperbound.scenario.run_config import RunConfig
from upperbound.store.logs import LogRow
from upperbound.store.runs import RunRow
from upperbound.ui.actions import told_by
from upperbound.ui.charts.run_series import Columns
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.dialogs import ask, ask_text
from upperbound.ui.components.html import Tag, button, link
from upperbound.ui.components.log_view import LogView
from upperbound.ui.components.panel import note, panel
from upperbound.ui.components.search import SearchSteps, current_words
from upperbound.ui.components.words import STATUS
from upperbound.ui.layout import frame
from upperbound.ui.pages.dashboard.cards import Cards
from upperbound.ui.pages.dashboard.header import Progress, RunTitle
from upperbound.ui.pages.dashboard.health import Banners, Trust
from upperbound.ui.pages.dashboard.kinds import KindTable
from upperbound.ui.pages.dashboard.live_charts import ONLY_READS, LiveCharts
from upperbound.ui.pages.dashboard.workers import WorkerGrid
from upperbound.ui.run_about import config_of, load_words, scaling_words, shape_of, target_words, time_words
from upperbound.ui.series import run_columns
from upperbound.ui.services import UiServices, in_thread
from upperbound.ui.visitor import visitor
from upperbound.views.live_payload import RunUpdate

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)

STOPPABLE = (RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING)


class DashboardPage:
    """One visitor's view of one run."""

    def __init__(self, services: UiServices, run: RunRow) -> None:
        self._services, self._run, self._run_id = services, run, run.run_id
        self._status = run.status
        self._follower: asyncio.Task[None] | None = None
        self._search: SearchSteps | None = None

    async def show(self) -> None:
        """Lay the page out; follow the run if it goes on already."""
        config = config_of(self._run.scenario_config)
        with frame(self._run.name, "Runs") as self._toasts:
            if config is None:
                note(
                    "bad", "This run was made by another version of Upperbound, whose scenarios this one does not read"
                )
                return
            started = self._status is not RunStatus.PREPARED
            columns = await in_thread(run_columns, self._services.store, self._run_id) if started else {}
            lines = await in_thread(self._services.store.logs.after, self._run_id)
            self._lay_out(config, columns, lines)
        self._client = ui.context.client
        self._client.on_delete(self._leave)
        if started:
            self._follow()
        else:
            self._client.on_delete(self._services.starts.wait(self._run_id, self._was_started))

    def _lay_out(self, config: RunConfig, columns: Columns, lines: Sequence[LogRow]) -> None:
        scenario, run = config.scenario, self._run
        about = (
            f"{load_words(scenario)} · {scaling_words(scenario, run.total_workers_expected)} · {time_words(scenario)}"
        )
        self._title = RunTitle(run.name, run.run_id, about)
        with self._title.buttons:
            self._start = on_click_once(button("Start", cls="primary"), self._start_run)
            self._stop = button("Stop", self._ask_stop, "danger")
            self._result = link("Open the result", f"/dashboard/history/{run.run_id}", "btn primary")
        self._progress = Progress(warmup=scenario.load.warmup_seconds > 0)
        self._banners = Banners()
        self._prepared = Tag("div", cls="stack")
        with self._prepared:
            note("info", "The run is prepared and nothing is sent yet", [f"Target: {target_words(scenario)}."])
            for warning in self._services.controller.warnings(run.run_id):
                note("warn", warning)
        shape = shape_of(scenario)
        if not shape.writes:
            note("info", ONLY_READS)
        self._cards = Cards(open_loop=isinstance(scenario.load, QpsLoad), writes=shape.writes)
        if isinstance(scenario.load, FindMaxLoad):
            with panel("Search for the highest load"), Tag("div", cls="stack"):
                self._step = Tag("p", "Nothing has been tried yet.", "muted", aria_live="polite")
                self._search = SearchSteps()
        self._charts = LiveCharts(shape, columns)
        with self._charts.grid:
            self._trust = Trust()
        self._kinds = KindTable()
        self._kinds.expect({one.label: one.operation_type.value for one in scenario.workload.operations})
        self._workers = WorkerGrid()
        with panel("Log", flush=True):
            self._log = LogView(lines)
        self._show_state(run.status, run.phase)
        self._progress.update(run.status, run.phase, elapsed_s=run.elapsed_s)

    # Starting and stopping --------------------------------------------------------------------------------------

    async def _start_run(self) -> None:
        with told_by(self._toasts):
            await self._start_with(None)

    async def _start_with(self, password: SecretStr | None) -> None:
        try:
            await in_thread(self._services.controller.start, self._run_id, password=password)
        except TargetAuthFailed as error:
            ask_text(
                "The server asks for a password",
                f"{error.message}. What you give here goes to the server for this run alone, and is not kept.",
                "Password",
                "Start",
                self._start_again,
                kind="password",
            )
        except IllegalTransition:
            # Somebody else was faster: what they have started is followed.
            self._follow()
        else:
            self._follow()

    async def _start_again(self, given: str) -> None:
        with told_by(self._toasts):
            await self._start_with(SecretStr(given))

    def _ask_stop(self) -> None:
        async def stop() -> None:
            with told_by(self._toasts):
                who = f"{visitor(self._services)} by the web page"
                await in_thread(self._services.controller.stop, self._run_id, initiated_by=who)

        ask(
            "Stop the run?",
            "Its workers send nothing more, let queries in flight end, and write what they know. It is then cancelled.",
            "Stop the run",
            stop,
            danger=True,
        )

    # Following --------------------------------------------------------------------------------------------------

    def _was_started(self) -> None:
        """Follow a run that somebody has started elsewhere."""
        with self._client:
            self._follow()

    def _follow(self) -> None:
        if self._follower is None:
            self._follower = background_tasks.create(self._read_updates(), name=f"follow {self._run_id}")

    def _leave(self) -> None:
        """Let go of the run when the page is gone."""
        if self._follower is not None:
            self._follower.cancel()

    async def _read_updates(self) -> None:
        """Show every update until the run is over; a slow page gets the newest, never a backlog."""
        try:
            async with contextlib.aclosing(self._services.live.subscribe(self._run_id)) as updates:
                async for update in updates:
                    with self._client:
                        await self._show_update(update)
        except UpperboundError as error:
            with self._client:
                self._toasts.error(error)
        except Exception:
            log.exception("run %s is not followed any more", self._run_id)
            with self._client:
                self._toasts.show("bad", "Live values are not shown any more", "Load the page anew to go on.")

    async def _show_update(self, update: RunUpdate) -> None:
        self._show_state(update.status, update.phase)
        timing = update.timing
        self._progress.update(
            update.status,
            update.phase,
            elapsed_s=update.run.elapsed_seconds,
            phase_elapsed_s=timing.phase_elapsed_seconds,
            phase_total_s=timing.phase_total_seconds,
        )
        self._banners.update(update)
        self._cards.update(update)
        self._charts.update(update)
        self._kinds.update(update)
        self._workers.update(update.workers)
        self._trust.update(update)
        if self._search is not None and update.find_max is not None:
            self._step.say(current_words(update.find_max.search))
            self._search.update(update.find_max.search)
        await self._show_log(update)
        if update.final:
            self._tell_end(update)

    async def _show_log(self, update: RunUpdate) -> None:
        """Add the lines of an update, and those between it and the last one that was seen."""
        if update.logs_after > self._log.last:
            missed = await in_thread(self._services.store.logs.after, self._run_id, self._log.last)
            self._log.append(missed)
        self._log.append(update.logs)

    def _show_state(self, status: RunStatus, phase: Phase) -> None:
        self._status = status
        self._title.update(status)
        self._prepared.show(status is RunStatus.PREPARED)
        self._start.show(status is RunStatus.PREPARED)
        self._stop.show(status in STOPPABLE)
        self._result.show(STATUS[status][0] in {"Completed", "Cancelled", "Failed"} and phase is Phase.COMPLETED)

    def _tell_end(self, update: RunUpdate) -> None:
        if update.status is RunStatus.FAILED:
            self._toasts.show("bad", "The run has failed", update.run.failure_reason or "Its log says more.")
        elif update.status is RunStatus.CANCELLED:
            self._toasts.show("warn", "The run was cancelled", update.cancellation_reason or "")
        else:
            self._toasts.show("ok", "The run is complete", update.run.completion_reason or "")
