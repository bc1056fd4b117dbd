"""One simulated run, from its seed to its end or to the invariant that it has broken."""

import logging
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from tests.simulation.controllers import Controller, Launcher, Slot
from tests.simulation.faults import Break, draw_faults
from tests.simulation.network import Network
from tests.simulation.watch import Row, Watch
from tests.simulation.world import EPOCH, HostClock, Process, Thread, Violation, World

import upperbound
from upperbound.domain.phases import Phase
from upperbound.domain.resize import worker_name
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.domain.worker_state import WorkerExit
from upperbound.errors import ConfigurationError, StoreUnreachable
from upperbound.orchestrator.scaling import Wanted, change_run
from upperbound.orchestrator.stopping import request_stop
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import NewRun
from upperbound.store.types import UtcTimestamp

ENDS_WITHIN_S = 450.0
"""How long after the last fault a run must have ended, its results be written and every worker process be gone."""
LONG_OUTAGE_S = 45.0
"""A store that is away for longer takes the workers with it."""
AFTERMATH_S = 15.0
"""How long is waited for delayed writes after the end."""
CHANGE_TRIES = 5
"""How often somebody asks for other workers when that is refused or the store cannot be reached."""
STAGED = 0.3
"""Share of the runs whose load has stages."""
MOST_WORKERS = 5
"""A run may have this many in its course."""
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())


@dataclass(frozen=True)
class Outcome:
    """What became of a seed."""

    seed: int
    violation: str | None
    ended_as: str
    reason: str
    """Why it ended so, as the run's row says."""
    seconds: float
    """Simulated time."""
    calls: int
    checks: int
    injected: Counter[str]
    diary: list[str] = field(default_factory=list)


class Ground:
    """A store in memory that many runs are simulated on, one after another."""

    def __init__(self, within: Path | None = None) -> None:
        """Keep the store's file in a folder of its own, ``within`` another one or in memory."""
        self._folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=within or MEMORY))
        path = self._folder / "store.db"
        self.world: World | None = None
        """The world whose time is the store's."""
        now: sa.BindParameter[datetime] = sa.bindparam(None, callable_=self._now, type_=UtcTimestamp())
        self.store = open_store(f"sqlite:///{path}", now=now)
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("pragma foreign_keys = on")

    def _now(self) -> datetime:
        return EPOCH if self.world is None else self.world.store_now()

    def clear(self, run_id: str) -> None:
        """Forget a run."""
        self.connection.execute("delete from test_results where run_id = ?", (run_id,))
        self.connection.execute("delete from run_status where run_id = ?", (run_id,))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.connection.close()
        self.store.close()
        shutil.rmtree(self._folder)


