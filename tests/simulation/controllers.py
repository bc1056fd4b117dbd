"""Controller processes: the real service and the real loop, stepped tick by tick, and restarted when they die."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.faults import Break
from tests.simulation.network import Network
from tests.simulation.workers import Plans, Worker
from tests.simulation.world import HostClock, Process, Thread, Violation, World

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import IllegalTransition, RunFailed, StoreUnreachable, WorkerFailed
from upperbound.launchers.base import WorkerSpec
from upperbound.orchestrator.adoption import is_held, needs_a_controller
from upperbound.orchestrator.loop import BRISK, BRISK_TICK_S, STORE_PATIENCE_S, TICK_S, RunLoop
from upperbound.orchestrator.service import Orchestrator
from upperbound.store.runs import RunRow
from upperbound.targets.postgres import ConnInfo

HOME = Path("/nonexistent/upperbound-simulation")
"""No file is written: a simulated worker keeps no query log."""
QUIET_AFTER_S = 5.0
"""A run that has been in the same state for so long is looked at less often, to save the machine's time."""


def _no_target(_info: ConnInfo, _run_id: str) -> int:
    """There is no target on which a killed worker could leave a session."""
    return 0


@dataclass
class Handle:
    """A worker process as the controller that has started it sees it."""

    worker: Worker
    pid: int = 1

    @property
    def worker_id(self) -> str:
        return self.worker.spec.worker_id

    def poll(self) -> int | None:
        return self.worker.process.exit_code

    def terminate(self) -> None:
        self.worker.world.say(self.worker_id, "gets SIGTERM")
        self.worker.terminate()

    def interrupt(self) -> None:
        self.worker.world.say(self.worker_id, "gets SIGINT")
        self.worker.terminate()

    def kill(self) -> None:
        self.worker.process.end(-9)

    def last_output(self) -> str:
        return ""


@dataclass
class Launcher:
    """Starts simulated workers; one for all controllers, so that it knows them all."""

    network: Network
    make_clock: Callable[[], HostClock]
    workers: list[Worker] = field(default_factory=list)

    def launch(self, spec: WorkerSpec, *, environment: Mapping[str, str], log_file: Path) -> Handle:
        world, faults = self.network.world, self.network.faults
        if any(worker.spec.worker_id == spec.worker_id for worker in self.workers):
            raise Violation(f"{spec.worker_id} is started although a process was started under this id before")
        if faults.failed_launch and world.rng.random() < 0.5:
            world.fault("failed launch", spec.worker_id, "no process")
            raise WorkerFailed(f"{spec.worker_id} cannot be started")
        late = faults.late_worker and world.rng.random() < 0.5
        slow = faults.slow_drain and world.rng.random() < 0.7
        if late:
            world.fault("late worker", spec.worker_id, "needs over a minute to connect")
        if slow:
            world.fault("slow drain", spec.worker_id, "its last query takes long")
        plans = Plans(
            connect_s=world.rng.uniform(62.0, 100.0) if late else world.rng.uniform(0.1, 1.5),
            interval_ns=world.rng.randrange(int(0.005e9), int(0.4e9)),
            latency_ns=int(world.rng.uniform(5.0, 170.0) * 1e9) if slow else world.rng.randrange(1, int(0.05e9)),
            workload_error_at_s=world.rng.uniform(0.0, 6.0) if faults.workload_error else None,
            burns=self._draw_burns(spec),
        )
        worker = Worker(self.network, spec, self.make_clock(), plans)
        self.workers.append(worker)
        return Handle(worker)

    def _draw_burns(self, spec: WorkerSpec) -> tuple[float, float]:
        """Draw when a worker's host has no time left: half of them some time of a run that minds."""
        world, faults = self.network.world, self.network.faults
        if not faults.burning_hosts or world.rng.random() < 0.5:
            return (0.0, 0.0)
        begin = world.now_s + world.rng.uniform(0.0, 8.0)
        lasts = world.rng.uniform(1.0, 15.0)
        world.fault("burning host", spec.worker_id, f"from {begin:.3f} s on, for {lasts:.3f} s")
        return (begin, begin + lasts)


