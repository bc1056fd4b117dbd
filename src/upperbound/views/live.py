"""A run while it goes on: the last second, not the average since the start."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from upperbound.domain.figures import PhaseFigures, interval, merge
from upperbound.domain.histogram import LatencyFigures, latency_ms
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerHealth, WorkerStatus, worker_health
from upperbound.scenario.run_config import RunConfig
from upperbound.views.find_max import FindMaxView, find_max_of
from upperbound.views.guardrails import Guardrails, guardrails_of
from upperbound.views.timing import phase_time, plan_of
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.heartbeats import HeartbeatRow
    from upperbound.store.runs import RunRow
    from upperbound.store.snapshots import Snapshot, SnapshotRow
    from upperbound.store.warehouse_polls import WarehousePollRow

SHORTEST_INTERVAL_S: Final = 0.2
"""A shorter time says nothing of a rate, as at the begin of a phase; the reading before it is shown for longer."""
SERIES_LENGTH: Final = 60
"""Readings kept for the small chart of a worker: about a minute."""


class LiveWorker(View):
    """One worker."""

    worker_id: str
    group_id: int
    status: WorkerStatus
    health: WorkerHealth
    detail: str | None
    """What it is doing, in its own words: how many connections are open, say."""
    active_threads: int
    target_threads: int
    qps: float | None
    """Over the last interval, as all latencies here."""
    p95_ms: float | None
    failed: int
    """Failed operations of the phase."""
    qps_series: tuple[float, ...]
    """Successive values of ``qps``, the newest last."""


class LiveView(View):
    """A run at one moment. Workers that are dead are listed and left out of every sum."""

    run_id: str
    name: str
    status: RunStatus
    phase: Phase
    elapsed_s: float | None
    """Since the start; None before it."""
    phase_elapsed_s: float
    phase_total_s: float | None
    """Planned length of the phase; None for phases that end when they are done."""
    qps: float | None
    """Successful operations per second over the last interval; None before there is one."""
    target_qps: float | None
    """The rate to offer, over the last interval; None in a closed loop, and before there is one."""
    waiting: int | None
    """Arrivals that wait for a free thread; None in a closed loop."""
    dropped: int | None
    """Arrivals of the phase that found the backlog full; None in a closed loop."""
    p50_ms: float | None
    """Response time in an open loop, else service time; as all latencies here."""
    p95_ms: float | None
    p99_ms: float | None
    operations: int
    """Successful operations of the phase so far."""
    failed: int
    """Failed operations of the phase so far."""
    error_pct: float | None
    """Failed operations in percent of all, over the phase."""
    generator_busy_pct: float | None
    """Of the busiest worker, over the last interval."""
    active_threads: int
    target_threads: int
    workers_expected: int
    workers: tuple[LiveWorker, ...]
    guardrails: Guardrails | None
    """None when the scenario sets none."""
    find_max: FindMaxView | None
    """The search for the highest load; None when the run makes none, or has not begun with it."""


@dataclass(frozen=True)
class LiveReading:
    """What one reading of the tables says of a run, before it is put into a form."""

    run: "RunRow"
    config: RunConfig
    heartbeats: tuple["HeartbeatRow", ...]
    workers: tuple[LiveWorker, ...]
    """One for each heartbeat, in the same order."""
    intervals: Mapping[str, PhaseFigures]
    """What each worker that counts has counted in the last interval, by worker id."""
    latencies: Mapping[str, LatencyFigures]
    """The latency of these intervals, by worker id."""
    totals: Mapping[str, PhaseFigures]
    """What each worker that counts has counted in its phase so far, by worker id."""
    last: PhaseFigures
    """The last interval of all workers that count."""
    total: PhaseFigures
    """The phase so far of all workers that count."""
    warehouse: "WarehousePollRow | None" = None
    """The last look at the warehouse under test; None for a target without one, and before the first."""

    @property
    def counted(self) -> tuple[LiveWorker, ...]:
        """The workers that enter the sums: those that live and have not failed."""
        return tuple(worker for worker in self.workers if _counts(worker))

    @property
    def qps(self) -> float | None:
        """Successful operations per second over the last interval; None before there is one."""
        rates = [worker.qps for worker in self.counted if worker.qps is not None]
        return sum(rates) if rates else None

    @property
    def target_qps(self) -> float | None:
        """The rate to offer, over the last interval; None in a closed loop, and before there is one."""
        wanted = [one.arrivals.expected / one.seconds for one in self.intervals.values() if one.arrivals is not None]
        return sum(wanted) if wanted else None

    @property
    def target_threads(self) -> int:
        """Threads wanted of all workers that count; a worker names its own only once it sends."""
        if not self.run.elapsed_s:
            return sum(self.config.threads)
        return sum(worker.target_threads for worker in self.counted)


@dataclass
class _Track:
    """What is remembered of one worker between two readings."""

    sequence: int = -1
    newest: PhaseFigures | None = None
    """The phase so far."""
    base: PhaseFigures | None = None
    """The phase up to the end of the last interval."""
    last: PhaseFigures | None = None
    """What was counted in the last interval."""
    latency: LatencyFigures = field(default_factory=LatencyFigures)
    """Of the last interval; found out once, as going through a histogram is most of the work."""
    series: deque[float] = field(default_factory=lambda: deque(maxlen=SERIES_LENGTH))

    def read(self, sequence: int, figures: PhaseFigures) -> None:
        """Take in a snapshot that is newer than the last."""
        self.sequence, self.newest = sequence, figures
        passed = self._since_base(figures)
        if passed.seconds >= SHORTEST_INTERVAL_S and passed.qps is not None:
            self.base, self.last, self.latency = figures, passed, latency_ms(passed.latencies)
            self.series.append(passed.qps)

    def _since_base(self, figures: PhaseFigures) -> PhaseFigures:
        if self.base is None or self.base.phase is not figures.phase:
            return figures
        try:
            return interval(figures, self.base)
        except ValueError:
            # The worker has begun to count anew; its figures so far are what it has done since.
            return figures


class LiveTracker:
    """Turns successive readings of the store's tables into views; keeps the one before, to subtract it."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}
        self._config: RunConfig | None = None

    def update(
        self, run: "RunRow", heartbeats: Sequence["HeartbeatRow"], snapshots: Mapping[str, "SnapshotRow"]
    ) -> LiveView:
        """Return the run as these rows show it; ``snapshots`` are the newest by worker id, of whatever phase."""
        return live_view(self.read(run, heartbeats, snapshots))

    def read(
        self, run: "RunRow", heartbeats: Sequence["HeartbeatRow"], snapshots: Mapping[str, "Snapshot"]
    ) -> LiveReading:
        """Take in what the tables say; ``snapshots`` are the newest by worker id, of whatever phase.

        Raises :class:`KeyError`, :class:`TypeError` or :class:`ValueError` for a snapshot that cannot be read; those
        that can be and were given before it are taken in.
        """
        config = self._config = self._config or RunConfig.model_validate(run.scenario_config)
        self.remember(snapshots.values())
        workers = tuple(self._worker(beat) for beat in heartbeats)
        counted = [worker.worker_id for worker in workers if _counts(worker)]
        tracks = {worker_id: self._tracks[worker_id] for worker_id in counted if worker_id in self._tracks}
        intervals = {worker_id: track.last for worker_id, track in tracks.items() if track.last is not None}
        totals = {worker_id: track.newest for worker_id, track in tracks.items() if track.newest is not None}
        return LiveReading(
            run=run,
            config=config,
            heartbeats=tuple(heartbeats),
            workers=workers,
            intervals=intervals,
            latencies={worker_id: track.latency for worker_id, track in tracks.items()},
            totals=totals,
            last=_merged(intervals.values()),
            total=_merged(totals.values()),
        )

    def remember(self, snapshots: Iterable["Snapshot"]) -> None:
        """Take in snapshots, of each worker the oldest first; one that is known, or older than one that is, is nothing.

        Raises what :meth:`read` raises.
        """
        for snapshot in snapshots:
            track = self._tracks.setdefault(snapshot.worker_id, _Track())
            if snapshot.sequence > track.sequence:
                track.read(snapshot.sequence, PhaseFigures.from_json(snapshot.figures))

    def _worker(self, beat: "HeartbeatRow") -> LiveWorker:
        track = self._tracks.get(beat.worker_id, _Track())
        return LiveWorker(
            worker_id=beat.worker_id,
            group_id=beat.group_id,
            status=beat.status,
            # One that has said its last word is not missed.
            health=WorkerHealth.HEALTHY if beat.status is WorkerStatus.COMPLETED else worker_health(beat.age_s),
            detail=(beat.last_error if beat.status is WorkerStatus.FAILED else None) or beat.detail,
            active_threads=beat.active_threads,
            target_threads=beat.target_threads,
            qps=track.last.qps if track.last else None,
            p95_ms=track.latency.p95_ms,
            failed=track.newest.failed if track.newest else 0,
            qps_series=tuple(track.series),
        )


