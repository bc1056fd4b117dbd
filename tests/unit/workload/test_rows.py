"""Rows of parameters: what belongs together is drawn together, and keys are given out once."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import numpy as np
import pytest

from upperbound.domain.sharding import Shard, key_blocks
from upperbound.workload.generated import NowSource
from upperbound.workload.sources import SequenceSource, UniformSource, Values, ZipfSource
from upperbound.workload.streams import CHUNK, Following, OperationPlan, ParameterPlan, Workload

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def text(values: Values) -> Iterator[bytes]:
    return (str(value).encode() for value in values)


def plus(numbers: Values, offsets: Values) -> Values:
    return cast("Values", np.asarray(numbers) + np.asarray(offsets))


def offset(place: int, low: int, high: int) -> ParameterPlan:
    return ParameterPlan(lambda _: UniformSource(low, high), text, following=Following(place, plus))


def rows(
    parameters: Sequence[ParameterPlan], n: int, shard: Shard | None = None, seed: int = 1
) -> list[tuple[bytes, ...]]:
    load = Workload([OperationPlan(Decimal(100), tuple(parameters))], seed=seed)
    stream = load.stream(shard or Shard(0, 1, 0, 1))
    return cast("list[tuple[bytes, ...]]", list(itertools.islice(stream.rows[0], n)))


@pytest.mark.parametrize("at_once", [1, 7, CHUNK])
def test_an_offset_is_exact_in_each_row_whatever_the_chunks(at_once: int) -> None:
    base = ParameterPlan(lambda _: ZipfSource(1, 10**9, 0.99), text, at_once=at_once)
    made = rows([base, offset(0, 49, 49), offset(1, -3, 3)], 3 * CHUNK + 5)
    first, second, third = (np.array([int(row[place]) for row in made]) for place in range(3))
    assert (second == first + 49).all()
    assert set((third - second).tolist()) == set(range(-3, 4))
    assert len(set(first.tolist())) > CHUNK


def test_two_parameters_may_be_offsets_from_one() -> None:
    base = ParameterPlan(lambda _: UniformSource(1, 10**6), text)
    made = rows([base, offset(0, 1, 1), offset(0, 100, 200)], CHUNK + 1)
    assert all(int(b) == int(a) + 1 and 100 <= int(c) - int(a) <= 200 for a, b, c in made)


def test_an_offset_changes_nothing_about_what_it_is_added_to() -> None:
    base = ParameterPlan(lambda _: UniformSource(1, 10**6), text)
    alone = [row[0] for row in rows([base], 2 * CHUNK)]
    assert [row[0] for row in rows([base, offset(0, 5, 9)], 2 * CHUNK)] == alone


def test_times_are_read_when_a_row_is_taken_and_offsets_are_from_that_time() -> None:
    clock = [NOON]

    def later(times: Values, offsets: Values) -> Values:
        seconds = np.asarray(offsets).tolist()
        return [cast("Any", time) + timedelta(seconds=s) for time, s in zip(times, seconds, strict=True)]

    now = ParameterPlan(lambda _: NowSource(lambda: clock[0], 0, 0), text, at_once=1)
    hour = ParameterPlan(lambda _: UniformSource(3600, 3600), text, following=Following(0, later))
    stream = Workload([OperationPlan(Decimal(100), (now, hour))], seed=1).stream(Shard(0, 1, 0, 1))
    for minute in range(3):
        clock[0] = NOON + timedelta(minutes=minute)
        expected = (str(clock[0]).encode(), str(clock[0] + timedelta(hours=1)).encode())
        assert next(stream.rows[0]) == expected


def test_the_same_seed_gives_a_thread_the_same_rows_and_another_thread_others() -> None:
    plans = [ParameterPlan(lambda _: UniformSource(1, 10**9), text, at_once=50), offset(0, 0, 10**6)]
    shard, other = Shard(3, 8, 42, 100), Shard(3, 8, 43, 100)
    assert rows(plans, 200, shard) == rows(plans, 200, shard)
    assert not set(rows(plans, 200, shard)) & set(rows(plans, 200, other))
    assert not set(rows(plans, 200, shard)) & set(rows(plans, 200, shard, seed=2))


def keys_of_a_run(start: int, each: int, workers: int = 8, threads: int = 100) -> list[int]:
    """Return the keys that the threads of all workers take, in turns, from a sequence."""
    taken: list[int] = []
    for group in range(workers):
        blocks = key_blocks(group, workers)
        plan = ParameterPlan(lambda _, blocks=blocks: SequenceSource(start, blocks), text)  # type: ignore[misc]
        load = Workload([OperationPlan(Decimal(100), (plan,))], seed=7)
        streams = [load.stream(Shard(group, workers, thread, threads)) for thread in range(threads)]
        for _ in range(each):
            taken += [int(cast("Any", next(stream.rows[0]))[0]) for stream in streams]
    return taken


def test_keys_of_eight_workers_of_a_hundred_threads_are_disjoint_and_so_are_those_of_a_rerun() -> None:
    first = keys_of_a_run(1_001, each=40)
    assert len(set(first)) == len(first) == 8 * 100 * 40
    assert min(first) >= 1_001
    rerun = keys_of_a_run(max(first) + 1, each=40)
    assert len({*first, *rerun}) == len(first) + len(rerun)


def test_a_driver_that_takes_whole_chunks_gets_the_same_rows_offsets_included() -> None:
    plans = [ParameterPlan(lambda _: UniformSource(1, 10**6), text), offset(0, -5, 5), offset(1, 3, 3)]
    packed = Workload([OperationPlan(Decimal(100), tuple(plans))], seed=1).stream(Shard(0, 1, 0, 1)).packed[0]
    assert packed is not None
    made = [
        row
        for columns in itertools.islice(packed, 3)
        for row in zip(
            *(
                [
                    column.memory[start : start + n].tobytes()
                    for start, n in zip(column.starts, column.lengths, strict=True)
                ]
                for column in columns
            ),
            strict=True,
        )
    ]
    assert made == rows(plans, 3 * CHUNK)


def test_values_that_are_not_drawn_in_whole_chunks_come_row_by_row_only() -> None:
    few = ParameterPlan(lambda _: UniformSource(1, 9), text, at_once=7)
    load = Workload([OperationPlan(Decimal(100), (few, offset(0, 1, 1)))], seed=1)
    assert load.stream(Shard(0, 1, 0, 1)).packed == (None,)
