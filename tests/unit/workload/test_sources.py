"""Parameter values come from the distribution that was asked for, the same ones for the same seed."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from upperbound.domain.sharding import BLOCK_KEYS, Shard, key_blocks
from upperbound.workload.sources import ListSource, SequenceSource, UniformSource, Values, ZipfSource
from upperbound.workload.streams import CHUNK, OperationPlan, ParameterPlan, Row, Workload
from upperbound.workload.zipf import ZipfSampler

CHI_SQUARE_999 = {9: 27.88, 99: 148.23}
"""The 99.9th percentiles of the chi-square distribution by degrees of freedom."""


def chi_square(seen: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    expected = probabilities * seen.sum()
    return float(((seen - expected) ** 2 / expected).sum())


def text(values: Values) -> Iterator[bytes]:
    return (str(value).encode() for value in values)


def test_a_range_gives_every_value_equally_often_ends_included() -> None:
    values = np.asarray(UniformSource(1, 10).chunk(np.random.default_rng(1), 100_000))
    assert chi_square(np.bincount(values)[1:], np.full(10, 0.1)) < CHI_SQUARE_999[9]


def test_a_range_may_span_all_of_64_bits() -> None:
    values = np.asarray(UniformSource(-(2**63), 2**63 - 1).chunk(np.random.default_rng(1), 1000))
    assert values.min() < -(2**61)
    assert values.max() > 2**61


@pytest.mark.parametrize("exponent", [0.5, 0.99, 1.0, 1.0000001, 1.5, 3.0])
def test_zipf_ranks_follow_the_power_law(exponent: float) -> None:
    ranks = ZipfSampler(100, exponent).sample(np.random.default_rng(7), 400_000)
    law = np.arange(1, 101) ** -exponent
    seen = np.bincount(ranks, minlength=101)[1:]
    expected = law / law.sum()
    common = expected * seen.sum() >= 5
    assert chi_square(seen[common], expected[common] / expected[common].sum()) < CHI_SQUARE_999[99]


@given(st.integers(1, 10**12), st.floats(0.01, 10), st.integers(0, 2**32))
@settings(deadline=None)
def test_zipf_ranks_stay_in_range_for_any_size_and_exponent(items: int, exponent: float, seed: int) -> None:
    ranks = ZipfSampler(items, exponent).sample(np.random.default_rng(seed), 100)
    assert ranks.min() >= 1
    assert ranks.max() <= items


@pytest.mark.parametrize(("items", "exponent"), [(0, 1.0), (10, 0.0), (10, -1.0), (10, float("nan"))])
def test_zipf_refuses_what_has_no_distribution(items: int, exponent: float) -> None:
    with pytest.raises(ValueError, match="zipf needs"):
        ZipfSampler(items, exponent)


def test_zipf_over_a_range_makes_its_lowest_value_the_most_frequent() -> None:
    values = np.asarray(ZipfSource(500, 599, 1.2).chunk(np.random.default_rng(1), 10_000))
    assert Counter(values.tolist()).most_common(1)[0][0] == 500
    assert 500 <= values.min() <= values.max() <= 599


def test_sequences_of_all_threads_of_a_run_never_meet_even_when_workers_join() -> None:
    rng = np.random.default_rng(0)
    keys: list[int] = []
    for group in range(8):
        blocks = key_blocks(group, 8)
        threads = [SequenceSource(1_000_000, blocks) for _ in range(100)]
        keys += [key for _ in range(3) for thread in threads for key in np.asarray(thread.chunk(rng, 17)).tolist()]
    assert len(set(keys)) == len(keys) == 8 * 100 * 3 * 17
    assert min(keys) == 1_000_000


def test_parameters_that_share_a_sequence_never_meet() -> None:
    rng, n = np.random.default_rng(0), 3 * BLOCK_KEYS
    keys = [
        key
        for group in range(2)
        for lane in range(2)
        for key in np.asarray(SequenceSource(7, key_blocks(group, 2), lane=lane, lanes=2).chunk(rng, n)).tolist()
    ]
    assert sorted(keys) == list(range(7, 7 + 2 * 2 * n))


def test_a_sequence_goes_on_where_its_last_chunk_ended_and_keeps_neighbours_together() -> None:
    rng = np.random.default_rng(0)
    source = SequenceSource(10, key_blocks(1, 4))
    chunks = [np.asarray(source.chunk(rng, n)).tolist() for n in (2, BLOCK_KEYS - 2, 1)]
    assert chunks[0] + chunks[1] == list(range(10 + BLOCK_KEYS, 10 + 2 * BLOCK_KEYS))
    assert chunks[2] == [10 + 5 * BLOCK_KEYS]


def test_a_list_gives_each_of_its_values_and_refuses_to_be_empty() -> None:
    assert set(ListSource(["a", "b"]).chunk(np.random.default_rng(0), 100)) == {"a", "b"}
    with pytest.raises(ValueError, match="no value"):
        ListSource([])


def workload(seed: int = 1) -> Workload:
    number = ParameterPlan(lambda _: UniformSource(1, 10**6), text)
    word = ParameterPlan(lambda _: ListSource(["x", "y"]), text)
    plans = [OperationPlan(Decimal(75), (number, word)), OperationPlan(Decimal(25), ())]
    return Workload(plans, seed=seed)


def sent(load: Workload, shard: Shard, n: int) -> list[tuple[int, Row | None]]:
    stream = load.stream(shard)
    return [(k, next(stream.rows[k])) for k in islice(stream.operations, n)]


def test_the_same_seed_gives_each_thread_the_same_work() -> None:
    shard = Shard(1, 2, 3, 8)
    assert sent(workload(), shard, 2 * CHUNK) == sent(workload(), shard, 2 * CHUNK)


def test_another_seed_or_another_thread_gives_other_work() -> None:
    reference = sent(workload(), Shard(0, 2, 0, 8), 100)
    assert sent(workload(seed=2), Shard(0, 2, 0, 8), 100) != reference
    assert sent(workload(), Shard(1, 2, 0, 8), 100) != reference


def test_a_thread_beyond_the_plan_has_random_numbers_of_its_own() -> None:
    planned, added = Shard(0, 2, 0, 8), Shard(2, 2, 8, 8)
    assert planned.slot == added.slot
    assert sent(workload(), planned, 100) != sent(workload(), added, 100)


def test_an_operation_without_parameters_sends_none() -> None:
    rows = dict(sent(workload(), Shard(0, 1, 0, 1), 100))
    assert rows[1] is None
    assert rows[0] is not None
    assert len(rows[0]) == 2
