"""Sampled values as a list, for tests that look at them one by one."""

import uuid
from typing import Any

import numpy as np

from upperbound.domain.value_blocks import ValueBlock, ValueEncoding
from upperbound.targets.pg_describe import Connection
from upperbound.targets.postgres import sample_blocks


def values_of(block: ValueBlock) -> list[Any]:
    """Return the values of a block as Python knows them; text for every type that is neither a number nor a UUID."""
    if block.encoding is ValueEncoding.INTEGER:
        return list(np.frombuffer(block.memory, "<i8").tolist())
    if block.encoding is ValueEncoding.UUID:
        return [uuid.UUID(bytes=block.memory[start : start + 16]) for start in range(0, len(block.memory), 16)]
    return list(block.memory.decode().split("\0")[:-1])


def sample_pool(connection: Connection, table: str, column: str, limit: int, seed: int) -> list[Any]:
    """Return what :func:`sample_blocks` yields as one list."""
    blocks = sample_blocks(connection, table, column, limit, seed)
    return [value for block in blocks for value in values_of(block)]
