"""The search for the highest load, while it goes on and when it is over."""

from upperbound.ui.charts.steps import steps_options
from upperbound.ui.components.chart import Chart
from upperbound.ui.components.html import Tag
from upperbound.ui.components.panel import empty, note, scroll_x
from upperbound.ui.components.words import NONE, count, duration, milliseconds, percent, rate, tag
from upperbound.views.find_max import FindMaxStepView, FindMaxView

COLUMNS = ("Step", "Why", "Threads", "QPS", "p95 ms", "Errors %", "Verdict")


class SearchSteps:
    """The chart and the table of the steps; both are drawn anew when a step has ended."""

    def __init__(self) -> None:
        self._steps = -1
        self._answered = False
        self._answer = Tag("div")
        self._none = empty("No step has ended yet", "A step is judged when it is over.", low=True)
        self._chart: Chart | None = None
        self._place = Tag("div")
        with scroll_x("Steps of the search") as self._scroll, Tag("table", cls="table"):
            with Tag("thead"), Tag("tr"):
                for name in COLUMNS:
                    Tag("th", name, "num" if name in COLUMNS[2:6] else "", scope="col")
            self._body = Tag("tbody")
        self._scroll.show(False)

    def update(self, search: FindMaxView) -> None:
        """Show the steps that have ended, and the answer when there is one."""
        answered = search.max_type is not None
        if (len(search.steps), answered) == (self._steps, self._answered):
            return
        self._none.show(not search.steps)
        self._scroll.show(bool(search.steps))
        if search.steps and self._chart is None:
            with self._place:
                self._chart = Chart(
                    steps_options(search), "Throughput and p95 of each step over its threads", "chart tall"
                )
        elif self._chart is not None:
            self._chart.replace(steps_options(search))
        with self._body:
            for step in search.steps[max(0, self._steps) :]:
                _row(step)
        self._steps, self._answered = len(search.steps), answered
        if answered:
            self._answer.clear()
            with self._answer:
                answer(search)


def answer(search: FindMaxView) -> None:
    """Show what a search has found."""
    if search.best_threads is None:
        note("warn", "No number of threads passed", [search.reason] if search.reason else [])
        return
    kind = (
        "the target's own limit"
        if search.max_type == "TRUE_MAX"
        else "at least this: the search ended at a bound of its own"
    )
    between = (
        f"between {count(search.low)} and {count(search.high)}"
        if search.high is not None
        else f"from {count(search.low)}"
    )
    note(
        "ok",
        f"{count(search.best_threads)} threads: {rate(search.qps)} op/s at a p95 of {milliseconds(search.p95_ms)} ms",
        [
            f"{search.max_type}, {kind}. The best is {between} threads.",
            f"Limited by {search.limiter}{f': {search.reason}' if search.reason else ''}",
        ],
    )


def _row(step: FindMaxStepView) -> None:
    with Tag("tr"):
        Tag("td", str(step.step), "")
        Tag("td", str(step.purpose.value).capitalize())
        Tag("td", count(step.threads), "num")
        Tag("td", rate(step.qps), "num")
        Tag("td", milliseconds(step.p95_ms), "num")
        Tag("td", percent(step.error_pct), "num")
        with Tag("td", cls="wrap"), Tag("div", cls="row tight"):
            if step.verdict == "passed":
                tag("passed", "✓", "ok")
            else:
                tag("failed", "✕", "bad")
            Tag("span", step.reason or "", "small muted")


def current_words(search: FindMaxView) -> str:
    """Return the step that is being made in words."""
    current = search.current
    if current is None:
        return "The search is over." if search.max_type else NONE
    settled = "measured" if current.settled else "settling"
    lasts = duration(round(current.elapsed_s))
    return f"Step {current.step}, {current.purpose.value}: {count(current.threads)} threads, {settled} for {lasts}"
