"""The runs of one process that looks after many: prepares, starts, stops and takes over, each run in a thread.

Everything that matters is in the store. What a controller holds of a run is what cannot be there: the password of its
target, and the embedded server that was started for it.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final, Protocol

from pydantic import SecretStr

from upperbound.clock import Clock
from upperbound.domain.enrichment_status import EnrichmentStatus
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.errors import IllegalTransition, RunFailed, StoreError, UpperboundError
from upperbound.orchestrator.driving import OnTick, RunControl, bring_to_end
from upperbound.orchestrator.open_target import OpenTarget, open_target
from upperbound.orchestrator.run_log import run_log
from upperbound.orchestrator.service import RunRequest
from upperbound.orchestrator.stopping import request_stop
from upperbound.scenario.loader import LoadedScenario
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.targets import EmbeddedTarget
from upperbound.store.engine import Store
from upperbound.store.runs import RunRow
from upperbound.store.templates import TemplateRef

log = logging.getLogger(__name__)

LOOK_FOR_ORPHANS_S: Final = 10.0
"""Between two looks for runs whose controller is gone."""
SPARE_SERVERS: Final = 2
"""Embedded servers kept for runs that are prepared and not started; one that is closed is started anew when needed."""
DRAIN_S: Final = 15.0
"""How long the end of the process waits for runs whose target ends with it, before they are ended at once."""


class ManyRuns(RunControl, Protocol):
    """What a controller asks of its orchestrator beyond what one run takes."""

    def renew_run(self, run_id: str, *, target_url: str | None = None, password: SecretStr | None = None) -> None:
        """Check a prepared run once more."""
        ...

    def process_again(self, run_id: str) -> None:
        """Load what of a run is not loaded yet, and ask its server once more."""
        ...

    def leave(self, run_id: str) -> None:
        """Let its drive return without ending it; from any thread."""
        ...

    def forget(self, run_id: str) -> None:
        """Drop what is kept in memory of it."""
        ...


@dataclass(frozen=True)
class OwnedRun:
    """A run that this process drives now."""

    run_id: str
    adopted: bool
    """It was taken over from another controller."""


@dataclass
class _Carried:
    """A run with a thread of its own."""

    owned: OwnedRun
    began: threading.Event = field(default_factory=threading.Event)
    """Set when the run has been started, or could not be."""
    failure: UpperboundError | None = None
    """Why it could not be started, or is not looked after any more."""
    hopeless: bool = False
    """Trying again would not change that."""
    thread: threading.Thread | None = None


class Controller:
    """Looks after runs until they have ended; safe to use from several threads.

    Every method blocks for as long as the store and the target take: asynchronous code calls them in a thread.
    """

    def __init__(
        self,
        store: Store,
        control: ManyRuns,
        clock: Clock,
        *,
        at_end: Callable[[str], None] = lambda _: None,
        debug: bool = False,
    ) -> None:
        """Drive runs with ``control``; ``at_end`` is called with the id of each that has ended, in its thread."""
        self._store, self._control, self._clock = store, control, clock
        self._at_end, self._debug = at_end, debug
        self._lock = threading.Lock()
        self._carried: dict[str, _Carried] = {}
        self._servers: dict[str, tuple[ExitStack, OpenTarget]] = {}
        """Embedded servers by the run they were started for, the oldest first."""
        self._listeners: list[OnTick] = []
        self._hopeless: set[str] = set()
        """Runs that could not be taken over, which trying again would not change."""
        self._processing: set[str] = set()
        """Runs that have ended and are processed once more."""
        self._closing = threading.Event()
        self._seeker: threading.Thread | None = None

    def open(self) -> None:
        """Take over the runs whose controller is gone, and go on looking for such until :meth:`close`."""
        self._seeker = threading.Thread(target=self._seek, name="adoption", daemon=True)
        self._seeker.start()

    def close(self) -> None:
        """Let every run go: its workers go on by the plan, and the next controller takes it over.

        A run on an embedded server, which ends with this process, is stopped. May be called more than once.
        """
        self._closing.set()
        if self._seeker is not None:
            self._seeker.join()
        with self._lock:
            carried = dict(self._carried)
        for run_id in carried:
            if run_id in self._servers:
                with contextlib.suppress(UpperboundError):
                    request_stop(self._store, run_id, "the end of the server")
                self._control.hurry(run_id)
            else:
                log.info("run %s goes on without this controller", run_id)
                self._control.leave(run_id)
        deadline_ns = self._clock.monotonic_ns() + int(DRAIN_S * 1e9)
        for run_id, run in carried.items():
            if run.thread is None:
                continue
            run.thread.join(max(0.0, (deadline_ns - self._clock.monotonic_ns()) / 1e9))
            if run.thread.is_alive():
                self._control.force_stop(run_id)
                run.thread.join(DRAIN_S)
        for run_id in list(self._servers):
            self._close_server(run_id)

    def listen(self, listener: OnTick) -> None:
        """Call ``listener`` with the row of a run after each tick of its loop, the last included, in the run's thread.

        The same for a run that has ended without a loop: one that was stopped before its start, or of which no worker
        could be launched. It must return soon and not raise.
        """
        self._listeners.append(listener)

    def owned(self) -> tuple[OwnedRun, ...]:
        """Return the runs that this process drives now."""
        with self._lock:
            return tuple(run.owned for run in self._carried.values())

    def warnings(self, run_id: str) -> tuple[str, ...]:
        """Return what the checks of a run found that does not prevent it; empty once it has ended."""
        return self._control.warnings.get(run_id, ())

    def prepare(
        self, loaded: LoadedScenario, *, template: TemplateRef | None = None, password: SecretStr | None = None
    ) -> str:
        """Check a scenario against its target, make a run of it that is PREPARED, and return its id.

        An embedded server is started for it. ``password`` is kept in memory until the run has ended, and goes over one
        that came with the scenario.

        Raises:
            ConfigurationError: the scenario does not fit the target or this machine; every problem at once.
            TargetError: the target cannot be reached or refuses the login.
            EmbeddedServerError: an embedded server does not start.
            StoreError: the run cannot be written.
        """
        stack, target = self._open_server(loaded)
        try:
            secret = password or target.password
            run_id = self._control.create_run(RunRequest(loaded.scenario, target.url, secret, template))
        except BaseException:
            stack.close()
            raise
        with run_log(self._store, self._clock, run_id, self._control.run_folder(run_id), debug=self._debug):
            log.info("run %s created: %s", run_id, loaded.scenario.name)
            for warning in self.warnings(run_id):
                log.warning("%s", warning)
        if isinstance(loaded.scenario.target, EmbeddedTarget):
            self._servers[run_id] = (stack, target)
            self._close_spare_servers()
        return run_id

    def start(self, run_id: str, *, password: SecretStr | None = None) -> None:
        """Check a prepared run once more and start it: its workers have been launched when this returns.

        Raises:
            RunNotFound: there is no such run.
            IllegalTransition: it was started before, or has ended.
            ConfigurationError: it does not fit its target any more; it stays PREPARED.
            TargetError: the target cannot be reached or refuses the login; it stays PREPARED.
            RunFailed: a worker cannot be started, and the run has FAILED; or it belongs to another controller.
        """
        self._refuse_when_closing()
        with self._lock:
            if run_id in self._carried:
                raise IllegalTransition(f"run {run_id} was started before, and is driven here")
            run = self._carried[run_id] = _Carried(OwnedRun(run_id, adopted=False))
        try:
            self._renew(run_id, password)
        except BaseException:
            self._let_go(run_id)
            self._clear_if_over(run_id)
            raise
        self._carry(run)
        if run.failure is not None:
            raise run.failure

    def stop(self, run_id: str, *, initiated_by: str, force: bool = False) -> RunStatus:
        """Ask for the two-phase stop of a run, whoever drives it, and return the state it is in then.

        Safe in every state. With ``force`` a run that is driven here does not wait for its drain. Raises
        :class:`RunNotFound`.
        """
        status = request_stop(self._store, run_id, initiated_by)
        self._control.hurry(run_id)
        if force and status not in TERMINAL:
            self._control.force_stop(run_id)
        if status in TERMINAL and run_id not in self._carried:
            self._clear(run_id)
            with contextlib.suppress(StoreError):
                self._tell(self._store.runs.get(run_id))
        return status

    def process_again(self, run_id: str) -> None:
        """Begin to load what of a run is not loaded yet and to ask its server once more, in a thread of its own.

        Raises:
            RunNotFound: there is no such run.
            IllegalTransition: it has not ended, or this is under way.
        """
        run = self._store.runs.get(run_id)
        with self._lock:
            if run_id in self._processing or run_id in self._carried:
                raise IllegalTransition(f"the results of run {run_id} are being made", hint="wait for their end")
            if run.status not in TERMINAL:
                raise IllegalTransition(f"run {run_id} is {run.status.value}", hint="wait for its end")
            self._refuse_when_closing()
            self._processing.add(run_id)
        self._store.results.set_enrichment(run_id, EnrichmentStatus.PENDING, None)
        # A process that ends meanwhile may take this along: it can be asked for again.
        threading.Thread(target=self._process_again, args=(run_id,), name=f"again {run_id}", daemon=True).start()

    def _process_again(self, run_id: str) -> None:
        folder = self._control.run_folder(run_id)
        try:
            with run_log(self._store, self._clock, run_id, folder, debug=self._debug):
                try:
                    self._control.process_again(run_id)
                    self._finish(run_id)
                except UpperboundError as error:
                    log.warning("run %s could not be processed again: %s", run_id, error)
                    with contextlib.suppress(StoreError):
                        self._store.results.set_enrichment(run_id, EnrichmentStatus.FAILED, str(error))
                except Exception:
                    log.exception("processing run %s again met a defect", run_id)
        finally:
            with self._lock:
                self._processing.discard(run_id)

    def drop(self, run_id: str) -> None:
        """Let go of what is held for a run that is about to be deleted."""
        self._clear(run_id)

    # Threads ----------------------------------------------------------------------------------------------------

    def _carry(self, run: _Carried) -> None:
        """Look after a run in a thread of its own, and return when it has begun or could not."""
        run.thread = threading.Thread(target=self._drive, args=(run,), name=f"run {run.owned.run_id}")
        run.thread.start()
        run.began.wait()

    def _drive(self, run: _Carried) -> None:
        """Look after a run in its thread; nothing is raised, as there is nobody to hear it."""
        run_id = run.owned.run_id
        try:
            with run_log(self._store, self._clock, run_id, self._control.run_folder(run_id), debug=self._debug):
                try:
                    self._bring_to_end(run)
                    self._finish(run_id)
                except UpperboundError as error:
                    run.failure = error
                    log.error("run %s is not looked after any more: %s", run_id, error)  # noqa: TRY400 - for people
                except Exception as error:
                    run.failure, run.hopeless = RunFailed(f"run {run_id} met a defect: {error}"), True
                    log.exception("run %s is not looked after any more", run_id)
        finally:
            self._let_go(run_id)
            run.began.set()

    def _bring_to_end(self, run: _Carried) -> None:
        """Start or take over a run and see to its end. Raises what that raises."""
        run_id = run.owned.run_id

        def start(run_id: str) -> None:
            self._control.start_run(run_id)
            run.began.set()

        if run.owned.adopted:
            self._control.adopt_run(run_id)
            run.began.set()
        begin = None if run.owned.adopted else start
        who = "a controller that failed"
        bring_to_end(self._store, self._control, run_id, begin=begin, on_tick=self._tell, who=who)

    def _finish(self, run_id: str) -> None:
        """Keep what is to be kept of a run that has ended; one that was left has not."""
        with contextlib.suppress(StoreError):
            run = self._store.runs.get(run_id)
            if run.status in TERMINAL:
                self._at_end(run_id)
            self._tell(run)
        self._clear_if_over(run_id)

    def _tell(self, row: RunRow) -> None:
        for listener in self._listeners:
            try:
                listener(row)
            except Exception:
                log.exception("a listener to run %s met a defect", row.run_id)

    def _let_go(self, run_id: str) -> None:
        with self._lock:
            self._carried.pop(run_id, None)

    def _clear_if_over(self, run_id: str) -> None:
        """Drop what is held for a run if it has ended; nothing when the store cannot be asked."""
        with contextlib.suppress(StoreError):
            if self._store.runs.get(run_id).status in TERMINAL:
                self._clear(run_id)

    def _clear(self, run_id: str) -> None:
        """Drop what is held for a run that has ended."""
        self._control.forget(run_id)
        self._close_server(run_id)

    # Taking over ------------------------------------------------------------------------------------------------

    def _seek(self) -> None:
        """Look for runs without a controller; a store that is away is looked at again."""
        while True:
            try:
                self.adopt_orphans()
            except UpperboundError as error:
                log.warning("runs without a controller cannot be looked for: %s", error)
            except Exception:
                log.exception("looking for runs without a controller met a defect")
            if self._closing.wait(LOOK_FOR_ORPHANS_S):
                return

    def adopt_orphans(self) -> list[str]:
        """Take over the runs whose controller is gone, and return their ids. Raises :class:`StoreError`."""
        adopted = []
        for run_id, owner in self._store.runs.unattended():
            with self._lock:
                if run_id in self._carried or run_id in self._hopeless or self._closing.is_set():
                    continue
                run = self._carried[run_id] = _Carried(OwnedRun(run_id, adopted=True))
            log.info("run %s has no controller (%s had it) and is taken over", run_id, owner or "nobody")
            self._carry(run)
            if run.failure is None:
                adopted.append(run_id)
            elif run.hopeless:
                self._hopeless.add(run_id)
        return adopted

    # Embedded servers -------------------------------------------------------------------------------------------

    def _renew(self, run_id: str, password: SecretStr | None) -> None:
        """Check a prepared run again, on a new server where that of an embedded target is gone."""
        run = self._store.runs.get(run_id)
        if run.status is not RunStatus.PREPARED:
            raise IllegalTransition(f"run {run_id} is {run.status.value} and was started before")
        config = RunConfig.read(run.scenario_config)
        url: str | None = None
        if isinstance(config.scenario.target, EmbeddedTarget):
            if run_id not in self._servers:
                self._servers[run_id] = self._open_server(LoadedScenario(config.scenario, (), None))
            target = self._servers[run_id][1]
            url, password = target.url, target.password
        self._control.renew_run(run_id, target_url=url, password=password)

    def _open_server(self, loaded: LoadedScenario) -> tuple[ExitStack, OpenTarget]:
        """Return the scenario's target, and what ends it if it was started for this."""
        self._refuse_when_closing()
        with ExitStack() as stack:
            target = stack.enter_context(open_target(loaded, keep=False, say=lambda text: log.info("%s", text)))
            return stack.pop_all(), target

    def _refuse_when_closing(self) -> None:
        if self._closing.is_set():
            raise RunFailed("this controller is about to end", hint="start it again")

    def _close_spare_servers(self) -> None:
        """Stop the oldest embedded servers of runs that are not started, when there are too many of them."""
        with self._lock:
            idle = [run_id for run_id in self._servers if run_id not in self._carried]
            spare = [self._servers.pop(run_id) for run_id in idle[:-SPARE_SERVERS]]
        for stack, _ in spare:
            with contextlib.suppress(UpperboundError):
                stack.close()

    def _close_server(self, run_id: str) -> None:
        stack, _ = self._servers.pop(run_id, (ExitStack(), None))
        with contextlib.suppress(UpperboundError):
            stack.close()
