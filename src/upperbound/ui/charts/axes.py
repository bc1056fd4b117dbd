"""What all charts share: axes, colours as names of the theme's tokens, formats as names the page knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Format = Literal["@count", "@rate", "@ms", "@pct", "@clock"]
"""How a value is written; the page's chart has a function for each."""
Point = tuple[float, float | None]
"""Where on the x axis, and the value; None for a gap."""
PALETTE: Final = tuple(f"var(--s{number})" for number in range(1, 9))
"""Colours of series, told apart by line style and legend as well."""
FEW: Final = 4
"""A line of fewer points has dots, because a line of one cannot be seen; the page's chart knows the number, too."""
FIRST_AXIS_S: Final = 60.0
DASHES: Final = ("solid", "dashed", "dotted")
TEXT: Final = "var(--text-3)"
LINE: Final = "var(--line)"
GRID: Final = "var(--grid)"


@dataclass(frozen=True)
class Line:
    """One series over the time of a run."""

    key: str
    """Its id, by which points are added later."""
    name: str
    points: Sequence[Point] = ()
    """By seconds since the start of the run."""
    color: str = PALETTE[0]
    style: Literal["solid", "dashed", "dotted"] = "solid"
    area: bool = False
    stack: str | None = None
    step: bool = False
    """The value holds until the next point."""


@dataclass(frozen=True)
class Band:
    """A part of the time that has a name, such as the warmup."""

    name: str
    begin_s: float
    end_s: float
    color: str = "var(--band)"


@dataclass(frozen=True)
class Mark:
    """A limit to hold the series against."""

    name: str
    value: float
    color: str = "var(--s5)"


@dataclass(frozen=True)
class TimeChart:
    """What is drawn over the time of a run."""

    lines: Sequence[Line]
    unit: Format
    axis: str
    """What the values are, in a word: it stands beside the chart's title."""
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    planned_s: float | None = None
    """How long the run is planned to take: the axis is that long from the first second on."""
    zoom: bool = False
    grows: bool = False
    """Points are still added: the axis begins with :data:`FIRST_AXIS_S` and doubles up to the plan as they come."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Options that go over these."""


def time_options(chart: TimeChart) -> dict[str, Any]:
    """Return what ECharts draws."""
    legend = len(chart.lines) > 1
    last_s = max([0.0, *(line.points[-1][0] for line in chart.lines if line.points)])
    planned_s = chart.planned_s or 0.0
    return {
        "planned": planned_s,
        "animation": False,
        "textStyle": {"fontFamily": "Inter, system-ui, sans-serif"},
        "grid": {
            "left": 52,
            "right": 18,
            "top": 30 if legend else 14,
            "bottom": 62 if chart.zoom else 26,
        },
        "legend": {
            "show": legend,
            "type": "scroll",
            "right": 8,
            "top": 0,
            "itemWidth": 22,
            "itemHeight": 8,
            "textStyle": {"color": TEXT, "fontSize": 11},
            "pageTextStyle": {"color": TEXT},
            "pageIconColor": TEXT,
        },
        "tooltip": tooltip(),
        "xAxis": {
            "type": "value",
            "min": 0,
            "max": max(1.0, axis_end(last_s, planned_s) if chart.grows else max(planned_s, last_s)),
            "axisLabel": {"color": TEXT, "fontSize": 11, "formatter": "@clock", "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": LINE}},
            "axisTick": {"lineStyle": {"color": LINE}},
            "splitLine": {"show": False},
            "axisPointer": {"label": {"show": False}},
        },
        "yAxis": value_axis(chart.unit),
        "dataZoom": zoom_of() if chart.zoom else [],
        "series": [_series(line, chart, first=index == 0) for index, line in enumerate(chart.lines)],
        **chart.extra,
    }


def axis_end(last_s: float, planned_s: float) -> float:
    """Return how far an axis reaches while points are added; the page's chart goes on by the same rule."""
    end = FIRST_AXIS_S
    while end < last_s:
        end *= 2
    return max(last_s, min(end, planned_s))


