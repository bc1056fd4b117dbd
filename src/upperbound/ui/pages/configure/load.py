"""The load, how it is spread over workers, and the limits on their machines."""

from collections.abc import Callable
from typing import Final

from upperbound.scenario.kinds import Arrivals, LoadMode, ScalingMode
from upperbound.ui.components.fields import Form
from upperbound.ui.components.html import Tag, heading
from upperbound.ui.components.panel import panel

MODES: Final = {
    LoadMode.CONCURRENCY.value: "Fixed threads",
    LoadMode.QPS.value: "Fixed rate",
    LoadMode.FIND_MAX_CONCURRENCY.value: "Find maximum",
}
MODE_WORDS: Final = {
    LoadMode.CONCURRENCY.value: "Each thread sends its next operation when it has the answer to the last: how much "
    "does the database do with this many clients?",
    LoadMode.QPS.value: "Operations arrive by a schedule, whether or not the database keeps up: how long do users "
    "wait at this rate?",
    LoadMode.FIND_MAX_CONCURRENCY.value: "Threads are raised step by step until a step goes badly: how many clients "
    "are served well, and what limits them?",
}
SCALING: Final = {
    ScalingMode.AUTO.value: "Auto",
    ScalingMode.BOUNDED.value: "Bounded",
    ScalingMode.FIXED.value: "Fixed",
}
SCALING_WORDS: Final = {
    ScalingMode.AUTO.value: "As few workers as carry the load on this machine.",
    ScalingMode.BOUNDED.value: "As few workers as carry the load, within these bounds. An empty maximum is no limit.",
    ScalingMode.FIXED.value: "Exactly this many workers with this many threads each.",
}


class LoadSection:
    """Three blocks whose fields follow from the modes that are chosen."""

    def __init__(self, form: Form) -> None:
        self._form = form
        with panel("Load"), Tag("div", cls="stack"):
            segmented(form, "load.mode", "Load mode", MODES, self._show)
            self._load = Tag("div", cls="stack")
        with panel("Scaling"), Tag("div", cls="stack"):
            segmented(form, "scaling.mode", "Scaling mode", SCALING, self._show)
            self._scaling = Tag("div", cls="stack")
        self._guardrails = Tag("div")
        self._show()

    def _show(self) -> None:
        """Lay out the fields of the modes; what was typed for others is kept."""
        form = self._form
        for prefix in ("load.", "scaling.", "guardrails."):
            form.forget(prefix)
        self._load.clear()
        with self._load:
            Tag("p", MODE_WORDS[form.draft.load_mode], "muted small")
            with Tag("div", cls="fields"):
                _LOAD_FIELDS[form.draft.load_mode](form)
        self._scaling.clear()
        with self._scaling:
            Tag("p", SCALING_WORDS[form.draft.scaling_mode], "muted small")
            with Tag("div", cls="fields"):
                _scaling_fields(form)
        self._guardrails.clear()
        if form.draft.guardrails_apply:
            with self._guardrails:
                self._guardrail_panel()

    def _guardrail_panel(self) -> None:
        form = self._form
        with panel("Guardrails"), Tag("div", cls="stack"):
            Tag(
                "p",
                "Limits on the workers' own machines, so that a starved load generator is not taken for a slow "
                "database.",
                "muted small",
            )
            with Tag("label", cls="check"):
                box = Tag("input", type="checkbox", checked=form.draft.guarded)
                Tag("span", "Watch CPU and memory of the workers")

            async def turn(is_on: bool) -> None:
                form.draft.guarded = is_on
                self._show()
                await form.changed()

            box.ticked(turn)
            if form.draft.guarded:
                with Tag("div", cls="fields"):
                    form.number("guardrails.max_cpu_percent", "CPU at most (%)")
                    form.number("guardrails.max_memory_percent", "Memory at most (%)")
                    form.choice(
                        "guardrails.mode", "When over", {"soft": "Soft: lower the load", "hard": "Hard: fail the run"}
                    )
                    form.number("guardrails.back_off_percent", "Back off by (%)")
                    form.number("guardrails.patience_intervals", "Patience (readings)")
                    form.choice(
                        "guardrails.fail_threshold",
                        "Fail the run when over",
                        {"all": "All workers", "majority": "Most workers", "any": "Any worker"},
                    )


