"""Reads one run for its viewers: the store's tables, and what its workers have pushed."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from upperbound.api.live.pushes import LivePushes
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerStatus
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.store.engine import Store
from upperbound.store.heartbeats import HeartbeatRow
from upperbound.store.logs import LogRow
from upperbound.store.runs import RunRow
from upperbound.store.snapshots import Snapshot
from upperbound.views.live import LiveReading, LiveTracker
from upperbound.views.live_payload import RunUpdate
from upperbound.views.live_update import is_final, run_update

log = logging.getLogger(__name__)

LOG_LINES: Final = 100
"""Lines of the log in one update."""
EARLIER_SNAPSHOTS: Final = 2
"""Read of each worker at first beside its newest one, so that the first update has a last interval to show."""


class RunReader:
    """Makes the updates of one run, each from one reading; not for several threads at once."""

    def __init__(self, store: Store, run_id: str, pushes: LivePushes | None = None) -> None:
        self._store, self._run_id, self._pushes = store, run_id, pushes
        self._tracker = LiveTracker()
        self._last: RunRow | None = None
        self._latest: RunUpdate | None = None
        self._primed = False

    def read(self, run: RunRow | None = None) -> RunUpdate:
        """Read and return the run as it is now, or as it was when ``run`` was read.

        Of a run that has not started nothing but its row is read.

        Raises:
            RunNotFound: there is no such run, or no more.
            StoreError: the store cannot be read; the next call takes up what was missed.
        """
        run = self._never_back(self._store.runs.get(self._run_id) if run is None else run)
        heartbeats: Sequence[HeartbeatRow] = ()
        if run.status is not RunStatus.PREPARED:
            heartbeats = self._store.heartbeats.list(self._run_id)
        reading = self._reading(run, heartbeats)
        if run.start_time is not None and isinstance(reading.config.scenario.target, SnowflakeTarget):
            reading = replace(reading, warehouse=self._store.warehouse_polls.newest(self._run_id))
        parent = self._store.results.get(self._run_id) if is_final(run) else None
        logs_after, logs = self._new_lines(run)
        update = run_update(reading, sequence=self._next_sequence, logs=logs, logs_after=logs_after, parent=parent)
        self._last, self._latest = run, update
        return update

    def repeat(self, notice: str) -> RunUpdate | None:
        """Return the latest update once more, with a word on why there is no newer one; None before the first."""
        if self._latest is None:
            return None
        changes = {
            "sequence": self._next_sequence,
            "notice": notice,
            "logs": [],
            "logs_after": self._latest.log_sequence,
        }
        self._latest = self._latest.model_copy(update=changes)
        return self._latest

    @property
    def _next_sequence(self) -> int:
        return self._latest.sequence + 1 if self._latest is not None else 0

    def _never_back(self, run: RunRow) -> RunRow:
        """Hold the run's times where they were if the store's clock was set back."""
        last = self._last
        if last is None:
            return run
        if run.elapsed_s is not None and last.elapsed_s is not None:
            run = replace(run, elapsed_s=max(run.elapsed_s, last.elapsed_s))
        if run.status is last.status and run.status_age_s < last.status_age_s:
            run = replace(run, status_age_s=last.status_age_s)
        return run

    def _reading(self, run: RunRow, heartbeats: Sequence[HeartbeatRow]) -> LiveReading:
        if run.start_time is None:
            return self._tracker.read(run, heartbeats, {})
        pushed = self._pushes.fresh(self._run_id) if self._pushes is not None else {}
        sending = {beat.worker_id for beat in heartbeats if beat.status is WorkerStatus.RUNNING}
        if self._primed and sending and sending <= pushed.keys():
            try:
                return self._tracker.read(run, heartbeats, pushed)
            except (KeyError, TypeError, ValueError):
                self._refuse()
        stored = self._store.snapshots.newest(self._run_id)
        self._prime(stored)
        try:
            return self._tracker.read(run, heartbeats, newest_of(stored, pushed))
        except (KeyError, TypeError, ValueError):
            self._refuse()
        return self._tracker.read(run, heartbeats, stored)

    def _refuse(self) -> None:
        """Drop pushed snapshots that cannot be read: the store has them as well."""
        log.warning("what workers of run %s have pushed cannot be read and is left out", self._run_id)
        assert self._pushes is not None, "something was pushed"
        self._pushes.forget(self._run_id)

    def _prime(self, newest: Mapping[str, Snapshot]) -> None:
        """Take in, once, what came shortly before: rates are differences."""
        if self._primed:
            return
        for worker_id, snapshot in newest.items():
            after = snapshot.sequence - EARLIER_SNAPSHOTS - 1
            self._tracker.remember(self._store.snapshots.series(self._run_id, worker_id, max(0, after)))
        self._primed = True

    def _new_lines(self, run: RunRow) -> tuple[int, list[LogRow]]:
        """Return the lines since the last update, and the sequence that they come after."""
        if self._latest is None:
            return self._store.logs.last_sequence(self._run_id), []
        after = self._latest.log_sequence
        if run.status is RunStatus.PREPARED:
            return after, []
        return after, self._store.logs.after(self._run_id, after, limit=LOG_LINES)


def newest_of(stored: Mapping[str, Snapshot], pushed: Mapping[str, Snapshot]) -> dict[str, Snapshot]:
    """Return the newest snapshot of each worker, wherever it comes from."""
    found = dict(stored)
    for worker_id, snapshot in pushed.items():
        if worker_id not in found or snapshot.sequence > found[worker_id].sequence:
            found[worker_id] = snapshot
    return found
