"""The load over the time of a run, as data: threads or a rate in straight lines, and what of it is due when.

Time is seconds since the start of the run; warmup comes first, and stages are told from the start of the measurement.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise


@dataclass(frozen=True)
class Change:
    """One stage: a way to a new load."""

    at_s: float
    """When it begins, since the start of the measurement."""
    goal: float
    """Threads, or operations per second, of the whole run."""
    ramp_s: float = 0.0
    """How long the way takes; 0 for a step."""

    @property
    def end_s(self) -> float:
        """When the goal is reached, since the start of the measurement."""
        return self.at_s + self.ramp_s


@dataclass(frozen=True)
class Segment:
    """A straight line, over the times in [begin_s, end_s)."""

    begin_s: float
    end_s: float
    first: float
    """The load at its begin."""
    last: float
    """The load that it comes to at its end."""


@dataclass(frozen=True)
class Profile:
    """A load over time in straight lines; before the first and after the last point it stays as it is there."""

    points: tuple[tuple[float, float], ...]
    """Times, never going back, each with the load; two of one time make a step, of which the later one holds."""

    @cached_property
    def _times(self) -> tuple[float, ...]:
        return tuple(time_s for time_s, _ in self.points)

    def at(self, time_s: float) -> float:
        """Return the load at a time; where there is a step, the load after it."""
        after = bisect_right(self._times, time_s)
        if after == 0 or after == len(self.points):
            return self.points[min(after, len(self.points) - 1)][1]
        (begin_s, first), (end_s, last) = self.points[after - 1], self.points[after]
        return first + (last - first) * (time_s - begin_s) / (end_s - begin_s)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The lines that take time, in order and without a gap."""
        return tuple(
            Segment(begin_s, end_s, first, last)
            for (begin_s, first), (end_s, last) in pairwise(self.points)
            if end_s > begin_s
        )

    @property
    def lowest(self) -> float:
        """The lowest load."""
        return min(load for _, load in self.points)

    @property
    def highest(self) -> float:
        """The highest load."""
        return max(load for _, load in self.points)


def profile(base: float, changes: Sequence[Change], *, warmup_s: float, total_s: float) -> Profile:
    """Return the load of a run that begins with ``base`` and goes through ``changes``, up to ``total_s``.

    ``total_s`` includes the warmup. What would come later is cut off.

    Raises :class:`ValueError` for a change that begins before the one ahead of it has come to its end.
    """
    points = [(0.0, float(base))]
    reached_s = 0.0
    for change in changes:
        if change.at_s < reached_s or change.ramp_s < 0:
            raise ValueError(f"a stage at {change.at_s} s begins before {reached_s} s, when the one ahead of it ends")
        points += [(warmup_s + change.at_s, points[-1][1]), (warmup_s + change.end_s, float(change.goal))]
        reached_s = change.end_s
    kept = [point for point in points if point[0] < total_s]
    end = Profile(tuple(points)).at(total_s) if len(kept) == len(points) else _before(points, total_s)
    return Profile((*kept, (total_s, end)))


def _before(points: Sequence[tuple[float, float]], time_s: float) -> float:
    """Return the load that the line up to ``time_s`` comes to, leaving out a step at that very time."""
    after = next(place for place, point in enumerate(points) if point[0] >= time_s)
    (begin_s, first), (end_s, last) = points[after - 1], points[after]
    return first + (last - first) * (time_s - begin_s) / (end_s - begin_s)


@dataclass(frozen=True)
class Due:
    """A stage whose time has come."""

    stage: int
    """Its place among the stages, from 0."""
    goal: float
    """What it comes to."""
    ramp_s: float
    """What is left of its ramp."""


def due(changes: Sequence[Change], measured_s: float, done: int) -> Due | None:
    """Return the stage to be told of ``measured_s`` seconds into the measurement; None when there is nothing new.

    ``done`` is how many stages have been told of. Only the newest whose time has come is returned: the goals of those
    before it hold no more. One that is told of late, by a tick or because its controller was gone, reaches its goal
    when it was to reach it, or at once. So what is due follows from the time and ``done`` alone, whoever asks.
    """
    begun = sum(change.at_s <= measured_s for change in changes)
    if begun <= done:
        return None
    newest = changes[begun - 1]
    return Due(begun - 1, newest.goal, max(0.0, newest.end_s - max(measured_s, newest.at_s)))
