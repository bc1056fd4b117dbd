"""Of many controllers that reach for one run, one owns it at a time."""

import threading
from collections.abc import Callable

from upperbound.store.engine import Store
from upperbound.store.runs import NewRun

ROUNDS = 50


def test_two_controllers_that_reach_for_a_run_at_once_never_both_own_it(
    store: Store, new_run: Callable[..., NewRun]
) -> None:
    store.runs.create(new_run())
    for _ in range(ROUNDS):
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