def live_view(reading: LiveReading) -> LiveView:
    """Return what a terminal shows of a run."""
    run, scenario = reading.run, reading.config.scenario
    latency = latency_ms(reading.last.latencies)
    due = reading.total.arrivals
    phase_elapsed_s, phase_total_s = phase_time(run, plan_of(scenario))
    return LiveView(
        run_id=run.run_id,
        name=run.name,
        status=run.status,
        phase=run.phase,
        elapsed_s=run.elapsed_s,
        phase_elapsed_s=phase_elapsed_s,
        phase_total_s=phase_total_s,
        qps=reading.qps,
        target_qps=reading.target_qps,
        waiting=None if due is None else due.unstarted,
        dropped=None if due is None else due.dropped,
        p50_ms=latency.p50_ms,
        p95_ms=latency.p95_ms,
        p99_ms=latency.p99_ms,
        operations=reading.total.operations,
        failed=reading.total.failed,
        error_pct=reading.total.error_pct,
        generator_busy_pct=reading.last.generator.busy_pct,
        active_threads=sum(worker.active_threads for worker in reading.counted),
        target_threads=reading.target_threads,
        workers_expected=run.total_workers_expected,
        workers=reading.workers,
        guardrails=guardrails_of(run, scenario),
        find_max=find_max_of(run),
    )


def _counts(worker: LiveWorker) -> bool:
    return worker.health is not WorkerHealth.DEAD and worker.status is not WorkerStatus.FAILED


def _merged(figures: Collection[PhaseFigures]) -> PhaseFigures:
    """Merge the figures of the latest phase among them: at a change of phase some workers are a second ahead."""
    known = list(figures)
    if not known:
        return PhaseFigures(Phase.MEASUREMENT)
    phases = {one.phase for one in known}
    phase = Phase.MEASUREMENT if Phase.MEASUREMENT in phases else known[0].phase
    return merge([one for one in known if one.phase is phase])
