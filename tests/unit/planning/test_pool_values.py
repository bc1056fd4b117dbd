"""Pools are put together as they were written, and encoded for the types that take their values and for no other."""

import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from upperbound.domain.value_blocks import ValueBlock, ValueEncoding, integer_block, text_block, uuid_block
from upperbound.errors import StoreError, TargetMismatch
from upperbound.planning.pool_values import RunPools, assemble, check_numbers, load_pools
from upperbound.targets.pg_types import pg_type
from upperbound.workload.pools import PackedValues

INTEGER, BIGINT, REAL, DOUBLE, NUMERIC, TEXT, BOOL, UUID, DATE = 23, 20, 700, 701, 1700, 25, 16, 2950, 1082
KEYS = [uuid.UUID(int=number << 64) for number in range(1, 5)]


@dataclass(frozen=True)
class Stored:
    column: str
    encoding: ValueEncoding
    value_count: int
    value_bytes: int
    parts: Sequence[ValueBlock]


class Source:
    def blocks(self, pool: Stored) -> Sequence[ValueBlock]:
        return pool.parts


def stored(column: str, *blocks: ValueBlock, more: int = 0) -> Stored:
    size_bytes = sum(len(block.memory) for block in blocks)
    return Stored(column, blocks[0].encoding, sum(block.count for block in blocks) + more, size_bytes, blocks)


def pools_of(**columns: ValueBlock) -> RunPools:
    return load_pools(Source(), [stored(column, block) for column, block in columns.items()])


def values(packed: PackedValues) -> list[bytes]:
    return list(packed.pick(np.arange(len(packed))))


def test_blocks_become_one_pool_in_their_order() -> None:
    parts = [text_block(["a", ""]), text_block([]), text_block(["größe"])]
    pools = load_pools(Source(), [stored("word", *parts), stored("id", integer_block([3, 1]), integer_block([2]))])
    assert values(pools.encoded("word", 9, pg_type(TEXT))) == [b"a", b"", "größe".encode()]
    numbers = pools.numbers("id", 9)
    assert numbers is not None
    assert numbers.tolist() == [3, 1, 2]
    assert pools.numbers("word", 9) is None
    assert pools.nbytes == 3 * 8 + len("a\0\0größe\0".encode()) + 3 * 4


def test_a_limit_takes_the_first_values_of_every_form() -> None:
    pools = pools_of(id=integer_block([5, 6, 7]), word=text_block(["x", "yy", "zzz"]))
    numbers = pools.numbers("id", 2)
    assert numbers is not None
    assert numbers.tolist() == [5, 6]
    assert values(pools.encoded("word", 2, pg_type(TEXT))) == [b"x", b"yy"]
    assert values(pools.elements("word", 1)) == [b'"x"']
    assert [pools.largest_bytes("word", limit) for limit in (1, 2, 9)] == [1, 2, 3]
    assert pools.largest_bytes("id", 9) == 0


def test_text_is_taken_as_it_is_and_turned_into_what_binary_types_are() -> None:
    pools = pools_of(n=text_block(["1.5", "-0.25"]), b=text_block(["true", "false"]), d=text_block(["2026-01-01"]))
    assert values(pools.encoded("n", 9, pg_type(NUMERIC))) == [b"1.5", b"-0.25"]
    assert values(pools.encoded("n", 9, pg_type(DOUBLE))) == [struct.pack(">d", 1.5), struct.pack(">d", -0.25)]
    assert values(pools.encoded("n", 9, pg_type(REAL))) == [struct.pack(">f", 1.5), struct.pack(">f", -0.25)]
    assert values(pools.encoded("b", 9, pg_type(BOOL))) == [b"\1", b"\0"]
    assert values(pools.encoded("d", 9, pg_type(DATE))) == [b"2026-01-01"]
    assert values(pools.encoded("d", 9, pg_type(4_000_000, "mood"))) == [b"2026-01-01"]


def test_uuids_are_taken_as_sixteen_bytes_and_stand_as_text_in_arrays() -> None:
    pools = pools_of(key=uuid_block([key.bytes for key in KEYS]))
    assert values(pools.encoded("key", 9, pg_type(UUID))) == [key.bytes for key in KEYS]
    assert values(pools.elements("key", 9)) == [f'"{key}"'.encode() for key in KEYS]


def test_what_needs_no_other_form_is_not_in_memory_twice() -> None:
    pools = pools_of(word=text_block(["a"] * 1000))
    before = pools.nbytes
    pools.encoded("word", 9, pg_type(TEXT))
    assert pools.nbytes == before
    pools.elements("word", 9)
    pools.elements("word", 5)
    assert pools.nbytes == before + 1000 * (4 + 4)


@pytest.mark.parametrize(
    ("column", "oid", "said"),
    [
        ("word", INTEGER, r"a parameter of type integer cannot take the values of column word: .*\(text\)"),
        ("word", DOUBLE, "could not convert string to float: 'x'"),
        ("word", BOOL, "'x' is neither true nor false"),
        ("word", UUID, r"\(text\)"),
        ("key", TEXT, r"a parameter of type text cannot take .*\(uuid\)"),
    ],
)
def test_a_type_that_does_not_take_the_values_is_refused(column: str, oid: int, said: str) -> None:
    pools = pools_of(word=text_block(["x"]), key=uuid_block([KEYS[0].bytes]))
    with pytest.raises(TargetMismatch, match=said):
        pools.encoded(column, 9, pg_type(oid))


def test_numbers_are_held_against_the_type_that_takes_them() -> None:
    numbers = np.array([1, 2**31])
    for oid in (BIGINT, NUMERIC, DOUBLE):
        check_numbers(numbers, pg_type(oid), "id")
    check_numbers(numbers[:1], pg_type(INTEGER), "id")
    with pytest.raises(TargetMismatch, match="not all are in -2147483648 to 2147483647"):
        check_numbers(numbers, pg_type(INTEGER), "id")
    with pytest.raises(TargetMismatch, match="it holds whole numbers"):
        check_numbers(numbers, pg_type(TEXT), "id")


def test_a_column_without_a_pool_and_values_that_are_not_those_that_were_written_are_told() -> None:
    with pytest.raises(StoreError, match="the run has no values of column id"):
        RunPools().numbers("id", 1)
    with pytest.raises(StoreError, match="the values of column id in the store are damaged"):
        load_pools(Source(), [stored("id", integer_block([1]), more=1)])
    with pytest.raises(StoreError, match="damaged"):
        load_pools(Source(), [Stored("w", ValueEncoding.TEXT, 2, 2, [text_block(["ab"])])])


def test_an_empty_pool_is_put_together_too() -> None:
    assert len(assemble(ValueEncoding.TEXT, [], 0, 0).packed) == 0
