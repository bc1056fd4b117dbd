"""What the tries of an operation come to, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from upperbound.domain.expectation import Attempt, AttemptEnd, Expect, Judgement
from upperbound.errors import Problem
from upperbound.scenario.kinds import OperationType
from upperbound.scenario.model import Operation
from upperbound.scenario.params import SequenceParam, elements

EXAMPLES = 2
"""Values of each parameter that are shown."""
PARAMETERS_SHOWN = 4
_FAILED = (AttemptEnd.FAILED, AttemptEnd.REFUSED)


@dataclass(frozen=True)
class Tries:
    """An operation, and how its executions ended."""

    operation: Operation
    attempts: tuple[Attempt, ...]
    judgement: Judgement
    limit_s: float
    """How long they were given."""

    @property
    def telling(self) -> list[int]:
        """The attempts that have led to the judgement, by their places."""
        if self.judgement is Judgement.TOO_MANY:
            return [len(self.attempts) - 1]
        return [place for place, attempt in enumerate(self.attempts) if attempt.end in self._telling_ends]

    @property
    def failed(self) -> list[Attempt]:
        """Those that the server has refused."""
        return [attempt for attempt in self.attempts if attempt.end in _FAILED]

    @property
    def done(self) -> int:
        """How many the server has executed."""
        return sum(attempt.end is AttemptEnd.DONE for attempt in self.attempts)

    @property
    def _telling_ends(self) -> tuple[AttemptEnd, ...]:
        return _FAILED if self.judgement is Judgement.FAILS else (AttemptEnd.DONE,)


def problem_of(tries: Tries, where: str, examples: Sequence[Sequence[str]]) -> Problem:
    """Return what keeps a run from starting; ``examples`` are rows of readable parameters of telling attempts."""
    if tries.judgement is Judgement.FAILS:
        return Problem(where, *_failure(tries, examples))
    operation, told = tries.operation, len(tries.telling)
    executions = f"{_counted(told, 'execution')}{_with(examples, told)}"
    rows = tries.attempts[tries.telling[-1]].rows or 0
    found = f"{_verb(operation)} {'no row' if not rows else _counted(rows, 'row')}"
    return Problem(where, f"{operation.label}: {executions} {found}; expected {operation.expected.words}", _hint(tries))


def warning_of(tries: Tries) -> str:
    """Return what a user should know of an operation that does not keep a run from starting; empty for nothing."""
    operation, last, failed = tries.operation, tries.attempts[-1], tries.failed
    label = operation.label
    if last.end is AttemptEnd.UNFIT:
        return f"{label} was not tried before the run: {last.message}"
    if tries.judgement is Judgement.UNKNOWN:
        if not tries.done:
            return f"{label} was not checked before the run: one execution takes longer than {tries.limit_s:g} s"
        found = f"{_counted(tries.done, 'execution')} {_verb(operation)} no row, and {tries.limit_s:g} s were over"
        return f"{label} was not checked before the run: {found}; expected {operation.expected.words}"
    if failed:
        share = f"{len(failed)} of {_counted(len(tries.attempts), 'execution')} before the run failed"
        return f"{label}: {share}: {failed[0].message}"
    if last.rows is None and operation.expected is not Expect.ANY:
        expected = f"expect: {operation.expected}"
        return f"{label}: the server counts no rows for this statement, so that {expected} cannot be checked"
    return ""


def _failure(tries: Tries, examples: Sequence[Sequence[str]]) -> tuple[str, str]:
    """Return what to say of executions of which some failed and none did what is declared, and the hint."""
    operation, failed, done = tries.operation, tries.failed, tries.done
    first = failed[0]
    if not done:
        executions = f"{_counted(len(failed), 'execution')}{_with(examples, len(failed))} failed"
    else:
        failures = f"of {len(failed) + done} executions {len(failed)}{_with(examples, len(failed))} failed"
        executions = (
            f"{failures}, and the others {_verb(operation)} no row, where {operation.expected.words} is expected"
        )
    return f"{operation.label}: {executions}: {first.message}", first.hint or _sequence_hint(operation)


def _sequence_hint(operation: Operation) -> str:
    sequences = [param.sequence for param in elements(operation.params) if isinstance(param, SequenceParam)]
    if any(sequence.start is not None for sequence in sequences):
        return "a sequence can begin above the highest key there is: {sequence: {after: COLUMN}}"
    return "check what params draw, and whether the statement works with it" if operation.params else ""


def _hint(tries: Tries) -> str:
    if tries.judgement is Judgement.TOO_MANY:
        return "declare what is right in expect, or let the statement find fewer rows"
    if tries.operation.params:
        return "check the ranges and pools in params, or declare expect: any if this is meant"
    return "check the statement and what its tables hold, or declare expect: any if this is meant"


def _with(examples: Sequence[Sequence[str]], total: int) -> str:
    """Return the values of each parameter; ``total`` executions had one, of which some are shown."""
    if not examples or not examples[0]:
        return ""
    shown = []
    for place, column in enumerate(zip(*examples, strict=True)):
        if place == PARAMETERS_SHOWN:
            shown.append("…")
            break
        values = list(dict.fromkeys(column))[:EXAMPLES]
        shown.append(f"${place + 1} = {', '.join([*values, '…'] if total > len(values) else values)}")
    return f" with {'; '.join(shown)}"


def _verb(operation: Operation) -> str:
    return "returned" if operation.operation_type is OperationType.READ else "affected"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
