"""Turns what the measuring loop has recorded into histograms and a spool, in a thread beside it."""

import logging
import queue
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from upperbound.domain.figures import ErrorFigure, GeneratorFigures, KindFigures, PhaseFigures, TransactionFigures
from upperbound.domain.histogram import COUNTS_LEN, Histogram, bucket_index
from upperbound.domain.offered import ArrivalFigures
from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase
from upperbound.errors import QueryLogError
from upperbound.loadgen.errors_table import ErrorTable
from upperbound.querylog.parquet import to_us
from upperbound.querylog.records import RECORD, RECORD_DTYPE
from upperbound.querylog.spool import LoggedError, SpoolWriter

log = logging.getLogger(__name__)

BUFFER_BYTES = (1 << 15) * RECORD.size
"""Room for 32,768 records in each buffer."""

MAX_BUFFERS = 64
"""Buffers in use at most (90 MB); a recorder that falls further behind ends the run, for its figures would lie."""


class _Tally:
    """Counts of one phase, by operation."""

    def __init__(self, operations: int, *, open_loop: bool) -> None:
        self.responses = np.zeros((operations, COUNTS_LEN), dtype=np.int64) if open_loop else None
        """From when each query was due; None in a closed loop, where that is when it was sent."""
        self.latencies = np.zeros((operations, COUNTS_LEN), dtype=np.int64)
        self.succeeded = np.zeros(operations, dtype=np.int64)
        self.failed = np.zeros(operations, dtype=np.int64)
        self.failed_ns = np.zeros(operations, dtype=np.int64)
        """Time that these took."""
        self.retries = np.zeros(operations, dtype=np.int64)
        """Attempts after which another one followed."""
        self.unknown = np.zeros(operations, dtype=np.int64)
        """Failed operations of which nobody knows whether they took effect."""
        self.errors: dict[int, int] = {}
        self.lag = Histogram()

    def add(self, records: NDArray[np.void]) -> None:
        """Count records; the latency of a failed query enters no histogram."""
        operations = len(self.succeeded)
        operation = records["operation"].astype(np.int64)
        ok = records["outcome"] == Outcome.OK
        everything_ok = bool(ok.all())
        good, kinds = (records, operation) if everything_ok else (records[ok], operation[ok])
        _count(self.latencies, kinds, good["end_ns"] - good["start_ns"])
        if self.responses is not None:
            _count(self.responses, kinds, good["end_ns"] - good["intended_ns"])
        self.succeeded += np.bincount(kinds, minlength=operations)
        self.lag.record_many(to_us(records["lag_ns"]))
        if records["retries"].any():
            self.retries += np.bincount(operation, records["retries"], minlength=operations).astype(np.int64)
        if not everything_ok:
            bad, failed = records[~ok], operation[~ok]
            self.failed += np.bincount(failed, minlength=operations)
            np.add.at(self.failed_ns, failed, bad["end_ns"] - bad["start_ns"])
            lost = records["outcome"] == Outcome.CONNECTION_LOST
            self.unknown += np.bincount(operation[lost], minlength=operations)
            numbers, counts = np.unique(records["error"][~ok], return_counts=True)
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
                self.errors[number] = self.errors.get(number, 0) + count

    def transactions(self, operation: int) -> TransactionFigures:
        """Return how often an operation was begun, as a transaction of its own each time, and how that ended."""
        succeeded, failed = int(self.succeeded[operation]), int(self.failed[operation])
        retries, unknown = int(self.retries[operation]), int(self.unknown[operation])
        return TransactionFigures(
            attempts=succeeded + failed + retries, commits=succeeded, rollbacks=failed - unknown + retries
        )


def _count(counts: NDArray[np.int64], kinds: NDArray[np.int64], durations_ns: NDArray[np.int64]) -> None:
    """Add durations to the histogram of the kind that each belongs to."""
    flat = np.bincount(kinds * COUNTS_LEN + bucket_index(to_us(durations_ns)), minlength=counts.size)
    counts += flat.reshape(counts.shape)


@dataclass(frozen=True)
class Window:
    """What the loop says of the time that a set of figures covers."""

    seconds: float
    busy_ns: int
    wall_ns: int
    host_cpu_pct: float | None
    arrivals: ArrivalFigures | None = None
    """What an open loop has offered in it."""


