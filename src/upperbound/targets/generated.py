"""What becomes of each canonical operation for a table: a statement with its reasons, or why there is none."""

from dataclasses import dataclass, field
from typing import Final

from upperbound.domain.expectation import Expect
from upperbound.scenario.kinds import OperationKind
from upperbound.scenario.params import Param

CANONICAL: Final = (OperationKind.POINT_LOOKUP, OperationKind.RANGE_SCAN, OperationKind.INSERT, OperationKind.UPDATE)
"""The operations that statements are generated for."""

NAME_A_KEY: Final = "name a column to read by as its key (--key)"
"""What to do where the server knows no key, or one that is of no use."""


@dataclass(frozen=True)
class TableFacts:
    """What the rows of a table tell and its catalog entry does not."""

    has_rows: bool
    empty_columns: frozenset[str] = frozenset()
    """Columns without a value in the rows that were looked at: nothing can be sampled from them."""
    key_bounds: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Lowest and highest value of integer columns that are a key by themselves."""


@dataclass(frozen=True)
class Generated:
    """A statement for an operation."""

    kind: OperationKind
    sql: str
    params: tuple[Param, ...]
    reasons: tuple[str, ...]
    """Why this key, this width, these values: sentences."""
    expect: Expect | None = None
    """How many rows it is sure to return or affect; None for what its kind says."""


@dataclass(frozen=True)
class Refusal:
    """An operation that has no honest statement on this table."""

    kind: OperationKind
    reason: str
    """Why, and what would change it."""


class NoAnswer(Exception):
    """Ends the making of a statement for a reason; becomes a :class:`Refusal`."""
