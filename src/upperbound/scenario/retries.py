"""How often an execution that failed is repeated, by what became of it."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from upperbound.domain.outcomes import Outcome
from upperbound.scenario.fields import Whole, worded_error
from upperbound.scenario.kinds import RetryClass

RETRIES_MAX = 50
"""Further attempts of one execution after outcomes of one class."""
_WHY_NOT: dict[Outcome, str] = {
    Outcome.OK: "there is nothing to repeat",
    Outcome.CONSTRAINT: "the same values would be refused again",
    Outcome.CONNECTION_LOST: "nobody knows whether the commit took place, and what was kept would be done twice",
    Outcome.RESOURCE_EXHAUSTED: "more attempts would take more of what the server is out of",
    Outcome.AUTH: "the user would be refused again",
    Outcome.SYNTAX: "the statement would be refused again",
    Outcome.OTHER: "what happened, and what of it was kept, is not known",
}
"""Why an operation is not repeated after an outcome."""


def _check_class(value: Any) -> Any:
    """Refuse outcomes after which nothing is repeated, with the reason; other words are left to the enumeration."""
    outcome = next((outcome for outcome in _WHY_NOT if outcome.label == value), None)
    if outcome is not None:
        words = ", ".join(RetryClass)
        raise worded_error(
            f"an operation is not repeated after {value}: {_WHY_NOT[outcome]}", f"remove it; use {words}"
        )
    return value


Retry = dict[
    Annotated[RetryClass, BeforeValidator(_check_class)],
    Annotated[Whole, Field(ge=1, le=RETRIES_MAX)],
]
"""The highest number of further attempts after outcomes of each class; a class that is left out has none."""
