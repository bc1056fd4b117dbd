r"""Expressions with their variables and random numbers put in: what one execution of ``\set`` comes to."""

from collections.abc import Callable, Sequence

from upperbound.scenario.pgbench.draws import Draw, check_draw
from upperbound.scenario.pgbench.evaluation import apply, to_double, to_integer, to_truth, truth
from upperbound.scenario.pgbench.expressions import (
    RANDOM_FUNCTIONS,
    SCATTERING_FUNCTIONS,
    Call,
    Constant,
    Expression,
    Variable,
)
from upperbound.scenario.pgbench.fault import ExpressionError
from upperbound.scenario.pgbench.forms import linear

ValueOf = Callable[[str], Expression]
"""Returns what a variable stands for; raises :class:`ExpressionError` when it stands for nothing."""


def bind(expression: Expression, value_of: ValueOf) -> Expression:
    """Return an expression without variables: a constant if it is the same in each transaction.

    Each random function in it becomes a draw of its own.

    Raises:
        ExpressionError: pgbench would refuse it, or what is random in it has no equivalent.
    """
    match expression:
        case Constant() | Draw():
            return expression
        case Variable(name):
            return value_of(name)
        case Call("case", operands):
            return _case(operands, value_of)
        case Call("and" | "or" as word, (first, second)):
            return _logical(word, bind(first, value_of), second, value_of)
        case Call(function, operands):
            return _call(function, [bind(operand, value_of) for operand in operands])


def _call(function: str, operands: Sequence[Expression]) -> Expression:
    if function in SCATTERING_FUNCTIONS:
        raise ExpressionError(
            f"{function} scatters numbers, which no parameter does",
            "zipf, hot_set, gaussian and exponential over a pool scatter their values: {zipf: {pool: COLUMN}}",
        )
    if function in RANDOM_FUNCTIONS:
        return _random(function, operands)
    if function == "debug":
        return operands[0]
    values = [operand.value for operand in operands if isinstance(operand, Constant)]
    if len(values) == len(operands):
        return Constant(apply(function, values))
    return Call(function, tuple(operands))


def _random(function: str, operands: Sequence[Expression]) -> Expression:
    """Return a new random number; over a range that moves with others, what it moves by plus one over a fixed range."""
    if any(operand == Constant(None) for operand in operands):
        return Constant(None)
    low, high, *more = operands
    parameter = 0.0
    if more:
        if not isinstance(more[0], Constant):
            raise ExpressionError(f"the parameter of {function} is itself random, and no parameter has such a one")
        parameter = to_double(more[0].value)
    if isinstance(low, Constant) and isinstance(high, Constant):
        lowest, highest = to_integer(low.value), to_integer(high.value)
        check_draw(function, lowest, highest, parameter)
        return Draw(function, lowest, highest, parameter)
    start, end = linear(low), linear(high)
    span = end.plus(start, -1) if start is not None and end is not None else None
    if span is None or span.factors:
        raise ExpressionError(
            f"the width of the range of {function} is itself random",
            "only a range of one width that begins at another random number can be imported",
        )
    check_draw(function, 0, span.constant, parameter)
    return Call("+", (low, Draw(function, 0, span.constant, parameter)))


def _case(operands: Sequence[Expression], value_of: ValueOf) -> Expression:
    """Return what a CASE comes to: branches that are never taken are not looked at, as pgbench does not."""
    *tests, otherwise = operands
    kept: list[Expression] = []
    for condition, value in zip(tests[::2], tests[1::2], strict=True):
        bound = bind(condition, value_of)
        if not isinstance(bound, Constant):
            kept += [bound, bind(value, value_of)]
        elif truth(bound.value):
            otherwise = value
            break
    last = bind(otherwise, value_of)
    return Call("case", (*kept, last)) if kept else last


def _logical(word: str, left: Expression, second: Expression, value_of: ValueOf) -> Expression:
    if isinstance(left, Constant):
        if left.value is None or to_truth(left.value) is (word == "or"):
            return left
        right = bind(second, value_of)
        if not isinstance(right, Constant):
            return right
        return right if right.value is None else Constant(to_truth(right.value))
    return Call(word, (left, bind(second, value_of)))
