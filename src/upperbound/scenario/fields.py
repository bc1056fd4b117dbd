"""What the scenario models share: their base class, number types, and errors worded for users."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
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

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True, serialize_by_alias=True
    )


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

Threads = Annotated[Whole, Field(ge=1, le=THREADS_MAX)]
"""A number of threads, of a worker or of all."""

Milliseconds = Annotated[Number, Field(gt=0)]
"""A time that something takes."""

Percent = Annotated[Number, Field(ge=0, le=100)]
"""A share of a whole."""


def no_limit(value: Any) -> Any:
    """Return None for -1, which means no limit, and anything else as it is."""
    return None if value == -1 and not isinstance(value, bool | float) else value


Bound = Annotated[
    Annotated[int, Field(strict=True, ge=1, le=THREADS_MAX)] | None,
    BeforeValidator(no_limit),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": -1}, {"type": "null"}]}),
]
"""A highest number; null and -1 mean that there is no limit."""
