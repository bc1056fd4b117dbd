"""The phases of a run, and the plan that says which one a moment belongs to."""

import math
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What a run is doing; every figure belongs to exactly one phase, and only MEASUREMENT enters final figures."""

    PREPARING = "PREPARING"
    """Before the first operation."""
    WARMUP = "WARMUP"
    """Load whose figures are shown, marked as such, and left out of the result."""
    MEASUREMENT = "MEASUREMENT"
    """Load whose figures are the result."""
    COOLDOWN = "COOLDOWN"
    """No new operations; those in flight end."""
    PROCESSING = "PROCESSING"
    """The load is over; logs and results are being collected."""
    COMPLETED = "COMPLETED"
    """Nothing more happens, however the run ended: the status says how."""


@dataclass(frozen=True)
class PhasePlan:
    """The planned lengths of warmup and measurement, in seconds from START_TIME.

    Raises :class:`ValueError` for a negative warmup, or a duration that is not a positive finite number.
    """

    warmup_s: float
    """Length of the warmup; 0 starts with the measurement."""
    duration_s: float
    """Length of the measurement, warmup not included."""

    def __post_init__(self) -> None:
        if not (self.warmup_s >= 0 and math.isfinite(self.warmup_s)):
            raise ValueError(f"warmup_s must be zero or more, not {self.warmup_s}")
        if not (self.duration_s > 0 and math.isfinite(self.duration_s)):
            raise ValueError(f"duration_s must be more than zero, not {self.duration_s}")

    @property
    def total_s(self) -> float:
        """Seconds from START_TIME to the planned end of the load."""
        return self.warmup_s + self.duration_s

    @property
    def first_phase(self) -> Phase:
        """The phase a run starts with: WARMUP, or MEASUREMENT when there is none."""
        return self.phase_at(0.0)

    def phase_at(self, elapsed_s: float) -> Phase:
        """Return the phase at ``elapsed_s`` seconds after START_TIME.

        The intervals are half-open: WARMUP in [0, w), MEASUREMENT in [w, w + d), COOLDOWN from w + d on. A negative
        time belongs to the first phase.
        """
        if elapsed_s >= self.total_s:
            return Phase.COOLDOWN
        if elapsed_s >= self.warmup_s or self.warmup_s == 0:
            return Phase.MEASUREMENT
        return Phase.WARMUP
