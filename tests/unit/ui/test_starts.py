"""Pages that wait for a start."""

import asyncio
import threading

from tests.unit.views.rows import run_row

from upperbound.ui.starts import RunStarts

RUN_ID = run_row().run_id


def hear_in_a_thread(starts: RunStarts, run_id: str = RUN_ID) -> None:
    thread = threading.Thread(target=starts.hear, args=(run_row(run_id=run_id),))
    thread.start()
    thread.join()


def test_every_page_that_waits_is_told_once_and_within_its_own_loop() -> None:
    asyncio.run(_every_page())


async def _every_page() -> None:
    starts = RunStarts()
    told: list[tuple[str, threading.Thread]] = []
    starts.wait(RUN_ID, lambda: told.append(("one", threading.current_thread())))
    starts.wait(RUN_ID, lambda: told.append(("two", threading.current_thread())))
    hear_in_a_thread(starts)
    hear_in_a_thread(starts)
    await asyncio.sleep(0)
    assert told == [("one", threading.current_thread()), ("two", threading.current_thread())]


def test_a_page_that_is_gone_and_one_of_another_run_is_told_nothing() -> None:
    asyncio.run(_gone_page())


async def _gone_page() -> None:
    starts = RunStarts()
    told: list[str] = []
    call_off = starts.wait(RUN_ID, lambda: told.append("gone"))
    starts.wait("another", lambda: told.append("another"))
    call_off()
    call_off()
    hear_in_a_thread(starts)
    await asyncio.sleep(0)
    assert told == []
