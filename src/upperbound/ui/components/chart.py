"""A chart on a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui.element import Element
from nicegui.elements.echart import EChart  # noqa: F401 - registers the drawing library for the component

Point = tuple[float, float | None]
"""Where on the x axis, and the value; None for a gap."""


class Chart(Element, component="chart.js"):
    """Draws the options of one of the builders in :mod:`upperbound.ui.charts`."""

    def __init__(self, options: Mapping[str, Any], label: str, cls: str = "chart") -> None:
        """Draw; ``label`` says what the chart shows to those who cannot see it."""
        super().__init__()
        self._props["options"] = dict(options)
        self._props["aria-label"] = label
        self.classes(cls)

    def append(self, points: Mapping[str, Sequence[Point]]) -> None:
        """Add points by the id of their series; those that are not after the last one are dropped in the browser."""
        self.run_method("append", {key: list(values) for key, values in points.items()})

    def replace(self, options: Mapping[str, Any]) -> None:
        """Draw something else in its place."""
        self.run_method("replace", dict(options))
