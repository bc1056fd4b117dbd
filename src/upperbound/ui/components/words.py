"""States and figures in words, with a shape beside each colour."""

from datetime import datetime
from typing import Final

from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerHealth
from upperbound.ui.components.html import Tag

NONE: Final = "–"
"""Stands where there is no figure."""
STATUS: Final[dict[RunStatus, tuple[str, str, str]]] = {
    RunStatus.PREPARED: ("Prepared", "○", ""),
    RunStatus.STARTING: ("Starting", "◔", "live"),
    RunStatus.RUNNING: ("Running", "●", "live"),
    RunStatus.STOPPING: ("Stopping", "◕", "live"),
    RunStatus.CANCELLING: ("Cancelling", "◕", "warn"),
    RunStatus.COMPLETED: ("Completed", "✓", "ok"),
    RunStatus.CANCELLED: ("Cancelled", "■", "warn"),
    RunStatus.FAILED: ("Failed", "✕", "bad"),
}
"""Word, shape and colour of each state of a run."""
HEALTH: Final[dict[WorkerHealth, tuple[str, str, str]]] = {
    WorkerHealth.HEALTHY: ("Healthy", "●", "ok"),
    WorkerHealth.STALE: ("Silent", "◐", "warn"),
    WorkerHealth.DEAD: ("Lost", "✕", "bad"),
}
"""Word, shape and colour of each state of a worker's heart."""


def tag(word: str, glyph: str = "", cls: str = "") -> Tag:
    """Show a word with its shape."""
    with Tag("span", cls=f"tag {cls}".strip()) as made:
        if glyph:
            Tag("span", glyph, "glyph", aria_hidden="true")
        Tag("span", word)
    return made


def status_tag(status: RunStatus) -> Tag:
    """Show the state of a run."""
    return tag(*STATUS[status])


def count(value: int | None) -> str:
    """Return a whole number with its thousands apart."""
    return NONE if value is None else f"{value:,}".replace(",", "\u202f")


def rate(value: float | None) -> str:
    """Return a number per second."""
    if value is None:
        return NONE
    return count(round(value)) if value >= 100 else f"{value:.1f}"


def milliseconds(value: float | None) -> str:
    """Return a latency in milliseconds with three digits that count."""
    if value is None:
        return NONE
    if value >= 100:
        return count(round(value))
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent(value: float | None, digits: int = 2) -> str:
    """Return a share; one that is not zero is never shown as zero."""
    if value is None:
        return NONE
    smallest = 10**-digits
    return f"<{smallest:.{digits}f}" if 0 < value < smallest else f"{value:.{digits}f}"


def clock(seconds: float | None) -> str:
    """Return a duration as a clock shows it: ``1:02:03`` or ``02:03``."""
    if seconds is None:
        return "--:--"
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def duration(seconds: float | None) -> str:
    """Return a duration in words: ``20 s``, ``2 min 5 s``."""
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:g} s" if seconds == int(seconds) else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def moment(value: datetime | None) -> str:
    """Return a time in UTC to the second."""
    return NONE if value is None else f"{value:%Y-%m-%d %H:%M:%S}"
