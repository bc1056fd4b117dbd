"""The distinct errors of one worker, numbered so that a record can name one in two bytes."""

from dataclasses import dataclass

from upperbound.domain.outcomes import Outcome

MAX_DISTINCT = 1000
"""Messages kept apart; further ones are counted together by class and code, and past twice as many by class alone."""

_OTHERS = "further messages of this kind are not kept apart"


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
        if key not in self._numbers and len(self.entries) >= MAX_DISTINCT:
            key = (outcome, code, _OTHERS)
        if key not in self._numbers and len(self.entries) >= 2 * MAX_DISTINCT:
            key = (outcome, "", _OTHERS)
        found = self._numbers.get(key)
        if found is not None:
            return found
        number = len(self.entries) + 1
        self._numbers[key] = number
        self.entries.append(ErrorEntry(number, *key))
        return number
