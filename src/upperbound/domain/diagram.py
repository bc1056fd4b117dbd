"""State diagrams for the documentation, drawn from the transition tables so that they cannot be wrong.

``python -m upperbound.domain.diagram > docs/reference/states.md`` writes the page.
"""

import sys
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from upperbound.domain import run_state, worker_state
from upperbound.domain.run_state import RunStatus
from upperbound.domain.worker_state import WorkerExit, WorkerStatus

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


_PAGE: Final = """\
# States of a run and of a worker

This page is generated from the transition tables (`python -m upperbound.domain.diagram`). An event that a state
does not accept is an error and changes nothing. Events that leave a state as it is are not drawn: a stop is safe in
every state.

## Run

`RUN_STATUS.STATUS`, changed by compare-and-set, together with the event that tells the workers.

```mermaid
{run}
```

## Worker

The status in a worker's heartbeat.

```mermaid
{worker}
```

| exit code | means |
|---|---|
{codes}
"""


def states_page() -> str:
    """Return the reference page of all states, ending in a newline."""
    codes = [f"| {code.value} | {code.name.lower().replace('_', ' ')} |" for code in WorkerExit]
    return _PAGE.format(
        run=mermaid(run_state.TRANSITIONS, initial=RunStatus.PREPARED, terminal=run_state.TERMINAL),
        worker=mermaid(worker_state.TRANSITIONS, initial=WorkerStatus.STARTING, terminal=worker_state.TERMINAL),
        codes="\n".join(codes),
    )


if __name__ == "__main__":
    sys.stdout.write(states_page())
