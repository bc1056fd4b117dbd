"""The control side of a worker: everything between it and the store, in a thread of its own.

It never shares a lock with the measuring loop: it reads counters the loop leaves behind and rings its bell.
"""

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from upperbound.clock import Clock
from upperbound.domain.arrivals import Share
from upperbound.domain.backoff import Backoff
from upperbound.domain.events import EventType
from upperbound.domain.phases import Phase, PhasePlan
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.domain.worker_state import WorkerEvent, WorkerStatus, next_worker_status
from upperbound.errors import StoreUnreachable
from upperbound.store.engine import Store
from upperbound.store.events import EventRow
from upperbound.store.runs import RunRow
from upperbound.store.snapshots import Snapshot
from upperbound.worker.load_port import Load
from upperbound.worker.orders import StartOrder, WorkerOptions
from upperbound.worker.reports import heartbeat_of, snapshot_of
from upperbound.worker.resources import ResourceMeter, ResourceReader
from upperbound.worker.thread_target import ThreadTarget

log = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
POLL_S = 0.5
"""Between two looks at the events."""
START_POLL_S = 0.1
"""The same before the start, where it is how much later than START_TIME a worker may begin, and while draining."""
EVENTS_AT_ONCE = 1000
"""Events that one look reads from the store at most."""
RECONCILE_S = 5.0
"""Between two looks at the run's own row, in case an event was missed."""
CANCEL_BEFORE_S = 10.0
"""How long before the drain timeout, after which the process is killed, queries in flight are cancelled."""
CANCEL_AGAIN_S = 1.0
"""Between two times: a request that comes between two statements of a transaction cancels nothing."""
AWAY_FIRST_S = 0.5
"""The longest wait after the first call that a store has failed; twice as long after each further one."""
AWAY_MOST_S = 5.0
"""The longest wait between two looks whether a store is back."""
STORE_LOST_S = 60.0
"""Without the store for this long a worker ends its load: nobody watches it."""


