"""Where the values of a statement's parameters come from: one model per kind, told apart by its only required key."""

import math
from collections.abc import Iterable, Iterator
from enum import StrEnum
from string import ascii_letters, digits
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, Tag, WithJsonSchema

from upperbound.scenario.fields import INT64_MAX, INT64_MIN, Number, ScenarioModel, Whole, worded_error
from upperbound.scenario.identifiers import IdentifierError, parse_column

POOL_LIMIT = 10_000
POOL_LIMIT_MAX = 1_000_000
ZIPF_EXPONENT = 0.99
GAUSSIAN_DEVIATIONS = 2.5
EXPONENTIAL_DECAY = 5.0
CHOICES_MAX = 10_000
LIST_SIZE_MAX = 10_000
TEXT_LENGTH_MAX = 100_000
OFFSET_MAX = 10**15
CLOCK_OFFSET_MAX_S = 100 * 366 * 86_400
"""A hundred years."""


def _check_bounds(value: Any) -> Any:
    """Accept two whole numbers, the lower one first; pydantic would report each end of a malformed pair by itself."""
    hint = "write [lowest, highest], both included"
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise worded_error("must be a list of two whole numbers", hint)
    if not all(type(bound) is int and INT64_MIN <= bound <= INT64_MAX for bound in value):
        raise worded_error("must be two whole numbers of at most 64 bits", hint)
    if value[0] > value[1]:
        raise worded_error(f"the lower bound {value[0]} is above the upper bound {value[1]}", hint)
    return value


def _check_column(value: Any) -> Any:
    """Accept the name of one column, quoted or not."""
    if isinstance(value, str):
        try:
            parse_column(value)
        except IdentifierError as error:
            raise worded_error(error.message, error.hint) from None
    return value


def _check_scalar(value: Any) -> Any:
    """Accept one value that SQL has a word for."""
    if value is not None and not isinstance(value, bool | int | float | str):
        raise worded_error("must be text, a number, true, false or null", "put other values in quotes")
    if type(value) is int and not INT64_MIN <= value <= INT64_MAX:
        raise worded_error("must be a whole number of at most 64 bits", "put longer numbers in quotes")
    if isinstance(value, float) and not math.isfinite(value):
        raise worded_error("must be a finite number", "put it in quotes: 'NaN'")
    return value


def _one_or_bounds(lowest: int, highest: int, meaning: str) -> BeforeValidator:
    """Return a check that accepts one whole number, which stands for both ends, or two with the lower one first."""

    def check(value: Any) -> Any:
        pair = [value, value] if type(value) is int else value
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(type(bound) is int for bound in pair):
            raise worded_error(f"must be {meaning}: a whole number, or two for any from the lowest to the highest")
        low, high = pair
        if not lowest <= low <= high <= highest:
            hint = f"write whole numbers from {lowest} to {highest}, the lower one first"
            raise worded_error(f"must be {meaning} from {lowest} to {highest}, not {value}", hint)
        return pair

    return BeforeValidator(check)


def _check_characters(value: Any) -> Any:
    """Accept characters that every database can store as UTF-8."""
    if isinstance(value, str):
        if not value:
            raise worded_error("must not be empty", "list the characters to choose from, such as abc")
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise worded_error("holds a character that no text in a database can have", "remove it")
    return value


def _as_written(bounds: tuple[int, int]) -> int | list[int]:
    """Return one number where both ends are the same, as people write it."""
    return bounds[0] if bounds[0] == bounds[1] else list(bounds)


