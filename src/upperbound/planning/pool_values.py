"""A run's value pools in memory, and encoded for the parameters that take values from them."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from upperbound.domain.value_blocks import WIDTH_BYTES, ValueBlock, ValueEncoding
from upperbound.errors import StoreError, TargetMismatch
from upperbound.scenario.identifiers import quote_name
from upperbound.scenario.model import Scenario
from upperbound.scenario.pool_needs import pool_needs
from upperbound.targets.pg_arrays import array_elements
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_types import TEXT_FORMAT, Family, PgType
from upperbound.targets.postgres import sample_blocks
from upperbound.workload.pools import PackedValues

_AT_ONCE: Final = 10_000
"""Values that are turned into something else at once, so that a pool is never in memory as Python objects."""
_INT64: Final = np.iinfo(np.int64)
_OFFSET_BYTES_MAX: Final = 2**32
"""Up to here four bytes tell where a value ends."""


@dataclass(frozen=True)
class Pool:
    """The values of one column."""

    encoding: ValueEncoding
    packed: PackedValues
    numbers: NDArray[np.int64] | None
    """The same values where they are whole numbers, in the same memory."""


class RunPools:
    """The values of a run's pools by column, in the same order in every worker.

    Every method takes the first ``limit`` values of a column, and raises :class:`StoreError` for one that has none.
    """

    def __init__(self, pools: Mapping[str, Pool] = MappingProxyType({})) -> None:
        """Take pools by column, in its true case."""
        self._pools = pools
        self._encoded: dict[tuple[str, int | None], PackedValues] = {}

    @property
    def nbytes(self) -> int:
        """Bytes that the values take in memory, other forms of them included."""
        return sum(
            packed.nbytes for packed in (*(pool.packed for pool in self._pools.values()), *self._encoded.values())
        )

    def numbers(self, column: str, limit: int) -> NDArray[np.int64] | None:
        """Return values that are whole numbers; None where they are something else."""
        numbers = self._pool(column).numbers
        return None if numbers is None else numbers[:limit]

    def encoded(self, column: str, limit: int, kind: PgType) -> PackedValues:
        """Return values as a parameter of this type takes them.

        Raises:
            TargetMismatch: it does not take them.
        """
        return self._form(column, kind.oid, lambda pool: _encode(pool, kind, column)).head(limit)

    def largest_bytes(self, column: str, limit: int) -> int:
        """Return the length of the longest value, 0 for numbers and UUIDs, which are never long."""
        pool = self._pool(column)
        return pool.packed.head(limit).largest_bytes if pool.encoding is ValueEncoding.TEXT else 0

    def elements(self, column: str, limit: int) -> PackedValues:
        """Return values as they stand within an array of the server's."""
        return self._form(column, None, lambda pool: _pack(map(array_elements, _texts(pool)))).head(limit)

    def _pool(self, column: str) -> Pool:
        pool = self._pools.get(column)
        if pool is None:
            raise StoreError(f"the run has no values of column {column}", hint="create the run again")
        return pool

    def _form(self, column: str, oid: int | None, make: Callable[[Pool], PackedValues]) -> PackedValues:
        """Return a form of a column's values; each is made once for all parameters that take it."""
        key = (column, oid)
        if key not in self._encoded:
            pool = self._pool(column)
            made = make(pool)
            if made is pool.packed:
                return made
            self._encoded[key] = made
        return self._encoded[key]


class StoredPool(Protocol):
    """What is known of a pool that is stored."""

    @property
    def column(self) -> str:
        """Its column, in its true case."""
        ...

    @property
    def encoding(self) -> ValueEncoding:
        """How its values are written."""
        ...

    @property
    def value_count(self) -> int:
        """How many there are."""
        ...

    @property
    def value_bytes(self) -> int:
        """Bytes that they take."""
        ...


Stored = TypeVar("Stored", bound=StoredPool)
Stored_contra = TypeVar("Stored_contra", bound=StoredPool, contravariant=True)


class Blocks(Protocol[Stored_contra]):
    """Where pools are stored."""

    def blocks(self, pool: Stored_contra, /) -> Iterable[ValueBlock]:
        """Return a pool's values in their order."""
        ...


def load_pools(source: Blocks[Stored], pools: Iterable[Stored], *, most: int | None = None) -> RunPools:
    """Load pools from where they are stored, one after the other; of each only ``most`` values or few more, if given.

    Raises what :meth:`Blocks.blocks` raises, and :class:`StoreError` for values that are not those that were written.
    """
    loaded: dict[str, Pool] = {}
    for pool in pools:
        try:
            if most is None:
                made = assemble(pool.encoding, source.blocks(pool), pool.value_count, pool.value_bytes)
            else:
                made = _of_blocks(pool.encoding, list(_first(source.blocks(pool), most)))
            loaded[pool.column] = made
        except ValueError as error:
            raise StoreError(f"the values of column {pool.column} in the store are damaged: {error}") from error
    return RunPools(loaded)


def sample_now(connection: Connection, scenario: Scenario, seed: int, *, most: int) -> RunPools:
    """Sample what a scenario's parameters take from columns, ``most`` values of each, without keeping them anywhere.

    Raises:
        TargetMismatch: a column cannot be read, or holds no value.
    """
    sampled: dict[str, Pool] = {}
    for need in pool_needs(scenario):
        limit = min(need.limit, most)
        blocks = list(sample_blocks(connection, need.table, quote_name(need.column), limit, seed))
        if not blocks:
            raise TargetMismatch(f"column {need.column} of {need.table} holds no value to choose from")
        sampled[need.column] = _of_blocks(blocks[0].encoding, blocks)
    return RunPools(sampled)


