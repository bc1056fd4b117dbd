"""What a controller checks about its own host before it makes a run; the target is checked by its preflight."""

from pathlib import Path
from typing import Final

from upperbound.clock import Clock
from upperbound.domain.allocation import WorkerPlan
from upperbound.domain.clock_offset import ClockOffset, ClockSample, clock_offset
from upperbound.orchestrator.host_facts import HostFacts
from upperbound.orchestrator.log_space import log_bytes, require_room, room_warning
from upperbound.scenario.model import Scenario
from upperbound.store.engine import Store

_SAMPLES: Final = 3


def start_warnings(
    store: Store, clock: Clock, *, home: Path, scenario: Scenario, plan: WorkerPlan, facts: HostFacts
) -> tuple[str, ...]:
    """Check the disk and the store's clock before a run, and return what does not prevent it but may surprise.

    Takes a few round trips to the store. Raises :class:`ConfigurationError` when the disk has no room for a log, and
    :class:`StoreUnreachable` when the store does not answer.
    """
    require_room(home)
    found = [room_warning(home, log_bytes(scenario, plan, facts.cores))]
    if store.dialect != "sqlite":
        found.append(store_clock_offset(store, clock).warning("store"))
    return tuple(warning for warning in found if warning)


def store_clock_offset(store: Store, clock: Clock) -> ClockOffset:
    """Return how far the store's clock is from this host's."""
    samples = []
    # The first question may open a connection, and so has the longest round trip: it is never the one that counts.
    for _ in range(_SAMPLES):
        asked_at, started_ns = clock.utc_now(), clock.monotonic_ns()
        answer = store.now()
        samples.append(ClockSample(asked_at, answer, (clock.monotonic_ns() - started_ns) / 1e9))
    return clock_offset(samples)