@dataclass
class Controller:
    """One incarnation of a controller: starts or adopts the run, drives it, and ends."""

    network: Network
    launcher: Launcher
    run_id: str
    name: str
    clock: HostClock
    process: Process = field(init=False)
    thread: Thread = field(init=False)
    orchestrator: Orchestrator = field(init=False)
    loop: RunLoop | None = None
    is_done: bool = False

    def __post_init__(self) -> None:
        world = self.network.world
        self.process = Process(world, self.name, self.clock)
        self.thread = Thread(self.process)
        self.store = self.network.link(self.thread, crash=self.network.faults.controller_crash, controller=True)
        self.orchestrator = Orchestrator(
            self.store, self.launcher, self.clock, HOME, end_sessions=lambda _conninfo, _run_id: 0
        )
        self.owner = self.network.watch.owners[self.name] = f"{self.name}:{world.seed}"
        self.orchestrator._owner = self.owner
        self.reachable_s = world.now_s
        self.thread.after(0.0, self._begin)

    @property
    def world(self) -> World:
        return self.network.world

    def force(self) -> None:
        """End the run now."""
        if self.loop is not None:
            self.loop.force()

    def _begin(self) -> None:
        """Do what a controller does that comes up: see whether the run needs it."""
        self.network.watch.tick_began_s[self.name] = self.world.now_s
        try:
            self.loop = self._take_over()
        except StoreUnreachable:
            self.thread.after(2.0, self._begin)
        except (RunFailed, IllegalTransition) as error:
            self.world.say(self.name, str(error))
            self.process.end(1)
        else:
            if self.loop is not None:
                self.reachable_s = self.world.now_s
                self._tick(self.loop)
            elif not self.is_done:
                self.thread.after(self.world.rng.uniform(1.0, 4.0), self._begin)

    def _take_over(self) -> RunLoop | None:
        run = self.store.runs.get(self.run_id)
        if run.status is RunStatus.PREPARED:
            self.orchestrator.start_run(self.run_id)
            return self.orchestrator._loops[self.run_id]
        if not needs_a_controller(run):
            self.is_done = True
            return None
        broken = self.network.broken
        if broken is Break.NO_ADOPTION or (is_held(run) and broken is not Break.NO_LEASE):
            return None
        self.orchestrator.adopt_run(self.run_id)
        return self.orchestrator._loops[self.run_id]

    def _tick(self, loop: RunLoop) -> None:
        """Do what one round of :meth:`RunLoop.drive` does."""
        world = self.world
        self.network.watch.tick_began_s[self.name] = world.now_s
        try:
            over, run = loop.tick()
            self.reachable_s = world.now_s
            loop._backoff.reset()
            if over:
                self.store.runs.release_lease(self.run_id, self.owner)
                self.is_done = True
                world.say(self.name, "lets go of the run")
                return
            wait_s = self._wait_s(run)
        except StoreUnreachable:
            if world.now_s - self.reachable_s > STORE_PATIENCE_S:
                self.process.end(1)
                return
            wait_s = loop._backoff.next_s()
        except RunFailed as error:
            world.say(self.name, str(error))
            self.process.end(1)
            return
        self.thread.after(wait_s, lambda: self._tick(loop))

    def _wait_s(self, run: RunRow) -> float:
        brisk = run.status in BRISK or run.phase is Phase.PROCESSING
        wait_s = (2 * BRISK_TICK_S if brisk else TICK_S) * self.world.rng.uniform(1.0, 1.5)
        return wait_s if run.status_age_s < QUIET_AFTER_S else max(wait_s, 1.0 if run.status_age_s < 20.0 else 3.0)


@dataclass
class Slot:
    """A place where a controller runs: a new one comes up some time after the last one has ended."""

    network: Network
    make: Callable[[str], Controller]
    name: str
    controller: Controller | None = None
    incarnations: int = 0

    def begin(self, after_s: float) -> None:
        """Start the first controller in so many seconds, and others as they are needed."""
        self.network.world.schedule(after_s, self._start)

    def _start(self) -> None:
        self.incarnations += 1
        self.controller = self.make(f"{self.name}{self.incarnations}")
        self._look()

    def _look(self) -> None:
        world = self.network.world
        if self.controller is None or self.controller.is_done:
            return
        if self.controller.process.alive:
            world.schedule(1.0, self._look)
        else:
            self.begin(1.0 if self.network.quiet else world.rng.uniform(0.5, 25.0))
