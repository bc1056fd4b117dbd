"""What can go wrong in one simulated run, drawn from its seed."""

import random
from dataclasses import dataclass
from enum import StrEnum

MOST_PER_CALL = 0.03
LEAST_PER_CALL = 0.001


class Break(StrEnum):
    """A deliberate fault of the product, to show that the invariants can fail."""

    NO_LEASE = "no-lease"
    """Every controller is told that the lease is its own."""
    NO_CAS = "no-cas"
    """A change of status ignores which status was expected, and of whom."""
    DROP_EARLY_STOP = "drop-early-stop"
    """A STOP that is seen before the START is ignored."""
    DOUBLE_COUNT = "double-count"
    """What a lost worker has reported is added to the run's total twice."""
    LATE_QUERY = "late-query"
    """A worker goes on sending for half a second after the stop."""
    STALE_SEQUENCE = "stale-sequence"
    """An event's number is taken and the event inserted without a transaction around them."""
    NO_CLAIM = "no-claim"
    """Every controller that would start a worker is told that it may."""
    NO_ADOPTION = "no-adoption"
    """Nobody takes over a run whose controller has died."""
    FORGOTTEN_STAGE = "forgotten-stage"
    """A controller does not find in the events which stages were told of."""
    SILENT_GUARDRAIL = "silent-guardrail"
    """What a guardrail has done is kept without the event that tells of it."""


@dataclass(frozen=True)
class Faults:
    """How likely each fault is, per call to the store where nothing else is said, and until when faults happen."""

    until_s: float
    lost_call: float
    """The call never arrives."""
    lost_answer: float
    """The call is carried out, and the caller is told that it was not."""
    duplicated: float
    """A write is carried out twice."""
    delayed: float
    """A write is carried out later, after the caller has given up on it."""
    stale: float
    """A read is answered with what the same caller got the last time."""
    pause: float
    """The caller is held up around the call, for at most half a second."""
    stall: float
    """The caller is held up for as much as 40 s."""
    controller_crash: float
    worker_crash: float
    outages: tuple[tuple[float, float], ...]
    """From when until when the store is away."""
    kill_at_s: float | None
    """When a process is killed wherever it is."""
    slow_drain: bool
    """Queries in flight take long to end."""
    skew: float
    """The largest error of a host's clock rate, as a share."""
    late_worker: bool
    """A worker needs longer to get ready than the run waits for it."""
    workload_error: bool
    """A worker meets a fatal error of the target."""
    failed_launch: bool
    """A worker process cannot be started."""
    burning_hosts: bool
    """Hosts of workers have no time left for a while, in a run with guardrails."""
    held_up_launch: bool
    """The first controller that is about to start a worker that joins is held up for longer than its lease."""

    def away(self, now_s: float) -> bool:
        """Whether the store is away."""
        return any(begin <= now_s < end for begin, end in self.outages)


def draw_faults(rng: random.Random, until_s: float) -> Faults:
    """Draw the faults of one run: most kinds are absent from most runs, so that each is also met alone."""

    def rate(chance: float, most: float = MOST_PER_CALL) -> float:
        log_span = rng.uniform(0.0, 1.0)
        return LEAST_PER_CALL * (most / LEAST_PER_CALL) ** log_span if rng.random() < chance else 0.0

    return Faults(
        until_s=until_s,
        lost_call=rate(0.3),
        lost_answer=rate(0.3),
        duplicated=rate(0.3),
        delayed=rate(0.3),
        stale=rate(0.3),
        pause=rate(0.5, 0.05),
        stall=rate(0.15, 0.005),
        controller_crash=rate(0.35, 0.02),
        worker_crash=rate(0.1, 0.005),
        outages=_draw_outages(rng, until_s),
        kill_at_s=rng.uniform(0.0, until_s * 0.5) if rng.random() < 0.35 else None,
        slow_drain=rng.random() < 0.15,
        skew=rng.choice([0.0, 1e-4, 1e-2]),
        late_worker=rng.random() < 0.03,
        workload_error=rng.random() < 0.05,
        failed_launch=rng.random() < 0.03,
        burning_hosts=rng.random() < 0.25,
        held_up_launch=rng.random() < 0.1,
    )


def _draw_outages(rng: random.Random, until_s: float) -> tuple[tuple[float, float], ...]:
    if rng.random() < 0.75:
        return ()
    begin = rng.uniform(0.0, until_s * 0.5)
    lasts = rng.choice([rng.uniform(0.2, 3.0), rng.uniform(3.0, 30.0), rng.uniform(30.0, 90.0)])
    return ((begin, begin + lasts),)
