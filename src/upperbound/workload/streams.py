"""What one thread will send, operation after operation, ready for the driver."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, repeat

import numpy as np

from upperbound.domain.sharding import Shard
from upperbound.workload.mix import build_deck, deal
from upperbound.workload.packing import Pack, Packed, pack_encoded
from upperbound.workload.sources import Values, ValueSource

CHUNK = 256
"""Values drawn at once: large enough that numpy's cost per call is small beside the values, small enough that drawing
holds the measuring loop up for 10 to 50 µs, and that 1,000 threads with a handful of parameters stay in memory."""

Row = tuple[bytes | None, ...]
"""The parameters of one execution as the driver takes them."""

Encode = Callable[[Values], Iterator[bytes | None]]
"""Turns a chunk of values into the driver's bytes, one element each."""


@dataclass(frozen=True)
class Following:
    """What a parameter's values are added to."""

    place: int
    """Index of an earlier parameter of the same operation."""
    add: Callable[[Values, Values], Values]
    """Adds a chunk of this parameter's source to as large a chunk of the earlier parameter's values."""


@dataclass(frozen=True)
class ParameterPlan:
    """How one parameter of one operation is produced."""

    source: Callable[[Shard], ValueSource]
    """Makes the source for a thread's shard."""
    encode: Encode
    """The driver's encoder for the parameter's type."""
    at_once: int = CHUNK
    """Values drawn at once: fewer where one is large, one where it depends on when it is drawn."""
    pack: Pack | None = None
    """Does what ``encode`` does, all at once; made from it where the type has no faster way."""
    following: Following | None = None
    """Set for a parameter whose values are those of another plus what its source draws; as many are drawn at once."""


@dataclass(frozen=True)
class OperationPlan:
    """How often one operation is sent, and with what."""

    weight_pct: Decimal
    parameters: tuple[ParameterPlan, ...]
    places: tuple[int, ...] | None = None
    """By place of the row that is sent, the parameter whose value stands there: an operation of several statements has
    the parameters of one after those of the other, and the value of a parameter may stand in several places. None for
    each parameter once, in order."""


@dataclass(frozen=True)
class ThreadStream:
    """The endless work of one thread."""

    operations: Iterator[int]
    """Gives the index of the next operation."""
    rows: tuple[Iterator[Row | None], ...]
    """By operation index: gives the parameters of its next execution, None for an operation without any."""
    packed: tuple[Iterator[tuple[Packed, ...]] | None, ...] = ()
    """By operation index: gives the parameters of its next executions, a chunk for each place, all of one size; to be
    used instead of ``rows``. None where there are none, or where some are drawn fewer at once."""


class Workload:
    """The weighted mix with its parameters, dealt out to threads.

    The same seed gives the same sequence of operations and parameters per thread of the run, whatever the timing; only
    the keys of a sequence go to whoever asks first.
    """

    def __init__(self, operations: Sequence[OperationPlan], *, seed: int) -> None:
        """Shuffle the deck for ``operations``.

        Raises:
            ValueError: the weights do not add up to 100.00.
        """
        self._operations = tuple(operations)
        self._seed = seed
        deck = build_deck([operation.weight_pct for operation in operations], np.random.default_rng([seed]))
        self._deck: list[int] = deck.tolist()

    def stream(self, shard: Shard) -> ThreadStream:
        """Return the work of the thread that ``shard`` names; call it once per thread and run."""
        columns = [
            self._columns(index, operation.parameters, shard) for index, operation in enumerate(self._operations)
        ]
        planned = list(zip(columns, self._operations, strict=True))
        return ThreadStream(
            operations=deal(self._deck, shard.slot, shard.slots),
            rows=tuple(_rows(of_operation, operation.places) for of_operation, operation in planned),
            packed=tuple(_packed(of_operation, operation.places) for of_operation, operation in planned),
        )

    def _columns(self, index: int, parameters: tuple[ParameterPlan, ...], shard: Shard) -> "list[_Column]":
        columns: list[_Column] = []
        for place, parameter in enumerate(parameters):
            rng = np.random.default_rng([self._seed, *shard.identity, index, place])
            followed = columns[parameter.following.place] if parameter.following else None
            columns.append(_Column(parameter, parameter.source(shard), rng, followed))
        return columns


class _Column:
    """The values of one parameter for one thread; within a chunk each costs one C iterator step.

    The columns of an operation are advanced together, in the order of their places: when one that follows another
    draws its chunk, the other has just drawn the chunk that belongs to the same executions.
    """

    def __init__(
        self, plan: ParameterPlan, source: ValueSource, rng: np.random.Generator, followed: "_Column | None"
    ) -> None:
        self._plan, self._source, self._rng, self._followed = plan, source, rng, followed
        self.latest: Values = ()
        """The chunk of values that is being given out."""

    def chunks(self) -> Iterator[Iterator[bytes | None]]:
        """Yield chunks of encoded values without end."""
        while True:
            self.latest = self._draw()
            yield self._plan.encode(self.latest)

    @property
    def at_once(self) -> int:
        """Values in a chunk."""
        return self._plan.at_once if self._followed is None else self._followed.at_once

    def packed(self) -> Packed:
        """Return the next chunk in one piece."""
        self.latest = self._draw()
        return self._plan.pack(self.latest) if self._plan.pack else pack_encoded(list(self._plan.encode(self.latest)))

    def _draw(self) -> Values:
        following, followed = self._plan.following, self._followed
        if following is None or followed is None:
            return self._source.chunk(self._rng, self._plan.at_once)
        return following.add(followed.latest, self._source.chunk(self._rng, len(followed.latest)))


def _rows(columns: list[_Column], places: tuple[int, ...] | None) -> Iterator[Row | None]:
    if not columns:
        return repeat(None)
    rows: Iterator[Row] = zip(*(chain.from_iterable(column.chunks()) for column in columns), strict=False)
    return rows if places is None else (tuple(row[place] for place in places) for row in rows)


def _packed(columns: list[_Column], places: tuple[int, ...] | None) -> Iterator[tuple[Packed, ...]] | None:
    if not columns or any(column.at_once != CHUNK for column in columns):
        return None
    chunks = (tuple(column.packed() for column in columns) for _ in repeat(None))
    return chunks if places is None else (tuple(chunk[place] for place in places) for chunk in chunks)
