"""What the scenario models share: their base class, number types, and errors worded for users."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic_core import PydanticCustomError

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
CENT = Decimal("0.01")
HUNDRED = Decimal(100)
THREADS_MAX = 100_000
"""Threads of one run."""

WORDED = "worded"
"""Type of a validation error whose message is already meant for a user."""
CROSS_CHECK = "cross_check"
"""Type of a validation error that repeats what :func:`upperbound.scenario.checks.find_problems` says place by place."""


class ScenarioModel(BaseModel):
    """A part of a scenario: unknown keys are errors, values do not change, and errors never show what was entered."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


def worded_error(message: str, hint: str = "") -> PydanticCustomError:
    """Return a validation error with a message for the user and a hint on what to do; either may hold braces."""
    return PydanticCustomError(WORDED, "{message}", {"message": message, "hint": hint})


Whole = Annotated[int, Field(strict=True, ge=INT64_MIN, le=INT64_MAX)]
"""A whole number that fits a ``bigint``; neither ``true`` nor ``"5"`` nor ``5.0`` is one."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number; whole numbers are welcome, text is not."""

Weight = Annotated[
    Decimal,
    Field(ge=0, le=100, decimal_places=2),
    AfterValidator(lambda value: value.quantize(CENT)),
    PlainSerializer(float, return_type=float, when_used="json"),
]
"""A share in percent with two decimals. A number in JSON: every hundredth up to 100 survives the way there and back."""
