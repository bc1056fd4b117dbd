"""How far the server's view covers a run, when it is asked again, and what is said in the end."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.enrichment import (
    RETRY_LIMIT_S,
    Attempted,
    Coverage,
    judge,
    may_try_again,
    total,
    wait_s,
)
from upperbound.domain.enrichment_status import EnrichmentStatus


def attempts_until_the_end(
    matched: Callable[[int], int], reached: int, *, omits_short: bool
) -> tuple[list[int], float]:
    """Play it through: what each attempt matched, and how long it took without the reading itself."""
    seen, elapsed_s = [matched(0)], 0.0
    while may_try_again(seen, Coverage(reached, seen[-1]), elapsed_s, omits_short=omits_short):
        elapsed_s += wait_s(len(seen))
        seen.append(matched(len(seen)))
        assert len(seen) < 1000, "it never ends"
    return seen, elapsed_s


def test_it_is_asked_until_nine_in_ten_are_known() -> None:
    seen, _ = attempts_until_the_end(lambda attempt: min(100, 30 * attempt), 100, omits_short=False)
    assert seen == [0, 30, 60, 90]


def test_history_that_comes_late_is_waited_for_though_nothing_new_came_for_long() -> None:
    seen, elapsed_s = attempts_until_the_end(lambda attempt: 100 if attempt >= 8 else 0, 100, omits_short=False)
    assert seen[-1] == 100
    assert elapsed_s > 100


@given(st.lists(st.integers(0, 89), min_size=1, max_size=50), st.booleans())
def test_it_ends_within_four_minutes_whatever_comes(matched: list[int], omits_short: bool) -> None:
    _, elapsed_s = attempts_until_the_end(
        lambda attempt: matched[min(attempt, len(matched) - 1)], 100, omits_short=omits_short
    )
    assert elapsed_s <= RETRY_LIMIT_S


def test_what_is_never_told_is_not_waited_for_long() -> None:
    seen, elapsed_s = attempts_until_the_end(lambda _: 3, 100, omits_short=True)
    assert (len(seen), elapsed_s) == (4, 14.0)


def test_where_short_statements_are_omitted_what_still_grows_is_waited_for() -> None:
    seen, _ = attempts_until_the_end(lambda attempt: min(50, 10 * attempt), 100, omits_short=True)
    assert seen == [0, 10, 20, 30, 40, 50, 50, 50, 50]


def test_nothing_is_asked_again_for_calls_that_never_arrived() -> None:
    assert not may_try_again([0], Coverage(0, 0), 0.0, omits_short=False)


@pytest.mark.parametrize(
    ("reached", "matched", "is_enough", "shown"),
    [
        (0, 0, False, False),
        (1000, 499, False, False),
        (1000, 500, False, True),
        (1000, 899, False, True),
        (10, 9, True, True),
    ],
)
def test_borders_of_coverage(reached: int, matched: int, is_enough: bool, shown: bool) -> None:
    coverage = Coverage(reached, matched)
    assert (coverage.is_enough, coverage.shows_percentiles) == (is_enough, shown)
    assert (coverage.withheld is None) == shown


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=6))
def test_parts_add_up(parts: list[tuple[int, int]]) -> None:
    coverages = [Coverage(max(pair), min(pair)) for pair in parts]
    together = total(coverages)
    assert together.reached == sum(one.reached for one in coverages)
    assert together.matched == sum(one.matched for one in coverages)
    assert together.pct is None or 0 <= together.pct <= 100


C, P, S, F = (
    EnrichmentStatus.COMPLETED,
    EnrichmentStatus.PARTIAL,
    EnrichmentStatus.SKIPPED,
    EnrichmentStatus.FAILED,
)


@pytest.mark.parametrize(
    ("attempted", "status", "says"),
    [
        (Attempted(Coverage(100, 95)), C, None),
        (Attempted(Coverage(0, 0)), S, "no call of the run has reached"),
        (Attempted(Coverage(100, 60), waited_s=240), P, r"60 of the 100 calls, 60.0 %; .* asked for 240 s"),
        (Attempted(Coverage(100, 0), waited_s=240), F, "none of the 100 calls; .*MONITOR on the warehouse"),
        (Attempted(Coverage(100, 0), problem="the account cannot be reached"), F, "account cannot be reached"),
        (Attempted(Coverage(100, 20), problem="the session broke"), P, "20 of the 100 .*; the session broke"),
        (Attempted(Coverage(100, 0), interrupted=True), P, "interrupted; run it again"),
        (Attempted(Coverage(100, 99), crowded=2), P, "in 2 milliseconds"),
        (Attempted(Coverage(100, 3), 100, omits_short=True), C, "by the minute has 100 statements"),
        (Attempted(Coverage(100, 3), 89, omits_short=True), P, "has 89 statements so far: it lags up to 3 hours"),
        (Attempted(Coverage(100, 0), 0, omits_short=True), P, "nothing of the run yet: it lags up to 3 hours"),
        (Attempted(Coverage(100, 0), None, "GRANT it", omits_short=True), P, "cannot be read: GRANT it"),
        (Attempted(Coverage(100, 3), 100, omits_short=True, interrupted=True), P, "interrupted"),
        (Attempted(Coverage(100, 3), omits_short=True, interrupted=True), P, "by the minute was not read"),
    ],
)
def test_what_came_of_it_is_said_in_words(attempted: Attempted, status: EnrichmentStatus, says: str | None) -> None:
    found, reason = judge(attempted)
    assert found is status
    if says is None:
        assert reason is None
    else:
        assert reason is not None

        assert re.search(says, reason), reason
