"""How much of a worker's silence a controller may hold against it.

The age of a heartbeat says how long a worker has not been heard from, whoever is to blame. While the store is away no
worker can be heard, and a controller that has just come cannot know whether it was: both would take healthy workers for
dead. So a worker is judged by the silence that the controller has watched itself.
"""

from dataclasses import dataclass
from typing import Final

BREAK_S: Final = 10.0
"""Between two looks at the heartbeats: from here on the watch begins anew. Shorter than that is a slow tick."""
SURELY_GONE_S: Final = 120.0
"""A heartbeat of this age is an ended worker's, whatever the store has done: a worker ends after 60 s without it."""


@dataclass(frozen=True)
class Watch:
    """An unbroken series of looks at the heartbeats; times are seconds of one steady clock of the controller."""

    since_s: float
    """The first look."""
    last_s: float
    """The latest look."""

    @property
    def lasted_s(self) -> float:
        """How long the series has been unbroken."""
        return self.last_s - self.since_s


def look(watch: Watch | None, now_s: float) -> Watch:
    """Return the watch after a look that has succeeded at ``now_s``; the first look of a controller has none before."""
    if watch is None or now_s - watch.last_s >= BREAK_S:
        return Watch(now_s, now_s)
    return Watch(watch.since_s, now_s)


def silence_s(heartbeat_age_s: float, watched_for_s: float) -> float:
    """Return for how many seconds a worker is known to be silent through no fault of the store or the controller."""
    return heartbeat_age_s if heartbeat_age_s >= SURELY_GONE_S else min(heartbeat_age_s, watched_for_s)
