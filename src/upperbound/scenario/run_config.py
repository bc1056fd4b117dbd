"""What a run is started with: the scenario and everything that was decided about it."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError

from upperbound.errors import ScenarioError
from upperbound.scenario.fields import ScenarioModel, Threads, Whole
from upperbound.scenario.model import Scenario
from upperbound.scenario.targets import TargetUrl


class RunConfig(ScenarioModel):
    """The snapshot kept with a run; all that a worker knows beyond its command line. Holds no password."""

    scenario: Scenario
    """The scenario, with every override applied."""
    threads: Annotated[tuple[Threads, ...], Field(min_length=1)]
    """Threads of each worker, by group id."""
    worker_capacity: Annotated[Whole, Field(ge=1)] | None = None
    """The most workers the run may ever have, those that have left it included; None for those of the plan."""
    seed: Annotated[Whole, Field(ge=0)]
    """Seed of the order of operations and of their values: the scenario's, or one drawn for this run."""
    target_url: TargetUrl | None
    """Where the server is: the scenario's URL, or that of the embedded server started for this run; None for a target
    that has no URL."""
    table: str | None
    """The table under test; None when no statement names one."""
    sequence_starts: dict[str, int] = Field(default_factory=dict)
    """Where sequences begin that go on after a column's highest value, by column: read once, so that a worker which
    joins while others insert begins where they did."""
    upperbound_version: str
    """The version that made this snapshot."""

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Return what a run was made with.

        Raises :class:`ScenarioError` when another version of Upperbound made it in a way that this one does not read.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            count = error.error_count()
            raise ScenarioError(
                f"the run was made by another version of Upperbound, and {count} of its settings are not known here",
                hint="make a new run of its scenario",
            ) from None

    @property
    def capacity(self) -> int:
        """The most workers the run may ever have."""
        return max(len(self.threads), self.worker_capacity or 0)
