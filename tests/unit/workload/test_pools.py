"""Values in one piece of memory are picked as those of a list would be, and packed where they lie."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.sharding import Shard
from upperbound.workload.packing import Packed
from upperbound.workload.pools import PackedValues, ShareSource

TEXTS = st.lists(st.binary(max_size=9).map(lambda value: value.replace(b"\0", b".")), min_size=1)


def packed_texts(values: list[bytes], offset_type: Any = np.uint32) -> PackedValues:
    memory = np.frombuffer(b"\0".join([*values, b""]), np.uint8)
    return PackedValues(memory, ends=np.flatnonzero(memory == 0).astype(offset_type))


def unpacked(packed: Packed) -> list[bytes]:
    return [
        packed.memory[start : start + length].tobytes()
        for start, length in zip(packed.starts, packed.lengths, strict=True)
    ]


@given(TEXTS, st.data(), st.sampled_from([np.uint32, np.uint64]))
def test_values_of_any_length_are_picked_and_packed(values: list[bytes], data: st.DataObject, offset_type: Any) -> None:
    indexes = np.array(data.draw(st.lists(st.integers(0, len(values) - 1), max_size=20)), np.int64)
    pool = packed_texts(values, offset_type)
    wanted = [values[index] for index in indexes]
    assert len(pool) == len(values)
    assert list(pool.pick(indexes)) == wanted
    packed = pool.pack(indexes)
    assert unpacked(packed) == wanted
    assert all(packed.memory[packed.starts + packed.lengths] == 0), "each is followed by a zero byte"
    assert np.shares_memory(packed.memory, pool.pack(np.array([0])).memory)
    assert pool.largest_bytes == max(map(len, values))


@given(st.lists(st.binary(min_size=3, max_size=3), min_size=1), st.data())
def test_values_of_one_width_are_picked_and_packed(values: list[bytes], data: st.DataObject) -> None:
    indexes = np.array(data.draw(st.lists(st.integers(0, len(values) - 1), max_size=20)), np.int64)
    pool = PackedValues(np.frombuffer(b"".join(values), np.uint8), width=3)
    assert list(pool.pick(indexes)) == unpacked(pool.pack(indexes)) == [values[index] for index in indexes]
    assert (len(pool), pool.largest_bytes) == (len(values), 3)


@given(TEXTS, st.integers(0, 50))
def test_the_first_values_share_the_memory_of_all(values: list[bytes], count: int) -> None:
    head = packed_texts(values).head(count)
    assert list(head.pick(np.arange(len(head)))) == values[:count]
    assert head.largest_bytes == max(map(len, values[:count]), default=0)
    whole = PackedValues(np.arange(3 * len(values), dtype=np.uint8), width=3)
    assert len(whole.head(count)) == min(count, len(values))


def test_memory_that_goes_on_after_the_last_value_is_refused() -> None:
    with pytest.raises(ValueError, match="3 values end at 9 in a memory of 10 bytes"):
        PackedValues(np.zeros(10, np.uint8), width=3)
    with pytest.raises(ValueError, match="1 values end at 2 in a memory of 3 bytes"):
        PackedValues(np.zeros(3, np.uint8), ends=np.array([1], np.uint32))
    assert len(PackedValues(np.zeros(0, np.uint8), ends=np.zeros(0, np.uint32))) == 0


def test_a_share_is_picked_from_evenly_and_from_nothing_else() -> None:
    share = Shard(1, 2, 0, 4).slice_for(100)
    drawn = np.asarray(ShareSource(share).chunk(np.random.default_rng(1), 10_000))
    assert set(drawn.tolist()) == set(share)
    counts = np.bincount(drawn)[list(share)]
    assert counts.min() > 0.8 * counts.mean()
    with pytest.raises(ValueError, match="no value"):
        ShareSource(range(0))
