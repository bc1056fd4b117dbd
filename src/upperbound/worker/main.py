"""The life of a worker process: configure, connect, wait for the start, carry the load, drain, report."""

import contextlib
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import SecretStr, ValidationError

import upperbound
from upperbound.clock import Clock, SystemClock
from upperbound.domain.figures import PhaseFigures
from upperbound.domain.log_lines import LogSource
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.worker_state import WorkerEvent, WorkerExit, WorkerStatus
from upperbound.errors import (
    ConfigurationError,
    QueryLogError,
    StoreError,
    StoreUnreachable,
    TargetError,
)
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.loadgen.executor import Executor
from upperbound.loadgen.recorder import Recorder
from upperbound.planning.pool_values import RunPools, load_pools
from upperbound.querylog.loading import load_worker_log
from upperbound.querylog.parquet import LogParts, seal_worker, spool_folder
from upperbound.querylog.spool import Manifest, SpoolWriter
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.store.engine import Store, open_store
from upperbound.store.heartbeats import Heartbeat
from upperbound.store.log_handler import stored_logs
from upperbound.store.results import ChildResult
from upperbound.store.runs import RunRow
from upperbound.store.snapshots import Snapshot
from upperbound.targets.postgres import TARGET_PASSWORD_VARIABLE, ConnInfo, session_name
from upperbound.worker.control import STORE_LOST_S, Control
from upperbound.worker.executors import is_open_loop, make_executor
from upperbound.worker.live_push import LivePush, live_push
from upperbound.worker.load import RunningLoad
from upperbound.worker.orders import StartOrder, WorkerOptions
from upperbound.worker.patience import patiently
from upperbound.worker.preparation import PreparedLoad, prepare
from upperbound.worker.snowflake_preparation import BlockingLoad, pin_to_core, prepare_snowflake, worker_info

log = logging.getLogger(__name__)


class _Closable(Protocol):
    """A connection of any driver."""

    def close(self) -> None:
        """Close it."""
        ...


AnyConnection = TypeVar("AnyConnection", bound=_Closable)

START_TIMEOUT_S = 120.0
"""The longest a ready worker waits for the start."""
WAIT_STEP_S = 0.05
"""How often a waiting worker looks whether it has been told something."""
CONNECT_TIMEOUT_S = 10
SWITCH_INTERVAL_S = 0.0005
"""How long another thread may keep the measuring loop from the interpreter, instead of Python's 5 ms."""


def run_worker(options: WorkerOptions, clock: Clock | None = None) -> int:
    """Live the life of one worker and return its exit code; see :class:`upperbound.domain.worker_state.WorkerExit`."""
    clock = clock or SystemClock()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    _allow_open_files()
    with ExitStack() as stack:
        # Within the stack, so that the log in the store takes in why this ended.
        try:
            store = stack.enter_context(patiently(lambda: open_store(options.store_url, migrate=False), clock))
            stack.enter_context(
                stored_logs(
                    store.logs,
                    clock,
                    run_id=options.run_id,
                    source=LogSource.WORKER,
                    worker_id=options.worker_id,
                )
            )
            log.info("process %d on %s, upperbound %s", os.getpid(), socket.gethostname(), upperbound.__version__)
            push = live_push(os.environ, clock)
            if push is not None:
                push.start()
                stack.callback(push.close)
            code = _make_worker(store, options, clock, push).live()
        except StoreUnreachable as error:
            log.error("%s", error)  # noqa: TRY400 - the message is written for people, who need no trace
            code = WorkerExit.STORE_UNREACHABLE
        except (ConfigurationError, StoreError) as error:
            log.error("%s", error)  # noqa: TRY400 - the message is written for people, who need no trace
            code = WorkerExit.CONFIGURATION
        log.info("the worker ends with exit code %d", code)
    _outlive_signals()
    return int(code)


def _outlive_signals() -> None:
    """Let no signal change how this process ends: the interpreter gives up our handlers before it has gone."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _allow_open_files() -> None:
    """Let this process have as many connections as the system lets it: a thousand threads need more than the usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _make_worker(store: Store, options: WorkerOptions, clock: Clock, push: LivePush | None) -> "_Worker":
    """Return the worker, configured.

    Raises:
        ConfigurationError: it cannot even begin; its heartbeat says why.
    """
    try:
        run = patiently(lambda: store.runs.get(options.run_id), clock)
        config = _read_config(run, options)
        return _Worker(store, config, _threads(run, config, options), options, clock, push)
    except ConfigurationError as error:
        _say_failed(store, options, error)
        raise


