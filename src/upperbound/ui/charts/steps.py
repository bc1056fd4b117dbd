"""The steps of a search for the highest load."""

from typing import Any

from upperbound.ui.charts.axes import LINE, PALETTE, TEXT, tooltip, value_axis
from upperbound.views.find_max import FindMaxView


def steps_options(search: FindMaxView) -> dict[str, Any]:
    """Return throughput and latency over threads, one point for each step; failed steps are crosses."""
    passed = [step for step in search.steps if step.verdict == "passed"]
    failed = [step for step in search.steps if step.verdict == "failed"]
    chart: dict[str, Any] = {
        "animation": False,
        "textStyle": {"fontFamily": "Inter, system-ui, sans-serif"},
        "grid": {"left": 56, "right": 62, "top": 38, "bottom": 44},
        "legend": {
            "right": 8,
            "top": 0,
            "itemWidth": 14,
            "itemHeight": 9,
            "textStyle": {"color": TEXT, "fontSize": 11},
        },
        "tooltip": tooltip("item"),
        "xAxis": {
            "type": "value",
            "name": "threads",
            "nameLocation": "middle",
            "nameGap": 24,
            "min": 0,
            "nameTextStyle": {"color": TEXT, "fontSize": 11},
            "axisLabel": {"color": TEXT, "fontSize": 11},
            "axisLine": {"lineStyle": {"color": LINE}},
            "splitLine": {"show": False},
        },
        "yAxis": [
            value_axis("@rate"),
            value_axis("@ms", splitLine={"show": False}),
        ],
        "series": [
            _points("passed", "Throughput", [[s.threads, s.qps] for s in passed], PALETTE[0], "circle", "@rate"),
            _points(
                "failed", "Throughput, step failed", [[s.threads, s.qps] for s in failed], PALETTE[4], CROSS, "@rate"
            ),
            _points("p95", "p95", [[s.threads, s.p95_ms] for s in search.steps], PALETTE[3], "diamond", "@ms", axis=1),
        ],
    }
    if search.best_threads is not None:
        chart["series"][0]["markLine"] = {
            "silent": True,
            "symbol": "none",
            "label": {"color": TEXT, "fontSize": 11, "formatter": "{b}"},
            "data": [
                {
                    "name": f"best: {search.best_threads}",
                    "xAxis": search.best_threads,
                    "lineStyle": {"color": PALETTE[1]},
                }
            ],
        }
    return chart


CROSS = "path://M2 0 L5 3 L8 0 L10 2 L7 5 L10 8 L8 10 L5 7 L2 10 L0 8 L3 5 L0 2 Z"
"""A shape that tells a failed step apart without its colour."""


def _points(
    key: str, name: str, data: list[list[float | None]], color: str, symbol: str, unit: str, axis: int = 0
) -> dict[str, Any]:
    return {
        "id": key,
        "name": name,
        "type": "scatter",
        "yAxisIndex": axis,
        "symbol": symbol,
        "symbolSize": 11,
        "color": color,
        "data": data,
        "tooltip": {"valueFormatter": unit},
    }
