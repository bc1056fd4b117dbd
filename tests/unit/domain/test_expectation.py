"""What executions before the run say of an operation, for every expectation and every end."""

import itertools

import pytest

from upperbound.domain.expectation import TRIES, Attempt, AttemptEnd, Expect, Judgement, judge

NOTHING, ONE, MANY, UNCOUNTED = (Attempt(AttemptEnd.DONE, rows=rows) for rows in (0, 1, 7, None))
FAILED, REFUSED, SLOW, UNFIT = (
    Attempt(end, message="no") for end in (AttemptEnd.FAILED, AttemptEnd.REFUSED, AttemptEnd.TOO_SLOW, AttemptEnd.UNFIT)
)


def verdict(expect: Expect, *attempts: Attempt, varies: bool = True, in_time: bool = True) -> Judgement:
    return judge(expect, attempts, varies=varies, in_time=in_time)


@pytest.mark.parametrize(
    ("expect", "nothing", "one", "many"),
    [
        (Expect.ROWS, Judgement.OPEN, Judgement.AS_EXPECTED, Judgement.AS_EXPECTED),
        (Expect.ONE, Judgement.OPEN, Judgement.AS_EXPECTED, Judgement.TOO_MANY),
        (Expect.NONE, Judgement.AS_EXPECTED, Judgement.TOO_MANY, Judgement.TOO_MANY),
        (Expect.ANY, Judgement.AS_EXPECTED, Judgement.AS_EXPECTED, Judgement.AS_EXPECTED),
    ],
)
def test_each_expectation_allows_what_it_says(
    expect: Expect, nothing: Judgement, one: Judgement, many: Judgement
) -> None:
    assert [verdict(expect, attempt) for attempt in (NOTHING, ONE, MANY)] == [nothing, one, many]
    assert verdict(expect, UNCOUNTED) is Judgement.AS_EXPECTED


@pytest.mark.parametrize("tries", range(1, TRIES + 1))
def test_an_operation_finds_nothing_after_the_last_try_only(tries: int) -> None:
    expected = Judgement.OPEN if tries < TRIES else Judgement.TOO_FEW
    assert verdict(Expect.ROWS, *[NOTHING] * tries) is expected
    assert verdict(Expect.ANY, *[FAILED] * tries) is (Judgement.OPEN if tries < TRIES else Judgement.FAILS)


def test_the_same_values_are_not_tried_again_unless_the_moment_was_to_blame() -> None:
    assert verdict(Expect.ROWS, NOTHING, varies=False) is Judgement.TOO_FEW
    assert verdict(Expect.ROWS, FAILED, varies=False) is Judgement.OPEN
    assert verdict(Expect.ROWS, FAILED, NOTHING, varies=False) is Judgement.FAILS
    assert verdict(Expect.ROWS, *[FAILED] * TRIES, varies=False) is Judgement.FAILS


def test_one_execution_as_declared_is_enough_whatever_came_before() -> None:
    assert verdict(Expect.ROWS, NOTHING, FAILED, NOTHING, ONE) is Judgement.AS_EXPECTED
    assert verdict(Expect.ROWS, *[NOTHING] * (TRIES - 1), ONE, in_time=False) is Judgement.AS_EXPECTED


@pytest.mark.parametrize("expect", Expect)
def test_what_is_refused_for_good_fails_and_what_cannot_be_undone_is_unknown(expect: Expect) -> None:
    assert verdict(expect, REFUSED) is Judgement.FAILS
    assert verdict(expect, UNFIT) is Judgement.UNKNOWN


@pytest.mark.parametrize("expect", Expect)
def test_time_that_is_up_leaves_an_operation_unknown_unless_it_failed(expect: Expect) -> None:
    assert verdict(expect, SLOW) is Judgement.UNKNOWN
    assert verdict(expect, SLOW, varies=False, in_time=False) is Judgement.UNKNOWN
    assert verdict(expect, FAILED, SLOW) is Judgement.FAILS
    assert verdict(expect, FAILED, in_time=False) is Judgement.FAILS
    if not expect.allows(0):
        assert verdict(expect, NOTHING, NOTHING, in_time=False) is Judgement.UNKNOWN
        assert verdict(expect, NOTHING, SLOW) is Judgement.UNKNOWN
        assert verdict(expect, *[NOTHING] * TRIES, in_time=False) is Judgement.TOO_FEW


def test_the_tries_of_every_operation_come_to_an_end() -> None:
    ends = [NOTHING, ONE, MANY, UNCOUNTED, FAILED, REFUSED, SLOW, UNFIT]
    for expect, last, varies, in_time in itertools.product(Expect, ends, (True, False), (True, False)):
        assert verdict(expect, *[FAILED] * (TRIES - 1), last, varies=varies, in_time=in_time) is not Judgement.OPEN


@pytest.mark.parametrize("expect", Expect)
@pytest.mark.parametrize("rows", [0, 1, 2, 1000])
def test_what_exceeds_an_expectation_is_never_allowed(expect: Expect, rows: int) -> None:
    assert not (expect.is_exceeded(rows) and expect.allows(rows))
    assert expect.is_exceeded(rows + 1) or not expect.is_exceeded(rows)
