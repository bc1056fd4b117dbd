"""The result of a run on a terminal; the same text without colours when it goes elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from upperbound.domain.decide import DURATION_OVER
from upperbound.domain.objectives import Direction
from upperbound.domain.run_state import RunStatus
from upperbound.report.find_max import find_max_result
from upperbound.report.wording import MISSING, count, milliseconds, percent, rate, seconds
from upperbound.views.arrivals import Arrivals
from upperbound.views.changes import Change
from upperbound.views.objectives import SloCheck
from upperbound.views.run_list import RunListEntry
from upperbound.views.run_summary import Latency, RunSummary

NOT_MEASURED: Final = "The measurement did not take place as planned, so these figures are not valid:"
CLIENT_BOUND: Final = "The generator was the bottleneck: these figures describe the generator, not the database."
NOT_OFFERED: Final = "The rate was not offered, so this result must not be compared with others at this rate:"
LAGGING: Final = "the lag is above the median latency: the slowest percent waited for the generator's processor as well"
PLANNED_ENDS: Final = frozenset({DURATION_OVER, "search_over"})
"""The completion reasons of runs that have carried their whole plan."""
_STYLES: Final = {RunStatus.COMPLETED: "bold green", RunStatus.CANCELLED: "bold yellow", RunStatus.FAILED: "bold red"}
_CHANGES_SHOWN: Final = 20
_LATENCIES: Final = ("p50", "p90", "p95", "p99", "p99.9", "max")


def result(summary: RunSummary, mix: Mapping[str, Decimal] | None = None) -> RenderableType:
    """Return the whole result; ``mix`` is the planned share of each operation in percent, where it is known."""
    parts: list[RenderableType] = [_headline(summary), *_warnings(summary)]
    if summary.find_max is not None:
        parts.append(find_max_result(summary.find_max))
    parts.append(_latencies(summary))
    parts.append(_mix(summary, mix or {}))
    if any(kind.transactions for kind in summary.by_operation.values()):
        parts.append(_transactions(summary))
    parts.append(_workers(summary))
    if summary.changes:
        parts.append(_changes(summary.changes))
    if summary.errors:
        parts.append(_errors(summary))
    if summary.slo.checks:
        parts.append(_objectives(summary.slo.checks))
    parts.append(_facts(summary))
    return Group(*_spaced(parts))


def run_list(entries: Sequence[RunListEntry]) -> RenderableType:
    """Return the list of runs."""
    if not entries:
        return Text("no runs yet: `upperbound demo` makes one")
    table = _table("", ["run", "name", "status", "created", "took"], ["threads", "operations", "errors", "QPS"])
    table.columns[0].no_wrap = True
    for entry in entries:
        table.add_row(
            entry.run_id,
            Text(entry.name),
            Text(entry.status.value, style=_STYLES.get(entry.status, "bold")),
            f"{entry.created_at:%Y-%m-%d %H:%M:%S} UTC",
            seconds(entry.elapsed_seconds),
            count(entry.threads),
            count(entry.total_operations),
            count(entry.failed_operations),
            rate(entry.qps),
        )
    return table


def _spaced(parts: Iterable[RenderableType]) -> list[RenderableType]:
    """Put an empty line between parts."""
    spaced: list[RenderableType] = []
    for part in parts:
        spaced += [part, ""]
    return spaced[:-1]


def _table(title: str, texts: Sequence[str], figures: Sequence[str]) -> Table:
    """Return an empty table with columns of text, then columns of figures."""
    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in texts:
        table.add_column(name, overflow="fold")
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _headline(summary: RunSummary) -> RenderableType:
    title = Text.assemble(
        (summary.name, "bold"),
        f"  run {summary.run_id}  ",
        (summary.status.value, _STYLES.get(summary.status, "bold")),
    )
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    failed = summary.failed_operations
    grid.add_row("QPS", Text.assemble((rate(summary.qps), "bold"), "  successful operations per second"))
    grid.add_row("attempted", f"{rate(summary.attempted_qps)} per second")
    if summary.arrivals is not None:
        grid.add_row("target", Text(_offered(summary.target_qps, summary.arrivals)))
    grid.add_row("operations", f"{count(summary.total_operations)} in {seconds(summary.duration_seconds)}")
    grid.add_row("errors", Text(f"{count(failed)} ({percent(summary.error_pct)})", style="bold red" if failed else ""))
    grid.add_row(
        "load",
        f"{summary.load_mode}, {_plural(summary.threads, 'thread')} on {_plural(summary.worker_count, 'worker')}, "
        f"warmup {seconds(summary.warmup_seconds)} ({count(summary.warmup_operations)} operations, not counted above)",
    )
    if summary.arrivals is not None and summary.arrivals.threads is not None:
        carried = f"{_plural(summary.arrivals.threads, 'thread')} on {_plural(summary.arrivals.workers, 'worker')}"
        grid.add_row("carried by", f"{carried} in the end, as the rate needed and scaling allowed")
    return Group(title, grid)


def _offered(target_qps: float | None, arrivals: Arrivals) -> str:
    """Return the rate that was to be offered and what became of what was due."""
    return (
        f"{rate(target_qps)} per second, {arrivals.kind.value} arrivals: {count(arrivals.offered)} offered, "
        f"{count(arrivals.started)} started, {count(arrivals.completed)} completed, {count(arrivals.late)} late, "
        f"{count(arrivals.dropped)} dropped, {count(arrivals.unstarted)} left waiting"
    )


def _warnings(summary: RunSummary) -> list[RenderableType]:
    """Return what has to be known before any figure is read."""
    lines = []
    if summary.status is RunStatus.FAILED:
        lines.append(Text(f"FAILED: {summary.failure_reason or 'no reason was recorded'}", style="bold red"))
    if summary.status is RunStatus.CANCELLED:
        reason = summary.cancellation_reason or "stopped by a user"
        lines.append(Text(f"CANCELLED: {reason}. The figures cover what was measured until then.", style="yellow"))
    if summary.status is RunStatus.COMPLETED and summary.cancellation_reason:
        lines.append(Text(f"What follows the load was cut short: {summary.cancellation_reason}.", style="yellow"))
    if summary.status is RunStatus.COMPLETED and summary.completion_reason not in (None, *PLANNED_ENDS):
        lines.append(Text(f"Less than the plan was carried: {summary.completion_reason}", style="bold yellow"))
    if summary.changes:
        last = summary.changes[-1]
        said = (
            f"The load was changed {len(summary.changes)} times" if len(summary.changes) > 1 else "The load was changed"
        )
        said += f", at {last.at_s:.1f} s to {last.threads} threads on {_plural(last.workers, 'worker')}"
        said += f" and {rate(last.target_qps)} per second" if last.target_qps is not None else ""
        lines.append(Text(f"{said}: the figures are of more than one load.", style="yellow"))
    if summary.measurement_problems:
        lines.append(Text(f"{NOT_MEASURED} {'; '.join(summary.measurement_problems)}.", style="bold red"))
    if summary.generator.client_bound:
        lines.append(Text(CLIENT_BOUND, style="bold red"))
    if summary.arrivals is not None and summary.arrivals.problems:
        lines.append(Text(f"{NOT_OFFERED} {'; '.join(summary.arrivals.problems)}.", style="bold red"))
    if summary.query_log.problem:
        lines.append(Text(f"The query log is incomplete: {summary.query_log.problem}", style="bold red"))
    return [Group(*lines)] if lines else []


def _latencies(summary: RunSummary) -> Table:
    what = "service time" if summary.response_time is None else "response time"
    table = _table(f"Latency of successful operations in ms ({what})", ["operation"], ["QPS", *_LATENCIES])
    for label, kind in summary.by_operation.items():
        table.add_row(Text(label), rate(kind.qps), *_latency_cells(kind.response_time or kind.latency))
    whole = summary.latency if summary.response_time is None else summary.response_time
    table.add_row(Text("all", style="bold"), rate(summary.qps), *_latency_cells(whole), style="bold")
    if summary.response_time is not None:
        table.add_row(Text("all, service time only"), rate(summary.qps), *_latency_cells(summary.latency))
    return table


def _latency_cells(latency: Latency) -> list[str]:
    values = (latency.p50_ms, latency.p90_ms, latency.p95_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
    return [milliseconds(value) for value in values]


def _mix(summary: RunSummary, planned: Mapping[str, Decimal]) -> Table:
    table = _table("Mix", ["operation"], ["planned", "observed", "operations", "errors"])
    attempts = summary.total_operations + summary.failed_operations
    for label, kind in summary.by_operation.items():
        share = 100 * (kind.operations + kind.failed) / attempts if attempts else None
        table.add_row(
            Text(label),
            f"{planned[label]:.2f} %" if label in planned else MISSING,
            percent(share),
            count(kind.operations),
            count(kind.failed),
        )
    return table


def _transactions(summary: RunSummary) -> Table:
    table = _table("Transactions", ["operation"], ["attempts", "commits", "rollbacks", "end unknown"])
    for label, kind in summary.by_operation.items():
        if (of := kind.transactions) is not None:
            unknown = of.attempts - of.commits - of.rollbacks
            table.add_row(Text(label), count(of.attempts), count(of.commits), count(of.rollbacks), count(unknown))
    return table


def _workers(summary: RunSummary) -> Table:
    table = _table("Workers", ["worker", "status"], ["operations", "errors", "QPS", "p95 ms"])
    for worker in summary.workers:
        table.add_row(
            worker.worker_id,
            worker.status.value,
            count(worker.operations),
            count(worker.failed),
            rate(worker.qps),
            milliseconds(worker.p95_ms),
        )
    return table


def _changes(changes: Sequence[Change]) -> Table:
    """Return who has changed the load and when; of very many the last ones."""
    left = max(0, len(changes) - _CHANGES_SHOWN)
    title = f"Changes of the load after the first {count(left)}" if left else "Changes of the load"
    table = _table(title, ["by"], ["at", "threads", "workers", "rate", "within"])
    for change in changes[-_CHANGES_SHOWN:]:
        table.add_row(
            Text(change.initiated_by),
            seconds(change.at_s),
            count(change.threads),
            count(change.workers),
            f"{rate(change.target_qps)}/s" if change.target_qps is not None else MISSING,
            seconds(change.ramp_seconds) if change.ramp_seconds else "at once",
        )
    return table


def _errors(summary: RunSummary) -> Table:
    table = _table("Errors", ["class"], ["count"])
    table.add_column("sample", overflow="fold")
    for error in summary.errors:
        table.add_row(error.outcome, count(error.count), Text(" ".join(error.sample.split())))
    return table


def _objectives(checks: Sequence[SloCheck]) -> Table:
    table = _table("Objectives", ["of", "metric"], ["limit", "measured", "met"])
    for check in checks:
        sign = "≤" if check.direction is Direction.AT_MOST else "≥"
        actual = "too few samples" if check.actual is None else f"{check.actual:,.3f}"
        met = Text("yes", style="green") if check.passed else Text("NO", style="bold red")
        table.add_row(Text(check.scope), check.metric, f"{sign} {check.limit:,g}", actual, met)
    return table


def _facts(summary: RunSummary) -> Table:
    """Return where to look further, and what the figures were made on."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    generator, log, made_on = summary.generator, summary.query_log, summary.environment
    grid.add_row("generator", f"busy {percent(generator.busy_pct)}, lag p99 {milliseconds(generator.lag_p99_ms)} ms")
    if generator.lag_p99_ms and not generator.client_bound and generator.lag_p99_ms > (summary.latency.p50_ms or 0.0):
        grid.add_row("", Text(LAGGING))
    if log.path is not None:
        grid.add_row("query log", log.whereabouts or MISSING)
        if log.files:
            grid.add_row("", Text(log.path))
    if summary.template is not None:
        grid.add_row("template", Text(f"{summary.template.template_id}, version {count(summary.template.version)}"))
    grid.add_row("target", Text(made_on.target_version or MISSING))
    grid.add_row("driver", Text(made_on.driver or MISSING))
    grid.add_row("host", Text(f"{made_on.host or MISSING}; {made_on.cpu or MISSING}"))
    grid.add_row("upperbound", f"{made_on.upperbound_version or MISSING}, seed {made_on.seed}")
    for name, text in server_lines(summary):
        grid.add_row(name, Text(text))
    return grid


def server_lines(summary: RunSummary) -> list[tuple[str, str]]:
    """Return what the server says in short, and why there is no more."""
    enrichment, lines = summary.enrichment, []
    if (server := enrichment.server) is not None:
        covered = server.coverage
        lines.append(f"tells of {count(covered.matched)} of {count(covered.reached)} calls, {percent(covered.pct)}")
        if server.withheld is None:
            times = f"p50 {milliseconds(server.server_p50_ms)}, p95 {milliseconds(server.server_p95_ms)} ms"
            beyond = f"p50 {milliseconds(server.overhead_p50_ms)}, p95 {milliseconds(server.overhead_p95_ms)} ms"
            lines.append(f"its own time {times}; beyond it {beyond}")
        waited = f"{percent(server.queued_pct)} of them waited for the warehouse"
        lines.append(f"{waited}; {_plural(server.clusters, 'cluster')} at work")
    if enrichment.reason:
        lines.append(f"{enrichment.status}: {enrichment.reason}")
    return [("server view" if not number else "", line) for number, line in enumerate(lines)]


def _plural(number: int | None, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
