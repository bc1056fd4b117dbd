"""A worker process: the real control side and the real states, around a simulated load."""

from dataclasses import dataclass, field

from tests.simulation.faults import Break
from tests.simulation.load import SimulatedLoad
from tests.simulation.network import Network
from tests.simulation.world import HostClock, Process, Thread, Violation, World

from upperbound.domain.events import EventType
from upperbound.domain.figures import PhaseFigures
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.worker_state import WorkerEvent, WorkerExit, WorkerStatus
from upperbound.errors import StoreUnreachable
from upperbound.launchers.base import WorkerSpec
from upperbound.scenario.run_config import RunConfig
from upperbound.store.results import ChildResult
from upperbound.worker.control import HEARTBEAT_S, STORE_LOST_S, Control
from upperbound.worker.main import START_TIMEOUT_S
from upperbound.worker.orders import WorkerOptions
from upperbound.worker.resources import Resources

LOOK_S = 0.1
"""How often the main thread looks whether it has been told something; the real one looks more often."""
START_POLL_S = 0.2
QUIET_AFTER_S = 10.0
"""A worker that has waited for so long for the same thing is stepped less often, to save the machine's time."""


BURNING_PCT, CALM_PCT = 97.0, 20.0
"""CPU of a host that has no time left, and of one that has."""


@dataclass(frozen=True)
class Host:
    """A host on which something else goes on for a while."""

    world: World
    burns: tuple[float, float]
    """From when until when, in seconds of the world's time."""

    def read(self) -> Resources:
        begin, end = self.burns
        return Resources(BURNING_PCT if begin <= self.world.now_s < end else CALM_PCT, memory_pct=CALM_PCT)

    def begin_anew(self) -> None:
        """Do nothing: there is no share to begin anew."""


class SteppedControl(Control):
    """The real control side without its threads: the simulator calls what they would call."""

    def __init__(
        self, network: Network, thread: Thread, options: WorkerOptions, plan: PhasePlan, burns: tuple[float, float]
    ) -> None:
        store = network.link(thread, crash=network.faults.worker_crash)
        host = Host(network.world, burns)
        super().__init__(store, thread.process.clock, options, plan, resources=host)
        self._drops_early_stop = network.broken is Break.DROP_EARLY_STOP

    def turn(self) -> float:
        """Do what one round of the control thread does, and return how long that would wait."""
        self._nudge.clear()
        return self._look_after()

    @property
    def nudged(self) -> bool:
        return self._nudge.is_set()

    @property
    def sequence_seen(self) -> int:
        return self._sequence_seen

    def _stop(self) -> None:
        if self._drops_early_stop and not self.started.is_set():
            return
        super()._stop()


@dataclass
class Plans:
    """What the seed has decided about one worker."""

    connect_s: float
    interval_ns: int
    latency_ns: int
    workload_error_at_s: float | None
    burns: tuple[float, float]
    """When its host has no time left."""


