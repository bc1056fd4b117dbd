"""What is pushed stands for some seconds, the newest of each worker, and only a run's own token opens its door."""

from collections.abc import Mapping

from tests.unit.views.rows import RUN_ID, figures, snapshot

from upperbound.api.live import pushes as controller_side
from upperbound.api.live.pushes import LIFE_S, MOST_WORKERS, TOKEN_VARIABLE, URL_VARIABLE, LivePushes
from upperbound.testing.manual_clock import ManualClock
from upperbound.worker import live_push as worker_side

URL = "http://127.0.0.1:8000"


def pushed(pushes: LivePushes, run_id: str = RUN_ID) -> Mapping[str, int]:
    """Return the sequence of what stands for each worker."""
    return {worker_id: one.sequence for worker_id, one in pushes.fresh(run_id).items()}


def test_a_snapshot_stands_for_five_seconds() -> None:
    clock = ManualClock()
    pushes = LivePushes(clock, URL)
    pushes.put(snapshot(0, 1, figures()))
    clock.advance(LIFE_S - 1e-6)
    assert pushed(pushes) == {"worker-0": 1}
    clock.advance(1e-6)
    assert pushed(pushes) == {}


def test_the_newest_of_each_worker_is_kept_in_whatever_order_they_come() -> None:
    pushes = LivePushes(ManualClock(), URL)
    for group_id, sequence in ((0, 3), (1, 1), (0, 2), (0, 3), (1, 2)):
        pushes.put(snapshot(group_id, sequence, figures()))
    assert pushed(pushes) == {"worker-0": 3, "worker-1": 2}


def test_an_older_one_does_not_lengthen_the_life_of_a_newer_one() -> None:
    clock = ManualClock()
    pushes = LivePushes(clock, URL)
    pushes.put(snapshot(0, 3, figures()))
    clock.advance(3.0)
    pushes.put(snapshot(0, 2, figures()))
    clock.advance(2.5)
    assert pushed(pushes) == {}


def test_what_has_expired_takes_no_room_for_longer_than_the_next_push() -> None:
    clock = ManualClock()
    pushes = LivePushes(clock, URL)
    pushes.put(snapshot(0, 1, figures()))
    clock.advance(LIFE_S + 1)
    pushes.put(snapshot(1, 1, figures()))
    assert {worker_id for workers in pushes._kept.values() for worker_id in workers} == {"worker-1"}


def test_a_run_has_no_more_workers_than_are_kept() -> None:
    pushes = LivePushes(ManualClock(), URL)
    for group_id in range(MOST_WORKERS + 5):
        pushes.put(snapshot(group_id, 1, figures()))
    pushes.put(snapshot(0, 2, figures()))
    assert len(pushed(pushes)) == MOST_WORKERS
    assert pushed(pushes)["worker-0"] == 2


def test_what_is_forgotten_is_gone() -> None:
    pushes = LivePushes(ManualClock(), URL)
    pushes.put(snapshot(0, 1, figures()))
    pushes.forget(RUN_ID)
    pushes.forget("nobody")
    assert pushed(pushes) == {}


def test_a_token_is_that_of_one_run_and_of_one_process() -> None:
    ours, theirs = LivePushes(ManualClock(), URL), LivePushes(ManualClock(), URL)
    token = ours.environment("run-1")[TOKEN_VARIABLE]
    assert len(token) >= 43
    assert ours.admits("run-1", token)
    assert not ours.admits("run-2", token)
    assert not theirs.admits("run-1", token)
    for wrong in ("", token[:-1], token + "x", "ü", "\udc80"):
        assert not ours.admits("run-1", wrong)


def test_workers_look_where_the_controller_has_put_it() -> None:
    environment = dict(LivePushes(ManualClock(), URL).environment("run-1"))
    assert environment.keys() == {URL_VARIABLE, TOKEN_VARIABLE}
    assert worker_side.URL_VARIABLE == controller_side.URL_VARIABLE
    assert worker_side.TOKEN_VARIABLE == controller_side.TOKEN_VARIABLE
    push = worker_side.live_push(environment, ManualClock())
    assert push is not None
    assert environment == {URL_VARIABLE: URL}
    assert worker_side.live_push(environment, ManualClock()) is None
