"""State diagrams for the documentation, drawn from the transition tables so that they cannot be wrong."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TypeVar

StateT = TypeVar("StateT", bound=StrEnum)
EventT = TypeVar("EventT", bound=StrEnum)


def mermaid(
    transitions: Mapping[tuple[StateT, EventT], StateT], *, initial: StateT, terminal: Collection[StateT]
) -> str:
    """Return a Mermaid ``stateDiagram-v2`` of ``transitions``, in the table's order and without a trailing newline.

    Events that change nothing are left out: they say what is safe, not where a state leads.
    """
    lines = ["stateDiagram-v2", f"    [*] --> {initial.value}"]
    lines += [
        f"    {source.value} --> {target.value}: {event.value}"
        for (source, event), target in transitions.items()
        if source is not target
    ]
    lines += [f"    {state.value} --> [*]" for state in type(initial) if state in terminal]
    return "\n".join(lines)
