"""How each parameter of a scenario is produced and encoded for a PostgreSQL target."""

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from upperbound.clock import Clock
from upperbound.domain.sharding import Shard, key_blocks
from upperbound.errors import Problem, TargetMismatch
from upperbound.planning.pool_values import RunPools, check_numbers
from upperbound.scenario.model import Operation
from upperbound.scenario.params import (
    ChoiceParam,
    ListParam,
    NowParam,
    OffsetParam,
    Param,
    RangeParam,
    SequenceParam,
    Spread,
    TextParam,
    UuidParam,
    UuidRepeat,
    WeightedParam,
    elements,
    spread_of,
)
from upperbound.scenario.params import ExponentialSource as ScenarioExponential
from upperbound.scenario.params import GaussianSource as ScenarioGaussian
from upperbound.scenario.params import HotSetSource as ScenarioHotSet
from upperbound.scenario.params import SequenceSource as ScenarioSequence
from upperbound.scenario.pool_needs import pool_source
from upperbound.scenario.run_config import RunConfig
from upperbound.targets.pg_arrays import array_elements, encode_arrays
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_types import Family, PgType
from upperbound.targets.postgres import max_value
from upperbound.workload.distributions import ExponentialSource, GaussianSource, HotSetSource, WeightedSource
from upperbound.workload.generated import NowSource, TextSource, UuidSource
from upperbound.workload.packing import Packed, pack_encoded, pack_equal
from upperbound.workload.pools import ShareSource
from upperbound.workload.sources import (
    EncodedSource,
    GroupSource,
    ListSource,
    NumberListSource,
    SequenceSource,
    UniformSource,
    Values,
    ValueSource,
    ZipfSource,
)
from upperbound.workload.streams import CHUNK, Encode, Following, OperationPlan, ParameterPlan

CHARACTERS_AT_ONCE = 16_384
"""Characters of text drawn at once: as many hold the measuring loop up for about 0.15 ms."""
UTF8_BYTES_MAX = 4
INTEGER_BOUNDS = (-(2**63), 2**63 - 1)
SourceOf = Callable[[Shard], ValueSource]


class TableValues:
    """What parameters take from the target table and from outside."""

    def __init__(
        self, connection: Connection | None, config: RunConfig, group_id: int, clock: Clock, pools: RunPools
    ) -> None:
        """Look things up over ``connection``; None for a run that knows where its sequences begin."""
        self.clock = clock
        self.pools = pools
        self._naming = config.scenario.target.naming
        self._connection = connection
        self._group_id, self._capacity = group_id, config.capacity
        self._starts = config.sequence_starts
        self._table = config.table or ""
        parameters = [p for operation in config.scenario.workload.operations for p in elements(operation.params)]
        self._lanes = Counter(p.sequence for p in parameters if isinstance(p, SequenceParam))
        self._lanes_taken: Counter[ScenarioSequence] = Counter()

    def lane(self, sequence: ScenarioSequence) -> tuple[int, int]:
        """Return the next free lane of a sequence and how many parameters draw from it."""
        lane = self._lanes_taken[sequence]
        self._lanes_taken[sequence] += 1
        return lane, self._lanes[sequence]

    def blocks(self) -> Iterator[int]:
        """Return the blocks of keys of this worker, for one sequence."""
        return key_blocks(self._group_id, self._capacity)

    def after(self, column: str) -> int:
        """Return the first key after the highest value that a column had when the run was prepared."""
        known = self._starts.get(column)
        if known is not None:
            return known
        if self._connection is None:
            raise TargetMismatch(f"the run does not know the highest value of {column}", hint="create the run again")
        return max_value(self._connection, self._table, column) + 1

    def column_of(self, param: Param) -> tuple[str, int] | None:
        """Return the column, in its true case, and the limit of a parameter that takes values of one."""
        return pool_source(param, self._naming)


def plan_operation(
    operation: Operation, types: Sequence[PgType], values: TableValues, *, places: tuple[int, ...] | None = None
) -> OperationPlan:
    """Return how an operation's parameters of these types are produced, and where in its row they stand.

    Raises:
        TargetMismatch: values cannot be produced from what the table holds.
    """
    added_to = {param.offset_from.parameter - 1 for param in operation.params if isinstance(param, OffsetParam)}
    plans: list[ParameterPlan] = []
    for place, (param, kind) in enumerate(zip(operation.params, types, strict=True)):
        if isinstance(param, OffsetParam):
            plans.append(_offset(param, kind, operation, place, values))
        elif isinstance(param, ListParam):
            plans.append(_list(param, kind, values))
        elif place in added_to and not isinstance(param, NowParam):
            plans.append(_drawn(_numbers(param, values), kind))
        else:
            plans.append(_single(param, kind, values))
    once = places is None or places == tuple(range(len(plans)))
    return OperationPlan(operation.weight_pct, tuple(plans), None if once else places)


