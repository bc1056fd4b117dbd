"""Of many controllers that reach for one run, one owns it at a time."""

import threading
from collections.abc import Callable

import pytest

from upperbound.domain.events import EventType
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import RunNotFound
from upperbound.store.engine import Store
from upperbound.store.events import NewEvent
from upperbound.store.results import ParentResult
from upperbound.store.runs import NewRun, Rollup


def result(*, operations: int) -> ParentResult:
    return ParentResult(
        worker_count=1,
        threads=1,
        operations=operations,
        failed=0,
        warmup_operations=0,
        duration_s=1.0,
        qps=1.0,
        figures=None,
        query_log=None,
    )


def test_two_controllers_that_reach_for_a_run_at_once_never_both_own_it(
    store: Store, new_run: Callable[..., NewRun], repeats: Callable[[int, int], int]
) -> None:
    store.runs.create(new_run())
    for _ in range(repeats(50, 5)):
        line = threading.Barrier(2)
        won: list[str] = []

        def reach(owner: str, line: threading.Barrier = line, won: list[str] = won) -> None:
            line.wait(10)
            if store.runs.acquire_lease("run-1", owner, 60):
                won.append(owner)

        controllers = [threading.Thread(target=reach, args=(owner,)) for owner in ("one", "other")]
        for controller in controllers:
            controller.start()
        for controller in controllers:
            controller.join(20)
        assert len(won) == 1
        assert store.runs.get("run-1").lease_owner == won[0]
        loser = "other" if won == ["one"] else "one"
        assert not store.runs.extend_lease("run-1", loser, 60)
        assert store.runs.release_lease("run-1", won[0])


def test_a_controller_that_was_held_up_until_another_has_taken_over_changes_nothing(
    store: Store, new_run: Callable[..., NewRun]
) -> None:
    store.runs.create(new_run(worker_targets={"worker-0": 4}))
    assert store.runs.acquire_lease("run-1", "slow", 60)
    assert store.runs.transition("run-1", expected=RunStatus.PREPARED, to=RunStatus.STARTING, holder="slow")
    assert store.runs.release_lease("run-1", "slow")
    assert store.runs.acquire_lease("run-1", "next", 60)
    before = store.runs.get("run-1")

    stop = NewEvent(EventType.STOP, {})
    starting, failed = RunStatus.STARTING, RunStatus.FAILED
    assert not store.runs.transition("run-1", expected=starting, to=failed, event=stop, holder="slow")
    assert not store.runs.mark_running("run-1", 0, stop, holder="slow")
    assert not store.runs.set_phase("run-1", Phase.COOLDOWN, stop, holder="slow")
    store.runs.set_targets("run-1", {"worker-0": 0}, holder="slow")
    store.runs.set_guardrails("run-1", {"state": "critical"}, {"worker-0": 1}, [stop], holder="slow")
    store.runs.set_find_max("run-1", {}, {"worker-0": 1}, [stop], holder="slow")
    store.runs.update_rollup("run-1", Rollup(1, 1, 1, 1, 1, 1.0), holder="slow")

    after = store.runs.get("run-1")
    assert store.events.after("run-1") == []
    for name in ("status", "phase", "worker_targets", "guardrail_state", "find_max_state", "total_ops", "updated_at"):
        assert getattr(after, name) == getattr(before, name), name
    assert store.runs.mark_running("run-1", 0, holder="next")


def test_a_result_is_the_owners_to_write(store: Store, new_run: Callable[..., NewRun]) -> None:
    store.runs.create(new_run())
    assert store.runs.acquire_lease("run-1", "next", 60)
    assert store.results.finish_parent("run-1", result(operations=90), holder="next")
    assert not store.results.finish_parent("run-1", result(operations=40), holder="slow"), "it knows less"
    assert store.results.get("run-1").operations == 90
    assert store.runs.release_lease("run-1", "next")
    assert not store.results.finish_parent("run-1", result(operations=80), holder="next"), "a write that came late"
    assert store.results.get("run-1").operations == 90
    with pytest.raises(RunNotFound, match="nope"):
        store.results.finish_parent("nope", result(operations=1), holder="next")
