"""The value of an expression, as pgbench computes it: whole numbers of 64 bits, doubles, truth values and NULL.

After ``evalStandardFunc`` and ``evalLazyFunc`` of PostgreSQL's ``src/bin/pgbench/pgbench.c``; a test compares the two.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Final

from upperbound.scenario.fields import INT64_MAX, INT64_MIN
from upperbound.scenario.pgbench.draws import Draw
from upperbound.scenario.pgbench.expressions import Call, Constant, Expression, Value, Variable
from upperbound.scenario.pgbench.fault import ExpressionError

_ON_NUMBERS: Final[dict[str, Callable[[float, float], float | bool]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
}
_ON_BITS: Final[dict[str, Callable[[int, int], int]]] = {
    "&": operator.and_,
    "|": operator.or_,
    "#": operator.xor,
    # By the lowest six bits, as the processors do that pgbench leaves the rest to.
    "<<": lambda left, right: _signed(left << (right & 63)),
    ">>": lambda left, right: left >> (right & 63),
}
_ON_DOUBLE: Final[dict[str, Callable[[float], float]]] = {
    "double": lambda value: value,
    "exp": math.exp,
    "ln": lambda value: math.log(value) if value else -math.inf,
    "sqrt": math.sqrt,
}


def evaluate(expression: Expression, drawn: Mapping[Draw, int] | None = None) -> Value:
    """Return the value of an expression without variables; ``drawn`` has the value of each random number in it.

    Raises:
        ExpressionError: pgbench would refuse it as well, as it does a division by zero.
    """
    match expression:
        case Constant(value):
            return value
        case Draw():
            return (drawn or {})[expression]
        case Call("and" | "or" | "case" as function, operands):
            return _lazy(function, operands, drawn)
        case Call(function, operands):
            return apply(function, [evaluate(operand, drawn) for operand in operands])
        case Variable(name):
            raise KeyError(name)  # names are replaced before


def truth(value: Value) -> bool:
    """Tell whether a value holds as a condition: NULL and 0 do not."""
    return bool(value)


def to_truth(value: Value) -> bool:
    """Return an operand of AND, OR and NOT, which are for truth values only."""
    if isinstance(value, bool):
        return value
    raise ExpressionError(f"{_named(value)} is no truth value")


def to_integer(value: Value) -> int:
    """Return a whole number, doubles rounded to the nearest one (to the even one of two)."""
    if isinstance(value, bool) or value is None:
        raise ExpressionError(f"{_named(value)} is no number")
    if isinstance(value, int):
        return value
    if not math.isfinite(value) or not INT64_MIN <= round(value) <= INT64_MAX:
        raise ExpressionError(f"{value:g} needs more than 64 bits")
    return round(value)


def to_double(value: Value) -> float:
    """Return a number as a double."""
    if isinstance(value, bool) or value is None:
        raise ExpressionError(f"{_named(value)} is no number")
    return float(value)


def apply(function: str, values: Sequence[Value]) -> Value:
    """Return what a function or operator makes of values."""
    if function == "is":
        left, right = values
        return type(left) is type(right) and left == right
    if function == "debug":
        return values[0]
    if any(value is None for value in values):
        return None
    if function in _ON_NUMBERS or function in ("/", "mod"):
        return _arithmetic(function, *values)
    if function in _ON_BITS:
        return _ON_BITS[function](to_integer(values[0]), to_integer(values[1]))
    if function in _ON_DOUBLE:
        return _double(_ON_DOUBLE[function], to_double(values[0]))
    return _other(function, values)


def _other(function: str, values: Sequence[Value]) -> Value:
    """Return what one of the functions makes that are like no other."""
    match function:
        case "not":
            return not to_truth(values[0])
        case "pi":
            return math.pi
        case "int":
            return to_integer(values[0])
        case "abs":
            value = values[0] if isinstance(values[0], float) else to_integer(values[0])
            return abs(value) if isinstance(value, float) else _signed(abs(value))
        case "least" | "greatest":
            convert = to_double if any(isinstance(value, float) for value in values) else to_integer
            return reduce(_lower if function == "least" else _higher, map(convert, values))
        case "pow":
            return _power(to_double(values[0]), to_double(values[1]))
        case _:
            raise KeyError(function)  # random and scattering functions are dealt with before


def _lazy(function: str, operands: Sequence[Expression], drawn: Mapping[Draw, int] | None) -> Value:
    """Return the value of an operator that looks at some of its operands only."""
    if function == "case":
        *tests, otherwise = operands
        for condition, value in zip(tests[::2], tests[1::2], strict=True):
            if truth(evaluate(condition, drawn)):
                return evaluate(value, drawn)
        return evaluate(otherwise, drawn)
    left = evaluate(operands[0], drawn)
    if left is None or to_truth(left) is (function == "or"):
        return left
    right = evaluate(operands[1], drawn)
    return None if right is None else to_truth(right)


def _arithmetic(function: str, left: Value, right: Value) -> Value:
    """Return a sum, product, quotient, remainder or comparison: of doubles if there is one, of integers otherwise."""
    if function != "mod" and (isinstance(left, float) or isinstance(right, float)):
        a, b = to_double(left), to_double(right)
        if function == "/":
            return a / b if b else _over_zero(a, b)
        return _ON_NUMBERS[function](a, b)
    dividend, divisor = to_integer(left), to_integer(right)
    if function in _ON_NUMBERS:
        value = _ON_NUMBERS[function](dividend, divisor)
    elif divisor == 0:
        raise ExpressionError("a division by zero")
    else:
        # Toward zero, as C does; Python divides downward.
        quotient = abs(dividend) // abs(divisor) * (1 if (dividend < 0) == (divisor < 0) else -1)
        value = quotient if function == "/" else dividend - quotient * divisor
    if not isinstance(value, bool) and not INT64_MIN <= value <= INT64_MAX:
        raise ExpressionError(f"{dividend} {function} {divisor} needs more than 64 bits")
    return value


def _lower(one: float, other: float) -> float:
    """Return the lower of two numbers; beside NaN the second one, as C's comparison has it."""
    return min(other, one)


def _higher(one: float, other: float) -> float:
    """Return the higher of two numbers; beside NaN the second one, as C's comparison has it."""
    return max(other, one)


def _over_zero(dividend: float, divisor: float) -> float:
    if dividend == 0 or math.isnan(dividend):
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1, divisor)


def _double(function: Callable[..., float], *values: float) -> float:
    """Return the value of a function of doubles, where it has none NaN or infinity, as C does."""
    try:
        return function(*values)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def _signed(value: int) -> int:
    """Return the lowest 64 bits of a number as a signed one."""
    return (value + 2**63) % 2**64 - 2**63


def _power(base: float, exponent: float) -> float:
    """Return a power, where it is too large or a power of 0 below 0 the infinity that C returns."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        pass
    except ValueError:
        if base:
            return math.nan
    return math.copysign(math.inf, base) if exponent % 2 == 1 else math.inf


def _named(value: Value) -> str:
    return "NULL" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"
