"""The top of a run's page: what it is, how far it is, and what can be done."""

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import TERMINAL, RunStatus
from upperbound.ui.components.html import Tag, heading
from upperbound.ui.components.phases import PhaseBubbles
from upperbound.ui.components.words import STATUS, clock
from upperbound.ui.phase_steps import steps_of

_PHASE_NAMES = {
    Phase.PREPARING: "Preparing",
    Phase.WARMUP: "Warmup",
    Phase.MEASUREMENT: "Running",
    Phase.COOLDOWN: "Running, ending",
    Phase.PROCESSING: "Processing",
    Phase.COMPLETED: "Phase",
}


class RunTitle:
    """The run's name with its state; yields a place for buttons."""

    def __init__(self, name: str, run_id: str, about: str) -> None:
        with Tag("div", cls="head"):
            with Tag("div", cls="grow"):
                with Tag("div", cls="row"):
                    heading(1, name)
                    with Tag("span", cls="tag", role="status") as self._tag:
                        self._glyph = Tag("span", "", "glyph", aria_hidden="true")
                        self._word = Tag("span", "")
                with Tag("p", cls="muted small anywhere"):
                    Tag("span", run_id, "mono")
                    Tag("span", f" · {about}")
            self.buttons = Tag("div", cls="row tight")

    def update(self, status: RunStatus) -> None:
        """Show the state."""
        word, glyph, cls = STATUS[status]
        self._tag.restyle(f"tag {cls}".strip()).attribute(data_status=status.value)
        self._glyph.say(glyph)
        self._word.say(word)


class Progress:
    """The bubbles with the two clocks: one for the run, which never stops or goes back, and one for the phase."""

    def __init__(self, *, warmup: bool) -> None:
        self._warmup = warmup
        self._reached: set[Phase] = set()
        self._shown_s = 0.0
        with (
            Tag("section", cls="panel", aria_label="Progress"),
            Tag("div", cls="body stack", style="padding-top: 1rem"),
        ):
            self._bubbles = PhaseBubbles()
            self._clocks = Tag("div", cls="clocks")
            with self._clocks:
                with Tag("div", cls="clock"):
                    Tag("span", "Total", "label")
                    self._total = Tag("span", clock(None), "value", data_clock="total")
                with Tag("div", cls="clock"):
                    self._phase_name = Tag("span", "Phase", "label")
                    self._phase = Tag("span", clock(None), "value", data_clock="phase")
            with Tag("div", cls="meter", aria_hidden="true"):
                self._meter = Tag("i", style="width: 0%")

    def update(
        self,
        status: RunStatus,
        phase: Phase,
        *,
        elapsed_s: float | None = None,
        phase_elapsed_s: float = 0.0,
        phase_total_s: float | None = None,
    ) -> None:
        """Show where the run is; ``elapsed_s`` None for one that has not started, which has no clock."""
        self._reached.add(phase)
        self._bubbles.update(steps_of(status, phase, warmup=self._warmup, reached=self._reached))
        over = status in TERMINAL and phase is Phase.COMPLETED
        if elapsed_s is None:
            return
        self._shown_s = max(self._shown_s, elapsed_s)
        self._total.say(clock(self._shown_s)).attribute(data_seconds=f"{self._shown_s:.3f}")
        self._phase_name.say(_PHASE_NAMES[phase])
        if over:
            self._phase.say("--:--")
        elif phase_total_s is None:
            self._phase.say(clock(phase_elapsed_s))
        else:
            self._phase.say(f"{clock(phase_elapsed_s)} / {clock(phase_total_s)}")
        share = 1.0 if over or not phase_total_s else min(1.0, phase_elapsed_s / phase_total_s)
        self._meter.attribute(style=f"width: {100 * share:.1f}%")
