"""From a scenario to an exit code: the whole life of a run as ``run`` and ``demo`` know it."""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from upperbound.cli.exit_codes import ExitCode, exit_code
from upperbound.cli.json_file import JsonFile
from upperbound.cli.output import print_result
from upperbound.cli.pool_progress import make_pool_progress
from upperbound.cli.progress import Progress, make_progress
from upperbound.cli.settings import Settings
from upperbound.cli.stop_signals import StopSignals
from upperbound.clock import Clock, SystemClock
from upperbound.domain.run_state import TERMINAL
from upperbound.errors import ConfigurationError, StoreUnreachable, UpperboundError
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator.driving import RunControl, bring_to_end
from upperbound.orchestrator.open_target import open_target
from upperbound.orchestrator.run_log import run_log
from upperbound.orchestrator.service import Orchestrator, RunRequest
from upperbound.orchestrator.stopping import request_stop
from upperbound.report.plan import plan_lines
from upperbound.report.terminal import result
from upperbound.scenario.loader import LoadedScenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import RunRow
from upperbound.store.templates import TemplateRef
from upperbound.views.live import LiveTracker
from upperbound.views.run_summary import RunSummary, load_summary, planned_mix
from upperbound.views.value_pools import load_run_pools

log = logging.getLogger(__name__)

STOPPING: Final = "Stopping: queries in flight may end. Press Ctrl-C again to end the run at once."
FORCING: Final = "Ending the run at once."
_RETRY_S: Final = 0.5
_FORCE_S: Final = 0.05


MakeControl = Callable[[Store, Path, Clock], RunControl]


@dataclass(frozen=True)
class RunOrder:
    """What a user asked for."""

    loaded: LoadedScenario
    json_path: Path | None = None
    """Where the summary goes as JSON."""
    quiet: bool = False
    """Show no progress."""
    keep: bool = False
    """Leave an embedded server running."""
    template: TemplateRef | None = None
    """Where the scenario comes from; None for a file or a built-in scenario."""


def local_control(store: Store, home: Path, clock: Clock) -> RunControl:
    """Return an orchestrator whose workers are processes of this machine."""
    return Orchestrator(store, LocalLauncher(), clock, home)


def carry_out(
    order: RunOrder, settings: Settings, *, make_control: MakeControl = local_control, clock: Clock | None = None
) -> ExitCode:
    """Do the run that was ordered, show it and its result, and return the exit code.

    Everything that was started is stopped again, in the reverse order, however this ends. Must be called in the main
    thread, whose signals it takes over.

    Raises:
        UpperboundError: there is no result: bad input, nothing to connect to, or a store that was lost.
        KeyboardInterrupt: stopped before there was a run.
    """
    clock = clock or SystemClock()
    file = JsonFile(order.json_path) if order.json_path else None
    progress = make_progress(quiet=order.quiet, clock=clock)
    for warning in order.loaded.warnings:
        progress.warn(f"warning: {warning}")
    with ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        store = stack.enter_context(open_store(settings.store_url))
        target = stack.enter_context(open_target(order.loaded, keep=order.keep, say=progress.say))
        control = make_control(store, settings.home, clock)
        progress.say("Checking the scenario against its target, and trying each of its operations …")
        request = RunRequest(order.loaded.scenario, target.url, target.password, order.template)
        with make_pool_progress(quiet=order.quiet, clock=clock, each=False) as pools:
            run_id = control.create_run(request, pools)
        folder = control.run_folder(run_id)
        stack.enter_context(run_log(store, clock, run_id, folder, debug=settings.debug))
        log.info("run %s created: %s", run_id, order.loaded.scenario.name)
        _say_plan(progress, store, run_id)
        progress.say(f"Run {run_id}: starting the workers …")
        _bring_to_end(_Run(store, control, run_id, progress, signals), control.start_run)
        summary = keep_summary(store, run_id)
        _hand_out(summary, store, file, kept=target.kept)
    return exit_code(summary)


def carry_on(
    run: str,
    settings: Settings,
    *,
    json_path: Path | None = None,
    quiet: bool = False,
    make_control: MakeControl = local_control,
    clock: Clock | None = None,
) -> ExitCode:
    """Take over a run whose controller is gone, bring it to its end, and return the exit code it would have had.

    ``run`` may be the beginning of its id. Must be called in the main thread, whose signals it takes over.

    Raises:
        UpperboundError: there is no such run, its controller is alive, or the store was lost.
        KeyboardInterrupt: stopped before the run was taken over.
    """
    clock = clock or SystemClock()
    file = JsonFile(json_path) if json_path else None
    with ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        store = stack.enter_context(open_store(settings.store_url, migrate=False))
        control = make_control(store, settings.home, clock)
        run_id = store.runs.resolve(run)
        progress = make_progress(quiet=quiet, clock=clock)
        progress.say(f"Run {run_id}: waiting until its controller's lease has run out …")
        control.adopt_run(run_id)
        folder = control.run_folder(run_id)
        stack.enter_context(run_log(store, clock, run_id, folder, debug=settings.debug))
        _bring_to_end(_Run(store, control, run_id, progress, signals))
        summary = keep_summary(store, run_id)
        _hand_out(summary, store, file)
    return exit_code(summary)


