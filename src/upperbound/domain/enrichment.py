"""How far a run's calls are covered by what the server tells, whether to ask it again, and what came of it in the end.

A call is an operation as a worker has recorded it. The server's history is matched by the id of its statement; it may
come late, and may never come for some.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from upperbound.domain.enrichment_status import EnrichmentStatus

ENOUGH_PCT: Final = 90.0
"""Coverage from which nothing more is waited for."""
SHOWN_FROM_PCT: Final = 50.0
"""Coverage below which percentiles of what is known are not shown: the rest may be of another kind."""
RETRY_LIMIT_S: Final = 240.0
"""After this long no other attempt is begun."""
FIRST_WAIT_S: Final = 2.0
LONGEST_WAIT_S: Final = 30.0
SETTLED_AFTER: Final = 3
"""Attempts in a row that bring nothing new, after which nothing is waited for that the server never tells."""


@dataclass(frozen=True)
class Coverage:
    """How many calls have reached the server, and how many of them it tells of."""

    reached: int = 0
    """Those that succeeded, and failed ones of which the server has told an id."""
    matched: int = 0
    """Those of them that are in what the server tells."""

    @property
    def pct(self) -> float | None:
        """The share that is matched, 0 to 100; None when nothing has reached the server."""
        return 100.0 * self.matched / self.reached if self.reached else None

    @property
    def is_enough(self) -> bool:
        """Whether nothing more is waited for."""
        return self.pct is not None and self.pct >= ENOUGH_PCT

    @property
    def shows_percentiles(self) -> bool:
        """Whether percentiles of what is matched say something about the whole."""
        return self.pct is not None and self.pct >= SHOWN_FROM_PCT

    @property
    def withheld(self) -> str | None:
        """Why percentiles are not shown; None when they are."""
        if self.shows_percentiles:
            return None
        if self.pct is None:
            return "no call has reached the server"
        return (
            f"the server tells of {self.pct:.1f} % of the calls, and percentiles are shown from {SHOWN_FROM_PCT:.0f} %"
        )

    def __add__(self, other: "Coverage") -> "Coverage":
        return Coverage(self.reached + other.reached, self.matched + other.matched)


def total(parts: Iterable[Coverage]) -> Coverage:
    """Return the coverage of all parts together."""
    return sum(parts, Coverage())


def wait_s(attempts: int) -> float:
    """Return how long to wait after so many attempts: each time twice as long, and :data:`LONGEST_WAIT_S` at most."""
    return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts - 1, 10)))


def may_try_again(matched: list[int], coverage: Coverage, elapsed_s: float, *, omits_short: bool) -> bool:
    """Say whether the history is read another time, after the wait of :func:`wait_s`.

    ``matched`` is how many calls each attempt has matched, ``coverage`` what the last one covers. History comes late,
    so that an attempt which brings nothing new is no reason to give up; but a server that ``omits_short`` statements
    never tells of them, and is left alone when :data:`SETTLED_AFTER` attempts in a row have brought nothing.
    """
    if coverage.is_enough or not coverage.reached:
        return False
    if elapsed_s + wait_s(len(matched)) > RETRY_LIMIT_S:
        return False
    last = matched[-SETTLED_AFTER - 1 :]
    settled = len(last) > SETTLED_AFTER and last[0] == last[-1]
    return not (omits_short and settled)


@dataclass(frozen=True)
class Attempted:
    """How reading the history has gone."""

    coverage: Coverage
    minutes_calls: int | None = None
    """Calls in the history by the minute; None where it is not asked for, as the other one omits nothing."""
    minutes_problem: str | None = None
    """Why the history by the minute could not be read."""
    omits_short: bool = False
    waited_s: float = 0.0
    interrupted: bool = False
    """Whether it was told to stop before it was through."""
    problem: str | None = None
    """Why reading the history had to be given up."""
    crowded: int = 0
    """How many milliseconds had more statements of the account than can be listed."""


def judge(attempted: Attempted) -> tuple[EnrichmentStatus, str | None]:
    """Return what came of it, and why, in words that say what to do; None for what needs none.

    COMPLETED is at least :data:`ENOUGH_PCT` of the calls, by the minute where that is all there is.
    """
    coverage = attempted.coverage
    if not coverage.reached:
        return (
            EnrichmentStatus.SKIPPED,
            "no call of the run has reached the server, so there is nothing to ask it about",
        )
    if coverage.is_enough and not attempted.crowded:
        return EnrichmentStatus.COMPLETED, None
    said = [_what_is_known(attempted)]
    if attempted.crowded:
        said.append(
            f"in {attempted.crowded} milliseconds the account ended more statements than the history lists at once"
        )
    if attempted.problem:
        said.append(attempted.problem)
    if attempted.interrupted:
        said.append("it was interrupted; run it again to go on")
    if attempted.omits_short:
        covered = _by_the_minute(attempted, said)
        if covered and not attempted.interrupted and not attempted.problem:
            return EnrichmentStatus.COMPLETED, "; ".join(said)
    elif not attempted.problem and not attempted.interrupted:
        said.append(
            f"the history was asked for {attempted.waited_s:.0f} s; what comes later can be fetched by running it again"
            if coverage.matched
            else "it may come later, or the role may not see it: grant it MONITOR on the warehouse, and run it again"
        )
    known = coverage.matched or attempted.minutes_calls
    if not known and attempted.omits_short and not attempted.problem:
        return EnrichmentStatus.PARTIAL, "; ".join(said)
    return EnrichmentStatus.PARTIAL if known or attempted.interrupted else EnrichmentStatus.FAILED, "; ".join(said)


def _what_is_known(attempted: Attempted) -> str:
    coverage = attempted.coverage
    if not coverage.matched:
        return f"the server's history has none of the {coverage.reached} calls"
    return f"the server's history has {coverage.matched} of the {coverage.reached} calls, {coverage.pct:.1f} %"


def _by_the_minute(attempted: Attempted, said: list[str]) -> bool:
    """Add what the history by the minute brings, and say whether it covers enough."""
    said.append("short statements on hybrid tables mostly leave no record in it")
    reached = attempted.coverage.reached
    if attempted.minutes_problem:
        said.append(f"the history by the minute cannot be read: {attempted.minutes_problem}")
    elif attempted.minutes_calls is None:
        said.append("the history by the minute was not read")
    elif not attempted.minutes_calls:
        said.append("the history by the minute has nothing of the run yet: it lags up to 3 hours; run it again then")
    elif attempted.minutes_calls < reached * ENOUGH_PCT / 100:
        said.append(
            f"the history by the minute has {attempted.minutes_calls} statements so far: it lags up to 3 hours; "
            "run it again then"
        )
    else:
        said.append(f"the history by the minute has {attempted.minutes_calls} statements")
        return True
    return False
