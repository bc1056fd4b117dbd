"""Create, start and drive runs."""

import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import SecretStr

import upperbound
from upperbound.clock import Clock
from upperbound.domain.figures import PhaseFigures
from upperbound.domain.phases import Phase
from upperbound.domain.resize import worker_capacity, worker_name
from upperbound.domain.run_state import TERMINAL, RunEvent, next_status
from upperbound.errors import (
    ConfigurationError,
    IllegalTransition,
    Problem,
    RunFailed,
    StoreError,
    TargetError,
    TargetMismatch,
    WorkerFailed,
)
from upperbound.launchers.base import Launcher, WorkerHandle, WorkerSpec
from upperbound.orchestrator.adoption import take_lease
from upperbound.orchestrator.crew import Crew
from upperbound.orchestrator.environment import describe_environment
from upperbound.orchestrator.finish import collect
from upperbound.orchestrator.follow_up import Enrichment, FollowUp
from upperbound.orchestrator.host_facts import host_facts, plan_on_host
from upperbound.orchestrator.loop import LEASE_S, RunLoop
from upperbound.orchestrator.pool_sampling import PoolWatcher
from upperbound.orchestrator.sites import EnrichmentOrder, Site, open_site
from upperbound.orchestrator.start_checks import start_warnings
from upperbound.orchestrator.value_pools import ChosenPools, PoolOrder, lent_pools
from upperbound.orchestrator.warehouse_poller import WarehousePoller
from upperbound.planning.gate import POOL_VALUES
from upperbound.planning.pool_values import load_pools
from upperbound.querylog.calls import run_calls
from upperbound.scenario.kinds import ScalingMode
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.store.engine import Store
from upperbound.store.results import ParentResult
from upperbound.store.runs import NewRun, RunRow
from upperbound.store.templates import TemplateRef
from upperbound.targets.postgres import TARGET_PASSWORD_VARIABLE, ConnInfo, end_sessions

log = logging.getLogger(__name__)

PREFLIGHT = "upperbound:preflight"
"""What the target shows of the sessions of the checks before a run."""
END_TIMEOUT_S = 2
"""How long the end of a run waits for a target whose sessions are to be ended."""


@dataclass(frozen=True)
class RunRequest:
    """A run that somebody wants."""

    scenario: Scenario
    target_url: str | None
    """Where the server is, without a password: the scenario's URL, or that of an embedded server; None for a target
    without one."""
    password: SecretStr | None = None
    """Handed to the workers in their environment and kept nowhere."""
    template: TemplateRef | None = None
    """Where the scenario comes from; overrides may have changed it since. None for a file."""


