"""The figures of a finished run that its summary holds."""

from upperbound.scenario.kinds import OperationType
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.ui.charts.axes import PALETTE
from upperbound.ui.components.html import Tag
from upperbound.ui.components.panel import empty, note, panel, scroll_x
from upperbound.ui.components.tiles import Tile, tiles
from upperbound.ui.components.words import NONE, count, duration, milliseconds, moment, percent, rate, tag
from upperbound.ui.pages.dashboard.cards import QPS_TIP
from upperbound.ui.pages.dashboard.health import check_line
from upperbound.ui.pages.dashboard.live_charts import ONLY_READS
from upperbound.ui.run_about import target_words
from upperbound.views.run_summary import KindSummary, RunSummary

TIP = (
    "The histograms of all workers are merged: this is the percentile of all operations of the measurement, not a mean "
    "of percentiles. One with too few operations behind it is not shown."
)


def headline(summary: RunSummary) -> None:
    """Show the figures of the whole measurement; warmup is in none of them."""
    latency = summary.response_time or summary.latency
    kind = "response time" if summary.response_time else "service time"
    with tiles("Result"):
        Tile("QPS", "op/s", tip=QPS_TIP.replace("the last interval", "the whole measurement"), key="qps").update(
            rate(summary.qps), f"{rate(summary.attempted_qps)} attempted"
        )
        Tile("p50", "ms", tip=TIP, key="p50").update(milliseconds(latency.p50_ms), kind)
        Tile("p95", "ms", tip=TIP, key="p95").update(milliseconds(latency.p95_ms), kind)
        Tile("p99", "ms", tip=TIP, key="p99").update(
            milliseconds(latency.p99_ms), f"p99.9 {milliseconds(latency.p999_ms)}, max {milliseconds(latency.max_ms)}"
        )
        Tile("Error rate", "%", key="errors").update(
            percent(summary.error_pct),
            f"{count(summary.failed_operations)} failed",
            bad=summary.failed_operations > 0,
        )
        Tile("Operations", key="operations").update(
            count(summary.total_operations), f"in {duration(round(summary.duration_seconds, 1))}"
        )


def only_reads() -> None:
    """Say that there are no writes to show."""
    note("info", ONLY_READS)


def kinds(summary: RunSummary, scenario: Scenario) -> None:
    """Show the operations, and how reads and writes share the load."""
    types = {one.label: one.operation_type for one in scenario.workload.operations}
    shares = {one.label: float(one.weight_pct) for one in scenario.workload.operations}
    done = {label: kind.operations for label, kind in summary.by_operation.items()}
    with panel("Operations", flush=True):
        with Tag("div", cls="stack tight", style="padding: 0.2rem 1rem 0.6rem"):
            _share_bar(done)
            reads = sum(number for label, number in done.items() if types.get(label) is not OperationType.WRITE)
            total = sum(done.values())
            writes = total - reads
            if total:
                shown = f"{percent(100 * reads / total, 1)} % reads"
                if OperationType.WRITE in types.values():
                    shown += f", {percent(100 * writes / total, 1)} % writes"
                Tag("p", shown, "muted small")
        with scroll_x("Operations"), Tag("table", cls="table"):
            with Tag("thead"), Tag("tr"):
                Tag("th", "Operation", scope="col")
                Tag("th", "Type", scope="col")
                for name in ("Planned %", "Operations", "Failed", "QPS", "p50 ms", "p95 ms", "p99 ms", "max ms"):
                    Tag("th", name, "num", scope="col")
            with Tag("tbody"):
                for index, (label, kind) in enumerate(summary.by_operation.items()):
                    _kind_row(index, label, kind, types.get(label), shares.get(label))


def _share_bar(done: dict[str, int]) -> None:
    total = sum(done.values())
    with Tag("div", cls="share", aria_hidden="true"):
        for index, number in enumerate(done.values()):
            share = 100 * number / total if total else 0
            Tag("i", style=f"width: {share:.2f}%; background: {PALETTE[index % len(PALETTE)]}")


def _kind_row(
    index: int, label: str, kind: KindSummary, operation_type: OperationType | None, planned: float | None
) -> None:
    latency = kind.response_time or kind.latency
    with Tag("tr"):
        with Tag("td", cls="wrap"):
            Tag("i", cls="kind", style=f"background: {PALETTE[index % len(PALETTE)]}", aria_hidden="true")
            Tag("span", label)
        Tag("td", operation_type.value.capitalize() if operation_type else NONE, "muted")
        Tag("td", NONE if planned is None else f"{planned:.2f}", "num")
        Tag("td", count(kind.operations), "num")
        Tag("td", count(kind.failed), "num")
        Tag("td", rate(kind.qps), "num")
        for value in (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms):
            Tag("td", milliseconds(value), "num")


def objectives(summary: RunSummary) -> None:
    """Show each objective with what was measured."""
    with panel("Objectives"), Tag("div", cls="stack tight"):
        if summary.slo.passed is None:
            empty("Not judged", "Only a run that has completed is held against its objectives.", low=True)
            return
        if not summary.slo.checks:
            empty("The scenario sets none", "The editor of a template has a section for them.", low=True)
            return
        with Tag("div", cls="row"):
            if summary.slo.passed:
                tag("All met", "✓", "ok")
            else:
                missed = sum(not check.passed for check in summary.slo.checks)
                tag(f"{missed} of {len(summary.slo.checks)} missed", "✕", "bad")
        for check in summary.slo.checks:
            check_line(check)


def environment(summary: RunSummary, config: RunConfig) -> None:
    """Show what the run was made on and with."""
    known = summary.environment
    log = summary.query_log
    rows = (
        ("Target", target_words(config.scenario)),
        ("Server", known.target_version),
        ("Started (UTC)", moment(summary.started_at)),
        ("Ended (UTC)", moment(summary.ended_at)),
        ("Load generator", f"{known.host or NONE}, {known.cpu or NONE}"),
        ("Driver", known.driver),
        ("Generator busy", f"{percent(summary.generator.busy_pct, 1)} %"),
        ("Generator lag, p99", f"{milliseconds(summary.generator.lag_p99_ms)} ms"),
        ("Upperbound", known.upperbound_version),
        ("Seed", str(known.seed)),
        ("Query log", log.whereabouts),
        ("Kept in", log.path if log.files else None),
    )
    with panel("Environment"), Tag("dl", cls="kv"):
        for name, text in rows:
            Tag("dt", name)
            Tag("dd", text or NONE)


def workers(summary: RunSummary) -> None:
    """Show each worker's part."""
    with panel("Workers", flush=True):
        if not summary.workers:
            empty("No worker has shown itself", low=True)
            return
        with scroll_x("Workers"), Tag("table", cls="table"):
            with Tag("thead"), Tag("tr"):
                Tag("th", "Worker", scope="col")
                Tag("th", "State", scope="col")
                for name in ("Operations", "Failed", "QPS", "p95 ms"):
                    Tag("th", name, "num", scope="col")
            with Tag("tbody"):
                for worker in summary.workers:
                    with Tag("tr"):
                        Tag("td", worker.worker_id)
                        Tag("td", worker.status.value.capitalize())
                        Tag("td", count(worker.operations), "num")
                        Tag("td", count(worker.failed), "num")
                        Tag("td", rate(worker.qps), "num")
                        Tag("td", milliseconds(worker.p95_ms), "num")
