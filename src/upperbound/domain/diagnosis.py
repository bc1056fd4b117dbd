"""What a diagnosis says: one line for each check, and a verdict over all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class CheckStatus(StrEnum):
    """How a check ended."""

    OK = "ok"
    """Nothing to do."""
    WARNING = "warning"
    """A run works; its figures, or somebody who reads them, may suffer."""
    FAILED = "failed"
    """A run would not start, or would fail."""
    SKIPPED = "skipped"
    """It could not be made, and what was found says why."""


class CheckArea(StrEnum):
    """What a check is about."""

    HOST = "host"
    """This machine and this installation."""
    STORE = "store"
    """The control and results store."""
    SCENARIO = "scenario"
    """The file that describes the run."""
    TARGET = "target"
    """The database under test."""
    ACCOUNT = "account"
    """A Snowflake account, in which a target or a store may be."""


class Verdict(StrEnum):
    """What all checks together come to."""

    OK = "ok"
    """Everything is well, warnings aside."""
    FIX = "fix"
    """Something has to be changed in the configuration, the scenario, the store or the target."""
    UNREACHABLE = "unreachable"
    """The store or the target cannot be reached or refuses the login."""


@dataclass(frozen=True)
class Check:
    """The outcome of one check; no text in it holds a password."""

    area: CheckArea
    name: str
    """Unique within its area."""
    status: CheckStatus
    found: str
    """What was found, or why the check was skipped; several findings stand on lines of their own."""
    advice: str = ""
    """What to do; empty when there is nothing."""
    unreachable: bool = False
    """A failed check whose reason is that there is no way in."""


def verdict(checks: Iterable[Check]) -> Verdict:
    """Return what ``checks`` come to: no way in outranks everything else, because it hides everything else."""
    failed = [check for check in checks if check.status is CheckStatus.FAILED]
    if any(check.unreachable for check in failed):
        return Verdict.UNREACHABLE
    return Verdict.FIX if failed else Verdict.OK


class CheckList:
    """Makes the checks of one area."""

    def __init__(self, area: CheckArea) -> None:
        self._area = area
        self.checks: list[Check] = []
        """In the order in which they were made."""

    def ok(self, name: str, found: str, advice: str = "") -> None:
        """Add a check that found nothing to do; ``advice`` is for those who want more."""
        self.checks.append(Check(self._area, name, CheckStatus.OK, found, advice))

    def warn(self, name: str, found: str, advice: str) -> None:
        """Add a warning."""
        self.checks.append(Check(self._area, name, CheckStatus.WARNING, found, advice))

    def fail(self, name: str, found: str, advice: str, *, unreachable: bool = False) -> None:
        """Add a failure."""
        self.checks.append(Check(self._area, name, CheckStatus.FAILED, found, advice, unreachable))

    def skip(self, reason: str, *names: str) -> None:
        """Add checks that could not be made."""
        self.checks += [Check(self._area, name, CheckStatus.SKIPPED, reason) for name in names]