def _first(blocks: Iterable[ValueBlock], most: int) -> Iterator[ValueBlock]:
    """Yield blocks until there are ``most`` values."""
    values = 0
    for block in blocks:
        yield block
        values += block.count
        if values >= most:
            return


def _of_blocks(encoding: ValueEncoding, blocks: Sequence[ValueBlock]) -> Pool:
    count, size_bytes = sum(block.count for block in blocks), sum(len(block.memory) for block in blocks)
    return assemble(encoding, blocks, count, size_bytes)


def assemble(encoding: ValueEncoding, blocks: Iterable[ValueBlock], count: int, size_bytes: int) -> Pool:
    """Put ``count`` values that come in blocks together in one piece of memory of ``size_bytes``.

    Raises:
        ValueError: there are more or fewer.
    """
    memory = np.empty(size_bytes, np.uint8)
    ends = np.empty(count if encoding is ValueEncoding.TEXT else 0, _offset_type(size_bytes))
    filled = values = 0
    for block in blocks:
        piece = np.frombuffer(block.memory, np.uint8)
        memory[filled : filled + len(piece)] = piece
        if encoding is ValueEncoding.TEXT:
            ends[values : values + block.count] = np.flatnonzero(piece == 0) + filled
        filled, values = filled + len(piece), values + block.count
    if (filled, values) != (size_bytes, count):
        raise ValueError(f"{values} values of {filled} bytes are not {count} of {size_bytes}")
    if encoding is ValueEncoding.TEXT:
        return Pool(encoding, PackedValues(memory, ends=ends), None)
    packed = PackedValues(memory, width=WIDTH_BYTES[encoding])
    numbers = memory.view("<i8").astype(np.int64, copy=False) if encoding is ValueEncoding.INTEGER else None
    return Pool(encoding, packed, numbers)


def _encode(pool: Pool, kind: PgType, column: str) -> PackedValues:
    """Return a pool's values as a parameter of type ``kind`` takes them: where they are, if they are that already."""
    is_text = pool.encoding is ValueEncoding.TEXT
    if is_text and (kind.family is Family.TEXT or kind.format == TEXT_FORMAT):
        return pool.packed
    if pool.encoding is ValueEncoding.UUID and kind.family is Family.UUID:
        return pool.packed
    try:
        if is_text and kind.family is Family.NUMBER:
            return _pack((kind.encode([float(text) for text in texts]) for texts in _texts(pool)), binary=True)
        if is_text and kind.family is Family.BOOL:
            return _pack((kind.encode([_truth(text) for text in texts]) for texts in _texts(pool)), binary=True)
    except (ValueError, OverflowError) as error:
        raise _refused(kind, column, str(error)) from error
    raise _refused(kind, column, f"it holds values of another kind ({pool.encoding.value})")


def check_numbers(numbers: NDArray[np.int64], kind: PgType, column: str) -> None:
    """Raise :class:`TargetMismatch` unless a parameter of this type takes these whole numbers."""
    low, high = kind.bounds or (_INT64.min, _INT64.max)
    takes = kind.family in (Family.INTEGER, Family.NUMBER)
    if not takes or (len(numbers) and not low <= int(numbers.min()) <= int(numbers.max()) <= high):
        raise _refused(kind, column, "it holds whole numbers" if not takes else f"not all are in {low} to {high}")


def _refused(kind: PgType, column: str, reason: str) -> TargetMismatch:
    return TargetMismatch(
        f"a parameter of type {kind.name} cannot take the values of column {column}: {reason}",
        hint="where the type of the column was changed, the value pools have to be prepared again",
    )


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def _texts(pool: Pool) -> Iterator[list[str]]:
    """Yield a pool's values as text, some thousand at a time."""
    for first in range(0, len(pool.packed), _AT_ONCE):
        indexes = np.arange(first, min(first + _AT_ONCE, len(pool.packed)))
        if pool.numbers is not None:
            yield list(map(str, pool.numbers[indexes].tolist()))
        elif pool.encoding is ValueEncoding.UUID:
            yield [str(uuid.UUID(bytes=value)) for value in pool.packed.pick(indexes)]
        else:
            yield [value.decode() for value in pool.packed.pick(indexes)]


def _pack(chunks: Iterable[Iterable[bytes | None]], *, binary: bool = False) -> PackedValues:
    """Return encoded values in one piece of memory; ``binary`` ones all have the same length."""
    pieces: list[bytes] = []
    lengths: list[NDArray[np.int64]] = []
    for chunk in chunks:
        values = [value or b"" for value in chunk]
        lengths.append(np.fromiter(map(len, values), np.int64, len(values)))
        pieces.append(b"".join(values) if binary else b"\0".join([*values, b""]))
    memory = np.frombuffer(b"".join(pieces), np.uint8)
    if binary:
        return PackedValues(memory, width=int(lengths[0][0]) if lengths else 1)
    ends = np.cumsum(np.concatenate([*lengths, np.empty(0, np.int64)]) + 1) - 1
    return PackedValues(memory, ends=ends.astype(_offset_type(len(memory))))


def _offset_type(size_bytes: int) -> "np.dtype[np.unsignedinteger[Any]]":
    """Return the smallest type that can tell a place in so many bytes."""
    return np.dtype(np.uint32 if size_bytes < _OFFSET_BYTES_MAX else np.uint64)
