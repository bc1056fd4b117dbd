"""Failures over time, by class."""

from typing import Any

from upperbound.ui.charts.axes import PALETTE, Band, Line, TimeChart, time_options
from upperbound.views.metrics import ErrorTimeline

SHOWN = 7
"""Classes with a colour of their own; the others are put together."""


def failures_options(timeline: ErrorTimeline, bands: list[Band], planned_s: float) -> dict[str, Any]:
    """Return failed operations per second, stacked by class."""
    own = timeline.classes[:SHOWN]
    lines = [
        Line(
            f"class-{index}",
            label,
            [
                (round(point.elapsed_s, 1), point.by_class.get(label, 0) / point.seconds if point.seconds else None)
                for point in timeline.points
            ],
            PALETTE[(index + 4) % len(PALETTE)],
            area=True,
            stack="failures",
        )
        for index, label in enumerate(own)
    ]
    if rest := timeline.classes[SHOWN:]:
        points = [
            (round(point.elapsed_s, 1), sum(point.by_class.get(label, 0) for label in rest) / (point.seconds or 1.0))
            for point in timeline.points
        ]
        lines.append(Line("class-rest", "others", points, PALETTE[5], area=True, stack="failures"))
    return time_options(TimeChart(lines, "@rate", "failed/s", bands, planned_s=planned_s, zoom=True))
