"""The kinds of events in ``RUN_CONTROL_EVENTS``."""

from enum import StrEnum


class EventType(StrEnum):
    """What a control event tells its workers; targets and phases in events are absolute, never differences."""

    START = "START"
    """Begin to send load."""
    STOP = "STOP"
    """Stop sending, drain, write the last rows and exit: ``{reason, initiated_by, drain_timeout_seconds}``."""
    SET_PHASE = "SET_PHASE"
    """Count what follows under another phase: ``{phase, effective_at?}``."""
    SET_WORKER_TARGET = "SET_WORKER_TARGET"
    """Use this many threads: ``{worker_id, target_threads, target_qps?, ramp_seconds, step_id?, reason}``."""
    SCALE_DOWN = "SCALE_DOWN"
    """Use fewer threads because a guardrail asks for it: ``{worker_id, previous, new, reason, detail}``."""
    GUARDRAIL_WARNING = "GUARDRAIL_WARNING"
    """A guardrail is crossed and nothing is changed yet; for the log and the live view."""