def _read_config(run: RunRow, options: WorkerOptions) -> RunConfig:
    """Return what the run's row says is to be done. Raises :class:`ConfigurationError` when this version cannot."""
    try:
        config = RunConfig.model_validate(run.scenario_config)
    except ValidationError as error:
        raise ConfigurationError(
            f"the configuration of run {options.run_id} cannot be read: {error}",
            hint=f"workers and controller must be of one version; this worker is {upperbound.__version__}",
        ) from error
    return config


def _threads(run: RunRow, config: RunConfig, options: WorkerOptions) -> int:
    """Return how many threads this worker begins with: its target, or its part of the plan.

    Raises:
        ConfigurationError: the run has no place for this worker.
    """
    if not 0 <= options.group_id < config.capacity:
        raise ConfigurationError(f"there is no group id {options.group_id} among {config.capacity} workers")
    planned = config.threads[options.group_id] if options.group_id < len(config.threads) else 0
    threads = int(run.worker_targets.get(options.worker_id, planned)) or planned
    if not threads:
        raise ConfigurationError(f"{options.worker_id} is not, or no longer, in run {options.run_id}")
    return threads


def _say_failed(store: Store, options: WorkerOptions, error: ConfigurationError) -> None:
    """Write the only heartbeat of a worker that cannot even begin: on another host nobody sees its output."""
    store.heartbeats.upsert(
        Heartbeat(
            run_id=options.run_id,
            worker_id=options.worker_id,
            group_id=options.group_id,
            status=WorkerStatus.FAILED,
            phase=Phase.PREPARING,
            last_error=str(error),
        )
    )


def _run_folder(run_id: str) -> Path:
    """Return where the files of a run are kept."""
    home = os.environ.get("UPPERBOUND_HOME")
    if not home:
        raise ConfigurationError("UPPERBOUND_HOME is not set", hint="set it to the controller's data directory")
    return Path(home) / "runs" / run_id


