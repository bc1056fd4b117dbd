"""What an expression over random numbers comes to: a sum of them, or a list of values with their likelihood."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from upperbound.scenario.pgbench.draws import Draw
from upperbound.scenario.pgbench.evaluation import evaluate, truth
from upperbound.scenario.pgbench.expressions import Call, Constant, Expression, Value
from upperbound.scenario.pgbench.fault import ExpressionError

COMBINATIONS_MAX: Final = 100_000
"""Combinations of random numbers that are gone through."""


def draws_in(*expressions: Expression) -> list[Draw]:
    """Return the random numbers in expressions, each once, in the order in which they stand there."""
    return list(dict.fromkeys(draw for expression in expressions for draw in _walk(expression)))


def _walk(expression: Expression) -> Iterator[Draw]:
    if isinstance(expression, Draw):
        yield expression
    elif isinstance(expression, Call):
        for operand in expression.operands:
            yield from _walk(operand)


@dataclass(frozen=True)
class Linear:
    """A constant plus multiples of random numbers, none of them 0 times."""

    constant: int
    factors: dict[Draw, int] = field(default_factory=dict)

    def plus(self, other: "Linear", times: int = 1) -> "Linear":
        """Return the sum with ``times`` the other."""
        factors = dict(self.factors)
        for draw, factor in other.factors.items():
            factors[draw] = factors.get(draw, 0) + times * factor
        kept = {draw: factor for draw, factor in factors.items() if factor}
        return Linear(self.constant + times * other.constant, kept)

    @property
    def bounds(self) -> tuple[int, int]:
        """Lowest and highest value."""
        ends = [sorted((draw.low * factor, draw.high * factor)) for draw, factor in self.factors.items()]
        return self.constant + sum(low for low, _ in ends), self.constant + sum(high for _, high in ends)

    def even_bounds(self) -> tuple[int, int] | None:
        """Return the bounds if every whole number between them is as likely as any other; None otherwise.

        So it is for one evenly drawn number, and for several whose multiples tile a range as digits do:
        ``(random(1, 10) - 1) * 1000 + random(1, 1000)``.
        """
        tile = 1
        for draw, factor in sorted(self.factors.items(), key=lambda item: abs(item[1])):
            if not draw.even or abs(factor) != tile:
                return None
            tile *= draw.size
        return self.bounds


def linear(expression: Expression) -> Linear | None:
    """Return an expression as a sum of multiples; None when it is not one of whole numbers."""
    match expression:
        case Draw():
            return Linear(0, {expression: 1})
        case Constant(value) if isinstance(value, int) and not isinstance(value, bool):
            return Linear(value)
        case Call("int", (operand,)):
            return linear(operand)
        case Call("+" | "-" as sign, (first, second)):
            left, right = linear(first), linear(second)
            return None if left is None or right is None else left.plus(right, 1 if sign == "+" else -1)
        case Call("*", (first, second)):
            left, right = linear(first), linear(second)
            if left is None or right is None or (left.factors and right.factors):
                return None
            sum_, factor = (left, right.constant) if left.factors else (right, left.constant)
            return Linear(0).plus(sum_, factor)
        case _:
            return None


Conditions = Sequence[tuple[Expression, bool]]
"""Expressions one after the other, each with whether it holds."""


def weighted_values(expression: Expression, conditions: Conditions = ()) -> list[tuple[Value, float]]:
    """Return every value an expression can have where conditions hold, in the order of first appearance.

    With each goes how often it comes in relation to the others: a whole number when every random number is even.

    Raises:
        ExpressionError: there are too many combinations of random numbers, or pgbench would fail at one of them.
    """
    # The types are part of the keys, as Python takes 1, 1.0 and TRUE for the same.
    found: dict[tuple[type, Value], float] = {}
    own = set(draws_in(expression))
    joined = [one for group in _independent(conditions) if own & group.draws for one in group.conditions]
    for drawn, weight in _combinations(draws_in(expression, *(condition for condition, _ in joined))):
        if _hold(joined, drawn):
            value = evaluate(expression, drawn)
            key = (type(value), value)
            found[key] = found.get(key, 0) + weight
    return [(value, weight) for (_, value), weight in found.items()]


def probability(conditions: Conditions) -> Fraction:
    """Return how likely conditions are.

    Raises:
        ExpressionError: as for :func:`weighted_values`.
    """
    return math.prod((_share_of(group.conditions) for group in _independent(conditions)), start=Fraction(1))


@dataclass(frozen=True)
class _Group:
    """Conditions that have random numbers in common, in their order."""

    draws: set[Draw]
    conditions: list[tuple[Expression, bool]]


def _independent(conditions: Conditions) -> list[_Group]:
    """Return conditions in groups of which none has a random number of another."""
    groups: list[_Group] = []
    for condition in conditions:
        draws = set(draws_in(condition[0]))
        met = [group for group in groups if draws & group.draws]
        joined = [one for one in conditions if one == condition or any(one in group.conditions for group in met)]
        groups = [group for group in groups if not draws & group.draws]
        groups.append(_Group(draws.union(*(group.draws for group in met)), joined))
    return groups


def _share_of(conditions: Conditions) -> Fraction:
    """Return how likely conditions are that have random numbers in common: exact when every number is even."""
    draws = draws_in(*(condition for condition, _ in conditions))
    held = sum(weight for drawn, weight in _combinations(draws) if _hold(conditions, drawn))
    total = math.prod(draw.size if draw.even else math.fsum(draw.weights()) for draw in draws)
    return Fraction(held) / Fraction(total)


def _hold(conditions: Conditions, drawn: Mapping[Draw, int]) -> bool:
    """Tell whether conditions hold, looking at each only when those before do, as pgbench does."""
    return all(truth(evaluate(condition, drawn)) is wanted for condition, wanted in conditions)


def _combinations(draws: Sequence[Draw]) -> Iterator[tuple[dict[Draw, int], float]]:
    """Yield every combination of values of random numbers with its weight; of even ones each has the weight 1."""
    count = math.prod(draw.size for draw in draws)
    if count > COMBINATIONS_MAX:
        raise ExpressionError(f"it depends on {count:,} combinations of random numbers, more than are gone through")
    ranges = [range(draw.low, draw.high + 1) for draw in draws]
    weights = itertools.product(*([1] * draw.size if draw.even else draw.weights() for draw in draws))
    for values, factors in zip(itertools.product(*ranges), weights, strict=True):
        yield dict(zip(draws, values, strict=True)), math.prod(factors)
