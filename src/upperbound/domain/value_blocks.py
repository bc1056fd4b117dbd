"""Values of one column as bytes in a row: what a value pool is sampled, kept and loaded as."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np


class ValueEncoding(StrEnum):
    """How values are written one after another."""

    INTEGER = "integer"
    """Whole numbers of at most 64 bits with a sign: eight bytes each, the lowest first."""
    UUID = "uuid"
    """Sixteen bytes each."""
    TEXT = "text"
    """Anything else, as the database writes it as text: in UTF-8, each with a zero byte after it."""


WIDTH_BYTES: Final[Mapping[ValueEncoding, int]] = MappingProxyType({ValueEncoding.INTEGER: 8, ValueEncoding.UUID: 16})
"""How long each value is, where all have one length."""


@dataclass(frozen=True)
class ValueBlock:
    """Some values of one encoding. Raises :class:`ValueError` for memory that does not hold ``count`` of them."""

    encoding: ValueEncoding
    memory: bytes
    count: int

    def __post_init__(self) -> None:
        width = WIDTH_BYTES.get(self.encoding)
        if width is not None:
            fits = len(self.memory) == self.count * width
        else:
            fits = self.memory.count(0) == self.count and self.memory[-1:] in (b"", b"\0")
        if not fits:
            raise ValueError(f"{len(self.memory)} bytes are not {self.count} values of {self.encoding.value}")


def integer_block(values: Sequence[int]) -> ValueBlock:
    """Return whole numbers as a block; raises :class:`OverflowError` for one of more than 64 bits."""
    return ValueBlock(ValueEncoding.INTEGER, np.array(values, dtype="<i8").tobytes(), len(values))


def uuid_block(values: Sequence[bytes]) -> ValueBlock:
    """Return UUIDs of sixteen bytes as a block; raises :class:`ValueError` for one of another length."""
    return ValueBlock(ValueEncoding.UUID, b"".join(values), len(values))


def text_block(values: Sequence[str]) -> ValueBlock:
    """Return texts as a block; raises :class:`ValueError` for one with a zero byte, which marks the end of each."""
    return ValueBlock(ValueEncoding.TEXT, "\0".join([*values, ""]).encode(), len(values))
