"""What a run is started with: the scenario and everything that was decided about it."""

from typing import Annotated

from pydantic import Field

from upperbound.scenario.fields import ScenarioModel, Whole
from upperbound.scenario.model import Scenario, Table, TargetUrl, Threads


class RunConfig(ScenarioModel):
    """The snapshot kept with a run; all that a worker knows beyond its command line. Holds no password."""

    scenario: Scenario
    """The scenario, with every override applied."""
    threads: Annotated[tuple[Threads, ...], Field(min_length=1)]
    """Threads of each worker, by group id."""
    seed: Annotated[Whole, Field(ge=0)]
    """Seed of the order of operations and of their values: the scenario's, or one drawn for this run."""
    target_url: TargetUrl
    """Where the server is: the scenario's URL, or that of the embedded server started for this run."""
    table: Table | None
    """The table under test; None when no statement names one."""
    upperbound_version: str
    """The version that made this snapshot."""
