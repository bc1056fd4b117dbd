"""Operations that are executed on Snowflake and then undone: whether they work, and how many rows they touch."""

from collections.abc import Sequence
from typing import Final, Self

from upperbound.clock import Clock
from upperbound.domain.expectation import Attempt, AttemptEnd
from upperbound.domain.outcomes import Outcome
from upperbound.errors import TargetUnreachable
from upperbound.scenario.sql_text import TokenKind, first_word, tokenize
from upperbound.targets.blocking import BlockingOperation, BlockingStatement, StatementFailed
from upperbound.targets.sf_connection import SnowflakeInfo, open_session
from upperbound.targets.sf_sessions import SnowflakeSession

_READS: Final = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "VALUES")
_UNDOABLE: Final = (*_READS, "INSERT", "UPDATE", "DELETE", "MERGE")
"""What a rollback leaves nothing of; anything else may commit by itself."""
_PASSING: Final = (
    Outcome.SERIALIZATION_FAILURE,
    Outcome.DEADLOCK,
    Outcome.LOCK_TIMEOUT,
    Outcome.CONSTRAINT,
    Outcome.OTHER,
)
"""Failures that other values, or another moment, may not have."""
_BEGIN: Final = BlockingStatement("BEGIN", counts=False)
_ROLLBACK: Final = BlockingStatement("ROLLBACK", counts=False)


class SnowflakeTrial:
    """Executes operations over one session; see :mod:`upperbound.planning.snowflake_gate`."""

    def __init__(self, info: SnowflakeInfo, clock: Clock) -> None:
        """Open a session whose statement timeout is that of ``info``. Raises :class:`TargetError`."""
        self._clock = clock
        self._info = info
        self._session = SnowflakeSession(open_session(info), {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def attempt(self, operation: BlockingOperation, row: Sequence[bytes | None], limit_s: float) -> Attempt:
        """Execute an operation once and undo it. Raises :class:`TargetUnreachable` when the session breaks."""
        statements = [statement for statement in operation.statements if statement.counts]
        words = [_first_word(statement.text) for statement in statements]
        if unfit := [word for word in words if word not in _UNDOABLE]:
            return Attempt(AttemptEnd.UNFIT, message=f"{unfit[0]} cannot be undone by a rollback")
        # Reads need no transaction, and an interactive warehouse takes none.
        writes = any(word not in _READS for word in words) or "WITH" in words
        began_ns = self._clock.monotonic_ns()
        try:
            try:
                if writes:
                    self._session.execute(_BEGIN, ())
                rows = sum(self._session.execute(statement, row) for statement in statements)
            finally:
                if writes:
                    self._session.execute(_ROLLBACK, ())
        except StatementFailed as failure:
            took_s = (self._clock.monotonic_ns() - began_ns) / 1e9
            return self._failure(failure, gave_up=took_s >= limit_s)
        return Attempt(AttemptEnd.DONE, rows=rows)

    def _failure(self, failure: StatementFailed, *, gave_up: bool) -> Attempt:
        if failure.broken:
            raise TargetUnreachable(f"{self._info.address} gave up while the operations were tried: {failure.message}")
        if failure.outcome is Outcome.STATEMENT_TIMEOUT and gave_up:
            return Attempt(AttemptEnd.TOO_SLOW, message=failure.message)
        end = AttemptEnd.FAILED if failure.outcome in _PASSING else AttemptEnd.REFUSED
        return Attempt(end, message=failure.message)


def _first_word(text: str) -> str:
    return first_word([token for token in tokenize(text) if token.kind is not TokenKind.COMMENT])
