"""Reading the plain form of a scenario: what is malformed is passed over, because it is reported where it stands."""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def entries(value: Any) -> Sequence[Any]:
    """Return ``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def whole(value: Any) -> int | None:
    """Return ``value`` if it is a whole number, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def positive(value: Any) -> int | None:
    """Return ``value`` if it is a whole number from 1, else None."""
    number = whole(value)
    return number if number is not None and number >= 1 else None


def number(value: Any) -> float | None:
    """Return ``value`` if it is a finite number that is not negative, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < math.inf else None
