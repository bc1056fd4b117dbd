"""What the exit code of every command means, and which one an outcome has."""

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from upperbound.domain.run_state import RunStatus
from upperbound.errors import (
    ConfigurationError,
    RunNotFound,
    StoreError,
    TargetError,
    TemplateConflict,
    TemplateNotFound,
    UpperboundError,
)

if TYPE_CHECKING:
    from upperbound.views.run_summary import RunSummary


class ExitCode(IntEnum):
    """The exit codes of every command except ``worker``, whose process has codes of its own."""

    OK = 0
    """Completed, and every objective was met."""
    USAGE = 2
    """Usage or configuration: nothing was started."""
    UNREACHABLE = 3
    """The target or the store cannot be reached, or refuses the login."""
    RUN_FAILED = 4
    """The run failed."""
    CANCELLED = 5
    """The run was cancelled."""
    OBJECTIVE_MISSED = 6
    """The run completed and missed an objective."""
    INVALID = 7
    """The run completed, but its figures do not describe the database."""


_BY_ERROR: Final[tuple[tuple[type[UpperboundError], ExitCode], ...]] = (
    (ConfigurationError, ExitCode.USAGE),
    (RunNotFound, ExitCode.USAGE),
    (TemplateNotFound, ExitCode.USAGE),
    (TemplateConflict, ExitCode.USAGE),
    (StoreError, ExitCode.UNREACHABLE),
    (TargetError, ExitCode.UNREACHABLE),
    (UpperboundError, ExitCode.RUN_FAILED),
)
"""The first class that fits decides, so a class stands above its base."""


def exit_code(outcome: "UpperboundError | RunSummary") -> ExitCode:
    """Return the exit code of a command that ended with this error or with this run.

    A run that has not ended is as good as failed. Invalid figures outrank a missed objective, because an objective
    that is held against figures of the generator, of a rate that was not offered, or of half a measurement, says
    nothing about the database.
    """
    if isinstance(outcome, UpperboundError):
        return next(code for kind, code in _BY_ERROR if isinstance(outcome, kind))
    if outcome.status == RunStatus.CANCELLED:
        return ExitCode.CANCELLED
    if outcome.status != RunStatus.COMPLETED:
        return ExitCode.RUN_FAILED
    if outcome.generator.client_bound or outcome.measurement_problems:
        return ExitCode.INVALID
    if outcome.arrivals is not None and outcome.arrivals.rate_offered is False:
        return ExitCode.INVALID
    return ExitCode.OBJECTIVE_MISSED if outcome.slo.passed is False else ExitCode.OK