class Control:
    """Reports to the store and takes its orders.

    ``advance``, ``report``, ``write_soon`` and ``attach`` may be called from any thread; the rest happens in its own.
    The load is stopped when a STOP event is seen, when the run turns out to be over, and when the store has been
    unreachable for :data:`STORE_LOST_S`; then :attr:`store_lost` is set as well. Until then snapshots and other writes
    are kept for the store's return.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: WorkerOptions,
        plan: PhasePlan,
        resources: ResourceReader | None = None,
        on_snapshot: Callable[[Snapshot], None] = lambda _: None,
    ) -> None:
        """Report what ``resources`` reads of this machine; found out when left out. ``on_snapshot`` returns at once."""
        self._store, self._clock, self._options, self._plan = store, clock, options, plan
        self._on_snapshot = on_snapshot
        self._lock = threading.Lock()
        self._sampling = threading.Lock()
        self._status = WorkerStatus.STARTING
        self._published: WorkerStatus | None = None
        self._detail = ""
        self._last_error = ""
        self._load: Load | None = None
        self._rate: float | None = None
        """The rate of the run that this worker was last told of; None for the scenario's."""
        self._sharing: tuple[str, ...] = ()
        """The workers that it was last said to be shared by; none for those of the plan."""
        self._sequence_seen = 0
        self._snapshots_taken = 0
        self._order: StartOrder | None = None
        self._cancel_at_ns: int | None = None
        self._stop_requested = False
        self._writes: deque[Callable[[], None]] = deque()
        self._reachable_ns = clock.monotonic_ns()
        self._backoff = store_backoff()
        self._heartbeat_due_ns = self._snapshot_due_ns = self._reconcile_due_ns = 0
        self._resources = resources or ResourceMeter(clock)
        self._steering = threading.Lock()
        self._target = ThreadTarget()
        self._threads_set: int | None = None
        self._ending = threading.Event()
        self._nudge = threading.Event()
        self.started = threading.Event()
        """Set when the run has started; :attr:`order` says when."""
        self.stopped = threading.Event()
        """Set when the load must end, or must not begin."""
        self.cut_short = threading.Event()
        """Set when what the worker does after its load must end as well: it got a signal, so that time is short."""
        self.store_lost = False
        self._loading = False
        """Whether the load has drained, and its log is being loaded into the store."""
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._watch = threading.Thread(target=self._keep_watch, name="watch", daemon=True)

    @property
    def order(self) -> StartOrder:
        """When the run started; only after :attr:`started` is set."""
        if self._order is None:
            raise RuntimeError("the run has not started")
        return self._order

    @property
    def status(self) -> WorkerStatus:
        """The worker's state."""
        return self._status

    @property
    def is_stopping(self) -> bool:
        """Whether the load must end, or must not begin; says so at once when :meth:`request_stop` was called."""
        return self._stop_requested or self.stopped.is_set()

    def start(self) -> None:
        """Start the control thread, and the one that goes on while a call to the store hangs."""
        self._thread.start()
        self._watch.start()

    def attach(self, load: Load) -> None:
        """Watch ``load`` from now on."""
        # What it took to get here, with imports and logins, must not be held against the load by a guardrail.
        self._resources.begin_anew()
        self._load = load
        if self._rate is not None:
            load.set_rate(self._rate)
        if self._sharing:
            load.set_share(self._share_of(self._sharing))
        if self.is_stopping:
            load.stop()

    def advance(self, event: WorkerEvent, *, error: str = "") -> None:
        """Let ``event`` happen and report the new state soon.

        Raises:
            IllegalTransition: the state does not allow it.
        """
        with self._lock:
            following = next_worker_status(self._status, event)
            self._last_error = error or self._last_error
            self._status = following
        self._nudge.set()

    def write_soon(self, write: Callable[[], None]) -> None:
        """Let the control thread do a write to the store, so that the caller need not wait for it.

        Writes happen in the order they came in, and before the heartbeat of any state that is reached after them.
        """
        self._writes.append(write)
        self._nudge.set()

    def report(self, detail: str) -> None:
        """Say in the heartbeat what the worker is doing, such as ``12 of 50 connections open``."""
        self._detail = detail

    def begin_loading(self) -> None:
        """Say that the load has drained and its log goes to the store now: that takes as long as it takes."""
        self._loading = True
        self._nudge.set()

    def request_stop(self) -> None:
        """End the load, as if a STOP had been seen, without waiting for a store that may hang.

        Takes no lock, so that a signal handler may call it whatever it has interrupted.
        """
        self._stop_requested = True
        if self._load is not None:
            self._load.stop()

    def request_cancel(self) -> None:
        """End the load, and ask the target soon to cancel what is in flight; as safe as :meth:`request_stop`."""
        self._cancel_at_ns = 0
        self.request_stop()

    def finish(self, wait_s: float) -> bool:
        """End the control thread, do the writes that wait and a last heartbeat, and say whether all could be done.

        Tries for ``wait_s`` while the store is away; what cannot be written then is said in the log.
        """
        self._ending.set()
        self._nudge.set()
        deadline_ns = self._clock.monotonic_ns() + int(wait_s * 1e9)
        if self._thread.ident is not None:
            self._watch.join()
            self._thread.join(wait_s)
            if self._thread.is_alive():
                log.warning("the store does not answer; last rows are lost")
                return False
        while True:
            try:
                self._write_what_waits()
                self._write_heartbeat(self._status)
            except StoreUnreachable as error:
                if self._clock.monotonic_ns() >= deadline_ns:
                    log.warning("the store stays away; last rows are lost: %s", error)
                    return False
                left_s = (deadline_ns - self._clock.monotonic_ns()) / 1e9
                self._clock.sleep(min(self._backoff.next_s(), left_s))
            else:
                return True

    # The thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                wait_s = self._look_after()
            except Exception as error:
                # A control side that dies must take the worker with it: nobody would stop the load.
                log.exception("the control side failed")
                self._last_error = f"control side: {error}"
                self._stop()
                wait_s = START_POLL_S
            self._nudge.wait(wait_s)
            self._nudge.clear()

    def _look_after(self) -> float:
        """Do what is due, as far as the store is there, and return how long to leave it alone, in seconds."""
        try:
            self._turn(self._clock.monotonic_ns())
        except StoreUnreachable as error:
            away_s = (self._clock.monotonic_ns() - self._reachable_ns) / 1e9
            log.warning("the store has been away for %.0f s: %s", away_s, error)
            self.look(self._clock.monotonic_ns())
            return self._backoff.next_s()
        self._reachable_ns = self._clock.monotonic_ns()
        self._backoff.reset()
        return POLL_S if self.started.is_set() and not self.is_stopping else START_POLL_S

    def _turn(self, now_ns: int) -> None:
        """Do what is due: orders first, then reports."""
        if self._stop_requested:
            if not self.stopped.is_set():
                log.info("SIGTERM: the load ends")
            self._stop()
            self.cut_short.set()
        self._sample(now_ns)
        self._steer(now_ns)
        self._read_events()
        # Taken before the writes, so that no state is published before what was to be written first.
        status = self._status
        self._write_what_waits()
        if now_ns >= self._reconcile_due_ns:
            self._reconcile()
            self._reconcile_due_ns = now_ns + int(RECONCILE_S * 1e9)
        if now_ns >= self._heartbeat_due_ns or status is not self._published:
            self._heartbeat_due_ns = now_ns + int(HEARTBEAT_S * 1e9)
            self._write_heartbeat(status)
            self._published = status
        if self._cancel_at_ns is not None and now_ns >= self._cancel_at_ns and self._load is not None:
            if asked := self._load.cancel_in_flight():
                log.warning("%d queries in flight were asked to cancel", asked)
            self._cancel_at_ns = now_ns + int(CANCEL_AGAIN_S * 1e9)

    def _keep_watch(self) -> None:
        """Look at the load once a second, whatever the store does."""
        while not self._ending.wait(HEARTBEAT_S):
            self.look(self._clock.monotonic_ns())

    def look(self, now_ns: int) -> None:
        """Take the snapshot that is due, and end a load that the store has left alone for too long.

        Calls to a store that is frozen, and not gone, hang: so this must not wait for the control thread.
        """
        self._sample(now_ns)
        self._steer(now_ns)
        if self._stop_requested:
            self.cut_short.set()
        if now_ns - self._reachable_ns >= STORE_LOST_S * 1e9 and not self.store_lost:
            log.warning("the store has been away for %.0f s: the load ends", STORE_LOST_S)
            self.store_lost = True
            self.cut_short.set()
            self._stop()

    def _sample(self, now_ns: int) -> None:
        """Take a snapshot for the control thread to write, if one is due."""
        with self._sampling:
            if self._load is None or not self.started.is_set() or self.store_lost:
                return  # Once the load has ended for want of a store there is nothing new, and it would pile up.
            if self._loading:
                return  # The load has drained, and the worker's result has it all.
            if now_ns >= self._snapshot_due_ns:
                self._snapshot_due_ns = now_ns + int(HEARTBEAT_S * 1e9)
                snapshot = self._take_snapshot(self._load)
                self._writes.append(partial(self._store.snapshots.write, snapshot))
                self._on_snapshot(snapshot)

    def _write_what_waits(self) -> None:
        """Do the writes that wait, each until it succeeds, and drop one that never can."""
        while self._writes:
            try:
                self._writes[0]()
            except StoreUnreachable:
                raise
            except Exception:
                self._writes.popleft()
                raise
            self._writes.popleft()

    def _read_events(self) -> None:
        """Take what was ordered since the last look, until caught up: a target of long ago must not outlast a newer."""
        while events := self._store.events.after(self._options.run_id, self._sequence_seen, EVENTS_AT_ONCE):
            for event in events:
                if event.sequence <= self._sequence_seen:
                    continue  # Taken while the one before it was: a START lets the run's row be read, and that these.
                self._sequence_seen = event.sequence
                if _is_for(event, self._options):
                    self._obey(event)
            if len(events) < EVENTS_AT_ONCE:
                return

    def _obey(self, event: EventRow) -> None:
        match event.type:
            case EventType.START:
                self._reconcile()
            case EventType.STOP:
                timeout_s = float(event.data.get("drain_timeout_seconds", 120.0))
                cancel_after_s = max(0.0, timeout_s - CANCEL_BEFORE_S)
                self._cancel_at_ns = self._clock.monotonic_ns() + int(cancel_after_s * 1e9)
                log.info("STOP seen: %s, by %s", event.data.get("reason"), event.data.get("initiated_by"))
                self._stop()
            case EventType.SET_WORKER_TARGET if "sharing" in event.data:
                self._set_sharing(event.data["sharing"])
            case EventType.SET_WORKER_TARGET if "target_qps" in event.data:
                self._set_rate(float(event.data["target_qps"]))
            case EventType.SET_WORKER_TARGET:
                ramp_s = float(event.data.get("ramp_seconds") or 0.0)
                self._aim(int(event.data["target_threads"]), ramp_s, str(event.data.get("reason", "target")))
            case EventType.SCALE_DOWN:
                self._aim(int(event.data["new"]), 0.0, str(event.data.get("detail", "scale down")))
            case _:
                log.debug("event %s needs nothing here", event.type)

    def _reconcile(self) -> None:
        """Take the run's row at its word: started, stopping, or over."""
        before_ns = self._clock.monotonic_ns()
        run = self._store.runs.get(self._options.run_id)
        read_ns = (before_ns + self._clock.monotonic_ns()) // 2
        if self.started.is_set():
            self._read_events()  # Those written with the row come first: they may say how to get to its targets.
        if run.status is RunStatus.RUNNING and run.elapsed_s is not None and not self.started.is_set():
            self._order = StartOrder(read_ns - int(run.elapsed_s * 1e9), self._plan)
            self.started.set()
        if run.status in TERMINAL or run.status in {RunStatus.STOPPING, RunStatus.CANCELLING}:
            if not self.stopped.is_set():
                log.info("the run is %s: the load ends", run.status.value)
            self._stop()
        if self._sequence_seen < run.next_sequence_id:
            self._reconcile_target(run)  # Else the row is older than what was heard since it was read.

    def _stop(self) -> None:
        self.stopped.set()
        if self._load is not None:
            self._load.stop()

    # Targets ----------------------------------------------------------------------------------------------------

    def _aim(self, threads: int, ramp_s: float, reason: str) -> None:
        """Use this many threads from now on, or ``ramp_s`` seconds from now; a target that is known changes nothing.

        Without a reason nothing is logged: the plan that the worker began with is no news.
        """
        now_ns = self._clock.monotonic_ns()
        with self._steering:
            if threads == self._target.goal:
                return
            present = self._target.at(now_ns)
            if present is None and self._load is not None:
                present = self._load.target_threads
            self._target.aim(threads, present=present, ramp_s=ramp_s, now_ns=now_ns)
        if reason:
            log.info("%d threads from now on, within %g s: %s", threads, ramp_s, reason)
        self._steer(now_ns)

    def _reconcile_target(self, run: RunRow) -> None:
        """Take the row's target for this worker, in case an event was missed; 0 takes the worker out of the run."""
        target = run.worker_targets.get(self._options.worker_id)
        if target == 0:
            log.info("taken out of the run: the load ends")
            self._stop()
        elif isinstance(target, int) and target != self._target.goal:
            self._aim(target, 0.0, "" if self._target.goal is None else "the run's row says so")

    def _set_rate(self, rate_per_s: float) -> None:
        """Offer another rate of the run from now on, or from the beginning of a load that is still to come."""
        self._rate = rate_per_s
        log.info("%g per second of all workers from now on", rate_per_s)
        if self._load is not None:
            self._load.set_rate(rate_per_s)

    def _set_sharing(self, worker_ids: Sequence[str]) -> None:
        """Offer an equal part of the run's rate with these workers, or nothing when not among them."""
        self._sharing = tuple(worker_ids)
        log.info("the rate is shared by %s", ", ".join(worker_ids))
        if self._load is not None:
            self._load.set_share(self._share_of(self._sharing))

    def _share_of(self, sharing: Sequence[str]) -> Share | None:
        own = self._options.worker_id
        return Share(sharing.index(own), len(sharing)) if own in sharing else None

    def _steer(self, now_ns: int) -> None:
        """Let the load use as many threads as it shall at this moment."""
        with self._steering:
            wanted = self._target.at(now_ns)
            if wanted is None or self._load is None:
                return
            before = self._load.target_threads if self._threads_set is None else self._threads_set
            if wanted != before:
                self._load.set_threads(wanted)
            self._threads_set = wanted

    # Reports ----------------------------------------------------------------------------------------------------

    def phase(self) -> Phase:
        """Return the worker's phase: by plan while it runs, COOLDOWN while it drains."""
        return self._phase_in(self._status)

    def _phase_in(self, status: WorkerStatus) -> Phase:
        if not self.started.is_set():
            return Phase.PREPARING
        if status in {WorkerStatus.COMPLETED, WorkerStatus.FAILED}:
            return Phase.COMPLETED
        if self._loading:
            return Phase.PROCESSING
        return Phase.COOLDOWN if self.stopped.is_set() else self.order.phase_at(self._clock.monotonic_ns())

    def _take_snapshot(self, load: Load) -> Snapshot:
        """Return the figures of the present phase; while draining, those of the measurement."""
        phase = Phase.WARMUP if self.phase() is Phase.WARMUP else Phase.MEASUREMENT
        self._snapshots_taken += 1
        elapsed_s = (self._clock.monotonic_ns() - self.order.start_ns) / 1e9
        return snapshot_of(load, self._options, sequence=self._snapshots_taken, phase=phase, elapsed_s=elapsed_s)

    def _write_heartbeat(self, status: WorkerStatus) -> None:
        self._store.heartbeats.upsert(
            heartbeat_of(
                self._load,
                self._options,
                self._resources.read(),
                status=status,
                phase=self._phase_in(status),
                last_error=self._last_error,
                detail=self._detail,
            )
        )


def store_backoff() -> Backoff:
    """Return how a worker comes back to a store that has failed it."""
    return Backoff(AWAY_FIRST_S, AWAY_MOST_S, random.random)


def _is_for(event: EventRow, options: WorkerOptions) -> bool:
    """Say whether an event concerns this worker: by its scope, and by the worker it names if it names one."""
    worker_id, group_id = event.data.get("worker_id"), event.data.get("worker_group_id")
    match event.scope:
        case "WORKER":
            return bool(worker_id == options.worker_id)
        case "WORKER_GROUP":
            return bool(group_id == options.group_id)
        case _:
            return worker_id in (None, options.worker_id)
