"""The distinct errors of one worker, numbered so that a record can name one in two bytes."""

from dataclasses import dataclass

from upperbound.domain.outcomes import Outcome

MAX_DISTINCT = 1000
"""Messages kept apart; further ones of a class are counted under the first of that class and code."""


@dataclass(frozen=True)
class ErrorEntry:
    """One error as the target reported it."""

    number: int
    outcome: Outcome
    code: str
    """SQLSTATE or vendor code; empty when there is none."""
    message: str


class ErrorTable:
    """Numbers errors from 1 on; 0 means no error.

    The measuring loop adds; the recorder reads what it has not seen yet. Both work on one append-only list.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[Outcome, str, str], int] = {}
        self.entries: list[ErrorEntry] = []

    def number(self, outcome: Outcome, code: str, message: str) -> int:
        """Return the number of this error, giving it one if it is new."""
        key = (outcome, code, message)
        found = self._numbers.get(key)
        if found is not None:
            return found
        if len(self.entries) >= MAX_DISTINCT:
            key = (outcome, code, "")
            found = self._numbers.get(key)
            if found is not None or len(self.entries) >= 2 * MAX_DISTINCT:
                return found or 1
            message = "further messages of this code are not kept apart"
        number = len(self.entries) + 1
        self._numbers[key] = number
        self.entries.append(ErrorEntry(number, outcome, code, message))
        return number
