"""What an operation has to find, and what a handful of executions before the run say about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

TRIES: Final = 10
"""Executions with other values before it is said that an operation finds nothing: one value may honestly do so."""


class Expect(StrEnum):
    """How many rows an execution returns or affects."""

    ROWS = "rows"
    """At least one."""
    ONE = "one"
    """Exactly one."""
    NONE = "none"
    """None at all."""
    ANY = "any"
    """As many as there are, none included."""

    @property
    def words(self) -> str:
        """What is expected, as it goes on after ``expected``."""
        return {Expect.ROWS: "at least one", Expect.ONE: "exactly one", Expect.NONE: "none", Expect.ANY: "any"}[self]

    def allows(self, rows: int) -> bool:
        """Say whether an execution with so many rows is as expected."""
        return self is Expect.ANY or (rows > 0 if self is Expect.ROWS else rows == (self is Expect.ONE))

    def is_exceeded(self, rows: int) -> bool:
        """Say whether so many rows are more than expected, which no other value makes up for."""
        return self in (Expect.ONE, Expect.NONE) and rows > (self is Expect.ONE)


class AttemptEnd(StrEnum):
    """How one execution ended."""

    DONE = "done"
    """The server has executed it."""
    FAILED = "failed"
    """The server refused it, and may take it with other values or at another time."""
    REFUSED = "refused"
    """The server refused it, and always will."""
    TOO_SLOW = "too slow"
    """It was given up, because the check before the run had no more time for it."""
    UNFIT = "unfit"
    """It does what cannot be undone by a rollback, so that it can only be executed in earnest."""


@dataclass(frozen=True)
class Attempt:
    """One execution of an operation, undone."""

    end: AttemptEnd
    rows: int | None = None
    """Rows returned or affected by an execution that is done; None when the server does not count them."""
    message: str = ""
    """What the server said of one that is not done."""
    hint: str = ""
    """What to do about it, where something is known."""


class Judgement(StrEnum):
    """What the executions so far say of an operation."""

    AS_EXPECTED = "as expected"
    """One did what the operation declares."""
    OPEN = "open"
    """Nothing yet: another value may do it."""
    TOO_MANY = "too many"
    """The last one had more rows than declared."""
    TOO_FEW = "too few"
    """Every one had fewer rows than declared."""
    FAILS = "fails"
    """None did what is declared, and some failed."""
    UNKNOWN = "unknown"
    """It cannot be told, and the run may start."""


def judge(expect: Expect, attempts: Sequence[Attempt], *, varies: bool, in_time: bool) -> Judgement:
    """Return what ``attempts``, of which there is at least one, say of an operation.

    ``varies`` says whether another execution has other values, and ``in_time`` whether there is time for one.
    """
    last = attempts[-1]
    if last.end is AttemptEnd.DONE:
        if last.rows is None or expect.allows(last.rows):
            return Judgement.AS_EXPECTED
        if expect.is_exceeded(last.rows):
            return Judgement.TOO_MANY
    if last.end is AttemptEnd.REFUSED:
        return Judgement.FAILS
    if last.end is AttemptEnd.UNFIT:
        return Judgement.UNKNOWN
    may_differ = len(attempts) < TRIES and (varies or last.end is AttemptEnd.FAILED)
    cut_short = last.end is AttemptEnd.TOO_SLOW or (may_differ and not in_time)
    if may_differ and not cut_short:
        return Judgement.OPEN
    if any(attempt.end is AttemptEnd.FAILED for attempt in attempts):
        return Judgement.FAILS
    return Judgement.UNKNOWN if cut_short else Judgement.TOO_FEW
