"""Names and numbers that are stored or sent keep their meaning, and diagrams show the tables."""

from upperbound.domain.diagram import mermaid
from upperbound.domain.events import EventType
from upperbound.domain.outcomes import Outcome
from upperbound.domain.run_state import TERMINAL, TRANSITIONS, RunStatus


def test_outcomes_keep_their_numbers_and_labels() -> None:
    assert [(outcome.value, outcome.label) for outcome in Outcome] == [
        (0, "ok"),
        (1, "serialization_failure"),
        (2, "deadlock"),
        (3, "lock_timeout"),
        (4, "statement_timeout"),
        (5, "constraint"),
        (6, "connection_lost"),
        (7, "resource_exhausted"),
        (8, "auth"),
        (9, "syntax"),
        (10, "other"),
    ]


def test_events_have_the_names_of_the_control_plane() -> None:
    assert {event.value for event in EventType} == {
        "START",
        "STOP",
        "SET_PHASE",
        "SET_WORKER_TARGET",
        "SCALE_DOWN",
        "GUARDRAIL_WARNING",
    }


def test_a_diagram_shows_every_change_of_the_table_its_start_and_its_ends() -> None:
    lines = mermaid(TRANSITIONS, initial=RunStatus.PREPARED, terminal=TERMINAL).splitlines()
    assert lines[:3] == ["stateDiagram-v2", "    [*] --> PREPARED", "    PREPARED --> STARTING: START"]
    assert lines[-3:] == ["    COMPLETED --> [*]", "    CANCELLED --> [*]", "    FAILED --> [*]"]
    changes = [source for (source, _), target in TRANSITIONS.items() if source is not target]
    assert len(lines) == 2 + len(changes) + len(TERMINAL)
