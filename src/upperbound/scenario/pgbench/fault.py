"""What keeps a script from being imported, and where it stands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One reason why a script cannot be imported as it is."""

    line: int
    """Counted from 1; 0 for the script as a whole."""
    message: str
    """What cannot be imported, and why."""
    hint: str = ""
    """What to do about it."""


class ExpressionError(ValueError):
    """An expression that pgbench would refuse, or one whose values no parameter of a scenario has."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
