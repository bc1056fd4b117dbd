"""A search is told of while it goes on and when it is over: the step, its verdict, the interval and what limits."""

from dataclasses import replace
from typing import Any

from tests.unit.domain.test_find_max import PLAN, Slots, figures, search
from tests.unit.report.rendering import plain, words
from tests.unit.views.rows import run_row

from upperbound.domain.find_max import FindMaxState, give_up
from upperbound.domain.run_state import RunStatus
from upperbound.report.find_max import find_max_line, find_max_result
from upperbound.views.find_max import FindMaxView, find_max_of, generator_alone


def view_of(state: FindMaxState, **changes: Any) -> FindMaxView:
    view = find_max_of(run_row(RunStatus.RUNNING, find_max_state=state.to_json(), **changes))
    assert view is not None
    return view


def test_a_run_that_does_not_search_has_no_search_to_show() -> None:
    assert find_max_of(run_row()) is None


def test_the_step_that_is_made_and_the_last_verdict_are_on_one_line() -> None:
    state = replace(search(Slots(30), steps=5), began_s=100.0)
    settling = find_max_line(view_of(state, elapsed_s=102.0))
    assert settling.startswith("step 6 (back off): 35 threads, settling for 2.0 s; last: 45 threads, 1,500 queries/s")
    assert settling.endswith("p95 30.0 ms, failed by latency")
    assert "measuring for 9.0 s" in find_max_line(view_of(replace(state, settled_s=103.0), elapsed_s=109.0))


def test_what_was_found_is_told_with_its_interval_its_limiter_and_every_step() -> None:
    state = search(Slots(30))
    view = view_of(state)
    text = words(find_max_result(view))
    assert f"TRUE_MAX between {view.low} and {view.high} threads" in text
    assert f"best {view.best_threads} threads" in text
    assert "limited by throughput knee: more than" in text
    rows = [line for line in plain(find_max_result(view)).splitlines() if line.strip()[:1].isdigit()]
    assert len(rows) == len(state.records) == len(view.steps)
    assert "latency: p95 30.00 ms, 50 % above" in text
    assert find_max_line(view).startswith(f"TRUE_MAX: between {view.low} and {view.high} threads")


def test_a_bound_says_at_least() -> None:
    view = view_of(search(Slots(100), replace(PLAN, max_threads=25)))
    text = words(find_max_result(view))
    assert f"BOUNDED_MAX at least {view.low} threads" in text
    assert "limited by threads: 25 threads are the most that were allowed" in text


def test_a_search_that_was_cut_short_says_so_and_shows_its_steps() -> None:
    text = words(find_max_result(view_of(search(Slots(30), steps=2))))
    assert "was cut short before it had an answer" in text
    assert "2 climb 15 750" in text


def test_a_search_in_which_nothing_passed_has_no_best() -> None:
    view = view_of(give_up(PLAN, search(lambda _: figures(0.0, failed=10))))
    assert view.best_threads is None
    assert "best -, -" in words(find_max_result(view))
    assert view.model_dump(mode="json")["steps"][0]["verdict"] == "failed"


def test_a_search_is_of_the_generator_alone_when_no_step_passed_before_it_gave_in() -> None:
    assert generator_alone(view_of(search(lambda _: figures(100.0, client_bound=True))))
    late = view_of(search(lambda threads: figures(50.0 * threads, client_bound=threads > 25)))
    assert not generator_alone(late)
    assert words(find_max_result(late)).count("BOUNDED_MAX between 25 and 26 threads") == 1
