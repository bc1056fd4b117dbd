"""The search for the highest load on a terminal: what was found, and the chart of its steps."""

from typing import Final

from rich import box
from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from upperbound.domain.find_max import MaxType
from upperbound.report.wording import MISSING, milliseconds, percent, rate, seconds, with_ms
from upperbound.views.find_max import FindMaxStepView, FindMaxView

ALL_STEPS: Final = "The figures below are those of all steps together."
_BAR_WIDTH: Final = 24
_STYLES: Final = {MaxType.TRUE_MAX: "bold green", MaxType.BOUNDED_MAX: "bold yellow"}


def find_max_result(view: FindMaxView) -> RenderableType:
    """Return what was found with the chart of the steps."""
    return Group(_answer(view), "", step_chart(view), Text(ALL_STEPS, style="dim"))


def find_max_line(view: FindMaxView) -> str:
    """Return the state of a search as one line: the step that is made, and how the last one went."""
    said = []
    if view.current is not None:
        state = "measuring" if view.current.settled else "settling"
        said.append(
            f"step {view.current.step} ({view.current.purpose.value}): {view.current.threads} threads, {state} "
            f"for {seconds(view.current.elapsed_s)}"
        )
    elif view.max_type is not None:
        said.append(f"{view.max_type.value}: {interval(view)}, limited by {view.limiter}")
    if view.steps:
        last = view.steps[-1]
        verdict = f"failed by {last.limiter.value}" if last.limiter else "passed"
        said.append(f"last: {last.threads} threads, {rate(last.qps)} queries/s, p95 {with_ms(last.p95_ms)}, {verdict}")
    return "; ".join(said)


def interval(view: FindMaxView) -> str:
    """Return the interval of the answer in words."""
    if view.high is None:
        return f"at least {view.low} threads"
    return f"between {view.low} and {view.high} threads"


def step_chart(view: FindMaxView) -> Table:
    """Return the steps in the order they were made, each with a bar of its throughput; the best ones are marked."""
    table = Table(
        title="Steps", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    table.add_column("step", justify="right")
    table.add_column("purpose", no_wrap=True)
    for name in ("threads", "QPS"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", width=_BAR_WIDTH)
    for name in ("p50 ms", "p95 ms", "errors"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    top = max((step.qps for step in view.steps), default=0.0) or 1.0
    for step in view.steps:
        best = step.threads == view.best_threads
        table.add_row(
            str(step.step),
            step.purpose.value,
            Text(str(step.threads), style="bold" if best else ""),
            Text(rate(step.qps), style="bold" if best else ""),
            Bar(top, 0, step.qps, width=_BAR_WIDTH, color=_colour(step, best=best)),
            milliseconds(step.p50_ms),
            milliseconds(step.p95_ms),
            percent(step.error_pct),
            Text(f"{step.limiter.value}: {step.reason}", style="yellow") if step.limiter else Text("passed"),
        )
    return table


def _answer(view: FindMaxView) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    if view.max_type is None:
        grid.add_row("search", Text("was cut short before it had an answer", style="bold yellow"))
        return grid
    found = Text.assemble((view.max_type.value, _STYLES[view.max_type]), f"  {interval(view)}")
    grid.add_row("found", found)
    best = MISSING if view.best_threads is None else f"{view.best_threads} threads"
    grid.add_row("best", f"{best}, {rate(view.qps)} queries/s, p50 {with_ms(view.p50_ms)}, p95 {with_ms(view.p95_ms)}")
    grid.add_row("limited by", f"{view.limiter}: {view.reason}")
    grid.add_row("noise", f"{percent(view.noise_pct)} of a step's throughput (standard deviation)")
    return grid


def _colour(step: FindMaxStepView, *, best: bool) -> str:
    if step.limiter is not None:
        return "yellow"
    return "green" if best else "cyan"
