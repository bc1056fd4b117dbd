"""Snapshots are kept once each, and the newest of every worker is at hand."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from upperbound.domain.phases import Phase
from upperbound.store.engine import Store
from upperbound.store.snapshots import Snapshot
from upperbound.store.tables import worker_metrics_snapshots

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


def test_the_newest_snapshots_are_found_without_reading_the_others(
    store: Store, engine: sa.Engine, snapshot: MakeSnapshot
) -> None:
    workers, seconds = (20, 60) if store.dialect != "snowflake" else (3, 10)
    for run_id in ("earlier", "run-1"):
        store.snapshots.write(snapshot(run_id=run_id, worker=0, sequence=seconds + 1))
        names = [column.name for column in worker_metrics_snapshots.columns]
        others = {"worker_id": "'worker-' || w", "sequence": "s", "worker_group_id": "w"}
        numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    f"INSERT INTO worker_metrics_snapshots ({', '.join(names)}) {numbers} "
                    f"SELECT {', '.join(others.get(name, f't.{name}') for name in names)} "
                    "FROM worker_metrics_snapshots t, (SELECT i AS w FROM n) a, (SELECT i AS s FROM n) b "
                    f"WHERE t.run_id = '{run_id}' AND t.sequence = {seconds + 1} AND w < {workers} "
                    f"AND s BETWEEN 1 AND {seconds}"
                )
            )
            if run_id == "earlier" and store.dialect != "snowflake":
                # From now on the server believes that it knows every run.
                connection.execute(sa.text("ANALYZE worker_metrics_snapshots"))
    newest = store.snapshots.newest("run-1")
    assert {worker_id: row.sequence for worker_id, row in newest.items()} == {
        f"worker-{number}": seconds + (number == 0) for number in range(workers)
    }
    assert store.snapshots.newest("run-1", Phase.MEASUREMENT) == newest
    assert store.snapshots.newest("run-1", Phase.WARMUP) == {}
    if store.dialect == "postgresql":
        statement = store.snapshots._newest[False].compile(engine)
        with engine.connect() as connection:
            ((plan,),) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", {"run": "run-1"})
        assert max(rows_read(plan[0]["Plan"])) <= 2 * workers + 2


def rows_read(node: dict[str, Any]) -> Iterator[float]:
    """Yield how many rows each step of a plan has read, those it has thrown away included."""
    removed = sum(value for key, value in node.items() if key.startswith("Rows Removed"))
    yield (node["Actual Rows"] + removed) * node["Actual Loops"]
    for part in node.get("Plans", ()):
        yield from rows_read(part)