_SHORT = PlainSerializer(_as_written, when_used="json")
_ONE_OR_TWO = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer"},
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}], "minItems": 2, "maxItems": 2},
        ]
    }
)
Bounds = Annotated[tuple[int, int], BeforeValidator(_check_bounds)]
"""Lowest and highest value, both included."""
ColumnName = Annotated[str, BeforeValidator(_check_column)]
"""A column of the target table: ``id``, or ``"Id"`` with its quotes when its case matters."""
PoolLimit = Annotated[Whole, Field(ge=1, le=POOL_LIMIT_MAX)]
ListSize = Annotated[
    tuple[int, int], _one_or_bounds(1, LIST_SIZE_MAX, "how many values a list has"), _ONE_OR_TWO, _SHORT
]
TextLength = Annotated[
    tuple[int, int], _one_or_bounds(1, TEXT_LENGTH_MAX, "a length in characters"), _ONE_OR_TWO, _SHORT
]
Offset = Annotated[tuple[int, int], _one_or_bounds(-OFFSET_MAX, OFFSET_MAX, "what is added"), _ONE_OR_TWO, _SHORT]
ClockOffset = Annotated[
    tuple[int, int], _one_or_bounds(-CLOCK_OFFSET_MAX_S, CLOCK_OFFSET_MAX_S, "a time in seconds"), _ONE_OR_TWO, _SHORT
]
Characters = Annotated[str, Field(max_length=10_000), BeforeValidator(_check_characters)]
Scalar = Annotated[bool | int | float | str | None, BeforeValidator(_check_scalar)]
"""A value as written in YAML; ``null`` is SQL's NULL."""


class RangeParam(ScenarioModel):
    """``{range: [1, 100]}``: whole numbers, each equally likely."""

    range: Bounds
    """Lowest and highest value, both included."""


class PoolParam(ScenarioModel):
    """``{pool: id}``: values that stand in a column of the target table, each equally likely."""

    pool: ColumnName
    """The column the values are sampled from before the run starts."""
    limit: PoolLimit = POOL_LIMIT
    """How many values are sampled at most."""


class ChoiceParam(ScenarioModel):
    """``{choice: [new, paid]}``: one of the values listed, each equally likely (one listed twice, twice so)."""

    choice: Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=CHOICES_MAX)]
    """The values: text, numbers, true, false or null."""


class WeightedValue(ScenarioModel):
    """One of the values of ``weighted``."""

    value: Scalar
    """The value: text, a number, true, false or null."""
    weight: Annotated[Number, Field(gt=0, le=1e12)]
    """How often it comes in relation to the others; the weights need not add up to anything."""


class WeightedParam(ScenarioModel):
    """``{weighted: [{value: new, weight: 70}, {value: paid, weight: 30}]}``: values, each as often as it says."""

    weighted: Annotated[tuple[WeightedValue, ...], Field(min_length=1, max_length=CHOICES_MAX)]
    """The values with their weights."""


