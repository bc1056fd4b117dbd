"""What a load shows while it goes on: lines at a rate that can be read, and the time that is left."""

import io

import pytest
from rich.console import Console

from upperbound.cli.data_progress import LoadBar, LoadLines, LoadProgress, SilentLoad, make_load_progress
from upperbound.targets.datasets.dataset import Recipe
from upperbound.testing.manual_clock import ManualClock


def test_lines_come_once_a_second_and_for_the_last_row(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    lines = LoadLines("tpcb", clock)
    with lines:
        lines.planned(Recipe(2, 1), 1_000, 0)
        for _ in range(10):
            clock.advance(0.25)
            lines.loaded(100)
        lines.step("making keys")
    shown = capsys.readouterr().err.splitlines()
    assert shown == [
        "tpcb at scale 2: 1,000 rows",
        "tpcb: 100 of 1,000 rows, 400 rows/s, 2 s left",
        "tpcb: 500 of 1,000 rows, 400 rows/s, 1 s left",
        "tpcb: 900 of 1,000 rows, 400 rows/s, 0 s left",
        "tpcb: 1,000 of 1,000 rows, 400 rows/s, 0 s left",
        "tpcb: making keys …",
    ]


def test_rows_of_an_earlier_load_count_as_there_and_not_as_speed(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    lines = LoadLines("orders", clock)
    lines.planned(Recipe(1, 1), 1_000, 600)
    clock.advance(2)
    lines.loaded(100)
    assert capsys.readouterr().err.splitlines() == [
        "orders at scale 1: 1,000 rows, of which 600 are there from an earlier load",
        "orders: 700 of 1,000 rows, 50 rows/s, 6 s left",
    ]


def test_the_bar_shows_rows_and_rate() -> None:
    clock, screen = ManualClock(), io.StringIO()
    bar = LoadBar("ycsb", clock, Console(file=screen, force_terminal=True, width=120))
    with bar:
        bar.planned(Recipe(1, 1), 1_000, 0)
        clock.advance(1)
        bar.loaded(400)
    assert "400/1000" in screen.getvalue()
    assert "400 rows/s" in screen.getvalue()


@pytest.mark.parametrize("kind", [SilentLoad, LoadLines])
def test_a_load_that_is_stopped_says_whether_anything_is_left_to_go_on_with(kind: type[LoadProgress]) -> None:
    progress = kind("tpcb", ManualClock())
    assert progress.so_far() == "Nothing was loaded."
    progress.planned(Recipe(1, 1), 10, 0)
    assert "the same command, without --drop, goes on" in progress.so_far()


def test_what_is_shown_depends_on_who_looks(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(make_load_progress("tpcb", quiet=True, clock=ManualClock()), SilentLoad)
    piped = make_load_progress("tpcb", quiet=False, clock=ManualClock())
    assert isinstance(piped, LoadLines)
    silent = SilentLoad("tpcb", ManualClock())
    silent.planned(Recipe(1, 1), 10, 0)
    silent.loaded(10)
    assert capsys.readouterr().err == ""
