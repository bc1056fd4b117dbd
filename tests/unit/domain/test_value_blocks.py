"""A block holds exactly as many values as it says, in bytes that mean the same everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.value_blocks import ValueBlock, ValueEncoding, integer_block, text_block, uuid_block


def test_whole_numbers_take_eight_bytes_each_the_lowest_first() -> None:
    assert integer_block([1, -1]).memory == b"\x01" + b"\0" * 7 + b"\xff" * 8
    with pytest.raises(OverflowError):
        integer_block([2**63])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_texts_end_with_a_zero_byte_each(texts: list[str]) -> None:
    block = text_block(texts)
    assert block.count == len(texts)
    assert block.memory.decode().split("\0")[:-1] == texts


def test_a_text_with_a_zero_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="are not 1 values of text"):
        text_block(["a\0b"])


@pytest.mark.parametrize(
    ("encoding", "memory", "count"),
    [
        (ValueEncoding.INTEGER, b"1234567", 1),
        (ValueEncoding.INTEGER, b"12345678", 2),
        (ValueEncoding.UUID, b"12345678", 1),
        (ValueEncoding.TEXT, b"a\0b\0", 1),
        (ValueEncoding.TEXT, b"a\0b", 1),
        (ValueEncoding.TEXT, b"", 1),
    ],
)
def test_memory_of_another_number_of_values_is_refused(encoding: ValueEncoding, memory: bytes, count: int) -> None:
    with pytest.raises(ValueError, match=f"{len(memory)} bytes are not {count} values"):
        ValueBlock(encoding, memory, count)


def test_no_values_are_a_block_too() -> None:
    assert [block.memory for block in (integer_block([]), uuid_block([]), text_block([]))] == [b"", b"", b""]
