"""What a driver that blocks has to offer, so that threads can drive it: one connection for each of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from upperbound.domain.outcomes import Outcome
from upperbound.domain.phases import Phase

Bind = Callable[[bytes], object]
"""Turns a value as a generator encodes it into one as the driver takes it."""


@dataclass(frozen=True)
class BlockingStatement:
    """A statement as it is executed."""

    text: str
    binds: tuple[Bind, ...] = ()
    """By parameter."""
    first_param: int = 0
    """Where its parameters begin in the row that is drawn for its operation."""
    counts: bool = True
    """Whether its rows are those of the operation; not those of BEGIN, COMMIT and ROLLBACK, whose answer is a word."""
    is_query: bool = False
    """Whether it certainly changes nothing and answers with rows, so that they can be counted when they are fetched."""

    def values(self, row: Sequence[bytes | None]) -> list[object]:
        """Return the parameters of one execution, from the row of its operation."""
        mine = row[self.first_param : self.first_param + len(self.binds)]
        return [None if value is None else bind(value) for bind, value in zip(self.binds, mine, strict=True)]


@dataclass(frozen=True)
class BlockingOperation:
    """What counts as one: its statements are executed in order."""

    statements: tuple[BlockingStatement, ...]
    """At least one; a transaction begins with its BEGIN and ends with its COMMIT."""
    rollback: BlockingStatement | None = None
    """What ends a transaction that has failed; None for statements that commit by themselves."""
    retry: Mapping[Outcome, int] = field(default_factory=dict)
    """How often an execution is tried again at most, by the outcome of the attempt before."""


class StatementFailed(Exception):
    """A statement that the server has refused, or whose answer never came."""

    def __init__(self, outcome: Outcome, code: str, message: str, *, broken: bool = False) -> None:
        """Hold what is recorded of it; ``broken`` connections are not used again. ``message`` has nothing secret."""
        super().__init__(message)
        self.outcome, self.code, self.message, self.broken = outcome, code, message, broken


class BlockingConnection(Protocol):
    """One open session; used by one thread at a time, but for :meth:`close`."""

    def execute(self, statement: BlockingStatement, row: Sequence[bytes | None]) -> int:
        """Execute a statement, fetch its whole answer, and return the rows that it returned or changed.

        Lets other threads run while it waits. Raises :class:`StatementFailed` and nothing else.
        """
        ...

    def take_statement_id(self) -> bytes:
        """Return what the server calls the statement that counts and was executed last, and forget it.

        That of a statement that failed as well, if the server had told one. 16 bytes, all zero for none.
        """
        ...

    def enter(self, phase: Phase) -> None:
        """Let the server know that what is executed from now on belongs to WARMUP or MEASUREMENT.

        Raises :class:`StatementFailed`, as a connection that cannot be marked must not be measured.
        """
        ...

    def close(self) -> None:
        """Give the session up; never raises, and may be called again."""
        ...


class BlockingSessions(Protocol):
    """Where the sessions of one worker come from; all methods may be called from several threads at once."""

    def connect(self) -> BlockingConnection:
        """Open a session, marked for WARMUP.

        Raises:
            TargetAuthFailed: another attempt would be refused as well.
            TargetError: another attempt may succeed.
        """
        ...

    def cancel(self, connections: Sequence[BlockingConnection]) -> int:
        """Ask the server to cancel what these sessions execute; return for how many that could be asked.

        Takes a few seconds at most where the server does not answer; never raises.
        """
        ...

    def close(self) -> None:
        """Give up what is kept beside the sessions; never raises."""
        ...
