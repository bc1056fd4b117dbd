"""A worker is not taken for dead because the store was away or the controller has just come."""

import pytest

from upperbound.domain.watching import BREAK_S, SURELY_GONE_S, Watch, look, silence_s


def looks(*times_s: float) -> Watch:
    watch: Watch | None = None
    for now_s in times_s:
        watch = look(watch, now_s)
    assert watch is not None
    return watch


def test_a_controller_that_has_just_come_has_watched_nothing() -> None:
    assert looks(1000.0).lasted_s == 0.0


def test_looks_one_after_the_other_are_one_watch() -> None:
    assert looks(5.0, 6.0, 7.0, 7.0 + BREAK_S - 0.001).lasted_s == pytest.approx(11.999)


def test_a_break_begins_the_watch_anew() -> None:
    assert looks(5.0, 6.0, 6.0 + BREAK_S).lasted_s == 0.0
    assert looks(5.0, 6.0, 60.0, 61.0, 62.5).lasted_s == 2.5


@pytest.mark.parametrize(
    ("age_s", "watched_for_s", "counted_s"),
    [
        (0.4, 0.0, 0.0),
        (59.0, 600.0, 59.0),
        (61.0, 600.0, 61.0),
        (75.0, 0.0, 0.0),
        (75.0, 12.0, 12.0),
        (SURELY_GONE_S - 0.001, 1.0, 1.0),
        (SURELY_GONE_S, 1.0, SURELY_GONE_S),
        (90_000.0, 0.0, 90_000.0),
    ],
)
def test_silence_counts_while_it_is_watched_and_when_no_worker_outlives_it(
    age_s: float, watched_for_s: float, counted_s: float
) -> None:
    assert silence_s(age_s, watched_for_s) == counted_s


def test_a_heartbeat_that_is_younger_than_the_look_is_no_silence() -> None:
    assert silence_s(-0.2, 30.0) == -0.2
