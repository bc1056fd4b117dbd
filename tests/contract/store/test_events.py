"""Control events are numbered from 1 without gaps, whoever writes and whoever dies."""

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from upperbound.domain.events import EventType
from upperbound.errors import RunNotFound
from upperbound.store.engine import Store
from upperbound.store.runs import NewRun

MakeRun = Callable[..., NewRun]


def test_events_are_read_in_order_from_a_number_on(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run())
    store.runs.create(new_run("run-2"))
    assert store.events.after("run-1") == []
    assert store.events.append("run-1", EventType.START, {"b": 1, "a": [2]}) == 1
    assert store.events.append("run-2", EventType.START, {}) == 1, "each run counts for itself"
    assert store.events.append("run-1", EventType.STOP, {"reason": "ü\x00"}, scope="WORKER") == 2
    first, second = store.events.after("run-1", 0)
    assert (first.sequence, first.type, first.scope, first.data) == (1, EventType.START, "RUN", {"b": 1, "a": [2]})
    assert isinstance(first.type, EventType)
    assert (second.sequence, second.type, second.scope, second.data) == (
        2,
        EventType.STOP,
        "WORKER",
        {"reason": "ü\x00"},
    )
    assert first.event_id != second.event_id
    assert first.created_at <= second.created_at
    assert [event.sequence for event in store.events.after("run-1", 1)] == [2]
    assert [event.sequence for event in store.events.after("run-1", 0, limit=1)] == [1]
    assert store.events.after("run-1", 2) == []
    assert store.runs.get("run-1").next_sequence_id == 3


def test_an_event_for_no_run_is_refused(store: Store) -> None:
    with pytest.raises(RunNotFound, match="nope"):
        store.events.append("nope", EventType.START, {})
    assert store.events.after("nope") == []


def test_a_refused_event_takes_no_number(store: Store, new_run: MakeRun) -> None:
    store.runs.create(new_run())
    with pytest.raises(Exception, match="not JSON compliant"):
        store.events.append("run-1", EventType.STOP, {"x": float("inf")})
    assert store.events.append("run-1", EventType.STOP, {}) == 1


def test_threads_that_write_at_once_get_each_number_once(
    store: Store, new_run: MakeRun, repeats: Callable[[int, int], int]
) -> None:
    store.runs.create(new_run())
    count = repeats(80, 16)
    with ThreadPoolExecutor(repeats(8, 4)) as pool:
        numbers = list(pool.map(lambda n: store.events.append("run-1", EventType.SET_PHASE, {"n": n}), range(count)))
    assert sorted(numbers) == list(range(1, count + 1))
    events = store.events.after("run-1")
    assert [event.sequence for event in events] == list(range(1, count + 1))
    assert {event.sequence: event.data["n"] for event in events} == {number: n for n, number in enumerate(numbers)}


def test_a_writer_that_dies_between_number_and_event_leaves_no_gap(
    store: Store, store_url: str, new_run: MakeRun, start_writer: Callable[..., subprocess.Popen[str]]
) -> None:
    if store.dialect == "snowflake":
        pytest.skip("service: Snowflake keeps the locks of a client that is gone for minutes")
    store.runs.create(new_run())
    assert store.events.append("run-1", EventType.START, {}) == 1
    writer = start_writer("die", store_url)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    writer.kill()
    writer.wait()
    assert store.events.append("run-1", EventType.STOP, {}) == 2
    assert [event.sequence for event in store.events.after("run-1")] == [1, 2]
