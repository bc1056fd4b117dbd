"""Where the values of a statement's parameters come from: one model per kind, told apart by its only required key."""

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from upperbound.scenario.fields import INT64_MAX, INT64_MIN, Number, ScenarioModel, Whole, worded_error
from upperbound.scenario.identifiers import IdentifierError, parse_column

POOL_LIMIT = 10_000
POOL_LIMIT_MAX = 1_000_000
ZIPF_EXPONENT = 0.99


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


Bounds = Annotated[tuple[int, int], BeforeValidator(_check_bounds)]
"""Lowest and highest value, both included."""
ColumnName = Annotated[str, BeforeValidator(_check_column)]
"""A column of the target table: ``id``, or ``"Id"`` with its quotes when its case matters."""
PoolLimit = Annotated[Whole, Field(ge=1, le=POOL_LIMIT_MAX)]
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

    choice: Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=10_000)]
    """The values: text, numbers, true, false or null."""


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


PARAM_KINDS = ("range", "pool", "choice", "sequence", "zipf")


def param_kind(value: Any) -> str | None:
    """Return the kind of a parameter given as a mapping or as a model; None when it has not exactly one."""
    if isinstance(value, ScenarioModel):
        kinds = [kind for kind in PARAM_KINDS if kind in type(value).model_fields]
    else:
        kinds = [kind for kind in PARAM_KINDS if isinstance(value, dict) and kind in value]
    return kinds[0] if len(kinds) == 1 else None


Param = Annotated[
    Annotated[RangeParam, Tag("range")]
    | Annotated[PoolParam, Tag("pool")]
    | Annotated[ChoiceParam, Tag("choice")]
    | Annotated[SequenceParam, Tag("sequence")]
    | Annotated[ZipfParam, Tag("zipf")],
    Discriminator(param_kind),
]
"""The source of one parameter's values."""
