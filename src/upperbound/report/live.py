"""A run while it goes on, for a terminal and for a pipe."""

from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from upperbound.domain.phases import Phase
from upperbound.domain.worker_state import WorkerHealth, WorkerStatus
from upperbound.report.find_max import find_max_line
from upperbound.report.wording import count, milliseconds, percent, rate, seconds, sparkline, with_ms
from upperbound.views.guardrails import Guardrails
from upperbound.views.live import LiveView, LiveWorker

_SPARKLINE_WIDTH: Final = 30
_STYLES: Final = {
    Phase.WARMUP: "yellow",
    Phase.MEASUREMENT: "green",
    Phase.COOLDOWN: "cyan",
    Phase.PROCESSING: "cyan",
}
_BEFORE_LOAD: Final = frozenset(
    {WorkerStatus.STARTING, WorkerStatus.CONNECTING, WorkerStatus.READY, WorkerStatus.FAILED}
)
"""States in which what a worker says of itself is worth more than its rate."""


class Sparkline:
    """Small bars, in the characters the terminal has."""

    def __init__(self, values: tuple[float, ...], width: int = _SPARKLINE_WIDTH) -> None:
        self._values, self._width = values, width

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        text = sparkline(self._values, self._width, ascii_only=options.ascii_only)
        yield Text(text, style="cyan", no_wrap=True, end="")


def live_display(view: LiveView, notice: str = "") -> RenderableType:
    """Return the run as it is drawn over and over on a terminal; ``notice`` is a line below, such as how to stop."""
    parts: list[RenderableType] = [_title(view), _progress(view), _figures(view)]
    if view.find_max is not None:
        parts.append(Text(find_max_line(view.find_max), style="bold cyan"))
    if view.workers:
        parts.append(_workers(view))
    if view.guardrails is not None and view.guardrails.readings:
        parts.append(Text(_guardrails(view.guardrails), style="bold yellow"))
    if notice:
        parts.append(Text(notice, style="bold yellow"))
    return Group(*parts)


def live_line(view: LiveView) -> str:
    """Return the run as one line, for output that goes into a pipe or a file."""
    if view.elapsed_s is None:
        details = [f"{worker.worker_id} {worker.detail}" for worker in view.workers if worker.detail]
        return "; ".join([f"{_state(view)}: {_readiness(view)}", *details])
    total = f"/{seconds(view.phase_total_s)}" if view.phase_total_s is not None else ""
    return (
        f"{_state(view)} {seconds(view.phase_elapsed_s)}{total}: "
        f"{rate(view.qps)}{_aim(view)} queries/s, p95 {with_ms(view.p95_ms)}, "
        f"{count(view.operations)} operations, {count(view.failed)} errors{_backlog(view)}"
        f"{f'; {find_max_line(view.find_max)}' if view.find_max is not None else ''}"
    )


def _title(view: LiveView) -> Text:
    return Text.assemble((view.name, "bold"), f"  run {view.run_id}")


def _state(view: LiveView) -> str:
    """Return the phase while load is sent, and else the status, which says more then."""
    in_load = view.phase in (Phase.WARMUP, Phase.MEASUREMENT) and view.status.value == "RUNNING"
    if in_load:
        return view.phase.value
    return view.status.value if view.status.value in ("STARTING", "CANCELLING") else view.phase.value


def _progress(view: LiveView) -> Table:
    """Return the phase with its bar; one without a planned length has a bar that moves."""
    style = _STYLES.get(view.phase, "blue")
    bar = ProgressBar(
        total=view.phase_total_s,
        completed=view.phase_elapsed_s if view.phase_total_s is not None else 0,
        width=40,
        pulse=view.phase_total_s is None,
        animation_time=view.phase_elapsed_s,
        complete_style=style,
        finished_style=style,
    )
    length = f" / {seconds(view.phase_total_s)}" if view.phase_total_s is not None else ""
    row = Table.grid(padding=(0, 2))
    row.add_row(
        Text(_state(view), style=f"bold {style}"),
        bar,
        f"{seconds(view.phase_elapsed_s)}{length}",
        Text(f"elapsed {seconds(view.elapsed_s)}", style="dim"),
    )
    return row


def _figures(view: LiveView) -> Text:
    if view.elapsed_s is None:
        return Text(_readiness(view))
    return Text.assemble(
        ("QPS ", "dim"),
        (rate(view.qps), "bold"),
        _aim(view),
        ("   p50 ", "dim"),
        with_ms(view.p50_ms),
        ("   p95 ", "dim"),
        (with_ms(view.p95_ms), "bold"),
        ("   p99 ", "dim"),
        with_ms(view.p99_ms),
        ("   operations ", "dim"),
        count(view.operations),
        ("   errors ", "dim"),
        (f"{count(view.failed)} ({percent(view.error_pct)})", "bold red" if view.failed else ""),
        (_backlog(view), "bold yellow"),
    )


def _aim(view: LiveView) -> str:
    """Return the rate that an open loop is to offer, to stand beside the one that is achieved."""
    return "" if view.target_qps is None else f" of {rate(view.target_qps)}"


def _backlog(view: LiveView) -> str:
    """Return what waits for a free thread, and what found no room to wait, where there is any."""
    said = [
        f"{count(number)} {what}" for number, what in ((view.waiting, "waiting"), (view.dropped, "dropped")) if number
    ]
    return "".join(f", {one}" for one in said)


def _guardrails(guardrails: Guardrails) -> str:
    """Return which workers are, or a moment ago were, over which limit."""
    said = [f"{worker_id} {reading}" for worker_id, reading in guardrails.readings.items()]
    return f"guardrails {guardrails.state.value}: {'; '.join(said)}"


def _readiness(view: LiveView) -> str:
    """Return how far the start is; how many connections are open a worker says in its own words."""
    ready = sum(worker.status in (WorkerStatus.READY, WorkerStatus.RUNNING) for worker in view.workers)
    return f"{ready} of {view.workers_expected} workers ready, {view.target_threads} threads wanted"


def _workers(view: LiveView) -> Table:
    table = Table.grid(padding=(0, 2))
    for worker in view.workers:
        table.add_row(*_worker_cells(worker, started=view.elapsed_s is not None))
    return table


def _worker_cells(worker: LiveWorker, *, started: bool) -> tuple[RenderableType, ...]:
    bad = worker.health is not WorkerHealth.HEALTHY or worker.status is WorkerStatus.FAILED
    state = worker.status.value if worker.health is WorkerHealth.HEALTHY else worker.health.value
    head = (Text(worker.worker_id), Text(state, style="bold red" if bad else "dim"))
    if not started or worker.qps is None or worker.status in _BEFORE_LOAD:
        return (*head, Text(worker.detail or ""))
    return (
        *head,
        Sparkline(worker.qps_series),
        Text(f"{rate(worker.qps)}/s", justify="right"),
        Text(f"p95 {milliseconds(worker.p95_ms)} ms", justify="right"),
        Text(f"{worker.active_threads} of {worker.target_threads} threads"),
        Text(f"{count(worker.failed)} errors", style="red" if worker.failed else "dim"),
    )
