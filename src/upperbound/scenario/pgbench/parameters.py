"""All parameters of an operation: each with its own values, and those that depend on each other kept together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from upperbound.scenario.params import OFFSET_MAX
from upperbound.scenario.pgbench.draws import Draw
from upperbound.scenario.pgbench.expressions import Expression
from upperbound.scenario.pgbench.fault import ExpressionError
from upperbound.scenario.pgbench.forms import Conditions, Linear, draws_in, linear
from upperbound.scenario.pgbench.sources import Source, source_of

_DEPENDS: Final = "it shares a random number with another variable of these statements"
_DECIDED: Final = r"it decides at \if, as does another variable of these statements"
_DECIDED_HINT: Final = r"only one variable can both decide at \if and stand in the statements"
_DEPENDS_HINT: Final = (
    "only what is another variable plus a number can be imported: write other arithmetic into the statements, "
    "with the variables that it is made from"
)


@dataclass(frozen=True)
class Planned:
    """The parameters of an operation."""

    params: tuple[Source, ...]
    numbers: tuple[int, ...]
    """For each expression, the n of its ``$n``."""
    faults: tuple[tuple[int, ExpressionError], ...]
    """Expressions by their place, with why they are no parameters; there are no ``params`` then."""


def plan_parameters(expressions: Sequence[Expression], conditions: Conditions = ()) -> Planned:
    """Return parameters that together have the values of different expressions over random numbers.

    Only values under ``conditions`` count.
    """
    decided = set(draws_in(*(condition for condition, _ in conditions)))
    touched = [place for place, expression in enumerate(expressions) if decided & set(draws_in(expression))]
    if len(touched) > 1:
        return Planned((), (), tuple((place, ExpressionError(_DECIDED, _DECIDED_HINT)) for place in touched))
    sources: dict[int, Source] = {}
    numbers: dict[int, int] = {}
    faults: list[tuple[int, ExpressionError]] = []
    for group in _groups(expressions):
        for place, base, by in _chain(expressions, group):
            try:
                under = conditions if place in touched else ()
                source = source_of(expressions[place], under) if base is None else _offset(numbers[base], by)
            except ExpressionError as error:
                faults.append((place, error))
                continue
            finally:
                numbers[place] = len(numbers) + 1
            sources[place] = source
        faults += [(place, ExpressionError(_DEPENDS, _DEPENDS_HINT)) for place in group if place not in numbers]
    if faults:
        return Planned((), (), tuple(sorted(faults, key=lambda fault: fault[0])))
    params = tuple(sources[place] for place in numbers)
    return Planned(params, tuple(numbers[place] for place in range(len(expressions))), ())


def _groups(expressions: Sequence[Expression]) -> list[list[int]]:
    """Return the places of expressions, those that depend on each other together, in the order of first use."""
    groups: list[tuple[set[Draw], list[int]]] = []
    for place, expression in enumerate(expressions):
        draws, members = set(draws_in(expression)), [place]
        apart = []
        for group_draws, group in groups:
            if draws & group_draws:
                draws |= group_draws
                members = group + members
            else:
                apart.append((group_draws, group))
        groups = [*apart, (draws, members)]
    return sorted((sorted(members) for _, members in groups), key=min)


Step = tuple[int, int | None, Linear]
"""An expression, the one that it is added to (None for none), and what is added."""


def _chain(expressions: Sequence[Expression], group: Sequence[int]) -> list[Step]:
    """Return how expressions of a group follow from each other, beginning with one that follows from none.

    Each shares no random number with those before it, or is one of them plus numbers that none before it depends on. So
    all of them together are as likely as they should be. What is missing in the answer does not follow.
    """
    chains = [_chain_from(expressions, group, root) for root in group]
    return max(chains, key=len)


def _chain_from(expressions: Sequence[Expression], group: Sequence[int], root: int) -> list[Step]:
    chain: list[Step] = [(root, None, Linear(0))]
    known = set(draws_in(expressions[root]))
    left = [place for place in group if place != root]
    while step := next((step for place in left if (step := _step(expressions, place, chain, known))), None):
        chain.append(step)
        known |= set(draws_in(expressions[step[0]]))
        left.remove(step[0])
    return chain


def _step(expressions: Sequence[Expression], place: int, chain: Sequence[Step], known: set[Draw]) -> Step | None:
    """Return how an expression follows from one of a chain, or that it need not; None when it does not."""
    if known.isdisjoint(draws_in(expressions[place])):
        return place, None, Linear(0)
    own = linear(expressions[place])
    for base, _, _ in chain:
        other = linear(expressions[base])
        if own is None or other is None:
            continue
        added = own.plus(other, -1)
        if not added.factors.keys() & known and _by(added) is not None:
            return place, base, added
    return None


def _by(added: Linear) -> tuple[int, int] | None:
    """Return the bounds of what is added, if ``offset_from`` can add it."""
    bounds = added.even_bounds()
    return bounds if bounds is not None and max(map(abs, bounds)) <= OFFSET_MAX else None


def _offset(number: int, added: Linear) -> Source:
    bounds = _by(added)
    assert bounds is not None, "a chain holds no other steps"
    low, high = bounds
    return {"offset_from": {"parameter": number, "by": low if low == high else [low, high]}}
