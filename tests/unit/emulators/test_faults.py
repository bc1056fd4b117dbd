"""When a fault strikes."""

from typing import Any

import pytest
from tests.emulators.snowflake.faults import Fault, Faults


def strikes(count: int, text: str = "SELECT 1", **given: Any) -> list[bool]:
    fault = Fault("error", **given)
    return [fault.strike("query", text) for _ in range(count)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [True] * 4),
        ({"times": 2}, [True, True, False, False]),
        ({"skip": 1}, [False, True, True, True]),
        ({"skip": 1, "times": 1}, [False, True, False, False]),
        ({"pattern": "select"}, [True] * 4),
        ({"pattern": "^insert"}, [False] * 4),
        ({"place": "login"}, [False] * 4),
        ({"share": 0.0}, [False] * 4),
    ],
)
def test_a_fault_strikes_as_often_as_it_says(given: dict[str, Any], expected: list[bool]) -> None:
    assert strikes(4, **given) == expected


def test_a_share_strikes_the_same_statements_each_time_and_about_as_many_as_it_says() -> None:
    first, second, other = (strikes(1000, share=0.1, seed=seed) for seed in (1, 1, 2))
    assert first == second != other
    assert 60 <= sum(first) <= 140


def test_a_pattern_is_searched_across_lines_and_in_any_case() -> None:
    assert strikes(1, "copy into t\nfrom @stage", pattern="COPY INTO.*@stage") == [True]


def test_several_faults_strike_at_once_and_are_counted_apart() -> None:
    faults = Faults()
    assert faults.add({"action": "latency", "delay_ms": 1}) == 0
    assert faults.add({"action": "error", "times": 1}) == 1
    assert [fault.action for fault in faults.striking("query", "x")] == ["latency", "error"]
    assert [fault.action for fault in faults.striking("query", "x")] == ["latency"]
    assert faults.counts() == [{"matches": 2, "strikes": 2}, {"matches": 2, "strikes": 1}]
    faults.clear()
    assert faults.striking("query", "x") == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"action": "explode"}, "there is no fault 'explode'; there are error, latency, drop"),
        ({"action": "error", "place": "moon"}, "faults do not strike at 'moon'"),
        ({"action": "error", "often": 3}, "a fault has no often; it has action, code"),
        ({"action": "error", "strikes": 3}, "a fault has no strikes"),
    ],
)
def test_a_fault_that_there_is_not_is_refused_with_those_that_there_are(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Faults().add(given)
