"""Parameters and bodies that several routes share."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from upperbound.api.access.guard import ANYBODY, USER_KEY
from upperbound.scenario.loader import LoadedScenario, check_scenario, parse_scenario
from upperbound.views.view import View

Item = TypeVar("Item")

PAGE_MAX: Final = 1_000_000
PAGE_SIZE_MAX: Final = 500
TEXT_MAX: Final = 300


def _printable(text: str) -> str:
    """Refuse what no store can hold or look for."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds a character that is none")
    return text


Text = Annotated[str, Field(max_length=TEXT_MAX), AfterValidator(_printable)]
"""Some words."""
RunId = Annotated[
    str,
    Path(
        description="The run's id.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$",
        examples=["20261123-101500-abc123"],
    ),
]
TemplateName = Annotated[
    str,
    Path(description="A template's id or name, or the name of a built-in scenario.", min_length=1, max_length=TEXT_MAX),
    AfterValidator(_printable),
]
PageNumber = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Which page, from 1.")]
PageSize = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description="Entries of a page.")]


class Paged(BaseModel, Generic[Item]):
    """A part of a list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: list[Item]
    page: int
    """From 1."""
    page_size: int
    total: int
    """Entries on all pages."""
    pages: int
    """How many pages there are."""

    @classmethod
    def of(cls, items: list[Item], total: int, page: int, page_size: int) -> "Paged[Item]":
        """Return a page of a list with so many entries."""
        return cls(items=items, page=page, page_size=page_size, total=total, pages=-(-total // page_size))


class Credentials(View):
    """What the target asks for; kept in memory until the run has ended, and nowhere else."""

    password: Annotated[SecretStr, Field(min_length=1, max_length=1_000)]


Overrides = Annotated[
    tuple[Text, ...],
    Field(max_length=100, description="Values to replace, as with `--set`.", examples=[["load.duration_seconds=30"]]),
]
ScenarioInput = Annotated[
    dict[str, Any] | str,
    Field(
        description="A scenario: as JSON, or as a text in YAML. See the reference of scenarios.",
        examples=[
            {
                "name": "orders by key",
                "target": {"kind": "postgres", "url": "postgresql://app@127.0.0.1:5432/shop", "table": "public.orders"},
                "load": {"threads": 8, "warmup_seconds": 5, "duration_seconds": 30},
                "workload": {
                    "operations": [
                        {
                            "kind": "POINT_LOOKUP",
                            "weight_pct": 100,
                            "sql": "SELECT * FROM {table} WHERE id = $1",
                            "params": [{"range": [1, 100000]}],
                        }
                    ]
                },
            }
        ],
    ),
]


def load_input(scenario: dict[str, Any] | str, overrides: Sequence[str]) -> LoadedScenario:
    """Check a scenario that came in a body.

    Raises :class:`upperbound.errors.ScenarioError` with every problem; those of a text have lines.
    """
    if isinstance(scenario, str):
        return parse_scenario(scenario, overrides, source="the scenario")
    return check_scenario(scenario, overrides, source="the scenario")


def user_of(request: Request) -> str:
    """Return who sent a request, for what is written down about it."""
    user: str = request.scope.get(USER_KEY, ANYBODY)
    return user
