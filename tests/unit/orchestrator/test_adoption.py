"""Whether a controller is alive is told by its lease alone, however unevenly the store answers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from upperbound.domain.run_state import RunStatus
from upperbound.errors import RunFailed
from upperbound.orchestrator.adoption import take_lease
from upperbound.store.engine import Store, open_store
from upperbound.store.runs import NewRun, RunRow
from upperbound.store.types import UtcTimestamp
from upperbound.testing.manual_clock import ManualClock

LEASE_S = 6.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    """A store whose clock is the test's, with a run that a controller has begun."""
    now = sa.bindparam(None, callable_=clock.utc_now, type_=UtcTimestamp())
    with open_store(f"sqlite:///{tmp_path}/store.db", now=now) as opened:
        opened.runs.create(NewRun("run", "a run", {}, 1))
        assert opened.runs.transition("run", expected=RunStatus.PREPARED, to=RunStatus.STARTING)
        assert opened.runs.acquire_lease("run", "the first", LEASE_S)
        yield opened


def slow(monkeypatch: pytest.MonkeyPatch, store: Store, clock: ManualClock, call: str, take_s: Sequence[float]) -> None:
    """Let the answer to each call of ``call`` take so long, and the last of these from then on."""
    real, left = getattr(store.runs, call), list(take_s)

    def answer(*arguments: object) -> RunRow | bool:
        found: RunRow | bool = real(*arguments)
        clock.advance(left.pop(0) if len(left) > 1 else left[0])
        return found

    monkeypatch.setattr(store.runs, call, answer)


@pytest.mark.parametrize("call", ["get", "acquire_lease"])
@pytest.mark.parametrize("take_s", [[0.0], [0.01, 1.5], [1.5, 0.01], [0.3, 0.9, 0.1, 0.7]])
def test_the_lease_of_a_dead_controller_is_taken_when_it_has_run_out(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, call: str, take_s: list[float]
) -> None:
    slow(monkeypatch, store, clock, call, take_s)
    before_ns = clock.monotonic_ns()
    assert take_lease(store, clock, "run", owner="the second", ttl_s=60).lease_owner == "the second"
    assert LEASE_S - 1.5 <= (clock.monotonic_ns() - before_ns) / 1e9 < LEASE_S + 4.0


def test_a_controller_that_extends_its_lease_is_left_alone_and_named(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = clock.sleep

    def sleep_while_it_ticks(seconds: float) -> None:
        sleep(seconds)
        assert store.runs.extend_lease("run", "the first", LEASE_S)

    monkeypatch.setattr(clock, "sleep", sleep_while_it_ticks)
    with pytest.raises(RunFailed, match="run is being driven by the first"):
        take_lease(store, clock, "run", owner="the second", ttl_s=60)