def tooltip(trigger: Literal["axis", "item"] = "axis") -> dict[str, Any]:
    """Return the box that follows the pointer; it is drawn on the canvas, where no name can be markup."""
    return {
        "trigger": trigger,
        "renderMode": "richText",
        "confine": True,
        "backgroundColor": "var(--surface)",
        "borderColor": "var(--line-strong)",
        "textStyle": {"color": "var(--text)", "fontSize": 12},
        "axisPointer": {"type": "line", "lineStyle": {"color": "var(--line-strong)"}},
    }


def value_axis(unit: Format, **extra: Any) -> dict[str, Any]:
    """Return an axis of values that begins at zero."""
    return {
        "type": "value",
        "min": 0,
        "axisLabel": {"color": TEXT, "fontSize": 11, "formatter": unit},
        "splitLine": {"lineStyle": {"color": GRID}},
        "splitNumber": 4,
        "minInterval": 1 if unit == "@count" else 0,
        **extra,
    }


def zoom_of() -> list[dict[str, Any]]:
    """Return the bar under a chart that chooses a part of it; the wheel zooms while Shift is held."""
    return [
        {"type": "inside", "zoomOnMouseWheel": "shift", "moveOnMouseWheel": False, "moveOnMouseMove": True},
        {
            "type": "slider",
            "height": 18,
            "bottom": 6,
            "borderColor": LINE,
            "fillerColor": "var(--band)",
            "backgroundColor": "var(--surface-2)",
            "handleStyle": {"color": "var(--surface)", "borderColor": "var(--line-strong)"},
            "moveHandleStyle": {"color": "var(--line-strong)"},
            "dataBackground": {"lineStyle": {"opacity": 0}, "areaStyle": {"opacity": 0}},
            "selectedDataBackground": {"lineStyle": {"opacity": 0}, "areaStyle": {"opacity": 0}},
            "textStyle": {"color": TEXT, "fontSize": 10},
            "labelFormatter": "@clock",
        },
    ]


def _series(line: Line, chart: TimeChart, *, first: bool) -> dict[str, Any]:
    series: dict[str, Any] = {
        "id": line.key,
        "name": line.name,
        "type": "line",
        "data": [list(point) for point in line.points],
        "showSymbol": len(line.points) < FEW,
        "symbol": "circle",
        "symbolSize": 5,
        "color": line.color,
        "lineStyle": {"width": 1.7, "type": line.style},
        "sampling": "lttb",
        "connectNulls": False,
        "tooltip": {"valueFormatter": chart.unit},
    }
    if line.area:
        series["areaStyle"] = {"opacity": 0.12}
    if line.stack:
        series["stack"] = line.stack
    if line.step:
        series["step"] = "end"
    if first and chart.bands:
        series["markArea"] = bands_of(chart.bands)
    if first and chart.marks:
        series["markLine"] = _marks(chart.marks)
    return series


def bands_of(bands: Sequence[Band]) -> dict[str, Any]:
    """Return the phases behind a series, each with its name."""
    return {
        "silent": True,
        "label": {"color": TEXT, "fontSize": 10, "distance": 4},
        "data": [
            [
                {
                    "name": band.name,
                    "xAxis": band.begin_s,
                    "itemStyle": {"color": band.color},
                    # At opposite ends, so that the name of a short phase stands beside that of the next.
                    "label": {"position": "insideTopRight" if band is bands[-1] else "insideTopLeft"},
                },
                {"xAxis": band.end_s},
            ]
            for band in bands
        ],
    }


def _marks(marks: Sequence[Mark]) -> dict[str, Any]:
    return {
        "silent": True,
        "symbol": "none",
        "label": {"color": TEXT, "fontSize": 10, "formatter": "{b}", "position": "insideEndTop"},
        "data": [
            {"name": mark.name, "yAxis": mark.value, "lineStyle": {"color": mark.color, "type": "dashed"}}
            for mark in marks
        ],
    }
