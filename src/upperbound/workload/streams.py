"""What one thread will send, operation after operation, ready for the driver."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, repeat

import numpy as np

from upperbound.domain.sharding import Shard
from upperbound.workload.mix import build_deck, deal
from upperbound.workload.sources import Values, ValueSource

CHUNK = 512
"""Values drawn at once: large enough that numpy's cost per call is small beside the values, small enough that drawing
them holds the measuring loop up for about 20 µs, and that 1,000 threads with a handful of parameters stay in memory."""

Row = tuple[bytes | None, ...]
"""The parameters of one execution as the driver takes them."""

Encode = Callable[[Values], Iterator[bytes | None]]
"""Turns a chunk of values into the driver's bytes, one element each."""


@dataclass(frozen=True)
class ParameterPlan:
    """How one parameter of one operation is produced."""

    source: Callable[[Shard], ValueSource]
    """Makes the source for a thread's shard."""
    encode: Encode
    """The driver's encoder for the parameter's type."""


@dataclass(frozen=True)
class OperationPlan:
    """How often one operation is sent, and with what."""

    weight_pct: Decimal
    parameters: tuple[ParameterPlan, ...]


@dataclass(frozen=True)
class ThreadStream:
    """The endless work of one thread."""

    operations: Iterator[int]
    """Gives the index of the next operation."""
    rows: tuple[Iterator[Row | None], ...]
    """By operation index: gives the parameters of its next execution, None for an operation without any."""


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
        return ThreadStream(
            operations=deal(self._deck, shard.slot, shard.slots),
            rows=tuple(
                self._rows(index, operation.parameters, shard) for index, operation in enumerate(self._operations)
            ),
        )

    def _rows(self, index: int, parameters: tuple[ParameterPlan, ...], shard: Shard) -> Iterator[Row | None]:
        if not parameters:
            return repeat(None)
        columns = [
            _values(parameter, shard, np.random.default_rng([self._seed, *shard.identity, index, place]))
            for place, parameter in enumerate(parameters)
        ]
        return zip(*columns, strict=False)


def _values(parameter: ParameterPlan, shard: Shard, rng: np.random.Generator) -> Iterator[bytes | None]:
    """Return the endless encoded values of one parameter; past the chunk boundary each costs one C iterator step."""
    source = parameter.source(shard)
    return chain.from_iterable(parameter.encode(source.chunk(rng, CHUNK)) for _ in repeat(None))
