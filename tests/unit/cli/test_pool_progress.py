"""Sampling is told while it goes on: by bars on a terminal, by lines elsewhere, and not where it must be quiet."""

import io

import pytest
from rich.console import Console

from upperbound.cli.pool_progress import PoolBars, PoolLines, PoolProgress, SilentPools, make_pool_progress
from upperbound.domain.value_pools import PoolNeed
from upperbound.testing.manual_clock import ManualClock

ID, KEY = PoolNeed('"t"', "id", 1_000_000), PoolNeed('"t"', "key", 10)


def sample(progress: PoolProgress, clock: ManualClock) -> None:
    with progress:
        progress.planned("public.t", [ID, KEY])
        progress.begun(ID)
        clock.advance(2)
        for _ in range(6):
            progress.sampled(ID, 10_000)
            clock.advance(0.4)
        progress.done(ID)
        progress.begun(KEY)
        progress.sampled(KEY, 3)
        clock.advance(0.1)
        progress.done(KEY)


def test_lines_come_once_a_second_while_a_column_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    sample(PoolLines(clock), clock)
    assert capsys.readouterr().err.splitlines() == [
        "Sampling values of public.t: id (up to 1,000,000), key (up to 10) …",
        "id: 10,000 of up to 1,000,000 values, 2 s",
        "id: 40,000 of up to 1,000,000 values, 3 s",
        "id: 60,000 values in 4.4 s",
        "key: 3 values in 0.1 s",
    ]


def test_what_is_complete_is_told_only_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    sample(make_pool_progress(quiet=False, clock=clock, each=False), clock)
    assert "values in" not in capsys.readouterr().err


def test_bars_say_that_the_server_sorts_and_how_many_values_have_come() -> None:
    clock, screen = ManualClock(), io.StringIO()
    bars = PoolBars(clock, Console(file=screen, force_terminal=True, width=120))
    sample(bars, clock)
    shown = screen.getvalue()
    assert "Sampling values of public.t" in shown
    assert "60,000 values in 4.4 s" in shown
    with bars:
        bars.planned("public.t", [ID])
        bars.begun(ID)
        bars._progress.refresh()
        assert "the server chooses and sorts" in screen.getvalue()
        bars.sampled(ID, 250_000)
        bars._progress.refresh()
        assert "250,000 of up to 1,000,000 values" in screen.getvalue()


def test_nothing_is_drawn_where_nothing_is_sampled() -> None:
    screen = io.StringIO()
    with PoolBars(ManualClock(), Console(file=screen, force_terminal=True)):
        pass
    assert screen.getvalue() == ""


def test_what_is_shown_depends_on_who_looks(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    assert isinstance(make_pool_progress(quiet=False, clock=clock), PoolLines)
    quiet = make_pool_progress(quiet=True, clock=clock)
    assert isinstance(quiet, SilentPools)
    sample(quiet, clock)
    assert capsys.readouterr().err == ""
