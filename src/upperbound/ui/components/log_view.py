"""The log of a run on a page."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from nicegui.element import Element

from upperbound.domain.log_lines import LogLevel, LogSource


class ShownLine(Protocol):
    """What is shown of a line."""

    @property
    def sequence(self) -> int:
        """Its place in the run's log."""
        ...

    @property
    def logged_at(self) -> datetime:
        """When it was written."""
        ...

    @property
    def level(self) -> LogLevel:
        """How much it matters."""
        ...

    @property
    def source(self) -> LogSource:
        """Which side wrote it."""
        ...

    @property
    def worker_id(self) -> str | None:
        """Which worker, if one did."""
        ...

    @property
    def message(self) -> str:
        """What it says."""
        ...


class LogView(Element, component="log_view.js"):
    """Shows lines, and lets the visitor choose by level and source; every line is text."""

    def __init__(self, lines: Iterable[ShownLine] = ()) -> None:
        super().__init__()
        shown = [_shown(line) for line in lines]
        self._props["initial"] = shown
        self.last = shown[-1]["sequence"] if shown else 0
        """The sequence of the last line that was shown."""

    def append(self, lines: Sequence[ShownLine]) -> None:
        """Add lines; those that are there already are dropped."""
        fresh = [_shown(line) for line in lines if line.sequence > self.last]
        if fresh:
            self.last = fresh[-1]["sequence"]
            self.run_method("append", fresh)


def _shown(line: ShownLine) -> dict[str, Any]:
    return {
        "sequence": line.sequence,
        "when": f"{line.logged_at:%H:%M:%S}",
        "level": line.level.value,
        "from": line.worker_id or line.source.value,
        "message": line.message,
    }
