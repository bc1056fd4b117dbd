"""Viewers of one process: one reading for all of them, the newest for the slow, and none for nobody."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from tests.integration.live.conftest import RUN, Rows, StoreClock, statements

from upperbound.api.live.feed import FeedCut
from upperbound.api.live.hub import MOST_VIEWERS, LiveHub, TooManyViewers
from upperbound.clock import SystemClock
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.errors import RunNotFound
from upperbound.store.engine import Store
from upperbound.testing.waiting import DEADLINE_S


def watching(body: Callable[[LiveHub], Awaitable[None]], store: Store, most_viewers: int = MOST_VIEWERS) -> None:
    """Run ``body`` with a hub on the store, in an event loop of its own."""

    async def run() -> None:
        hub = LiveHub(store, SystemClock(), most_viewers=most_viewers)
        hub.open()
        try:
            async with asyncio.timeout(DEADLINE_S):
                await body(hub)
        finally:
            await hub.close()

    asyncio.run(run())


def test_a_prepared_run_is_shown_once_and_not_read_again_until_something_happens(store: Store, rows: Rows) -> None:
    async def body(hub: LiveHub) -> None:
        async with contextlib.aclosing(hub.subscribe(RUN)) as updates:
            first = await anext(updates)
            assert (first.status, first.sequence) == (RunStatus.PREPARED, 0)
            # Meanwhile another run is shown for two seconds.
            other = Rows(store, rows.clock, "20261123-101501-other")
            other.prepare()
            other.starting()
            other.running()
            async with contextlib.aclosing(hub.subscribe(other.run_id)) as seconds:
                assert [(await anext(seconds)).sequence for _ in range(3)] == [0, 1, 2]
            rows.starting()
            hub.hear(store.runs.get(RUN))
            second = await anext(updates)
            # Each reading counts: there was none between the two.
            assert (second.status, second.sequence) == (RunStatus.STARTING, 1)

    watching(body, store)


def test_who_comes_to_a_prepared_run_later_is_shown_what_it_is_then(store: Store, rows: Rows) -> None:
    async def body(hub: LiveHub) -> None:
        async with contextlib.aclosing(hub.subscribe(RUN)) as early:
            await anext(early)
            # Another process, which nobody here hears of, starts it.
            rows.starting()
            async with contextlib.aclosing(hub.subscribe(RUN)) as late:
                assert (await anext(late)).status is RunStatus.STARTING
            assert (await anext(early)).status is RunStatus.STARTING

    watching(body, store)


def test_a_run_is_read_once_however_many_watch_it(store: Store, rows: Rows) -> None:
    rows.starting()
    rows.running()

    async def body(hub: LiveHub) -> None:
        async with contextlib.AsyncExitStack() as stack:
            boxes = [await stack.enter_async_context(hub.watch(RUN)) for _ in range(50)]
            with statements(store) as asked:
                for _ in range(2):
                    published = [await box.take() for box in boxes]
                    assert len({id(one) for one in published}) == 1
                    assert len({id(one.text) for one in published}) == 1
            # The run, its workers, their snapshots, and the log, twice.
            assert asked.number <= 8
            assert hub.viewers == 50
        assert hub.viewers == 0

    watching(body, store)


def test_nothing_is_read_when_nobody_watches(store: Store, rows: Rows) -> None:
    rows.starting()
    rows.running()

    async def body(hub: LiveHub) -> None:
        async with hub.watch(RUN) as box:
            await box.take()
        assert not hub.is_watched(RUN)
        tasks = [task for task in asyncio.all_tasks() if RUN in task.get_name()]
        await asyncio.wait(tasks)
        with statements(store) as asked:
            hub.hear(store.runs.get(RUN))
            hub.wake(RUN)
            assert asked.number == 1
        async with hub.watch(RUN) as box:
            assert (await box.take()).update.sequence == 0

    watching(body, store)


def test_one_update_a_second_is_made_and_a_slow_viewer_finds_the_newest(store: Store, rows: Rows) -> None:
    rows.starting()
    rows.running()
    clock = SystemClock()

    async def body(hub: LiveHub) -> None:
        async with hub.watch(RUN) as quick, hub.watch(RUN) as slow:
            assert (await slow.take()).update.sequence == 0
            began_ns = clock.monotonic_ns()
            seen = [(await quick.take()).update.sequence for _ in range(4)]
            assert seen == [0, 1, 2, 3]
            assert (clock.monotonic_ns() - began_ns) / 1e9 > 2.5
            assert (await slow.take()).update.sequence == 3
            assert (await slow.take()).update.sequence == 4

    watching(body, store)


def test_states_that_the_run_s_loop_tells_of_are_shown_however_short_they_last(
    store: Store, rows: Rows, store_clock: StoreClock
) -> None:
    rows.starting()
    rows.running()

    async def body(hub: LiveHub) -> None:
        async with contextlib.aclosing(hub.subscribe(RUN)) as updates:
            await anext(updates)
            told = [store.runs.get(RUN)]
            store_clock.advance(0.1)
            store.runs.set_phase(RUN, Phase.COOLDOWN)
            told.append(store.runs.get(RUN))
            store.runs.set_phase(RUN, Phase.PROCESSING)
            told.append(store.runs.get(RUN))
            store_clock.advance(0.1)
            rows.end()
            told.append(store.runs.get(RUN))
            for row in told:
                hub.hear(row)
            shown = [(update.status, update.phase, update.final) async for update in updates]
            assert shown == [
                (RunStatus.RUNNING, Phase.COOLDOWN, False),
                (RunStatus.RUNNING, Phase.PROCESSING, False),
                (RunStatus.COMPLETED, Phase.COMPLETED, True),
            ]

    watching(body, store)


def test_what_the_loop_read_before_the_latest_update_takes_nobody_back(
    store: Store, rows: Rows, store_clock: StoreClock
) -> None:
    rows.starting()
    earlier = store.runs.get(RUN)
    store_clock.advance(1.0)
    rows.running()

    async def body(hub: LiveHub) -> None:
        async with contextlib.aclosing(hub.subscribe(RUN)) as updates:
            assert (await anext(updates)).status is RunStatus.RUNNING
            hub.hear(earlier)
            assert (await anext(updates)).status is RunStatus.RUNNING

    watching(body, store)


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.CANCELLED, RunStatus.FAILED])
def test_the_last_update_has_the_final_state_and_nothing_follows(store: Store, rows: Rows, status: RunStatus) -> None:
    rows.starting()
    rows.running()

    async def body(hub: LiveHub) -> None:
        async with contextlib.aclosing(hub.subscribe(RUN)) as updates:
            await anext(updates)
            rows.end(status)
            seen = [update async for update in updates]
            assert [(update.status, update.final) for update in seen] == [(status, True)]
        # Whoever comes now is told the same, and not kept.
        assert [update.status async for update in hub.subscribe(RUN)] == [status]

    watching(body, store)


def test_a_run_that_is_stopped_before_its_start_ends_for_its_viewers(store: Store, rows: Rows) -> None:
    async def body(hub: LiveHub) -> None:
        async with contextlib.aclosing(hub.subscribe(RUN)) as updates:
            await anext(updates)
            rows.end(RunStatus.CANCELLED, cancellation_reason="stopped by somebody")
            hub.hear(store.runs.get(RUN))
            (last,) = [update async for update in updates]
            assert (last.final, last.cancellation_reason) == (True, "stopped by somebody")

    watching(body, store)


def test_a_run_that_is_none_has_no_viewers(store: Store, rows: Rows) -> None:
    async def body(hub: LiveHub) -> None:
        with pytest.raises(RunNotFound):
            await anext(hub.subscribe("nobody"))
        assert hub.viewers == 0
        assert not hub.is_watched("nobody")

    watching(body, store)


def test_a_run_that_is_deleted_leaves_no_viewer_waiting(store: Store, rows: Rows) -> None:
    async def body(hub: LiveHub) -> None:
        async with contextlib.aclosing(hub.subscribe(RUN)) as updates:
            await anext(updates)
            with store._database.transaction() as connection:
                connection.exec_driver_sql("DELETE FROM test_results")
                connection.exec_driver_sql("DELETE FROM run_status")
            hub.wake(RUN)
            with pytest.raises(RunNotFound):
                await anext(updates)

    watching(body, store)


def test_there_is_a_highest_number_of_viewers(store: Store, rows: Rows) -> None:
    async def body(hub: LiveHub) -> None:
        async with hub.watch(RUN) as first, hub.watch(RUN):
            with pytest.raises(TooManyViewers):
                async with hub.watch(RUN):
                    pass
            await first.take()
        async with hub.watch(RUN) as again:
            await again.take()

    watching(body, store, most_viewers=2)


def test_the_end_of_the_server_is_the_end_of_nobody_s_run(store: Store, rows: Rows) -> None:
    async def body(hub: LiveHub) -> None:
        async with hub.watch(RUN) as box:
            await box.take()
            await hub.close()
            with pytest.raises(FeedCut):
                await box.take()

    watching(body, store)
