"""How latencies are distributed: bars on a logarithmic axis, and the curve of percentiles."""

import math
from collections.abc import Mapping
from typing import Any

from upperbound.ui.charts.axes import DASHES, LINE, PALETTE, TEXT, tooltip, value_axis
from upperbound.views.statistics import Distribution

FONT = "Inter, system-ui, sans-serif"


def histogram_options(total: Distribution) -> dict[str, Any]:
    """Return the bars of all operations; each bar stands for the latencies up to its label."""
    return {
        "animation": False,
        "textStyle": {"fontFamily": FONT},
        "grid": {"left": 58, "right": 18, "top": 14, "bottom": 44},
        "tooltip": tooltip(),
        "xAxis": {
            "type": "category",
            "name": "latency, up to",
            "nameLocation": "middle",
            "nameGap": 26,
            "nameTextStyle": {"color": TEXT, "fontSize": 11},
            "data": [label_ms(bucket.to_ms) for bucket in total.buckets],
            "axisLabel": {"color": TEXT, "fontSize": 11, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": LINE}},
            "axisTick": {"show": False},
        },
        "yAxis": value_axis("@count"),
        "series": [
            {
                "id": "count",
                "name": "Operations",
                "type": "bar",
                "color": PALETTE[0],
                "barCategoryGap": "12%",
                "data": [bucket.count for bucket in total.buckets],
                "tooltip": {"valueFormatter": "@count"},
            }
        ],
    }


def curve_options(total: Distribution, by_kind: Mapping[str, Distribution]) -> dict[str, Any]:
    """Return latency over percentiles; the axis grows towards the tail, so that each nine has as much room."""
    lines = [("All", total), *(by_kind.items() if len(by_kind) > 1 else ())]
    highest = max([nines(point.percentile) for _, one in lines for point in one.curve], default=3.0)
    return {
        "animation": False,
        "textStyle": {"fontFamily": FONT},
        "grid": {"left": 62, "right": 18, "top": 34 if len(lines) > 1 else 14, "bottom": 44},
        "legend": {
            "show": len(lines) > 1,
            "type": "scroll",
            "right": 8,
            "top": 0,
            "itemWidth": 22,
            "itemHeight": 8,
            "textStyle": {"color": TEXT, "fontSize": 11},
        },
        "tooltip": tooltip(),
        "xAxis": {
            "type": "value",
            "name": "percentile",
            "nameLocation": "middle",
            "nameGap": 26,
            "nameTextStyle": {"color": TEXT, "fontSize": 11},
            "min": 0,
            "max": math.ceil(highest),
            "interval": 1,
            "axisLabel": {"color": TEXT, "fontSize": 11, "formatter": "@nines"},
            "axisLine": {"lineStyle": {"color": LINE}},
            "axisPointer": {"label": {"show": False}},
            "splitLine": {"show": False},
        },
        "yAxis": {**value_axis("@ms"), "type": "log", "min": None},
        "series": [
            {
                "id": f"curve-{index}",
                "name": name,
                "type": "line",
                "showSymbol": False,
                "color": PALETTE[(index) % len(PALETTE)],
                "lineStyle": {"width": 2 if index == 0 else 1.4, "type": DASHES[index % len(DASHES)]},
                "data": [[nines(point.percentile), point.latency_ms] for point in one.curve if point.latency_ms > 0],
                "tooltip": {"valueFormatter": "@ms"},
            }
            for index, (name, one) in enumerate(lines)
        ],
    }


def nines(percentile: float) -> float:
    """Return how many nines a percentile has: 0 for the lowest, 1 for p90, 2 for p99, 3 for p99.9."""
    return min(6.0, -math.log10(max(1e-6, 1 - percentile / 100)))


def label_ms(value: float) -> str:
    """Return a latency as it stands on an axis."""
    return f"{value:.3g} ms" if value < 1000 else f"{value / 1000:.3g} s"