@dataclass
class Worker:
    """Goes through what ``worker/main.py`` goes through, one step at a time."""

    network: Network
    spec: WorkerSpec
    clock: HostClock
    plans: Plans
    process: Process = field(init=False)
    main: Thread = field(init=False)
    control_thread: Thread = field(init=False)
    watch_thread: Thread = field(init=False)
    control: SteppedControl | None = None
    load: SimulatedLoad | None = None
    sent_when_stopped: int | None = None
    """Queries sent when the stop was applied."""
    waits_since_s: float = 0.0
    finishing: bool = False

    def __post_init__(self) -> None:
        self.process = Process(self.world, self.spec.worker_id, self.clock)
        self.main = Thread(self.process)
        self.control_thread = Thread(self.process, "control")
        self.watch_thread = Thread(self.process, "watch")
        self.deadline_s = self.world.now_s + STORE_LOST_S
        self.main.after(self.world.rng.uniform(0.0, 0.3), self._open)

    @property
    def world(self) -> World:
        return self.network.world

    @property
    def options(self) -> WorkerOptions:
        spec = self.spec
        return WorkerOptions(spec.store_url, spec.run_id, spec.worker_id, spec.group_id, spec.group_count)

    # The main thread --------------------------------------------------------------------------------------------

    def _open(self) -> None:
        store = self.network.link(self.main, crash=self.network.faults.worker_crash)
        try:
            run = store.runs.get(self.spec.run_id)
        except StoreUnreachable:
            if self.world.now_s < self.deadline_s:
                self.main.after(0.5, self._open)
            else:
                self.process.end(WorkerExit.STORE_UNREACHABLE)
            return
        load = RunConfig.model_validate(run.scenario_config).scenario.load
        plan = PhasePlan(warmup_s=load.warmup_seconds, duration_s=load.duration_seconds)
        self.control = SteppedControl(self.network, self.control_thread, self.options, plan, self.plans.burns)
        self.control.advance(WorkerEvent.CONFIGURED)
        self.control_thread.after(0.0, lambda: self._turn(self._known_control))
        self.watch_thread.after(HEARTBEAT_S, lambda: self._look(self._known_control))
        self.main.after(self.plans.connect_s, lambda: self._connected(self._known_control))

    @property
    def _known_control(self) -> SteppedControl:
        assert self.control is not None
        return self.control

    def _connected(self, control: SteppedControl) -> None:
        if control.is_stopping:
            self._leave_early(control)
            return
        control.advance(WorkerEvent.CONNECTED)
        deadline_s = self.world.now_s + START_TIMEOUT_S
        self.waits_since_s = self.world.now_s
        self._wait_for_start(control, deadline_s)

    def _wait_for_start(self, control: SteppedControl, deadline_s: float) -> None:
        if control.started.is_set():
            self._carry(control)
        elif control.is_stopping:
            self._leave_early(control)
        elif self.world.now_s >= deadline_s:
            self._fail(control, WorkerExit.NO_START, "no START came")
        else:
            wait_s = LOOK_S if self.world.now_s < self.waits_since_s + QUIET_AFTER_S else 1.0
            self.main.after(wait_s, lambda: self._wait_for_start(control, deadline_s))

    def _carry(self, control: SteppedControl) -> None:
        running = self._result(control, WorkerStatus.RUNNING)
        store = self.network.link(self.control_thread, crash=self.network.faults.worker_crash)
        control.write_soon(lambda: store.results.write_child(running))
        control.advance(WorkerEvent.START)
        late_ns = int(0.5e9) if self.network.broken is Break.LATE_QUERY else 0
        load = SimulatedLoad(
            self.clock, control.order, 4, self.plans.interval_ns, self.plans.latency_ns, late_ns=late_ns
        )
        control.attach(load)
        self.load = load
        load.begin()
        self._run(control, load)

    def _run(self, control: SteppedControl, load: SimulatedLoad) -> None:
        error_at_s = self.plans.workload_error_at_s
        elapsed_s = (self.clock.monotonic_ns() - control.order.start_ns) / 1e9
        if error_at_s is not None and elapsed_s >= error_at_s and not control.is_stopping:
            self.world.fault("workload error", self.process.name, f"after {elapsed_s:.3f} s")
            load.stop()
            self._conclude(control, load, WorkerExit.WORKLOAD, "the target refused the login")
        elif load.is_over:
            code = WorkerExit.STORE_UNREACHABLE if control.store_lost else WorkerExit.CLEAN
            self._conclude(control, load, code, "the store could not be reached" if code else "")
        else:
            self.main.after(LOOK_S, lambda: self._run(control, load))

    def _conclude(self, control: SteppedControl, load: SimulatedLoad, code: WorkerExit, error: str) -> None:
        control.advance(WorkerEvent.STOP)
        status = WorkerStatus.FAILED if code else WorkerStatus.COMPLETED
        result = self._result(control, status, load.figures(Phase.MEASUREMENT))
        store = self.network.link(self.control_thread, crash=self.network.faults.worker_crash)
        control.write_soon(lambda: store.results.write_child(result))
        if code:
            self._fail(control, code, error)
        else:
            control.advance(WorkerEvent.DRAINED)
            self._finish(control, WorkerExit.CLEAN)

    def _leave_early(self, control: SteppedControl) -> None:
        if control.store_lost:
            self._fail(control, WorkerExit.STORE_UNREACHABLE, "the store could not be reached")
            return
        control.advance(WorkerEvent.STOP)
        control.advance(WorkerEvent.DRAINED)
        self._finish(control, WorkerExit.CLEAN)

    def _fail(self, control: SteppedControl, code: WorkerExit, error: str) -> None:
        control.advance(WorkerEvent.FAIL, error=error)
        self._finish(control, code)

    def _finish(self, control: SteppedControl, code: WorkerExit) -> None:
        """Do the last writes in the control thread's place, once it has ended its turn."""
        self.finishing = True

        def last_writes() -> None:
            written = control.finish(0.0 if control.store_lost else STORE_LOST_S)
            self._check(control)
            self.process.end(code if written or code else WorkerExit.STORE_UNREACHABLE)

        self.control_thread.after(0.0, last_writes)

    def _result(
        self, control: SteppedControl, status: WorkerStatus, figures: PhaseFigures | None = None
    ) -> ChildResult:
        options = self.options
        return ChildResult(
            test_id=options.test_id,
            run_id=options.run_id,
            worker_id=options.worker_id,
            group_id=options.group_id,
            name="simulated",
            status=status,
            phase=control.phase() if figures is None else Phase.COMPLETED,
            operations=figures.operations if figures else 0,
            warmup_operations=figures.warmup_operations if figures else 0,
            figures=figures.to_json() if figures else None,
        )

    # The other threads ------------------------------------------------------------------------------------------

    def _turn(self, control: SteppedControl) -> None:
        if self.finishing:
            return
        wait_s = control.turn()
        self._check(control)
        if control.nudged:
            wait_s = 0.01
        elif self.world.now_s > self.waits_since_s + QUIET_AFTER_S and not self._is_sending:
            wait_s = max(wait_s, 2.0)
        else:
            wait_s = max(wait_s, START_POLL_S)
        self.control_thread.after(wait_s, lambda: self._turn(control))

    @property
    def _is_sending(self) -> bool:
        return self.load is not None and not self.load.is_over

    def _look(self, control: SteppedControl) -> None:
        if not self.finishing:
            control.look(self.clock.monotonic_ns())
            self._check(control)
            self.watch_thread.after(HEARTBEAT_S, lambda: self._look(control))

    def terminate(self) -> None:
        """SIGTERM."""
        if self.control is None:
            self.process.end(-15)
        else:
            self.control.request_stop()
            self._check(self.control)

    def _check(self, control: SteppedControl) -> None:
        """No query after the stop was applied, and every STOP that was seen is applied."""
        stops = [sequence for sequence, whom in self.network.watch.stops if whom in {None, self.spec.worker_id}]
        if any(sequence <= control.sequence_seen for sequence in stops) and not control.is_stopping:
            raise Violation(f"{self.process.name} has seen {EventType.STOP} and goes on")
        if self.load is None or not control.is_stopping:
            return
        sent = self.load.started()
        if self.sent_when_stopped is None:
            self.sent_when_stopped = sent
        elif sent > self.sent_when_stopped:
            raise Violation(f"{self.process.name} sent {sent - self.sent_when_stopped} queries after the stop")