class Orchestrator:
    """Owns the runs it starts, by lease, until they have ended."""

    def __init__(
        self,
        store: Store,
        launcher: Launcher,
        clock: Clock,
        home: Path,
        *,
        end_sessions: Callable[[ConnInfo, str], int] = end_sessions,
        ticked: Callable[[float], None] = lambda _: None,
        worker_environment: Callable[[str], Mapping[str, str]] = lambda _: {},
    ) -> None:
        """Keep files of runs under ``home`` and everything else in ``store``.

        ``ticked`` is told how many seconds each tick of a loop has taken, in that loop's thread.
        ``worker_environment`` returns by run id what its workers find in their environment beyond what they need.
        """
        self._ticked = ticked
        self._store, self._launcher, self._clock, self._home = store, launcher, clock, home
        self._end_sessions = end_sessions
        self._worker_environment = worker_environment
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._passwords: dict[str, SecretStr] = {}
        self._loops: dict[str, RunLoop] = {}
        self._pollers: dict[str, WarehousePoller] = {}
        self.warnings: dict[str, tuple[str, ...]] = {}
        """By run id: what the checks before the run found that does not prevent it."""

    def create_run(self, request: RunRequest, watcher: PoolWatcher | None = None) -> str:
        """Check everything that can be known before the start, prepare the run, and return its id.

        Each operation is executed on the target and rolled back; nothing else is changed there. ``watcher`` is told of
        value pools that are sampled for the run, which may take a while.

        Raises:
            ConfigurationError: the scenario does not fit the target or this machine, or its operations do not do what
                they declare; every problem of each check at once.
            TargetError: the target cannot be reached or refuses the login.
            StoreError: the run cannot be written.
        """
        scenario = request.scenario
        self._home.mkdir(parents=True, exist_ok=True)
        facts = host_facts()
        plan = plan_on_host(scenario, facts)
        warnings = start_warnings(self._store, self._clock, home=self._home, scenario=scenario, plan=plan, facts=facts)
        site = self._checked_site(scenario, request.target_url, request.password)
        checked = site.check(scenario, plan.peak_threads, self._clock)
        seed = secrets.randbits(31) if scenario.workload.seed is None else scenario.workload.seed
        order = PoolOrder(scenario, request.template, site.pool_target, seed=seed, sampled_by=self._owner)
        with lent_pools(self._store, order, watcher) as chosen:
            config = RunConfig(
                scenario=scenario,
                threads=plan.threads,
                worker_capacity=worker_capacity(
                    plan.worker_count,
                    fixed=scenario.scaling.mode == ScalingMode.FIXED,
                    max_workers=scenario.scaling.bounds.max_workers,
                ),
                seed=seed,
                target_url=request.target_url,
                table=scenario.target.table,
                sequence_starts=site.sequence_starts(scenario),
                upperbound_version=upperbound.__version__,
            )
            tried = self._try(site, config, chosen)
            run_id = self._write(config, plan.total_threads, request.template, chosen)
        environment = describe_environment(target_version=checked.version, driver=checked.driver, seed=config.seed)
        self._store.results.set_environment(run_id, environment)
        self.warnings[run_id] = (*warnings, *checked.warnings, *chosen.warnings, *tried)
        if request.password is not None:
            self._passwords[run_id] = request.password
        return run_id

    def _write(self, config: RunConfig, total_threads: int, template: TemplateRef | None, chosen: ChosenPools) -> str:
        """Write a run as prepared and return its id. Raises :class:`StoreError`."""
        run_id = f"{self._clock.utc_now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        scenario = config.scenario
        self._store.runs.create(
            NewRun(
                run_id=run_id,
                name=scenario.name,
                scenario=config.model_dump(mode="json"),
                total_workers=len(config.threads),
                worker_targets={worker_name(group_id): threads for group_id, threads in enumerate(config.threads)},
                load_mode=scenario.load.mode,
                scaling_mode=scenario.scaling.mode,
                threads=total_threads,
                template_id=template.template_id if template else None,
                template_version=template.version if template else None,
                value_pools=[pool.pool_id for pool in chosen.pools],
            )
        )
        return run_id

    def renew_run(self, run_id: str, *, target_url: str | None = None, password: SecretStr | None = None) -> None:
        """Check a prepared run against its target once more, and bring to date what may have changed since.

        Where sequences begin is read anew. ``target_url`` is where the target is now, None for where it was; a
        ``password`` takes the place of the one it was made with.

        Raises:
            IllegalTransition: the run was started before, or has ended; nothing is changed.
            ConfigurationError: the scenario does not fit the target any more; every problem at once.
            TargetError: the target cannot be reached or refuses the login.
        """
        run = self._store.runs.get(run_id)
        next_status(run.status, RunEvent.START)
        config = RunConfig.model_validate(run.scenario_config)
        secret = password or self._passwords.get(run_id)
        url = target_url or config.target_url
        site = self._checked_site(config.scenario, url, secret)
        peak = plan_on_host(config.scenario, host_facts()).peak_threads
        checked = site.check(config.scenario, peak, self._clock)
        starts = site.sequence_starts(config.scenario)
        config = config.model_copy(update={"target_url": url, "sequence_starts": starts})
        tried = self._try(site, config, ChosenPools(tuple(self._store.value_pools.of_run(run_id))))
        if not self._store.runs.replace_config(run_id, config.model_dump(mode="json")):
            raise IllegalTransition(f"run {run_id} was started or stopped by someone else meanwhile")
        self.warnings[run_id] = (*checked.warnings, *tried)
        if secret is not None:
            self._passwords[run_id] = secret

    def _try(self, site: Site, config: RunConfig, chosen: ChosenPools) -> tuple[str, ...]:
        """Execute each operation with values of the run's pools, roll it back, and return what may surprise.

        Raises:
            TargetMismatch: operations do not do what they declare; that pools may be why is one more problem.
            TargetError: the target cannot be reached, or gives up.
        """
        pools = load_pools(self._store.value_pools, chosen.pools, most=POOL_VALUES)
        try:
            return site.try_operations(config, self._clock, pools)
        except TargetMismatch as error:
            known = [Problem("", note, chosen.advice) for note in chosen.notes]
            raise TargetMismatch(error.message, problems=[*error.problems, *known], hint=error.hint) from None

    def start_run(self, run_id: str) -> None:
        """Take the run's lease and launch its workers; :meth:`drive` sees to the rest.

        Raises:
            RunFailed: another controller owns the run, or a worker process cannot be started.
            IllegalTransition: the run was started before, or has ended.
            TargetError: the target cannot be made ready; the run stays as it is.
        """
        run = self._store.runs.get(run_id)
        starting = next_status(run.status, RunEvent.START)
        config = RunConfig.model_validate(run.scenario_config)
        self._site(run_id, config, "upperbound:start").make_ready(self._clock)
        if not self._store.runs.acquire_lease(run_id, self._owner, LEASE_S):
            raise RunFailed(f"run {run_id} belongs to another controller", hint="let it finish, or stop it there")
        if not self._store.runs.transition(run_id, expected=run.status, to=starting):
            self._store.runs.release_lease(run_id, self._owner)
            raise RunFailed(f"run {run_id} was changed by someone else while it was being started")
        self._watch(run_id, config, self._launch(run_id, config))

    def adopt_run(self, run_id: str) -> None:
        """Take over a run whose controller is gone, as soon as its lease has run out; :meth:`drive` sees to the rest.

        Its workers have gone on by the plan in the tables. They are no children of this process: it hears from them
        through the store, and can tell them to stop, but sends no signals.

        Raises:
            RunFailed: the controller is alive, or there is nothing left to do for the run.
            RunNotFound: there is no such run.
        """
        run = take_lease(self._store, self._clock, run_id, owner=self._owner, ttl_s=LEASE_S)
        log.info("run %s, %s in phase %s, is taken over", run_id, run.status.value, run.phase.value)
        self._watch(run_id, RunConfig.model_validate(run.scenario_config), {})

    def drive(self, run_id: str, on_tick: Callable[[RunRow], None] | None = None) -> RunRow:
        """Bring a started run to its end and return its row; see :meth:`RunLoop.drive`."""
        with self._pollers.get(run_id) or contextlib.nullcontext():
            row = self._loops[run_id].drive(on_tick)
        # Values that were sampled for this run alone; what cannot be removed now goes when the next run is created.
        with contextlib.suppress(StoreError):
            self._store.value_pools.sweep()
        return row

    def process_again(self, run_id: str) -> None:
        """Load queries of a run that has ended which are not in the store yet, and ask its server once more.

        May take minutes; what came of it is in the run's result. May be repeated, also after it was cut off.

        Raises:
            RunNotFound: there is no such run.
            IllegalTransition: it has not ended.
        """
        run = self._store.runs.get(run_id)
        if run.status not in TERMINAL or run.phase is not Phase.COMPLETED:
            raise IllegalTransition(
                f"run {run_id} is {run.status.value}, phase {run.phase.value}: its results are still being made",
                hint="wait for its end",
            )
        follow_up = self._follow_up(run_id, RunConfig.model_validate(run.scenario_config))
        before = self._store.results.get(run_id)
        collected = collect(self._store, run_id, list(run.worker_targets), self.run_folder(run_id))
        status, reason = follow_up.first_status
        self._store.results.set_enrichment(run_id, status.value, reason)
        if follow_up.is_needed:
            # Files may be on another machine: then what was known before is all that can be known.
            known = before.query_log or {}
            rows = {
                worker_id: max(rows, int(known.get("workers", {}).get(worker_id, 0)))
                for worker_id, rows in collected.worker_rows.items()
            }
            total = {"rows": sum(rows.values()), "workers": rows}
            follow_up.work(
                rows, {**collected.query_log, **total, "path": known.get("path", collected.query_log["path"])}
            )

    def leave(self, run_id: str) -> None:
        """Let :meth:`drive` return without ending the run; see :meth:`RunLoop.leave`."""
        if (loop := self._loops.get(run_id)) is not None:
            loop.leave()

    def forget(self, run_id: str) -> None:
        """Drop what is kept in memory of a run that is not driven here any more, its password included."""
        self._loops.pop(run_id, None)
        self._pollers.pop(run_id, None)
        self._passwords.pop(run_id, None)
        self.warnings.pop(run_id, None)

    def hurry(self, run_id: str) -> None:
        """Let the next tick come at once; may be called from a signal handler."""
        if (loop := self._loops.get(run_id)) is not None:
            loop.hurry()

    def force_stop(self, run_id: str) -> None:
        """End a run that was asked to stop without waiting for its drain; may be called from a signal handler."""
        if (loop := self._loops.get(run_id)) is not None:
            loop.force()

    def run_folder(self, run_id: str) -> Path:
        """Return where the files of a run are kept."""
        return self._home / "runs" / run_id

    def _watch(self, run_id: str, config: RunConfig, handles: Mapping[str, WorkerHandle]) -> None:
        self._loops[run_id] = RunLoop(
            self._store,
            self._clock,
            run_id=run_id,
            owner=self._owner,
            config=config,
            run_folder=self.run_folder(run_id),
            crew=Crew(
                self._clock,
                handles,
                launch=lambda worker_id, group_id: self._launch_one(run_id, config, worker_id, group_id),
                end_sessions=lambda: self._clear(run_id, config),
            ),
            follow_up=self._follow_up(run_id, config, holder=self._owner),
            ticked=self._ticked,
        )
        try:
            watch = self._site(run_id, config, "upperbound:warehouse").watch_warehouse()
        except ConfigurationError as error:
            # Whoever takes a run over may not be able to log in to its target.
            log.warning("the warehouse is not followed: %s", error)
            return
        if watch is not None:
            self._pollers[run_id] = WarehousePoller(self._store, self._clock, run_id, watch)

    def _follow_up(self, run_id: str, config: RunConfig, *, holder: str | None = None) -> FollowUp:
        """Return what is to be done when the load is over."""
        folder = self.run_folder(run_id)

        def enrichment() -> Enrichment | None:
            run = self._store.runs.get(run_id)
            if run.start_time is None:
                return None
            calls = partial(run_calls, self._store, run_id, folder)
            order = EnrichmentOrder(run_id, folder, config.scenario, run.start_time, run.end_time, calls)
            return self._site(run_id, config, "upperbound:enrichment").enrichment(order, self._clock)

        asked = enrichment if isinstance(config.scenario.target, SnowflakeTarget) else None
        return FollowUp(self._store, self._clock, run_id, folder, asked, holder=holder)

    def _clear(self, run_id: str, config: RunConfig) -> int:
        """End the sessions of the run's workers on the target."""
        try:
            return self._site(run_id, config, "upperbound:ending", timeout_s=END_TIMEOUT_S).end_sessions(run_id)
        except ConfigurationError as error:
            # Somebody may have changed the user's files since the run was created.
            raise TargetError(error.message, hint=error.hint) from None

    def _checked_site(self, scenario: Scenario, url: str | None, secret: SecretStr | None) -> Site:
        """Return the target of a run that is checked before its start."""
        return open_site(scenario, url, secret, PREFLIGHT, store_warehouse=self._store.warehouse())

    def _site(self, run_id: str, config: RunConfig, purpose: str, *, timeout_s: int | None = None) -> Site:
        """Return the target of a run that was created."""
        secret = self._passwords.get(run_id)
        return open_site(
            config.scenario, config.target_url, secret, purpose, timeout_s=timeout_s, end=self._end_sessions
        )

    def _launch(self, run_id: str, config: RunConfig) -> dict[str, WorkerHandle]:
        """Start every worker, or none: what was started before a failure is ended again."""
        handles: dict[str, WorkerHandle] = {}
        try:
            for group_id in range(len(config.threads)):
                worker_id = worker_name(group_id)
                handles[worker_id] = self._launch_one(run_id, config, worker_id, group_id)
        except WorkerFailed as error:
            log.error("%s", error)  # noqa: TRY400 - the message is written for people, who need no trace
            for handle in handles.values():
                handle.kill()
            self._give_up(run_id, config, str(error))
            raise
        return handles

    def _launch_one(self, run_id: str, config: RunConfig, worker_id: str, group_id: int) -> WorkerHandle:
        """Start one worker. Raises :class:`WorkerFailed`."""
        spec = WorkerSpec(self._store.url, run_id, worker_id, group_id, len(config.threads))
        log_file = self.run_folder(run_id) / "logs" / f"{worker_id}.log"
        handle = self._launcher.launch(spec, environment=self._environment(run_id), log_file=log_file)
        log.info("%s launched as process %d", worker_id, handle.pid)
        return handle

    def _give_up(self, run_id: str, config: RunConfig, reason: str) -> None:
        """End a run none of whose workers is left, before it had a loop to do so."""
        run = self._store.runs.get(run_id)
        failed = next_status(run.status, RunEvent.FAIL)
        nothing = PhaseFigures(Phase.MEASUREMENT)
        self._store.results.finish_parent(
            run_id,
            ParentResult(
                worker_count=len(config.threads),
                threads=sum(config.threads),
                operations=0,
                failed=0,
                warmup_operations=0,
                duration_s=None,
                qps=None,
                figures=nothing.to_json(),
                query_log=None,
                failure_reason=reason,
            ),
            holder=self._owner,
        )
        self._store.runs.transition(
            run_id,
            expected=run.status,
            to=failed,
            phase=Phase.COMPLETED,
            completion_reason=reason,
            holder=self._owner,
        )
        self._store.runs.release_lease(run_id, self._owner)

    def _environment(self, run_id: str) -> Mapping[str, str]:
        """Return what workers need and no command line, store or log may hold."""
        environment = {**self._worker_environment(run_id), "UPPERBOUND_HOME": str(self._home)}
        if self._store.password is not None:
            environment["UPPERBOUND_STORE_PASSWORD"] = self._store.password.get_secret_value()
        if run_id in self._passwords:
            environment[TARGET_PASSWORD_VARIABLE] = self._passwords[run_id].get_secret_value()
        return environment
