"""No two threads of a run share a key, and a pool is shared out without a rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.sharding import Shard

GROUPS = st.integers(1, 12)
THREADS = st.integers(1, 12)


def every_shard(group_count: int, threads_per_worker: int) -> list[Shard]:
    return [
        Shard(group_id, group_count, thread, threads_per_worker)
        for group_id in range(group_count)
        for thread in range(threads_per_worker)
    ]


@given(GROUPS, THREADS)
def test_slots_number_all_threads_of_a_run_once(group_count: int, threads_per_worker: int) -> None:
    shards = every_shard(group_count, threads_per_worker)
    assert sorted(shard.slot for shard in shards) == list(range(len(shards)))
    assert {shard.slots for shard in shards} == {len(shards)}


@given(GROUPS, THREADS, st.integers(0, 500))
def test_shares_cover_a_pool_once_or_are_the_whole_of_a_small_one(
    group_count: int, threads_per_worker: int, n_values: int
) -> None:
    shards = every_shard(group_count, threads_per_worker)
    shares = [shard.slice_for(n_values) for shard in shards]
    if n_values >= len(shards):
        assert sorted(index for share in shares for index in share) == list(range(n_values))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    else:
        assert all(share == range(n_values) for share in shares)


@given(GROUPS, THREADS, st.integers(-1_000, 10**12), st.integers(1, 20))
def test_sequences_of_all_threads_are_unique_and_dense(
    group_count: int, threads_per_worker: int, start: int, each: int
) -> None:
    shards = every_shard(group_count, threads_per_worker)
    keys = sorted(shard.sequence_value(start, k) for shard in shards for k in range(each))
    assert keys == list(range(start, start + len(shards) * each))


def test_an_existing_worker_keeps_its_slot_when_workers_are_added() -> None:
    assert Shard(1, 2, 3, 8).slot == Shard(1, 5, 3, 8).slot


@pytest.mark.parametrize("place", [(-1, 2, 0, 4), (2, 2, 0, 4), (0, 2, -1, 4), (0, 2, 4, 4), (0, 0, 0, 4)])
def test_a_place_out_of_bounds_is_refused(place: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        Shard(*place)
