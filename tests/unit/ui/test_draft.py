"""A scenario that is being written."""

from decimal import Decimal

import pytest

from upperbound.errors import Problem
from upperbound.scenario.builtins import load_builtin
from upperbound.scenario.kinds import OperationKind, Preset
from upperbound.scenario.loader import builtin_names
from upperbound.scenario.params import PARAM_KINDS
from upperbound.ui.draft import Draft, draft_of, new_draft, number_or_text, problem_for, without_field
from upperbound.ui.params_text import SNIPPETS, WORDS, kind_of, param_of, text_of


@pytest.mark.parametrize("name", builtin_names())
def test_a_built_in_scenario_comes_out_of_the_editor_as_it_went_in(name: str) -> None:
    scenario = load_builtin(name).scenario
    verdict = draft_of(scenario).judge()
    assert verdict.problems == ()
    assert verdict.loaded is not None
    assert verdict.loaded.scenario == scenario


def demo() -> Draft:
    return draft_of(load_builtin("demo").scenario)


def places(draft: Draft) -> set[str]:
    return {problem.where for problem in draft.judge().problems}


def test_an_empty_page_names_what_is_missing() -> None:
    assert places(new_draft()) == {"name", "workload.operations"}


def test_what_was_typed_for_another_mode_is_kept_and_left_out() -> None:
    draft = demo()
    draft.set("scaling.mode", "BOUNDED")
    draft.set("scaling.max_workers", 4)
    draft.set("scaling.mode", "AUTO")
    draft.set("load.threads", 8)
    assert "max_workers" not in draft.document()["scaling"]
    assert "min_workers" not in draft.document()["scaling"]
    assert draft.judge().problems == ()
    draft.set("scaling.mode", "BOUNDED")
    assert draft.document()["scaling"]["max_workers"] == 4


def test_a_rate_has_no_think_time_and_a_search_has_steps() -> None:
    draft = demo()
    draft.set("scaling.mode", "AUTO")
    draft.set("load.mode", "QPS")
    assert places(draft) == {"load.target_qps"}
    draft.set("load.target_qps", 500)
    assert draft.judge().problems == ()
    draft.set("load.mode", "FIND_MAX_CONCURRENCY")
    draft.set("load.increment", 4)
    assert draft.judge().problems == ()
    assert not {"target_qps", "duration_seconds"} & set(draft.document()["load"])
    draft.set("load.mode", "QPS")
    assert draft.document()["load"]["duration_seconds"] == 20


def test_guardrails_belong_to_runs_whose_workers_may_change() -> None:
    draft = demo()
    draft.guarded = True
    assert not draft.guardrails_apply
    assert "guardrails" not in draft.document()
    draft.set("scaling.mode", "AUTO")
    draft.set("load.threads", 8)
    assert draft.document()["guardrails"]["max_cpu_percent"] == 80
    assert draft.judge().problems == ()


def test_weights_have_to_add_up_and_what_is_left_goes_to_the_next_operation() -> None:
    draft = demo()
    assert draft.weight == 100
    draft.set("workload.operations.0.weight_pct", 50.5)
    assert draft.weight == Decimal("90.5")
    assert any("100.00" in problem.message for problem in draft.judge().problems)
    draft.add_operation(OperationKind.GENERIC_SQL)
    assert draft.operations[-1]["weight_pct"] == 9.5
    assert draft.weight == 100


def test_a_weight_that_is_no_number_is_named() -> None:
    draft = demo()
    draft.set("workload.operations.0.weight_pct", "half")
    assert draft.weight is None
    assert "workload.operations.0.weight_pct" in places(draft)


def test_a_preset_gives_every_operation_its_weight() -> None:
    draft = demo()
    draft.apply_preset(Preset.READ_HEAVY)
    assert [one["weight_pct"] for one in draft.operations] == [80.0, 10.0, 3.0, 7.0]
    draft.apply_preset(Preset.CUSTOM)
    assert [one["weight_pct"] for one in draft.operations] == [80.0, 10.0, 3.0, 7.0]


def test_a_password_in_a_url_is_no_part_of_the_scenario() -> None:
    draft = new_draft()
    draft.set("target.url", "postgresql://me:secret@db/shop")
    assert "secret" not in repr(draft.judge())


def test_problems_stand_beside_the_field_of_their_place() -> None:
    fields = ["workload.operations.0", "workload.operations.0.sql", "load.threads"]
    problems = [Problem("workload.operations.0.sql", "is empty", "write a statement"), Problem("tags", "is odd")]
    assert problem_for("workload.operations.0.sql", problems, fields) == "is empty (write a statement)"
    assert problem_for("workload.operations.0", problems, fields) is None
    assert problem_for("load.threads", problems, fields) is None
    assert without_field(problems, fields) == [problems[1]]


def test_a_problem_inside_a_parameter_stands_beside_the_parameter() -> None:
    problems = [Problem("workload.operations.0.params.0.range", "is the wrong way round")]
    fields = ["workload.operations.0.params.0", "workload.operations.0.params.1"]
    assert problem_for(fields[0], problems, fields) == "is the wrong way round"
    assert problem_for(fields[1], problems, fields) is None


@pytest.mark.parametrize(
    ("typed", "kept"), [("", None), (" 8 ", 8), ("2.5", 2.5), ("-1", -1), ("many", "many"), ("1e3", "1e3")]
)
def test_numbers_are_numbers_and_anything_else_is_left_for_the_checks_to_name(typed: str, kept: object) -> None:
    assert number_or_text(typed) == kept


def test_every_kind_of_parameter_can_be_chosen() -> None:
    assert set(SNIPPETS) == set(WORDS) == set(PARAM_KINDS)


@pytest.mark.parametrize("kind", SNIPPETS)
def test_what_a_parameter_of_each_kind_begins_with_is_accepted(kind: str) -> None:
    draft = demo()
    snippet = param_of(SNIPPETS[kind])
    assert kind_of(snippet) == kind
    assert param_of(text_of(snippet)) == snippet
    first = param_of(SNIPPETS["range"])
    params = [first, snippet] if kind == "offset_from" else [snippet]
    marks = " AND ".join(f"id = ${number}" for number in range(1, len(params) + 1))
    operation = {"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": f"SELECT 1 FROM {{table}} WHERE {marks}"}
    draft.replace_operations([{**operation, "params": params}])
    assert draft.judge().problems == ()


@pytest.mark.parametrize("text", ["range: [1", "}{", "&a *a", "!!python/object:os.system x", ""])
def test_a_line_that_is_no_parameter_is_named_and_nothing_more(text: str) -> None:
    draft = demo()
    draft.set("workload.operations.0.params", [param_of(text)])
    assert any(place.startswith("workload.operations.0") for place in places(draft))
