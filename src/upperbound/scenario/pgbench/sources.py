"""The parameter of a scenario that has the values of an expression, each as likely as pgbench makes it."""

import math
from collections.abc import Sequence
from typing import Any, Final

from upperbound.scenario.fields import INT64_MAX, INT64_MIN
from upperbound.scenario.pgbench.draws import Draw
from upperbound.scenario.pgbench.expressions import Expression, Value
from upperbound.scenario.pgbench.fault import ExpressionError
from upperbound.scenario.pgbench.forms import Conditions, Linear, linear, weighted_values

VALUES_MAX: Final = 1_000
"""Values that are listed one by one."""
EXPONENT_MAX: Final = 10
DEVIATIONS_MAX: Final = 1_000
_IN_SQL: Final = "write the arithmetic into the statement, with the random number as a variable of its own"

Source = dict[str, Any]
"""A parameter as it stands in a scenario."""


def source_of(expression: Expression, conditions: Conditions = ()) -> Source:
    """Return the parameter that has the values of an expression over random numbers, those under conditions.

    Raises:
        ExpressionError: there is none.
    """
    sum_ = linear(expression)
    if sum_ is not None and not conditions and (source := _as_range(sum_) or _as_spread(sum_)) is not None:
        return source
    try:
        return _listed(weighted_values(expression, conditions))
    except ExpressionError as error:
        raise ExpressionError(f"no parameter has these values: {error.message}", error.hint or _IN_SQL) from None


def _as_range(sum_: Linear) -> Source | None:
    bounds = sum_.even_bounds()
    return None if bounds is None else {"range": _checked(bounds)}


def _as_spread(sum_: Linear) -> Source | None:
    """Return one random number with something added to it, or taken from something, as a parameter over a range."""
    (draw, factor), *others = sum_.factors.items()
    if others or not (factor == 1 or (factor == -1 and draw.symmetric)):
        return None
    return _spread(draw, _checked(sum_.bounds))


def _spread(draw: Draw, bounds: list[int]) -> Source:
    parameter = _number(draw.parameter)
    match draw.function:
        case "random_zipfian":
            if parameter > EXPONENT_MAX:
                raise ExpressionError(
                    f"zipf takes an exponent up to {EXPONENT_MAX}, and this one is {parameter:g}",
                    "use 10: the lowest value is then 99.9 % of all",
                )
            return {"zipf": {"range": bounds, "exponent": parameter}}
        case "random_gaussian":
            if parameter > DEVIATIONS_MAX:
                raise ExpressionError(
                    f"gaussian takes up to {DEVIATIONS_MAX} deviations, and these are {parameter:g}",
                    "use a narrower range with a smaller parameter",
                )
            return {"gaussian": {"range": bounds, "deviations": parameter}}
        case _:
            return {"exponential": {"range": bounds, "decay": parameter}}


def _checked(bounds: tuple[int, int]) -> list[int]:
    low, high = bounds
    if low < INT64_MIN or high > INT64_MAX:
        raise ExpressionError(f"its values, {low} to {high}, need more than 64 bits", "use smaller numbers")
    return [low, high]


def _listed(values: Sequence[tuple[Value, float]]) -> Source:
    """Return a range if the values are neighbours and all as likely, or else a list of them."""
    # A weight of 0 is one below the smallest number there is.
    listed = [(_written(value), weight) for value, weight in values if weight]
    evenly = len({weight for _, weight in listed}) == 1
    whole = sorted(value for value, _ in listed if isinstance(value, int) and not isinstance(value, bool))
    if evenly and len(whole) == len(listed) and whole[-1] - whole[0] == len(whole) - 1:
        return {"range": [whole[0], whole[-1]]}
    if len(listed) > VALUES_MAX:
        raise ExpressionError(f"they are {len(listed):,}, and up to {VALUES_MAX:,} can be listed one by one")
    if evenly:
        return {"choice": [value for value, _ in listed]}
    shares = _shares([weight for _, weight in listed])
    return {"weighted": [{"value": value, "weight": share} for (value, _), share in zip(listed, shares, strict=True)]}


def _written(value: Value) -> Value:
    """Return a value as pgbench writes it into a statement: a double with fifteen digits."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        raise ExpressionError(f"one of them is {value:g}, which is no number")
    return float(f"{value:.15g}")


def _shares(weights: Sequence[float]) -> list[float]:
    """Return weights as short as they can be written: whole ones by their common divisor, others by the highest."""
    whole = [weight for weight in weights if isinstance(weight, int)]
    if len(whole) == len(weights):
        divisor = math.gcd(*whole)
        return [weight // divisor for weight in whole]
    highest = max(weights)
    return [float(f"{weight / highest:.12g}") for weight in weights]


def _number(value: float) -> float:
    """Return a number without a fraction as a whole one, as people write it."""
    return int(value) if value == int(value) else value
