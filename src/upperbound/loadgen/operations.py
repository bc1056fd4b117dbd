"""What the measuring loop sends: prepared statements, alone or several in a row as one operation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from upperbound.domain.outcomes import Outcome

RETRIES_MOST = 255
"""Attempts of one execution after the first at most: as many as a record can count."""


@dataclass(frozen=True)
class Statement:
    """A prepared statement as the loop sends it."""

    name: bytes
    param_formats: list[int] | None
    """By parameter, 1 for binary and 0 for text; None for a statement without parameters."""
    may_block: bool = False
    """True if its parameters can be larger than a socket takes at once."""
    first_param: int = 0
    """Where its parameters begin in the row that is drawn for its operation."""

    @property
    def params(self) -> slice:
        """The part of the operation's row that belongs to this statement."""
        return slice(self.first_param, self.first_param + len(self.param_formats or ()))


@dataclass(frozen=True)
class Operation:
    """What counts as one: its statements are sent in order, each when the one before it has been answered."""

    statements: tuple[Statement, ...]
    """At least one; a transaction begins with its BEGIN and ends with its COMMIT."""
    rollback: Statement | None = None
    """What ends a transaction that has failed; None for statements that commit by themselves."""
    retry: Mapping[Outcome, int] = field(default_factory=dict)
    """How often an execution is tried again at most, by the outcome of the attempt before."""
    drawn_ahead: bool = True
    """False if a row of parameters has to be drawn at the time it is sent."""

    @property
    def is_plain(self) -> bool:
        """Whether the first answer is the end of it."""
        return len(self.statements) == 1 and not self.retry

    @property
    def row_length(self) -> int:
        """Parameters in the row that is drawn for one execution, of all statements together."""
        return sum(len(statement.param_formats or ()) for statement in self.statements)
