"""What guardrails have done is shown live and in history, and nothing where a scenario sets none."""

from typing import Any

from tests.unit.report.rendering import words
from tests.unit.views.rows import completed, config, figures, heartbeat, kind, run_row

from upperbound.domain.guardrails import (
    GuardrailLevel,
    GuardrailLimits,
    GuardrailState,
    Reading,
    evaluate,
)
from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.report.live import live_display
from upperbound.report.terminal import result
from upperbound.store.runs import RunRow
from upperbound.views.live import LiveTracker
from upperbound.views.run_summary import RunSummary, build_summary


def lowered() -> dict[str, Any]:
    """Return the state after one worker was over for the patience."""
    state = GuardrailState()
    for second in range(1, 4):
        readings = [Reading("worker-0", second, 97.0, 20.0, 10), Reading("worker-1", second, 40.0, 20.0, 10)]
        state, _ = evaluate(state, readings, GuardrailLimits(), float(second))
    return state.to_json()


def row(*overrides: str, **changes: Any) -> RunRow:
    return run_row(scenario_config=config(*overrides).model_dump(mode="json"), **changes)


def summary(run: RunRow) -> RunSummary:
    parent, children = completed([figures({"UPDATE": kind([100])})])
    return build_summary(run, parent, children)


def test_a_run_without_guardrails_shows_none() -> None:
    assert summary(row()).guardrails is None


def test_guardrails_that_had_nothing_to_do_are_normal() -> None:
    shown = summary(row("guardrails.mode=soft")).guardrails
    assert shown is not None
    assert (shown.state, shown.workers_over, shown.actions) == (GuardrailLevel.NORMAL, (), ())


def test_every_action_is_in_the_result_with_its_time_and_reason() -> None:
    shown = summary(row("guardrails.mode=soft", guardrail_state=lowered())).model_dump(mode="json")["guardrails"]
    assert (shown["state"], shown["workers_over"], shown["threads_taken"]) == ("critical", ["worker-0"], 2)
    assert shown["actions"][1] == {
        "at_s": 3.0,
        "action": "SCALE_DOWN",
        "worker_id": "worker-0",
        "reason": "CPU 97 % (limit 80 %) for 3 intervals",
        "previous": 10,
        "new": 8,
    }


def test_a_worker_that_is_over_stands_out_while_the_run_goes_on() -> None:
    running = row("guardrails.mode=soft", status=RunStatus.RUNNING, phase=Phase.MEASUREMENT, guardrail_state=lowered())
    view = LiveTracker().update(running, [heartbeat(0), heartbeat(1)], {})
    assert "guardrails critical: worker-0 CPU 97 % (limit 80 %)" in words(live_display(view))
    calm = row("guardrails.mode=soft", status=RunStatus.RUNNING, phase=Phase.MEASUREMENT)
    assert "guardrails" not in words(live_display(LiveTracker().update(calm, [heartbeat(0)], {})))


def test_a_run_that_carried_less_than_its_plan_says_so_before_any_figure() -> None:
    reason = "SOFT_GUARDRAIL_DEGRADED: 2 threads taken back"
    assert f"Less than the plan was carried: {reason}" in words(result(summary(row(completion_reason=reason))))
    assert "Less than the plan" not in words(result(summary(row())))