class Recorder:
    """Drains the measuring loop's buffers.

    :meth:`swap` is called by the loop and never waits; the rest belongs to the control side. The recording thread
    stops at the first error of the spool. That, or falling behind, is handed to ``on_error`` once, by whichever thread
    notices: a run that cannot keep its log must not go on.
    """

    def __init__(
        self,
        *,
        labels: Sequence[str],
        errors: ErrorTable,
        on_error: Callable[[QueryLogError], None],
        open_loop: bool = False,
        transactions: Collection[int] = (),
    ) -> None:
        """Record operations called ``labels`` by index, of an open loop with response times.

        The attempts of those whose index is among ``transactions`` are counted as well.
        """
        self._labels = list(labels)
        self._transactions = frozenset(transactions)
        self._error_table = errors
        self._errors_logged = 0
        self._measurement_start_ns = 0
        self._spool: SpoolWriter | None = None
        self._on_error = on_error
        self._told = threading.Lock()
        self._full: queue.SimpleQueue[tuple[bytearray, int, bytes | None] | None] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._buffers = 1
        self._rows = 0
        self._lock = threading.Lock()
        phases = (Phase.WARMUP, Phase.MEASUREMENT)
        self._tallies = {phase: _Tally(len(labels), open_loop=open_loop) for phase in phases}
        self._thread = threading.Thread(target=self._drain, name="recorder", daemon=True)

    def start(self, measurement_start_ns: int, spool: SpoolWriter | None) -> None:
        """Start the recording thread; call it before the loop sends its first query.

        Queries that are due at or after ``measurement_start_ns`` count as MEASUREMENT, earlier ones as WARMUP; in a
        closed loop a query is due when it is sent. Without a
        ``spool`` only the histograms are kept.
        """
        self._measurement_start_ns, self._spool = measurement_start_ns, spool
        self._thread.start()

    def finish(self) -> None:
        """Record what has been handed over and close the spool; the loop must have returned."""
        if self._thread.is_alive():
            self._full.put(None)
            self._thread.join()
        if self._spool is not None:
            self._spool.close()

    def swap(self, buffer: bytearray, used_bytes: int, statement_ids: bytes | None = None) -> bytearray:
        """Take a buffer from the loop and return an empty one; never waits, never raises."""
        self._full.put((buffer, used_bytes, statement_ids))
        try:
            return self._free.get_nowait()
        except queue.Empty:
            self._buffers += 1
            if self._buffers > MAX_BUFFERS:
                self._tell(
                    QueryLogError(
                        f"the recorder fell more than {MAX_BUFFERS} buffers behind the load",
                        hint="the disk of the query log is too slow; point UPPERBOUND_HOME to a faster one",
                    )
                )
            return bytearray(len(buffer))

    def totals(self) -> tuple[int, int]:
        """Return how many operations have succeeded and failed, warmup included."""
        with self._lock:
            tallies = self._tallies.values()
            return (
                sum(int(tally.succeeded.sum()) for tally in tallies),
                sum(int(tally.failed.sum()) for tally in tallies),
            )

    def figures(self, phase: Phase, window: Window) -> PhaseFigures:
        """Return everything counted in ``phase`` so far; the caller says which time that covers."""
        with self._lock:
            tally = self._tallies[phase]
            latencies, succeeded, failed = tally.latencies.copy(), tally.succeeded.copy(), tally.failed.copy()
            failed_ns = tally.failed_ns.copy()
            responses = tally.responses.copy() if tally.responses is not None else None
            errors, lag = dict(tally.errors), tally.lag.copy()
            warmup = self._tallies[Phase.WARMUP]
            transactions = {index: tally.transactions(index) for index in self._transactions}
            warmup_operations = int(warmup.succeeded.sum() + warmup.failed.sum())
            rows = self._rows
        by_operation = {
            label: KindFigures(
                operations=int(succeeded[index]),
                failed=int(failed[index]),
                histogram=_histogram(latencies[index]),
                response=_histogram(responses[index]) if responses is not None else None,
                transactions=transactions.get(index),
                failed_ns=int(failed_ns[index]),
            )
            for index, label in enumerate(self._labels)
        }
        return PhaseFigures(
            phase=phase,
            seconds=window.seconds,
            by_operation=by_operation,
            errors=self._error_figures(errors),
            generator=GeneratorFigures(
                busy_ns=window.busy_ns, wall_ns=window.wall_ns, lag=lag, host_cpu_pct=window.host_cpu_pct
            ),
            warmup_operations=warmup_operations,
            logged_rows=rows,
            arrivals=window.arrivals,
        )

    def _error_figures(self, counts: dict[int, int]) -> dict[str, ErrorFigure]:
        """Return counts by outcome class, each with the message that was seen first."""
        figures: dict[str, ErrorFigure] = {}
        for number in sorted(counts):
            entry = self._error_table.entries[number - 1]
            earlier = figures.get(entry.outcome.label)
            sample = f"{entry.code}: {entry.message}" if entry.code else entry.message
            figures[entry.outcome.label] = ErrorFigure(
                count=counts[number] + (earlier.count if earlier else 0), sample=earlier.sample if earlier else sample
            )
        return figures

    def _drain(self) -> None:
        while (item := self._full.get()) is not None:
            buffer, used, statement_ids = item
            try:
                self._record(buffer, used, statement_ids)
            except QueryLogError as error:
                self._tell(error)
                return
            except Exception as error:
                log.exception("the recorder failed")
                self._tell(QueryLogError(f"the recorder failed: {type(error).__name__}: {error}"))
                return
            self._free.put(buffer)

    def _tell(self, error: QueryLogError) -> None:
        """Hand the first error on; never waits, for the loop may be calling."""
        if self._told.acquire(blocking=False):
            self._on_error(error)

    def _record(self, buffer: bytearray, used: int, statement_ids: bytes | None) -> None:
        """Spool the records first, so that no figure counts a query that the log has not."""
        if self._spool is not None:
            fresh = self._error_table.entries[self._errors_logged :]
            if fresh:
                self._spool.write_errors(LoggedError(e.number, e.outcome, e.code, e.message) for e in fresh)
                self._errors_logged += len(fresh)
            self._spool.write(memoryview(buffer)[:used], statement_ids)
        records = np.frombuffer(buffer, RECORD_DTYPE, used // RECORD.size)
        measured = records["intended_ns"] >= self._measurement_start_ns
        with self._lock:
            self._rows += len(records)
            if measured.all():
                self._tallies[Phase.MEASUREMENT].add(records)
            elif not measured.any():
                self._tallies[Phase.WARMUP].add(records)
            else:
                self._tallies[Phase.WARMUP].add(records[~measured])
                self._tallies[Phase.MEASUREMENT].add(records[measured])


def _histogram(counts: NDArray[np.int64]) -> Histogram:
    histogram = Histogram()
    histogram.add_counts(counts)
    return histogram
