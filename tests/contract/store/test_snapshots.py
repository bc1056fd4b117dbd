"""Snapshots are kept once each, and the newest of every worker is at hand."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from upperbound.domain.phases import Phase
from upperbound.store.engine import Store
from upperbound.store.snapshots import Snapshot

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

MakeSnapshot = Callable[..., Snapshot]


def test_a_snapshot_is_kept_whole(clocked_store: Store, clock: "SetClock", snapshot: MakeSnapshot) -> None:
    given = snapshot(operations=5_000_000_000, failed=3, figures={"z": {"histogram": "HIST…"}, "a": None})
    clocked_store.snapshots.write(given)
    (row,) = clocked_store.snapshots.series("run-1")
    assert {name: getattr(row, name) for name in vars(given)} == vars(given)
    assert list(row.figures) == ["z", "a"], "the order of kinds is kept"
    assert isinstance(row.phase, Phase)
    assert row.captured_at == clock.moment


def test_a_snapshot_written_twice_is_kept_once_as_it_was(store: Store, snapshot: MakeSnapshot) -> None:
    store.snapshots.write(snapshot(operations=1))
    store.snapshots.write(snapshot(operations=2))
    (row,) = store.snapshots.series("run-1")
    assert row.operations == 1


def test_the_newest_of_each_worker_is_found_by_sequence_and_phase(store: Store, snapshot: MakeSnapshot) -> None:
    assert store.snapshots.newest("run-1") == {}
    store.snapshots.write(snapshot(0, 2, phase=Phase.MEASUREMENT))
    store.snapshots.write(snapshot(0, 1, phase=Phase.WARMUP))
    store.snapshots.write(snapshot(0, 10, phase=Phase.MEASUREMENT))
    store.snapshots.write(snapshot(1, 1, phase=Phase.WARMUP))
    store.snapshots.write(snapshot(1, 3, phase=Phase.WARMUP, run_id="run-2"))

    def newest(phase: Phase | None = None) -> dict[str, int]:
        return {worker: row.sequence for worker, row in store.snapshots.newest("run-1", phase).items()}

    assert newest() == {"worker-0": 10, "worker-1": 1}
    assert newest(Phase.MEASUREMENT) == {"worker-0": 10}
    assert newest(Phase.WARMUP) == {"worker-0": 1, "worker-1": 1}
    assert newest(Phase.COOLDOWN) == {}


def test_a_series_goes_on_where_it_was_left(store: Store, snapshot: MakeSnapshot) -> None:
    for sequence in (3, 1, 2):
        for worker in (1, 0):
            phase = Phase.WARMUP if sequence == 1 else Phase.MEASUREMENT
            store.snapshots.write(snapshot(worker, sequence, phase=phase))
    everything = [(row.sequence, row.group_id) for row in store.snapshots.series("run-1")]
    assert everything == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]
    rest = store.snapshots.series("run-1", worker_id="worker-1", after_sequence=1)
    assert [(row.sequence, row.group_id) for row in rest] == [(2, 1), (3, 1)]
    assert [row.sequence for row in store.snapshots.series("run-1", phase=Phase.WARMUP)] == [1, 1]
