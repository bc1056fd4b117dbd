"""Polls of a warehouse are kept once each and come back in their order."""

from dataclasses import replace
from typing import TYPE_CHECKING

from upperbound.store.engine import Store
from upperbound.store.warehouse_polls import WarehousePoll

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

POLL = WarehousePoll(
    poll_id="poll-1",
    run_id="run-1",
    elapsed_s=5.0,
    warehouse="BENCH_WH",
    state="STARTED",
    size="X-Small",
    min_clusters=1,
    max_clusters=4,
    started_clusters=2,
    running=45,
    queued=3,
    scaling_policy="STANDARD",
)


def test_a_poll_is_kept_whole(clocked_store: Store, clock: "SetClock") -> None:
    without_clusters = replace(
        POLL,
        poll_id="poll-2",
        size=None,
        min_clusters=None,
        max_clusters=None,
        started_clusters=None,
        scaling_policy=None,
    )
    for poll in (POLL, without_clusters):
        clock.advance(5)
        clocked_store.warehouse_polls.write(poll)
    rows = clocked_store.warehouse_polls.series("run-1")
    assert [{name: getattr(row, name) for name in vars(POLL)} for row in rows] == [vars(POLL), vars(without_clusters)]
    assert rows[1].polled_at == clock.moment


def test_a_poll_whose_answer_was_lost_is_kept_once_as_it_was(store: Store) -> None:
    store.warehouse_polls.write(POLL)
    store.warehouse_polls.write(replace(POLL, queued=99))
    assert [row.queued for row in store.warehouse_polls.series("run-1")] == [3]


def test_polls_come_in_the_order_of_their_times_whoever_made_them(clocked_store: Store, clock: "SetClock") -> None:
    polls = clocked_store.warehouse_polls
    assert polls.newest("run-1") is None
    for second, poll_id in ((5, "b"), (10, "a"), (15, "c")):
        clock.advance(5)
        polls.write(replace(POLL, poll_id=poll_id, elapsed_s=float(second), queued=second))
    polls.write(replace(POLL, poll_id="d", run_id="run-2", elapsed_s=99.0))
    assert [row.poll_id for row in polls.series("run-1")] == ["b", "a", "c"]
    assert [row.poll_id for row in polls.series("run-1", after_s=10.0)] == ["c"]
    newest = polls.newest("run-1")
    assert newest is not None
    assert (newest.poll_id, newest.queued) == ("c", 15)