class Simulation:
    """The cluster of one seed: a store, two controllers, some workers and a user."""

    def __init__(self, ground: Ground, seed: int, *, broken: Break | None = None, tracing: bool = False) -> None:
        self.world = ground.world = world = World(seed, tracing)
        self.run_id = f"seed-{seed}"
        # The real code may draw from the module's own generator, for the jitter of a back-off.
        random.seed(seed)
        self.faults = draw_faults(world.rng, until_s=world.rng.uniform(20.0, 100.0))
        self.watch = Watch(world, ground.connection, self.run_id)
        self.network = Network(world, ground.store, self.faults, self.watch, broken)
        self.launcher = Launcher(self.network, self._make_clock)
        self.slots = [Slot(self.network, self._make_controller, name) for name in ("a", "b")]
        self.rng = world.rng

    def run(self) -> Row:
        """Let the run happen; returns its row at the end. Raises :class:`Violation`."""
        self._create()
        self.slots[0].begin(0.1)
        self.slots[1].begin(self.rng.choice([0.1, self.rng.uniform(0.0, 10.0)]))
        self._plan_user()
        self._plan_changes()
        if self.faults.kill_at_s is not None:
            self.world.schedule(self.faults.kill_at_s, self._kill_somebody)
        limit_s = self.faults.until_s + ENDS_WITHIN_S
        if not self.world.run_until(self._is_over, limit_s):
            raise Violation(f"not ended after {limit_s:.0f} s: {self._standing()}")
        ended_s = self.world.now_s
        self.world.run_until(lambda: False, ended_s + AFTERMATH_S)
        self.watch.check_run("the end")
        self._check_totals()
        self._check_cause()
        return self.watch.row()

    # The cluster ------------------------------------------------------------------------------------------------

    def _create(self) -> None:
        rng = self.rng
        threads = [4] * rng.choice([1, 2, 2, 3])
        staged = rng.random() < STAGED
        # With stages long enough for another controller to take the run over in the middle of them.
        lengths = [10, 20, 30] if staged else [2, 4, 6, 10]
        scenario = _scenario(
            rng.choice([0, 1, 2]),
            20 if self.faults.held_up_launch else rng.choice(lengths),
            rng.choice(["fail", "fail", "continue"]),
            staged=staged,
            guarded=rng.choice(["soft", "soft", "hard"]) if self.faults.burning_hosts else None,
        )
        self.watch.stages_begin_s = tuple(
            scenario.load.warmup_seconds + change.at_s for change in scenario.load.changes
        )
        config = RunConfig(
            scenario=scenario,
            threads=tuple(threads),
            worker_capacity=MOST_WORKERS,
            seed=1,
            target_url="postgresql://127.0.0.1/simulated",
            table="t",
            upperbound_version=upperbound.__version__,
        )
        targets = {worker_name(group_id): number for group_id, number in enumerate(threads)}
        document = config.model_dump(mode="json")
        self.network.store.runs.create(NewRun(self.run_id, "simulated", document, len(threads), targets))

    def _make_clock(self) -> HostClock:
        rng, skew = self.rng, self.faults.skew
        if skew:
            self.world.injected["clock skew"] += 1
        return HostClock(
            self.world,
            offset_ns=rng.randrange(int(1e15)),
            rate=1.0 + rng.uniform(-skew, skew),
            utc_skew_s=rng.uniform(-3600.0, 3600.0),
        )

    def _make_controller(self, name: str) -> Controller:
        return Controller(self.network, self.launcher, self.run_id, name, self._make_clock())

    def _plan_user(self) -> None:
        if self.rng.random() < 0.35:
            process = Process(self.world, "user", self._make_clock())
            thread = Thread(process)
            store = self.network.link(thread, crash=0.0)
            thread.after(self.rng.uniform(0.0, 14.0), lambda: self._stop(thread, store))

    def _stop(self, thread: Thread, store: Store) -> None:
        try:
            status = request_stop(store, self.run_id, "user")
        except StoreUnreachable:
            thread.after(1.0, lambda: self._stop(thread, store))
            return
        self.world.say("user", f"has asked for the stop, the run is {status}")
        if self.rng.random() < 0.3:
            thread.after(self.rng.uniform(0.0, 5.0), self._force)

    def _plan_changes(self) -> None:
        """Let workers join and leave in the middle of the run, or before it or after its end."""
        rng = self.rng
        changes = [
            (
                rng.uniform(0.5, 10.0),
                Wanted(
                    threads=rng.choice([None, None, rng.randrange(1, 40)]),
                    workers=rng.randrange(1, MOST_WORKERS + 1),
                    ramp_s=rng.choice([0.0, 2.0]),
                ),
            )
            for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3]))
        ]
        if self.faults.held_up_launch:
            changes = [(rng.uniform(2.0, 6.0), Wanted(workers=MOST_WORKERS, threads=20))]
        thread = Thread(Process(self.world, "scaler", self._make_clock()))
        store = self.network.link(thread, crash=0.0)
        for after_s, wanted in changes:
            thread.after(after_s, partial(self._change, thread, store, wanted, CHANGE_TRIES))

    def _change(self, thread: Thread, store: Store, wanted: Wanted, tries: int) -> None:
        try:
            change = change_run(store, self.run_id, wanted, initiated_by="scaler")
        except (ConfigurationError, StoreUnreachable) as error:
            # The run may not have begun yet, or be between two controllers.
            self.world.say("scaler", str(error))
            if tries > 1:
                thread.after(1.0, lambda: self._change(thread, store, wanted, tries - 1))
        else:
            self.world.say("scaler", f"has asked for {wanted.workers} workers: {dict(change.targets)}")
            self.world.injected["worker joins"] += len(change.joined)
            self.world.injected["worker leaves"] += len(change.retired)

    def _force(self) -> None:
        self.world.say("user", "forces the end")
        for slot in self.slots:
            if slot.controller is not None:
                slot.controller.force()

    def _kill_somebody(self) -> None:
        processes = [slot.controller.process for slot in self.slots if slot.controller is not None]
        processes += [worker.process for worker in self.launcher.workers]
        alive = [process for process in processes if process.alive]
        if alive:
            victim = self.rng.choice(alive)
            self.world.fault("kill", victim.name, "SIGKILL")
            victim.end(-9)

    # The end ----------------------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        row = self.watch.before
        if row is None or row.status not in TERMINAL or row.phase is not Phase.COMPLETED:
            return False
        return not any(worker.process.alive for worker in self.launcher.workers)

    def _standing(self) -> str:
        row = self.watch.row()
        workers = [
            f"{worker.process.name} {worker.control.status if worker.control else 'opening'}"
            for worker in self.launcher.workers
            if worker.process.alive
        ]
        return f"{row.status}/{row.phase}, lease {row.lease_owner}, alive: {', '.join(workers) or 'no worker'}"

    def _check_cause(self) -> None:
        """A run fails only if something happened that a run may fail of; what a controller suffers is nothing such."""
        row, faults = self.watch.row(), self.faults
        cannot_fail = (
            faults.worker_crash == faults.stall == faults.stale == 0
            and all(worker.process.exit_code == WorkerExit.CLEAN for worker in self.launcher.workers)
            and all(end - begin < LONG_OUTAGE_S for begin, end in faults.outages)
            and not (faults.late_worker or faults.failed_launch or faults.workload_error)
        )
        may = ("start_timeout", *(["RESOURCE_EXHAUSTION"] if faults.burning_hosts else []))
        excused = any(cause in (row.completion_reason or "") for cause in may)
        if cannot_fail and row.status is RunStatus.FAILED and not excused:
            raise Violation(f"the run failed, and nothing had happened to its workers: {row.completion_reason}")

    def _check_totals(self) -> None:
        """A run that ended as planned counts everything that its workers have done, as far as they were not lost."""
        row = self.watch.row()
        if row.status is not RunStatus.COMPLETED:
            return
        loads = [(worker, worker.load) for worker in self.launcher.workers if worker.load is not None]
        most = sum(load.done()[1] for _, load in loads)
        least = sum(load.done()[1] for worker, load in loads if worker.process.exit_code == WorkerExit.CLEAN)
        if not least <= (row.operations or 0) <= most:
            raise Violation(f"the result counts {row.operations} operations, the workers have done {least} to {most}")


