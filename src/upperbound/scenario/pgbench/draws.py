"""The random numbers of pgbench: what each function makes, and how likely."""

import itertools
import math
from dataclasses import dataclass
from typing import Final

from upperbound.scenario.fields import INT64_MAX
from upperbound.scenario.pgbench.fault import ExpressionError

GAUSSIAN_MIN: Final = 2.0
ZIPFIAN_MIN: Final = 1.001
ZIPFIAN_MAX: Final = 1000.0


@dataclass(frozen=True, eq=False)
class Draw:
    """One evaluation of a random function: a whole number from ``low`` to ``high``.

    Two draws are the same only if they are one object: the same value then, whatever is computed from it.
    """

    function: str
    """``random``, ``random_exponential``, ``random_gaussian`` or ``random_zipfian``."""
    low: int
    high: int
    parameter: float = 0.0
    """How far from even the distribution is; of no meaning to ``random``."""

    @property
    def size(self) -> int:
        """How many values it may have."""
        return self.high - self.low + 1

    @property
    def even(self) -> bool:
        """Whether each value is as likely as any other."""
        return self.function == "random" or self.size == 1

    @property
    def symmetric(self) -> bool:
        """Whether it is the same seen from either end."""
        return self.even or self.function == "random_gaussian"

    def weights(self) -> list[float]:
        """Return the likelihood of each value, from the lowest up, in relation to the others."""
        items, parameter = self.size, self.parameter
        match self.function:
            case "random_zipfian":
                return [rank**-parameter for rank in range(1, items + 1)]
            case "random_gaussian":
                # The share of the normal curve over each of as many equal slices between -parameter and +parameter.
                ends = [parameter * math.sqrt(0.5) * (2 * slice_ / items - 1) for slice_ in range(items + 1)]
                return [math.erf(end) - math.erf(start) for start, end in itertools.pairwise(ends)]
            case "random_exponential":
                return [math.exp(-parameter * slice_ / items) for slice_ in range(items)]
            case _:
                return [1] * items


def check_draw(function: str, low: int, high: int, parameter: float) -> None:
    """Refuse what pgbench would refuse when it draws.

    Raises:
        ExpressionError: the range is empty or too large, or the parameter is out of bounds.
    """
    if low > high:
        raise ExpressionError(f"{function} has an empty range, {low} to {high}")
    if high - low + 1 > INT64_MAX:
        raise ExpressionError(f"{function} has a range of more than 63 bits, {low} to {high}")
    if function == "random_gaussian" and not parameter >= GAUSSIAN_MIN:
        raise ExpressionError(f"the parameter of random_gaussian is at least {GAUSSIAN_MIN}, not {parameter:g}")
    if function == "random_zipfian" and not ZIPFIAN_MIN <= parameter <= ZIPFIAN_MAX:
        raise ExpressionError(f"the parameter of random_zipfian is from {ZIPFIAN_MIN} to 1000, not {parameter:g}")
    if function == "random_exponential" and not parameter > 0:
        raise ExpressionError(f"the parameter of random_exponential is above 0, not {parameter:g}")
