"""A run that did not offer its rate is found out, and one that did is left alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.offered import ArrivalFigures, rate_problems

COUNTS = st.integers(0, 10**9)
FIGURES = st.builds(ArrivalFigures, st.floats(0, 1e9), COUNTS, COUNTS, COUNTS, COUNTS)


def test_what_was_neither_sent_nor_dropped_is_left() -> None:
    figures = ArrivalFigures(100.0, offered=100, started=70, late=9, dropped=10)
    assert (figures.unstarted, figures.started_pct) == (20, 70.0)
    assert ArrivalFigures().started_pct is None


@given(FIGURES, FIGURES)
def test_figures_add_up_subtract_and_survive_json(one: ArrivalFigures, other: ArrivalFigures) -> None:
    both = one + other
    assert both.offered == one.offered + other.offered
    assert (both - one).started == other.started
    assert ArrivalFigures.from_json(json.loads(json.dumps(both.to_json()))) == both


def test_a_count_that_shrank_is_no_later_state() -> None:
    with pytest.raises(ValueError, match="earlier"):
        ArrivalFigures(offered=1) - ArrivalFigures(offered=2)


@pytest.mark.parametrize(
    ("figures", "poisson"),
    [
        (ArrivalFigures(30_000.0, 30_000, 30_000, 0, 0), False),
        (ArrivalFigures(30_000.0, 30_000, 29_850, 29_850, 0), False),
        (ArrivalFigures(100.4, 100, 100, 0, 0), False),
        (ArrivalFigures(10_000.0, 9_700, 9_700, 0, 0), True),
        (ArrivalFigures(), False),
    ],
)
def test_a_rate_that_was_offered_has_no_problems(figures: ArrivalFigures, poisson: bool) -> None:
    assert rate_problems(figures, poisson=poisson) == ()


@pytest.mark.parametrize(
    ("figures", "poisson", "said"),
    [
        (ArrivalFigures(30_000.0, 30_000, 29_999, 0, 1), False, "1 of 30,000 arrivals were dropped, the backlog full"),
        (ArrivalFigures(30_000.0, 30_000, 29_849, 0, 0), False, "only 29,849 of 30,000 arrivals were sent (99.5 %"),
        (ArrivalFigures(30_000.0, 29_849, 29_849, 0, 0), False, "only 29,849 arrivals were due where the rate comes"),
        (ArrivalFigures(10_000.0, 9_599, 9_599, 0, 0), True, "only 9,599 arrivals were due where the rate comes"),
    ],
)
def test_a_rate_that_was_not_offered_is_told_why(figures: ArrivalFigures, poisson: bool, said: str) -> None:
    (problem,) = rate_problems(figures, poisson=poisson)
    assert problem.startswith(said.replace("the backlog full", "the backlog being full"))