def largest_row_bytes(operation: Operation, values: TableValues) -> int:
    """Return a size in bytes that an operation's parameters do not exceed, in whichever of its statements they are."""
    return sum(_largest(param, values) for param in operation.params)


def depends_on_time(operation: Operation) -> bool:
    """Tell whether values of an operation's parameters depend on when they are drawn."""
    return any(isinstance(param, NowParam) for param in operation.params)


def _largest(param: Param, values: TableValues) -> int:
    if (source := values.column_of(param)) is not None:
        return values.pools.largest_bytes(*source)
    if (listed := _listed(param)) is not None:
        return max((len(str(value).encode()) for value in listed), default=0)
    match param:
        case TextParam(text=(_, longest)):
            return UTF8_BYTES_MAX * longest
        case ListParam(list=element, size=(_, most)):
            # Numbers and UUIDs are at most 36 characters long, with two quotes and a comma; quotes may double text.
            return most * (2 * _largest(element, values) + 39)
        case _:
            return 0


def _single(param: Param, kind: PgType, values: TableValues) -> ParameterPlan:
    """Return how a parameter by itself is produced: numbers are encoded as drawn, listed values once beforehand."""
    if (source := values.column_of(param)) is not None:
        if (numbers := values.pools.numbers(*source)) is not None:
            check_numbers(numbers, kind, source[0])
            return _drawn(_numbers(param, values), kind)
        packed = values.pools.encoded(*source, kind)
        return ParameterPlan(lambda shard: _places(param, len(packed), shard), packed.pick, pack=packed.pack)
    if (listed := _listed(param)) is not None:
        encoded = list(kind.encode(listed))
        return ParameterPlan(lambda _: ListSource(encoded, _weights(param)), _as_they_are)
    match param:
        case NowParam(now=now):
            utc_now, (earliest_s, latest_s) = values.clock.utc_now, now.offset_seconds
            return ParameterPlan(lambda _: NowSource(utc_now, earliest_s, latest_s), kind.encode, at_once=1)
        case TextParam(text=(_, longest)):
            at_once = min(CHUNK, max(1, CHARACTERS_AT_ONCE // longest))
            return ParameterPlan(_made_up(param), kind.encode, at_once=at_once)
        case UuidParam():
            return ParameterPlan(_made_up(param), _as_they_are if kind.family is Family.UUID else _uuid_texts(kind))
        case _:
            return _drawn(_numbers(param, values), kind)


def _drawn(source: SourceOf, kind: PgType) -> ParameterPlan:
    """Return how whole numbers are produced, encoded as a whole where the type allows that."""
    encode_array = kind.encode_array
    if encode_array is None:
        return ParameterPlan(source, kind.encode)

    def pack(values: Values) -> Packed:
        if isinstance(values, np.ndarray):
            return pack_equal(encode_array(values))
        return pack_encoded(list(kind.encode(values)))

    return ParameterPlan(source, kind.encode, pack=pack)


def _list(param: ListParam, kind: PgType, values: TableValues) -> ParameterPlan:
    """Return how an array is produced; its elements are written as text, of whatever type they are."""
    del kind  # the server reads the elements itself
    element, (fewest, most) = param.list, param.size
    longest = element.text[1] if isinstance(element, TextParam) else 1
    source: SourceOf
    column = values.column_of(element)
    if column is not None and values.pools.numbers(*column) is None:
        packed = values.pools.elements(*column)
        source = lambda shard: EncodedSource(_places(element, len(packed), shard), packed.pick)  # noqa: E731
    elif (listed := _listed(element)) is not None:
        encoded = list(array_elements(listed))
        source = lambda _: ListSource(encoded, _weights(element))  # noqa: E731 - one of three ways to the same thing
    else:
        drawn = _made_up(element) if isinstance(element, TextParam | UuidParam) else _numbers(element, values)
        encode = _uuid_elements if isinstance(element, UuidParam) else array_elements
        source = lambda shard: EncodedSource(drawn(shard), encode)  # noqa: E731
    return ParameterPlan(
        lambda shard: GroupSource(source(shard), fewest, most),
        encode_arrays,
        at_once=max(1, min(CHUNK // most, CHARACTERS_AT_ONCE // (most * longest))),
    )


def _listed(param: Param) -> Sequence[object] | None:
    """Return the values that a parameter lists; None when it lists none."""
    match param:
        case ChoiceParam(choice=choice):
            return choice
        case WeightedParam(weighted=items):
            return [item.value for item in items]
        case _:
            return None


def _weights(param: Param) -> ValueSource | None:
    """Return what picks the indexes of listed values; None when each is as likely as the next."""
    return WeightedSource([item.weight for item in param.weighted]) if isinstance(param, WeightedParam) else None


def _places(param: Param, count: int, shard: Shard) -> ValueSource:
    """Return what picks the indexes of a pool of so many values, as a parameter says."""
    spread = spread_of(param)
    # Under a distribution every thread draws from the whole pool: a hot value is hot because all of them want it.
    return ShareSource(shard.slice_for(count)) if spread is None else _spread(spread, 0, count - 1)


def _numbers(param: Param, values: TableValues) -> SourceOf:
    """Return the source of a parameter whose values are whole numbers."""
    if (numbers := _known_numbers(param, values)) is not None:
        if values.column_of(param) is None:
            return lambda _: NumberListSource(numbers, _weights(param))
        return lambda shard: NumberListSource(numbers, _places(param, len(numbers), shard))
    match param:
        case RangeParam(range=(low, high)):
            return lambda _: UniformSource(low, high)
        case SequenceParam(sequence=sequence):
            start = sequence.start if sequence.after is None else values.after(sequence.after)
            lane, lanes = values.lane(sequence)
            blocks = values.blocks()
            return lambda _: SequenceSource(start or 0, blocks, lane=lane, lanes=lanes)
        case _ if (spread := spread_of(param)) is not None:
            return _over(spread, spread.range or (0, 0))
        case _:
            raise TypeError(f"{type(param).__name__} does not make whole numbers")


def _over(spread: Spread, bounds: tuple[int, int]) -> SourceOf:
    """Return how a distribution over a range is drawn from."""
    low, high = bounds
    return lambda _: _spread(spread, low, high)


def _known_numbers(param: Param, values: TableValues) -> NDArray[np.int64] | None:
    """Return the whole numbers that a parameter picks from; None when it picks from none, but makes its own."""
    if (source := values.column_of(param)) is not None:
        numbers = values.pools.numbers(*source)
        if numbers is None:
            raise TargetMismatch(f"column {source[0]} holds no whole numbers to add to")
        return numbers
    listed = _listed(param)
    return None if listed is None else np.asarray(listed, dtype=np.int64)


def _spread(spread: Spread, low: int, high: int) -> ValueSource:
    """Return the source of a distribution over whole numbers."""
    if isinstance(spread, ScenarioHotSet):
        return HotSetSource(low, high, spread.hot_pct, spread.access_pct)
    if isinstance(spread, ScenarioGaussian):
        return GaussianSource(low, high, spread.deviations)
    if isinstance(spread, ScenarioExponential):
        return ExponentialSource(low, high, spread.decay)
    return ZipfSource(low, high, spread.exponent)


def _made_up(param: TextParam | UuidParam) -> SourceOf:
    """Return the source of text or UUIDs."""
    if isinstance(param, TextParam):
        (shortest, longest), characters = param.text, param.characters
        return lambda _: TextSource(shortest, longest, characters)
    random_bytes = os.urandom if param.uuid is UuidRepeat.RANDOM else None
    return lambda _: UuidSource(random_bytes)


def _offset(param: OffsetParam, kind: PgType, operation: Operation, place: int, values: TableValues) -> ParameterPlan:
    """Return how values are produced that are those of another parameter plus some."""
    low, high = param.offset_from.by
    root, lowest, highest = operation.params[param.offset_from.parameter - 1], low, high
    while isinstance(root, OffsetParam):
        lowest, highest = lowest + root.offset_from.by[0], highest + root.offset_from.by[1]
        root = operation.params[root.offset_from.parameter - 1]
    numbers = _known_numbers(root, values)
    if numbers is not None:
        made = int(numbers.min()) + lowest, int(numbers.max()) + highest
        holds = kind.bounds or INTEGER_BOUNDS
        if made[0] < holds[0] or made[1] > holds[1]:
            said = f"${place + 1} is of type {kind.name} and cannot take all of {made[0]} to {made[1]}"
            problem = Problem("", f"{operation.label}: {said}", "add less in offset_from, or use a wider type")
            raise TargetMismatch("the values of the table do not fit", problems=[problem])
    add = _add_seconds if isinstance(root, NowParam) else _add_numbers
    following = Following(param.offset_from.parameter - 1, add)
    return ParameterPlan(lambda _: UniformSource(low, high), kind.encode, following=following)


def _add_numbers(numbers: Values, offsets: Values) -> Values:
    return cast("Values", np.asarray(numbers) + np.asarray(offsets))


def _add_seconds(times: Values, offsets: Values) -> Values:
    """Add seconds to times."""
    return [
        time + timedelta(seconds=offset)
        for time, offset in zip(cast("Any", times), np.asarray(offsets).tolist(), strict=True)
    ]


def _as_they_are(values: Values) -> Iterator[bytes | None]:
    """Return values that are encoded already."""
    return iter(values)  # type: ignore[arg-type]  # only sources of encoded bytes end here


def _uuid_texts(kind: PgType) -> Encode:
    """Return an encoder that writes 16 bytes of a UUID as text."""
    return lambda values: kind.encode([str(uuid.UUID(bytes=value)) for value in cast("Any", values)])


def _uuid_elements(values: Values) -> Iterator[bytes]:
    """Return 16 bytes each of UUIDs as elements of an array."""
    return array_elements([uuid.UUID(bytes=value) for value in cast("Any", values)])