def segmented(form: Form, path: str, label: str, options: dict[str, str], then: Callable[[], None]) -> None:
    """Offer a few choices side by side."""
    buttons: dict[str, Tag] = {}

    async def choose(value: str) -> None:
        form.draft.set(path, value)
        for key, made in buttons.items():
            made.attribute(aria_pressed=str(key == value).lower())
        then()
        await form.changed()

    chosen = form.draft.get(path) or next(iter(options))
    form.draft.set(path, chosen)
    with Tag("div", cls="segmented", role="group", aria_label=label):
        for value, word in options.items():
            buttons[value] = Tag("button", word, type="button", aria_pressed=str(value == chosen).lower())
            buttons[value].on("click", lambda _, value=value: choose(value))


def _times(form: Form) -> None:
    form.number("load.warmup_seconds", "Warmup (s)")
    form.number("load.duration_seconds", "Measured (s)")


def _concurrency(form: Form) -> None:
    if form.draft.scaling_mode != ScalingMode.FIXED.value:
        form.number("load.threads", "Threads", "Over all workers")
    _times(form)
    form.number("load.think_time_ms", "Think time (ms)", "Between an answer and the next operation")


def _rate(form: Form) -> None:
    form.number("load.target_qps", "Operations per second")
    form.choice(
        "load.arrivals", "Arrivals", {Arrivals.CONSTANT.value: "Evenly", Arrivals.POISSON.value: "At random (Poisson)"}
    )
    _times(form)
    form.number("load.expected_latency_ms", "Expected latency (ms)", "Sizes the threads at the start")
    form.number("load.threads", "Threads to begin with", "Empty: from the latency")
    form.number("load.max_backlog_seconds", "Backlog at most (s)", "What arrives beyond is dropped")


def _search(form: Form) -> None:
    form.number("load.start_threads", "First step (threads)")
    form.number("load.increment", "Each step adds")
    form.number("load.step_duration_seconds", "Step lasts (s)")
    form.number("load.max_threads", "Threads at most", "Empty: no limit")
    form.number("load.qps_stability_pct", "QPS may fall by (%)", "Below the best step")
    form.number("load.latency_stability_pct", "p95 may rise by (%)", "Above the first step")
    form.number("load.max_error_rate_pct", "Errors at most (%)")
    form.number("load.warmup_seconds", "Warmup (s)")
    form.number("load.duration_seconds", "Search at most (s)", "Empty: what the steps need")


_LOAD_FIELDS: Final = {
    LoadMode.CONCURRENCY.value: _concurrency,
    LoadMode.QPS.value: _rate,
    LoadMode.FIND_MAX_CONCURRENCY.value: _search,
}


def _scaling_fields(form: Form) -> None:
    mode = form.draft.scaling_mode
    if mode == ScalingMode.FIXED.value:
        with Tag("div", cls="row", style="align-items: end; flex-wrap: nowrap"):
            form.number("scaling.min_workers", "Workers")
            heading(3, "×").restyle("muted")
            form.number("scaling.min_threads", "Threads each")
    elif mode == ScalingMode.BOUNDED.value:
        form.number("scaling.min_workers", "Workers at least")
        form.number("scaling.max_workers", "Workers at most")
        form.number("scaling.min_threads", "Threads each at least")
        form.number("scaling.max_threads", "Threads each at most")
        form.number("scaling.bounds_patience_intervals", "Patience at the bounds", "Missed intervals before the end")
    else:
        form.number("scaling.per_worker_cap", "Threads of one worker at most", "Empty: from the machine")
