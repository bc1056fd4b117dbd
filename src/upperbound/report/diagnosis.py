"""A diagnosis on a terminal."""

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from upperbound.domain.diagnosis import Check, CheckStatus, Verdict, verdict

_STYLES: Final = {
    CheckStatus.OK: "green",
    CheckStatus.WARNING: "yellow",
    CheckStatus.FAILED: "bold red",
    CheckStatus.SKIPPED: "dim",
}
_VERDICTS: Final = {
    Verdict.OK: "Nothing stands in the way of a run.",
    Verdict.FIX: "A run would not start: see what failed.",
    Verdict.UNREACHABLE: "A run would not start: a database cannot be reached.",
}


def diagnosis(checks: Sequence[Check]) -> RenderableType:
    """Return a table with a row for each check, and the verdict in a sentence."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("check", overflow="fold", min_width=14)
    table.add_column("status", no_wrap=True)
    table.add_column("found", overflow="fold", ratio=3)
    table.add_column("what to do", overflow="fold", ratio=2)
    for position, check in enumerate(checks):
        first = position == 0 or checks[position - 1].area is not check.area
        if first:
            table.add_row(Text(check.area.value, style="bold"))
        found = f"because {check.found}" if check.status is CheckStatus.SKIPPED else check.found
        table.add_row(
            Text(f"  {check.name}"),
            Text(check.status.value, style=_STYLES[check.status]),
            Text(found),
            Text(check.advice),
        )
    return Group(table, "", Text(f"{_VERDICTS[verdict(checks)]} {counts(checks)}", style="bold"))


def counts(checks: Sequence[Check]) -> str:
    """Return how many checks ended in which way, those that did not occur left out."""
    numbers = [(sum(check.status is status for check in checks), status) for status in CheckStatus]
    return ", ".join(f"{number} {status.value}" for number, status in numbers if number) + "."
