"""Every arrival is counted once: as started, dropped or left over, in the phase in which it was due."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.domain.arrivals import RateCurve, Share
from upperbound.domain.phases import Phase
from upperbound.loadgen.backlog import LATE_NS, NEVER, Backlog, Pace

START = 10_000_000_000_000
MS = 1_000_000
S = 1_000_000_000
THOUSAND = Pace(RateCurve.flat(1_000), Share(0, 1), poisson=False, seed=0, backlog_s=1.0)


def begun(pace: Pace = THOUSAND, *, warmup_ns: int = 0, late_ns: int = 0) -> Backlog:
    backlog = Backlog(pace)
    backlog.plan(START, START + warmup_ns)
    backlog.begin(START + late_ns)
    return backlog


def test_nothing_waits_before_it_is_due() -> None:
    backlog = begun()
    backlog.admit(START + 3 * MS)
    assert list(backlog.waiting) == [START, START + MS, START + 2 * MS, START + 3 * MS]
    assert backlog.next_ns == START + 4 * MS


def test_what_finds_the_backlog_full_is_dropped_and_what_waits_keeps_its_place() -> None:
    backlog = begun(replace(THOUSAND, backlog_s=0.01))
    backlog.admit(START + 14 * MS)
    backlog.publish(START + 14 * MS, NEVER)
    figures = backlog.published[Phase.MEASUREMENT]
    assert (figures.offered, figures.dropped, figures.unstarted) == (15, 5, 10)
    assert backlog.take(START + 14 * MS) == START
    backlog.admit(START + 15 * MS)
    assert list(backlog.waiting)[-1] == START + 15 * MS


def test_late_is_what_starts_more_than_a_millisecond_after_it_was_due() -> None:
    backlog = begun()
    backlog.admit(START + MS)
    backlog.take(START + LATE_NS)
    backlog.take(START + MS + LATE_NS + 1)
    backlog.publish(START + MS, NEVER)
    figures = backlog.published[Phase.MEASUREMENT]
    assert (figures.started, figures.late) == (2, 1)


def test_the_warmup_leaves_nothing_waiting_for_the_measurement() -> None:
    backlog = begun(warmup_ns=10 * MS)
    backlog.admit(START + 9 * MS)
    backlog.take(START + 9 * MS)
    backlog.admit(START + 12 * MS)
    assert list(backlog.waiting) == [START + 10 * MS, START + 11 * MS, START + 12 * MS]
    backlog.take(START + 12 * MS)
    backlog.publish(START + 12 * MS, NEVER)
    warmup, measured = backlog.published[Phase.WARMUP], backlog.published[Phase.MEASUREMENT]
    assert (warmup.offered, warmup.started, warmup.unstarted) == (10, 1, 9)
    assert (measured.offered, measured.started, measured.unstarted) == (3, 1, 2)
    assert (warmup.expected, measured.expected) == pytest.approx((10, 2))


def test_the_warmup_leaves_nothing_waiting_even_before_the_first_arrival_of_the_measurement() -> None:
    backlog = Backlog(replace(THOUSAND, curve=RateCurve.flat(1.0), backlog_s=9.0))
    backlog.plan(START, START + 5 * S // 2)
    backlog.begin(START)
    backlog.admit(START + 5 * S // 2 - 1)
    assert list(backlog.waiting) == [START, START + S, START + 2 * S]
    assert backlog.border_ns == START + 5 * S // 2
    backlog.admit(backlog.border_ns)
    assert (list(backlog.waiting), backlog.next_ns, backlog.border_ns) == ([], START + 3 * S, NEVER)
    backlog.publish(START + 3 * S, NEVER)
    assert backlog.published[Phase.WARMUP].unstarted == 3
    assert backlog.published[Phase.MEASUREMENT].offered == 1


def test_the_stop_is_exact_and_what_waits_then_is_left_over() -> None:
    backlog = begun()
    stop = START + 5 * MS
    backlog.publish(START + 900 * MS, stop)
    figures = backlog.published[Phase.MEASUREMENT]
    assert (figures.offered, figures.unstarted) == (5, 5)
    assert figures.expected == pytest.approx(5)
    assert (backlog.next_ns, len(backlog.waiting)) == (NEVER, 0)


def test_a_worker_offers_nothing_that_was_due_before_it_began() -> None:
    backlog = begun(late_ns=5 * MS // 2)
    assert backlog.next_ns == START + 3 * MS
    at_random = replace(THOUSAND, poisson=True, seed=5, backlog_s=9.0)
    whole = begun(at_random)
    whole.admit(START + S)
    later = begun(at_random, late_ns=400 * MS)
    later.admit(START + S)
    assert list(later.waiting) == [due for due in whole.waiting if due >= START + 400 * MS]


def test_a_worker_that_joins_late_need_not_compute_what_was_before_it() -> None:
    backlog = begun(replace(THOUSAND, poisson=True), late_ns=10_000_000 * S)
    assert 0 <= backlog.next_ns - START - 10_000_000 * S < S


def test_what_is_changed_before_the_beginning_holds_from_the_beginning() -> None:
    backlog = Backlog(THOUSAND)
    backlog.offer(START - S, 100)
    backlog.share(START - S, Share(1, 2))
    backlog.plan(START, START)
    backlog.begin(START)
    backlog.publish(START + S, START + S)
    assert backlog.published[Phase.MEASUREMENT].offered == 50


def test_a_worker_without_a_share_offers_nothing_until_it_is_given_one() -> None:
    backlog = begun(replace(THOUSAND, share=None))
    backlog.admit(START + S // 2)
    backlog.share(START + S // 2, Share(1, 2))
    backlog.publish(START + S, START + S)
    figures = backlog.published[Phase.MEASUREMENT]
    assert (figures.offered, round(figures.expected)) == (250, 250)
    backlog = begun()
    backlog.share(START + S // 2, None)
    backlog.publish(START + S, START + S)
    assert backlog.published[Phase.MEASUREMENT].offered == 501


def test_without_a_plan_the_measurement_begins_at_once() -> None:
    backlog = Backlog(THOUSAND)
    backlog.begin(START)
    backlog.publish(START + S, START + S)
    assert backlog.published[Phase.MEASUREMENT].offered == 1_000


@given(
    st.lists(
        st.tuples(st.integers(1, 400), st.sampled_from([None, 0.0, 50.0, 1_000.0, 2_500.0]), st.integers(0, 300)),
        max_size=8,
    ),
    st.booleans(),
)
def test_every_arrival_is_counted_once_whatever_changes(
    steps: list[tuple[int, float | None, int]], poisson: bool
) -> None:
    pace = replace(THOUSAND, poisson=poisson, backlog_s=0.05, share=Share(1, 3))
    backlog, now, seen = begun(pace, warmup_ns=300 * MS), START, []
    for wait_ms, rate, takes in steps:
        now += wait_ms * MS
        backlog.admit(now)
        seen += [backlog.take(now) for _ in range(min(takes, len(backlog.waiting)))]
        if rate is not None:
            backlog.offer(now, rate)
    backlog.publish(now, now)
    total = backlog.published[Phase.WARMUP] + backlog.published[Phase.MEASUREMENT]
    assert seen == sorted(set(seen))
    assert total.started == len(seen)
    assert total.unstarted >= 0
    if not poisson:
        assert total.offered == pytest.approx(total.expected, abs=1 + len(steps))
    else:
        assert total.offered == pytest.approx(total.expected, abs=6 * (total.expected + 1) ** 0.5 + 1)


def test_workers_that_hear_of_a_change_together_offer_the_whole_rate() -> None:
    workers = [begun(replace(THOUSAND, share=Share(index, 2))) for index in range(2)]
    at = START + 333_333_333
    joined = Backlog(replace(THOUSAND, share=Share(2, 3)))
    for index, backlog in enumerate(workers):
        backlog.share(at, Share(index, 3))
    joined.plan(START, START)
    joined.begin(at)
    for backlog in (*workers, joined):
        backlog.publish(START + S, START + S)
    offered = [backlog.published[Phase.MEASUREMENT] for backlog in (*workers, joined)]
    assert sum(figures.offered for figures in offered) == 1_000
    assert sum(figures.expected for figures in offered) == pytest.approx(1_000)
