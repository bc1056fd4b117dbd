"""The variables of a script: set by it, given from outside, or brought by pgbench itself."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from upperbound.scenario.fields import INT64_MAX, INT64_MIN
from upperbound.scenario.pgbench.expressions import Constant, Expression, Value
from upperbound.scenario.pgbench.fault import ExpressionError

NAME: Final = r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*"
_NAME: Final = re.compile(NAME)
_WHOLE: Final = re.compile(r"\s*[-+]?[0-9]+")
_OWN: Final = {
    "client_id": (
        "is the number of the connection, and parameters do not know theirs",
        "use random(), or give one number for all with -D client_id=0",
    ),
    "random_seed": ("is drawn by pgbench for each run", "give it with -D random_seed=N"),
    "default_seed": ("is drawn by pgbench for each run", "give it with -D default_seed=N"),
}
"""Variables that pgbench sets by itself, with why they have no value here; ``scale`` has one."""


class Unknown(ExpressionError):
    """A value that cannot be known because of a fault that has been named already."""


@dataclass(frozen=True)
class Bound:
    """What a variable stands for."""

    expression: Expression | None
    """None when it cannot be known, because of a fault that is named elsewhere."""
    text: str | None = None
    """How it is written into a statement when it was given as text."""
    formula: str = ""
    """What the script sets it to."""


class Given:
    """What holds for every script: the scale, ``-D``, and which names the scripts set."""

    def __init__(self, scale: int, defines: Mapping[str, str], set_somewhere: Collection[str]) -> None:
        self._defines = {"scale": str(scale), **defines}
        self._set_somewhere = set_somewhere

    def is_known(self, name: str) -> bool:
        """Tell whether pgbench may know a variable."""
        return name in self._defines or name in _OWN or name in self._set_somewhere

    def bound(self, name: str) -> Bound:
        """Return what a variable stands for that the script has not set before.

        Raises:
            ExpressionError: nothing, or not the same in each transaction.
        """
        if name in self._set_somewhere:
            raise ExpressionError(
                f":{name} is read before it is set, so it keeps its value from one transaction to the next",
                "set it before it is read; {sequence: {start: N}} counts up in the scenario",
            )
        if name in self._defines:
            text = self._defines[name]
            return Bound(Constant(given_value(name, text)) if _is_value(text) else None, text)
        if name in _OWN:
            why, hint = _OWN[name]
            raise ExpressionError(f":{name} {why}", hint)
        raise ExpressionError(f":{name} is not set", f"give it with -D {name}=VALUE, or set it in the script")

    def value(self, name: str) -> Expression:
        """Return the value of such a variable in an expression.

        Raises:
            ExpressionError: it has none.
        """
        bound = self.bound(name)
        if bound.expression is None:
            raise ExpressionError(f":{name} is {bound.text!r}, which is no number", "give -D a number, true or null")
        return bound.expression


def is_name(text: str) -> bool:
    """Tell whether a variable can be called so."""
    return _NAME.fullmatch(text) is not None


def given_value(name: str, text: str) -> Value:
    """Return the value of a text as pgbench reads it in an expression.

    Raises:
        ExpressionError: it is no value.
    """
    lower = text.lower()
    if lower == "null":
        return None
    for value, words, exact in ((True, ("true", "yes"), ("on",)), (False, ("false", "no"), ("off", "of"))):
        if lower and (any(word.startswith(lower) for word in words) or lower in exact):
            return value
    try:
        number = int(text) if _WHOLE.fullmatch(text) else float(text)
    except ValueError:
        raise ExpressionError(f":{name} is {text!r}, which is no number") from None
    if isinstance(number, int) and not INT64_MIN <= number <= INT64_MAX:
        raise ExpressionError(f":{name} is {text}, which needs more than 64 bits")
    return number


def _is_value(text: str) -> bool:
    try:
        given_value("", text)
    except ExpressionError:
        return False
    return True


def written(name: str, value: Value) -> str:
    """Return a constant as pgbench writes it into a statement.

    Raises:
        ExpressionError: it is a double that is no number, for which SQL has no word.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError(f":{name} is {value:g}, which is no number", "look for a division by 0 in it")
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else str(value)