class _Worker:
    """One worker with its configuration loaded."""

    def __init__(
        self,
        store: Store,
        config: RunConfig,
        threads: int,
        options: WorkerOptions,
        clock: Clock,
        push: LivePush | None,
    ) -> None:
        self._store, self._config, self._options, self._clock = store, config, options, clock
        self._threads = threads
        load = config.scenario.load
        self._plan = PhasePlan(warmup_s=load.warmup_seconds, duration_s=load.duration_seconds)
        on_snapshot = push.offer if push is not None else _nobody
        self._control = Control(store, clock, options, self._plan, on_snapshot=on_snapshot)
        self._run_folder = _run_folder(options.run_id)
        self._fatal: Exception | None = None
        """What has ended the load before its time."""
        self._executor: Executor | None = None

    def live(self) -> WorkerExit:
        """Go through the states to the end; every way out writes a last heartbeat."""
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._control.request_stop())
        signal.signal(signal.SIGINT, lambda _number, _frame: self._control.request_cancel())
        control = self._control
        control.start()
        try:
            code = self._work()
        except TimeoutError as error:
            code = self._failed(WorkerExit.NO_START, error)
        except (TargetError, QueryLogError) as error:
            code = self._failed(WorkerExit.WORKLOAD, error)
        except StoreUnreachable as error:
            code = self._failed(WorkerExit.STORE_UNREACHABLE, error)
        except (ConfigurationError, StoreError) as error:
            code = self._failed(WorkerExit.CONFIGURATION, error)
        except Exception as error:
            log.exception("an error that nobody has thought of")
            code = self._failed(WorkerExit.WORKLOAD, error)
        finally:
            written = control.finish(self._patience_s)
        # A worker that says it is clean when its last rows are lost would have its run take what is left for all.
        return code if written or code is not WorkerExit.CLEAN else WorkerExit.STORE_UNREACHABLE

    @property
    def _patience_s(self) -> float:
        """How long to wait for the store with the last rows: not again, if that is why the load ended."""
        return 0.0 if self._control.store_lost else STORE_LOST_S

    def _work(self) -> WorkerExit:
        control = self._control
        control.advance(WorkerEvent.CONFIGURED)
        prepared = self._prepare()
        errors = ErrorTable()
        recorder = Recorder(
            labels=prepared.labels,
            errors=errors,
            on_error=self._on_recorder_error,
            open_loop=is_open_loop(self._config.scenario),
            transactions=prepared.transactions,
        )
        with ExitStack() as stack:
            if isinstance(prepared, BlockingLoad):
                stack.callback(prepared.close)
            executor = self._executor = make_executor(
                self._config, prepared, recorder, errors, group_id=self._options.group_id
            )
            stack.callback(executor.close)
            try:
                executor.open(self._threads, self._report_progress)
            except TargetError:
                if not control.is_stopping:
                    raise
                return self._leave_early()
            control.report(f"{self._threads} connections open")
            log.info("connected: %d connections to %s", self._threads, prepared.address)
            if control.is_stopping:
                return self._leave_early()
            control.advance(WorkerEvent.CONNECTED)
            order = self._wait_for_start()
            if order is None:
                return self._leave_early()
            stack.callback(recorder.finish)
            return self._carry(executor, recorder, prepared, order)

    def _prepare(self) -> PreparedLoad | BlockingLoad:
        """Get ready to connect.

        Raises:
            StoreError: values of the run are not there.
            TargetError: the target cannot be reached.
            ConfigurationError: the scenario does not fit the target any more, or nothing says how to log in.
        """
        options, config = self._options, self._config
        secret = SecretStr(password) if (password := os.environ.get(TARGET_PASSWORD_VARIABLE)) else None
        pools = self._load_pools()
        if isinstance(config.scenario.target, SnowflakeTarget):
            pin_to_core(options.group_id)
            blocking = prepare_snowflake(
                config,
                worker_info(config.scenario.target, options.run_id, secret),
                run_id=options.run_id,
                worker_id=options.worker_id,
                group_id=options.group_id,
                group_count=options.group_count,
                clock=self._clock,
                pools=pools,
            )
            return replace(blocking, connect=self._unless_stopped(blocking.connect))
        conninfo = ConnInfo(
            url=config.target_url or "",
            password=secret,
            application_name=session_name(options.run_id, options.worker_id),
            connect_timeout_s=CONNECT_TIMEOUT_S,
        )
        prepared = prepare(config, conninfo, group_id=options.group_id, group_count=options.group_count, pools=pools)
        return replace(prepared, connect=self._unless_stopped(prepared.connect))

    def _load_pools(self) -> RunPools:
        """Load the values of the run's pools, patiently."""
        begun_ns = self._clock.monotonic_ns()
        values, run_id = self._store.value_pools, self._options.run_id
        pools = patiently(lambda: load_pools(values, values.of_run(run_id)), self._clock)
        if pools.nbytes:
            seconds = (self._clock.monotonic_ns() - begun_ns) / 1e9
            log.info("value pools loaded: %.1f MiB in %.2f s", pools.nbytes / 2**20, seconds)
        return pools

    def _wait_for_start(self) -> StartOrder | None:
        """Return when the run started, or None when it was called off.

        Raises:
            TimeoutError: no start came in time.
        """
        deadline = self._clock.monotonic_ns() + int(START_TIMEOUT_S * 1e9)
        while not self._control.started.is_set():
            if self._control.is_stopping:
                return None
            if self._clock.monotonic_ns() >= deadline:
                raise TimeoutError(f"no START came within {START_TIMEOUT_S:.0f} s of being ready")
            self._clock.sleep(WAIT_STEP_S)
        order = self._control.order
        log.info("start seen %.3f s after it", (self._clock.monotonic_ns() - order.start_ns) / 1e9)
        return order

    def _carry(
        self, executor: Executor, recorder: Recorder, prepared: PreparedLoad | BlockingLoad, order: StartOrder
    ) -> WorkerExit:
        """Send until the end, drain, seal the log and write the worker's result."""
        control = self._control
        recorder.start(order.measurement_start_ns, self._spool(prepared, order))
        load = RunningLoad(executor, recorder, order, self._clock)
        running = self._result(WorkerStatus.RUNNING)
        control.write_soon(lambda: self._store.results.write_child(running))
        control.advance(WorkerEvent.START)
        executor.stop_at(order.stop_ns)
        control.attach(load)
        # Last, so that after a stop that has come meanwhile not even one query is sent.
        executor.begin()
        try:
            executor.run()
            if not control.is_stopping:
                log.info("the planned end has come")
        except Exception as error:
            self._fatal = self._fatal or error
            raise
        finally:
            self._conclude(recorder, load)
        if self._fatal is not None:
            raise self._fatal
        self._load_log()
        control.advance(WorkerEvent.DRAINED)
        return WorkerExit.CLEAN

    def _load_log(self) -> None:
        """Bring the log into a store that keeps queries in tables; what cannot be brought is the orchestrator's."""
        if not self._store.query_log.keeps_rows:
            return
        control, options = self._control, self._options
        control.begin_loading()
        control.report("loading the query log into the store")
        load_worker_log(self._store, self._run_folder, options.run_id, options.worker_id, control.cut_short)

    def _conclude(self, recorder: Recorder, load: RunningLoad) -> None:
        """Seal the log and hand the worker's result to the control side, which writes it before the end is reported."""
        control = self._control
        recorder.finish()
        control.advance(WorkerEvent.STOP)
        measured = load.figures(Phase.MEASUREMENT)
        log.info(
            "drained: %d operations and %d failed in %.3f s of measurement, %d in the warmup",
            measured.operations,
            measured.failed,
            measured.seconds,
            measured.warmup_operations,
        )
        parts = self._seal()
        if control.store_lost:
            self._fatal = self._fatal or _store_lost()
        status = WorkerStatus.FAILED if self._fatal else WorkerStatus.COMPLETED
        result = self._result(status, measured, parts)
        control.write_soon(lambda: self._store.results.write_child(result))

    def _spool(self, prepared: PreparedLoad | BlockingLoad, order: StartOrder) -> SpoolWriter:
        now_ns = self._clock.monotonic_ns()
        manifest = Manifest(
            run_id=self._options.run_id,
            test_id=self._options.test_id,
            worker_id=self._options.worker_id,
            kinds=list(prepared.kinds),
            operations=list(prepared.labels),
            anchor_utc_us=int(self._clock.utc_now().timestamp() * 1_000_000),
            anchor_ns=now_ns,
            measurement_start_ns=order.measurement_start_ns,
        )
        return SpoolWriter(spool_folder(self._run_folder, self._options.worker_id), manifest)

    def _seal(self) -> LogParts:
        """Seal the log; the orchestrator tries again with what a full disk leaves unsealed."""
        try:
            parts = seal_worker(self._run_folder, self._options.worker_id)
        except QueryLogError as error:
            self._fatal = self._fatal or error
            return LogParts(0, ())
        log.info("query log sealed: %d rows in %d files", parts.rows, len(parts.files))
        return parts

    def _result(
        self, status: WorkerStatus, figures: PhaseFigures | None = None, parts: LogParts | None = None
    ) -> ChildResult:
        """Return this worker's row in ``TEST_RESULTS``: what it is at the start, and with its figures at the end."""
        scenario, options = self._config.scenario, self._options
        return ChildResult(
            test_id=options.test_id,
            run_id=options.run_id,
            worker_id=options.worker_id,
            group_id=options.group_id,
            name=scenario.name,
            status=status,
            phase=self._control.phase() if figures is None else Phase.COMPLETED,
            load_mode=scenario.load.mode,
            scaling_mode=scenario.scaling.mode,
            threads=self._threads,
            operations=figures.operations if figures else 0,
            failed=figures.failed if figures else 0,
            warmup_operations=figures.warmup_operations if figures else 0,
            duration_s=figures.seconds if figures else None,
            qps=figures.qps if figures else None,
            figures=figures.to_json() if figures else None,
            query_log={"rows": parts.rows, "files": [file.name for file in parts.files]} if parts else None,
            failure_reason=str(self._fatal) if self._fatal else None,
        )

    def _report_progress(self, number: int) -> None:
        self._control.report(f"{number} of {self._threads} connections open")

    def _unless_stopped(self, connect: Callable[[], AnyConnection]) -> Callable[[], AnyConnection]:
        """Return what opens a connection for as long as the load is wanted, and raises TargetError after."""

        def is_wanted() -> bool:
            return not self._control.is_stopping

        def connect_if_wanted() -> AnyConnection:
            if is_wanted():
                connection = connect()
                if is_wanted():
                    return connection
                connection.close()
            raise TargetError("no connection is wanted any more: the load has been stopped")

        return connect_if_wanted

    def _on_recorder_error(self, error: QueryLogError) -> None:
        """End a load whose log cannot be kept; called in the recorder's thread."""
        self._fatal = error
        if self._executor is not None:
            self._executor.stop()

    def _leave_early(self) -> WorkerExit:
        """End before the load began, because the run was called off.

        Raises:
            StoreUnreachable: nobody called it off, the store has been away for too long.
        """
        if self._control.store_lost:
            raise _store_lost()
        self._control.advance(WorkerEvent.STOP)
        self._control.advance(WorkerEvent.DRAINED)
        return WorkerExit.CLEAN

    def _failed(self, code: WorkerExit, error: BaseException) -> WorkerExit:
        log.error("%s", error)
        self._control.advance(WorkerEvent.FAIL, error=str(error) or type(error).__name__)
        return code


def _nobody(_snapshot: Snapshot) -> None:
    """Take a snapshot that nobody is pushed."""


def _store_lost() -> StoreUnreachable:
    return StoreUnreachable(f"the store could not be reached for {STORE_LOST_S:.0f} s, so that nobody watched the load")