class SequenceSource(ScenarioModel):
    """Where a sequence begins: exactly one of the two keys."""

    start: Annotated[Whole, Field(le=INT64_MAX // 2)] | None = None
    """The first value."""
    after: ColumnName | None = None
    """A column of the target table: the sequence begins one above the highest value in it when the run starts."""


class SequenceParam(ScenarioModel):
    """``{sequence: {start: 1000}}`` or ``{sequence: {after: id}}``: new keys, each given out once."""

    sequence: SequenceSource
    """Where the sequence begins."""


class ZipfSource(ScenarioModel):
    """What a Zipf distribution chooses from: exactly one of ``range`` and ``pool``."""

    range: Bounds | None = None
    """Lowest and highest value, both included; the lowest comes most often."""
    pool: ColumnName | None = None
    """A column of the target table whose values are sampled before the run starts."""
    limit: PoolLimit = POOL_LIMIT
    """How many values of ``pool`` are sampled at most; no use with ``range``."""
    exponent: Annotated[Number, Field(gt=0, le=10)] = ZIPF_EXPONENT
    """How steep it is: the k-th value comes with a probability proportional to ``k ** -exponent``."""


class ZipfParam(ScenarioModel):
    """``{zipf: {range: [1, 100000], exponent: 1.1}}``: a few values come often, most rarely, as in hot rows."""

    zipf: ZipfSource
    """What is chosen from, and how steeply."""


class HotSetSource(ScenarioModel):
    """What a hot set is a part of: exactly one of ``range`` and ``pool``."""

    range: Bounds | None = None
    """Lowest and highest value, both included; the lowest ones are hot."""
    pool: ColumnName | None = None
    """A column of the target table whose values are sampled before the run starts; which are hot is drawn by the
    seed."""
    limit: PoolLimit = POOL_LIMIT
    """How many values of ``pool`` are sampled at most; no use with ``range``."""
    hot_pct: Annotated[Number, Field(gt=0, le=100)] = 20
    """Share of the values that are hot, in percent; rounded to whole values, and one at least."""
    access_pct: Annotated[Number, Field(gt=0, le=100)] = 80
    """Share of the draws that take a hot value, in percent. Hot values are equally likely, and so are the others."""


class HotSetParam(ScenarioModel):
    """``{hot_set: {range: [1, 100000], hot_pct: 1, access_pct: 90}}``: a part of the values gets most of the draws."""

    hot_set: HotSetSource
    """What is chosen from, and how much of it is hot."""


class GaussianSource(ScenarioModel):
    """What a bell curve lies over: exactly one of ``range`` and ``pool``."""

    range: Bounds | None = None
    """Lowest and highest value, both included; those in the middle come most often."""
    pool: ColumnName | None = None
    """A column of the target table whose values are sampled before the run starts; their order is drawn by the seed."""
    limit: PoolLimit = POOL_LIMIT
    """How many values of ``pool`` are sampled at most; no use with ``range``."""
    deviations: Annotated[Number, Field(ge=2, le=1000)] = GAUSSIAN_DEVIATIONS
    """How many standard deviations lie between the middle and either end, where the curve is cut off: the larger, the
    narrower it is. The same as the parameter of pgbench's ``random_gaussian``."""


class GaussianParam(ScenarioModel):
    """``{gaussian: {range: [1, 100000], deviations: 4}}``: values near the middle come most often."""

    gaussian: GaussianSource
    """What is chosen from, and how narrowly."""


class ExponentialSource(ScenarioModel):
    """What a falling exponential curve lies over: exactly one of ``range`` and ``pool``."""

    range: Bounds | None = None
    """Lowest and highest value, both included; the lowest comes most often."""
    pool: ColumnName | None = None
    """A column of the target table whose values are sampled before the run starts; their order is drawn by the seed."""
    limit: PoolLimit = POOL_LIMIT
    """How many values of ``pool`` are sampled at most; no use with ``range``."""
    decay: Annotated[Number, Field(gt=0, le=1000)] = EXPONENTIAL_DECAY
    """How far the curve falls: at the end of the values it is ``exp(-decay)`` of what it is at their beginning. The
    same as the parameter of pgbench's ``random_exponential``."""


class ExponentialParam(ScenarioModel):
    """``{exponential: {range: [1, 100000], decay: 5}}``: low values come more often, by an even factor each step."""

    exponential: ExponentialSource
    """What is chosen from, and how steeply."""


class OffsetSource(ScenarioModel):
    """Which parameter is added to, and what."""

    parameter: Annotated[Whole, Field(ge=1)]
    """The number of an earlier parameter of the same statement, 1 for ``$1``: one of whole numbers, or ``now``."""
    by: Offset
    """What is added: one number, or ``[lowest, highest]`` for any from the lowest to the highest, each equally likely.
    Seconds if the other parameter is ``now``."""


class OffsetParam(ScenarioModel):
    """``{offset_from: {parameter: 1, by: 49}}``: the value of an earlier parameter of the same execution, plus some."""

    offset_from: OffsetSource
    """Which parameter, and what is added to it."""


class NowSource(ScenarioModel):
    """Which time."""

    offset_seconds: ClockOffset = (0, 0)
    """What is added: -3600 for an hour ago, ``[-86400, 0]`` for any time of the last day."""


class NowParam(ScenarioModel):
    """``{now: {}}``: the time at which the statement is sent, by the clock of the worker's machine."""

    now: NowSource
    """Which time; ``{}`` for the present."""


class UuidRepeat(StrEnum):
    """Whether UUIDs come again with the same seed."""

    RANDOM = "random"
    """Never: new ones in each run, whatever the seed."""
    SEEDED = "seeded"
    """The same ones for the same seed."""


class UuidParam(ScenarioModel):
    """``{uuid: random}``: UUIDs of version 4, each given out once."""

    uuid: UuidRepeat
    """``random`` for new ones in each run, whatever the seed, as keys of INSERT have to be; ``seeded`` for the same
    ones with the same seed."""


class TextParam(ScenarioModel):
    """``{text: 20}`` or ``{text: [5, 80]}``: random characters."""

    text: TextLength
    """How many characters: one number, or ``[lowest, highest]`` for any from the lowest to the highest."""
    characters: Characters = ascii_letters + digits
    """The characters to choose from, each equally likely (one given twice, twice so)."""


PARAM_KINDS = (
    "range",
    "pool",
    "choice",
    "weighted",
    "sequence",
    "zipf",
    "hot_set",
    "gaussian",
    "exponential",
    "offset_from",
    "list",
    "now",
    "uuid",
    "text",
)
ELEMENT_KINDS = tuple(kind for kind in PARAM_KINDS if kind not in ("offset_from", "list", "now"))
"""What a list can be made of."""


def param_kind(value: Any) -> str | None:
    """Return the kind of a parameter given as a mapping or as a model; None when it has not exactly one."""
    if isinstance(value, ScenarioModel):
        kinds = [kind for kind in PARAM_KINDS if kind in type(value).model_fields]
    else:
        kinds = [kind for kind in PARAM_KINDS if isinstance(value, dict) and kind in value]
    return kinds[0] if len(kinds) == 1 else None


Element = Annotated[
    Annotated[RangeParam, Tag("range")]
    | Annotated[PoolParam, Tag("pool")]
    | Annotated[ChoiceParam, Tag("choice")]
    | Annotated[WeightedParam, Tag("weighted")]
    | Annotated[SequenceParam, Tag("sequence")]
    | Annotated[ZipfParam, Tag("zipf")]
    | Annotated[HotSetParam, Tag("hot_set")]
    | Annotated[GaussianParam, Tag("gaussian")]
    | Annotated[ExponentialParam, Tag("exponential")]
    | Annotated[UuidParam, Tag("uuid")]
    | Annotated[TextParam, Tag("text")],
    Discriminator(param_kind),
]
"""The source of the values of a list."""


class ListParam(ScenarioModel):
    """``{list: {pool: id}, size: 10}``: several values in one array, for ``= ANY($1)`` or ``unnest($1)``."""

    list: Element
    """The source of its values, as it would stand for a parameter of its own; each value is drawn by itself."""
    size: ListSize
    """How many values: one number, or ``[lowest, highest]`` for any from the lowest to the highest."""


Param = Annotated[
    Annotated[RangeParam, Tag("range")]
    | Annotated[PoolParam, Tag("pool")]
    | Annotated[ChoiceParam, Tag("choice")]
    | Annotated[WeightedParam, Tag("weighted")]
    | Annotated[SequenceParam, Tag("sequence")]
    | Annotated[ZipfParam, Tag("zipf")]
    | Annotated[HotSetParam, Tag("hot_set")]
    | Annotated[GaussianParam, Tag("gaussian")]
    | Annotated[ExponentialParam, Tag("exponential")]
    | Annotated[OffsetParam, Tag("offset_from")]
    | Annotated[ListParam, Tag("list")]
    | Annotated[NowParam, Tag("now")]
    | Annotated[UuidParam, Tag("uuid")]
    | Annotated[TextParam, Tag("text")],
    Discriminator(param_kind),
]
"""The source of one parameter's values."""

Spread = ZipfSource | HotSetSource | GaussianSource | ExponentialSource
"""A distribution over a range or a pool."""


def spread_of(param: Param) -> Spread | None:
    """Return the distribution of a parameter that has one over a range or a pool; None for any other."""
    if isinstance(param, ZipfParam):
        return param.zipf
    if isinstance(param, HotSetParam):
        return param.hot_set
    if isinstance(param, GaussianParam):
        return param.gaussian
    return param.exponential if isinstance(param, ExponentialParam) else None


def elements(params: Iterable[Param]) -> Iterator[Param]:
    """Yield each parameter, and for a list what it is made of."""
    return (param.list if isinstance(param, ListParam) else param for param in params)
