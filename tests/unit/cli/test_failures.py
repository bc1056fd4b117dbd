"""Errors are told completely, and without a traceback unless one is asked for."""

import io

import pytest

from upperbound.cli.failures import describe, show
from upperbound.errors import ConfigurationError, Problem, StoreUnreachable
from upperbound.scenario.problem import PlacedProblem


def shown(error: Exception, *, debug: bool = False) -> str:
    """Return what is printed."""
    stream = io.StringIO()
    show(error, debug=debug, stream=stream)
    return stream.getvalue()


def test_an_error_has_its_hint() -> None:
    assert describe(StoreUnreachable("the store is away", hint="is it running?")) == (
        "error: the store is away\nhint: is it running?"
    )


def test_every_problem_is_told_with_its_place_and_hint() -> None:
    problems = [
        PlacedProblem("load.treads", "unknown key", "did you mean threads?", place="line 7"),
        Problem("workload", "the weights add up to 99.00"),
    ]
    assert describe(ConfigurationError("a.yaml: 2 problems", problems=problems)) == (
        "error: a.yaml: 2 problems\n"
        "  - line 7: load.treads: unknown key\n"
        "    hint: did you mean threads?\n"
        "  - workload: the weights add up to 99.00"
    )


def test_a_traceback_is_shown_on_request_only() -> None:
    with pytest.raises(StoreUnreachable) as caught:
        raise StoreUnreachable("the store is away")
    assert "Traceback" in shown(caught.value, debug=True)
    assert "Traceback" not in shown(caught.value)


def test_a_defect_says_that_it_is_one() -> None:
    text = shown(ValueError("no such thing"))
    assert text.startswith("error: ValueError: no such thing\n")
    assert "defect in Upperbound" in text