def process_again(run: str, settings: Settings, *, clock: Clock | None = None) -> RunSummary:
    """Finish what follows the load of a run that has ended, and return its summary, which is kept with it.

    Raises:
        UpperboundError: there is no such run, it has not ended, or the store cannot be reached.
    """
    clock = clock or SystemClock()
    with open_store(settings.store_url, migrate=False) as store:
        run_id = store.runs.resolve(run)
        control = Orchestrator(store, LocalLauncher(), clock, settings.home)
        with run_log(store, clock, run_id, control.run_folder(run_id), debug=settings.debug):
            control.process_again(run_id)
        return keep_summary(store, run_id)


@dataclass(frozen=True)
class _Run:
    """One run and everything around it."""

    store: Store
    control: RunControl
    run_id: str
    progress: Progress
    signals: StopSignals


def _bring_to_end(run: _Run, start: Callable[[str], None] | None = None) -> None:
    """Return when the run, after ``start`` if that is given, has ended, well or badly; signals stop it.

    Raises:
        UpperboundError: it did not end here; its workers have been told to.
    """
    for warning in run.control.warnings.get(run.run_id, ()):
        run.progress.warn(f"warning: {warning}")
        log.warning("%s", warning)
    stopping = _Stopping(run)
    run.signals.hand_over(stopping.ask, stopping.force)
    try:
        with run.progress.running():
            watch = _Watch(run)
            bring_to_end(run.store, run.control, run.run_id, begin=start, on_tick=watch, who="a command that failed")
    finally:
        stopping.ended.set()


class _Watch:
    """Shows the run after each tick."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._tracker = LiveTracker()

    def __call__(self, row: RunRow) -> None:
        store, run_id = self._run.store, self._run.run_id
        if row.status in TERMINAL:
            return
        try:
            view = self._tracker.update(row, store.heartbeats.list(run_id), store.snapshots.newest(run_id))
        except StoreUnreachable:
            # The next tick tells the loop, which knows what to do about it; a display is no reason to stop.
            return
        self._run.progress.show(view)


class _Stopping:
    """What the first and the second signal do, each in a thread of its own."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self.ended = threading.Event()
        """Set when there is nothing left to stop."""

    def ask(self) -> None:
        """Ask the run to stop, for as long as the store cannot be told."""
        run = self._run
        if not self.ended.is_set():
            run.progress.warn(STOPPING)
        while not self.ended.is_set():
            try:
                request_stop(run.store, run.run_id, run.signals.first)
            except StoreUnreachable:
                self.ended.wait(_RETRY_S)
            except UpperboundError as error:
                run.progress.warn(f"error: the run cannot be stopped: {error}")
                return
            else:
                run.control.hurry(run.run_id)
                return

    def force(self) -> None:
        """End the run; again and again, because a run that is just being started does not listen yet."""
        run = self._run
        if not self.ended.is_set():
            run.progress.warn(FORCING)
        while not self.ended.is_set():
            run.control.force_stop(run.run_id)
            self.ended.wait(_FORCE_S)


def _say_plan(progress: Progress, store: Store, run_id: str) -> None:
    """Say what the run is going to do."""
    encoding = (getattr(sys.stderr, "encoding", None) or "ascii").lower()
    config = RunConfig.model_validate(store.runs.get(run_id).scenario_config)
    for line in plan_lines(config, load_run_pools(store, run_id), ascii_only=not encoding.startswith("utf")):
        progress.say(line)


def keep_summary(store: Store, run_id: str) -> RunSummary:
    """Return the run's summary, and keep it with the run."""
    summary = load_summary(store, run_id)
    with contextlib.suppress(StoreUnreachable):
        store.results.save_summary(run_id, summary.model_dump(mode="json"))
    return summary


def _hand_out(summary: RunSummary, store: Store, file: JsonFile | None, *, kept: str = "") -> None:
    """Write the summary where it was asked for, and print it; one failing does not keep the other from happening."""
    failure: ConfigurationError | None = None
    if file is not None:
        try:
            file.write(summary.model_dump_json(indent=2))
        except ConfigurationError as error:
            hint = f"it is in the store: `upperbound runs show {summary.run_id} --json`"
            failure = ConfigurationError(error.message, hint=hint)
    with contextlib.suppress(OSError):
        print_result(result(summary, planned_mix(store.runs.get(summary.run_id))))
        if kept:
            sys.stdout.write(f"\n{kept}\n")
    if failure is not None:
        raise failure
