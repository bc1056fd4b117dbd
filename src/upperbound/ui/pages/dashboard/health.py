"""What says whether the figures can be trusted: guardrails, the generator, the objectives, the store."""

from upperbound.domain.guardrails import GuardrailLevel
from upperbound.domain.run_state import RunStatus
from upperbound.ui.components.html import Tag
from upperbound.ui.components.panel import note, panel
from upperbound.ui.components.tiles import tooltip
from upperbound.ui.components.words import count, milliseconds, percent, tag
from upperbound.views.guardrails import Guardrails
from upperbound.views.live_payload import LiveArrivals, LiveGenerator, LiveWarehouse, RunUpdate
from upperbound.views.objectives import Slo, SloCheck

_WORDS = {"AT_MOST": "at most", "AT_LEAST": "at least"}


class Banners:
    """Messages above the figures: they come when there is a reason, and go with it."""

    def __init__(self) -> None:
        self._place = Tag("div", cls="stack", aria_live="polite")
        self._shown: list[tuple[str, str, tuple[str, ...]]] = []

    def update(self, update: RunUpdate) -> None:
        """Show what there is a reason for; nothing is drawn anew when all stays as it is."""
        wanted = [banner for banner in _banners(update) if banner is not None]
        if wanted == self._shown:
            return
        self._shown = wanted
        self._place.clear()
        with self._place:
            for tone, title, lines in wanted:
                note("bad" if tone == "bad" else "warn", title, lines)


def _banners(update: RunUpdate) -> list[tuple[str, str, tuple[str, ...]] | None]:
    return [
        ("warn", update.notice, ()) if update.notice else None,
        ("bad", f"The run has failed: {update.run.failure_reason}", ()) if update.run.failure_reason else None,
        _stop_banner(update),
        _guardrail_banner(update.guardrails),
        _generator_banner(update.generator),
    ]


def _stop_banner(update: RunUpdate) -> tuple[str, str, tuple[str, ...]] | None:
    if not update.cancellation_reason:
        return None
    if update.status in (RunStatus.STOPPING, RunStatus.COMPLETED):
        return "warn", f"What follows the load is cut short: {update.cancellation_reason}", ()
    return "warn", f"The run was cancelled: {update.cancellation_reason}", ()


def _guardrail_banner(guardrails: Guardrails | None) -> tuple[str, str, tuple[str, ...]] | None:
    if guardrails is None or guardrails.state is GuardrailLevel.NORMAL:
        return None
    tone = "warn" if guardrails.state is GuardrailLevel.WARNING else "bad"
    over = [f"{worker}: {reading}" for worker, reading in guardrails.readings.items()]
    last = [action for action in guardrails.actions if action.action != "WARNING"][-1:]
    done = [f"At {action.at_s:.0f} s {action.worker_id or 'the run'}: {action.reason}" for action in last]
    return tone, f"Guardrails: {guardrails.state.value}", (*over, *done)


def _generator_banner(generator: LiveGenerator) -> tuple[str, str, tuple[str, ...]] | None:
    if not generator.client_bound:
        return None
    text = "Its figures describe the load generator and not the database: give it more workers, or another machine."
    return "warn", "The generator is the bottleneck", (text,)


class Trust:
    """The panel of the generator's health, and of the objectives so far."""

    def __init__(self) -> None:
        self._checks: list[tuple[SloCheck, bool]] = []
        with panel("Health and objectives"), Tag("div", cls="stack"):
            with Tag("div", cls="row"):
                Tag("strong", "Load generator")
                tooltip(
                    "About the load generator",
                    "Busy is the share of time that the busiest worker did not wait for the database. Lag is how long "
                    "an answer waited until it was handled. When either is high, the figures describe the generator.",
                )
            with Tag("dl", cls="kv"):
                Tag("dt", "Busy")
                self._busy = Tag("dd", "–")
                Tag("dt", "Lag, p99")
                self._lag = Tag("dd", "–")
                self._waits = Tag("dt", "Waiting arrivals", hidden=True)
                self._waiting = Tag("dd", "–", hidden=True)
                self._drops = Tag("dt", "Dropped arrivals", hidden=True)
                self._dropped = Tag("dd", "–", hidden=True)
            self._warehouse = Tag("div", cls="stack tight", hidden=True)
            with self._warehouse:
                Tag("strong", "Warehouse")
                with Tag("dl", cls="kv"):
                    Tag("dt", "Name and state")
                    self._state = Tag("dd", "–")
                    Tag("dt", "Clusters")
                    self._clusters = Tag("dd", "–")
                    Tag("dt", "Running, queued")
                    self._queries = Tag("dd", "–")
            Tag("strong", "Objectives")
            self._slo = Tag("div", cls="stack tight")
            with self._slo:
                Tag("span", "None is judged yet.", "muted small")

    def update(self, update: RunUpdate) -> None:
        """Show an update."""
        self._busy.say(f"{percent(update.generator.busy_pct, 1)} %")
        self._lag.say(f"{milliseconds(update.generator.lag_p99_ms)} ms")
        if update.arrivals is not None:
            self._arrivals(update.arrivals)
        if update.warehouse is not None:
            self._show_warehouse(update.warehouse)
        self._objectives(update.slo)

    def _show_warehouse(self, seen: LiveWarehouse) -> None:
        self._warehouse.show(True)
        size = f" ({seen.size})" if seen.size else ""
        self._state.say(f"{seen.name}{size}, {seen.state.lower()}")
        most = f" of {seen.max_clusters}" if seen.max_clusters is not None else ""
        self._clusters.say("–" if seen.started_clusters is None else f"{seen.started_clusters}{most}")
        self._queries.say(f"{count(seen.running)}, {count(seen.queued)}")

    def _arrivals(self, arrivals: LiveArrivals) -> None:
        for shown in (self._waits, self._waiting, self._drops, self._dropped):
            shown.show(True)
        self._waiting.say(count(arrivals.unstarted))
        self._dropped.say(count(arrivals.dropped))

    def _objectives(self, slo: Slo) -> None:
        if slo.passed is None:
            return
        checks = [(check, check.passed) for check in slo.checks]
        if checks == self._checks and checks:
            return
        self._checks = checks
        self._slo.clear()
        with self._slo:
            if not checks:
                Tag("span", "The scenario sets none.", "muted small")
            for check, _ in checks:
                check_line(check)


def check_line(check: SloCheck) -> None:
    """Show one objective with what was measured."""
    with Tag("div", cls="row tight"):
        tag("met", "✓", "ok") if check.passed else tag("missed", "✕", "bad")
        actual = "too few samples" if check.actual is None else f"{check.actual:.4g}"
        Tag(
            "span",
            f"{check.scope}: {check.metric} {_WORDS[check.direction.value]} {check.limit:g}, measured {actual}",
            "small anywhere",
        )
