"""The way of a run as bubbles."""

from collections.abc import Sequence
from typing import Final

from upperbound.ui.components.html import Tag
from upperbound.ui.phase_steps import Step, StepState

_GLYPHS: Final = {StepState.DONE: "✓", StepState.FAILED: "✕", StepState.SKIPPED: "–"}


class PhaseBubbles:
    """Shows the steps; a change of state moves nothing."""

    def __init__(self) -> None:
        with Tag("ol", cls="phases", aria_label="Phases of the run"):
            self._items = [self._item(number) for number in range(1, 6)]

    def update(self, steps: Sequence[Step]) -> None:
        """Show these steps."""
        for number, (step, (item, dot, name, state)) in enumerate(zip(steps, self._items, strict=True), 1):
            item.restyle("" if step.state is StepState.AHEAD else step.state.value)
            item.attribute(aria_current="step" if step.state is StepState.NOW else None)
            dot.say(_GLYPHS.get(step.state, str(number)))
            name.say(step.name)
            state.say(f", {step.state.value}")

    def _item(self, number: int) -> tuple[Tag, Tag, Tag, Tag]:
        with Tag("li") as item:
            dot = Tag("span", str(number), "dot", aria_hidden="true")
            with Tag("span", cls="ellipsis", style="max-width: 100%"):
                name = Tag("span", "")
                state = Tag("span", "", "visually-hidden")
        return item, dot, name, state
