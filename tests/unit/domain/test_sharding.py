"""No two threads of a run share a key, and a pool is shared out without a rest."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.sharding import BLOCK_KEYS, Shard, key_blocks

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


@given(GROUPS, st.integers(0, 12), st.integers(1, 20))
def test_blocks_of_keys_of_all_workers_are_unique_and_leave_no_gap_when_all_insert_alike(
    workers: int, room: int, each: int
) -> None:
    capacity = workers + room
    firsts = [first for group in range(workers) for first in itertools.islice(key_blocks(group, capacity), each)]
    keys = [first + k for first in firsts for k in range(BLOCK_KEYS)]
    assert len(set(keys)) == len(keys)
    if not room:
        assert sorted(keys) == list(range(workers * each * BLOCK_KEYS))


def test_a_worker_keeps_its_slot_and_its_keys_when_others_join() -> None:
    assert Shard(1, 2, 3, 8).slot == Shard(1, 5, 3, 8).slot
    assert next(key_blocks(1, 4)) == BLOCK_KEYS


def test_a_worker_and_a_thread_beyond_the_plan_share_a_planned_place_but_no_identity() -> None:
    planned = every_shard(2, 4)
    added = [Shard(group, 2, thread, 4) for group in range(2, 4) for thread in range(6)]
    assert {shard.slot for shard in added} <= {shard.slot for shard in planned}
    assert {shard.slots for shard in added} == {8}
    assert len({shard.identity for shard in planned + added}) == len(planned) + len(added)


@pytest.mark.parametrize("place", [(-1, 2, 0, 4), (0, 2, -1, 4), (0, 2, 0, 0), (0, 0, 0, 4)])
def test_a_place_out_of_bounds_is_refused(place: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="there is no"):
        Shard(*place)


def test_a_worker_beyond_the_room_for_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="is not one of"):
        key_blocks(4, 4)