def simulate(ground: Ground, seed: int, *, broken: Break | None = None, tracing: bool = False) -> Outcome:
    """Simulate one seed and say what became of it."""
    simulation = Simulation(ground, seed, broken=broken, tracing=tracing)
    violation: str | None = None
    ended_as, reason = "-", ""
    try:
        row = simulation.run()
        ended_as, reason = row.status.value, row.completion_reason or row.cancellation_reason or ""
    except Violation as error:
        violation = str(error)
    except Exception as error:
        if tracing:
            logging.getLogger(__name__).exception("the real code failed")
        violation = f"{type(error).__name__}: {error}"
    finally:
        ground.clear(simulation.run_id)
    world = simulation.world
    return Outcome(
        seed,
        violation,
        ended_as,
        reason,
        world.now_s,
        simulation.network.calls,
        simulation.watch.checks,
        world.injected,
        world.diary,
    )


@dataclass(frozen=True)
class Chunk:
    """Seeds that one process takes at a time, from ``first`` to before ``end``."""

    first: int
    end: int
    broken: Break | None = None
    within: Path | None = None
    """Where to keep files; whoever made that folder removes it, also when this process is ended."""


def simulate_chunk(chunk: Chunk) -> list[Outcome]:
    """Simulate the seeds of a chunk, up to the first that breaks an invariant; says nothing in the log."""
    logging.disable(logging.CRITICAL)
    outcomes = []
    with Ground(chunk.within) as ground:
        for seed in range(chunk.first, chunk.end):
            outcomes.append(simulate(ground, seed, broken=chunk.broken))
            if outcomes[-1].violation is not None:
                break
    return outcomes


_SCENARIOS: dict[tuple[int, int, str, bool, str | None], Scenario] = {}


def _scenario(warmup_s: int, duration_s: int, on_worker_loss: str, *, staged: bool, guarded: str | None) -> Scenario:
    """Return a scenario of these lengths; made once, since checking one takes longer than a tick.

    ``guarded`` is the mode of its guardrails, None for none.
    """
    key = (warmup_s, duration_s, on_worker_loss, staged, guarded)
    if key not in _SCENARIOS:
        # The last stage comes back to what there was before the first, which a late write must not be taken for.
        stages = [
            {"at": duration_s * 0.1, "threads": 20, "ramp_seconds": duration_s * 0.2},
            {"at": duration_s * 0.5, "threads": 7},
            {"at": duration_s * 0.7, "threads": 4},
        ]
        document: dict[str, Any] = {
            "name": "simulated",
            "target": {"kind": "postgres", "url": "postgresql://127.0.0.1/simulated", "table": "t"},
            "load": {
                "mode": "CONCURRENCY",
                "threads": 4,
                "warmup_seconds": warmup_s,
                "duration_seconds": duration_s,
                "stages": stages if staged else [],
            },
            "scaling": {"mode": "AUTO"},
            "on_worker_loss": on_worker_loss,
            "guardrails": {"mode": guarded, "patience_intervals": 2} if guarded else {},
            "workload": {"operations": [{"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": "SELECT 1 FROM {table}"}]},
        }
        _SCENARIOS[key] = Scenario.model_validate(document)
    return _SCENARIOS[key]
