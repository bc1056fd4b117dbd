"""A problem with the place in the input that it comes from."""

from dataclasses import dataclass

from upperbound.errors import Problem


@dataclass(frozen=True)
class PlacedProblem(Problem):
    """A problem and its place, as in ``line 17: workload.operations.1.sql: holds no statement``."""

    place: str = ""
    """``line 17``, or ``--set`` when an override brought it in; empty when it cannot be told."""

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.place}: {text}" if self.place else text
