"""The parameters that expressions become have, all of them together, exactly the values that pgbench would draw."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upperbound.scenario.pgbench.binding import bind
from upperbound.scenario.pgbench.draws import Draw
from upperbound.scenario.pgbench.evaluation import evaluate, truth
from upperbound.scenario.pgbench.expressions import Constant, Expression, Value, parse_expression
from upperbound.scenario.pgbench.fault import ExpressionError
from upperbound.scenario.pgbench.forms import draws_in, probability
from upperbound.scenario.pgbench.parameters import plan_parameters

Joint = dict[tuple[Value, ...], Fraction]


def bound(*lines: str) -> dict[str, Expression]:
    """Return what variables stand for after lines such as ``x random(1, 9)``, as ``\\set`` has them."""
    scope: dict[str, Expression] = {}
    for line in lines:
        name, _, text = line.partition(" ")
        scope[name] = bind(parse_expression(text), scope.__getitem__)
    return scope


def drawn(expressions: Sequence[Expression], condition: Expression | None = None) -> Joint:
    """Return how likely all combinations of values are, by going through every random number."""
    draws = draws_in(*expressions, *([condition] if condition is not None else []))
    joint: Joint = defaultdict(Fraction)
    for values in itertools.product(*(range(draw.low, draw.high + 1) for draw in draws)):
        numbers = dict(zip(draws, values, strict=True))
        if condition is None or truth(evaluate(condition, numbers)):
            joint[tuple(evaluate(expression, numbers) for expression in expressions)] += 1
    total = sum(joint.values())
    return {values: count / total for values, count in joint.items()}


def made(params: tuple[dict[str, Any], ...]) -> Joint:
    """Return how likely all combinations of values of parameters are."""
    joint: Joint = {(): Fraction(1)}
    for param in params:
        longer: Joint = defaultdict(Fraction)
        for before, likelihood in joint.items():
            values = single(param, before)
            for value, share in values:
                longer[(*before, value)] += likelihood * share
        joint = longer
    return dict(joint)


def single(param: dict[str, Any], before: tuple[Value, ...]) -> list[tuple[Value, Fraction]]:
    if "weighted" in param:
        total = sum(Fraction(item["weight"]) for item in param["weighted"])
        return [(item["value"], Fraction(item["weight"]) / total) for item in param["weighted"]]
    if "offset_from" in param:
        offset = param["offset_from"]
        low, high = offset["by"] if isinstance(offset["by"], list) else (offset["by"], offset["by"])
        base = before[offset["parameter"] - 1]
        assert isinstance(base, int)
        listed: list[Value] = [base + added for added in range(low, high + 1)]
    else:
        low, high = param.get("range", (1, 0))
        listed = param.get("choice") or list(range(low, high + 1))
    return [(value, Fraction(1, len(listed))) for value in listed]


@pytest.mark.parametrize(
    ("lines", "used", "params"),
    [
        (["a random(1, 9)"], "a", [{"range": [1, 9]}]),
        (["a random(1, 9) + 5 - 1"], "a", [{"range": [5, 13]}]),
        (["a 10 - random(1, 9)"], "a", [{"range": [1, 9]}]),
        (["a random_gaussian(1, 9, 3) * -1"], "a", [{"gaussian": {"range": [-9, -1], "deviations": 3}}]),
        (["a random_zipfian(0, 8, 1.5) + 1"], "a", [{"zipf": {"range": [1, 9], "exponent": 1.5}}]),
        (["a random_exponential(0, 8, 2.5) + 1"], "a", [{"exponential": {"range": [1, 9], "decay": 2.5}}]),
        (["a random(1, 3) * 10"], "a", [{"choice": [10, 20, 30]}]),
        (["b random(1, 5)", "a (:b - 1) * 1000 + random(1, 1000)"], "a", [{"range": [1, 5000]}]),
        (
            ["a random(1, 100)", "b :a + 9"],
            "ba",
            [{"range": [10, 109]}, {"offset_from": {"parameter": 1, "by": -9}}],
        ),
        (
            ["a random_zipfian(1, 100, 2)", "b random(:a, :a + 9)", "c :b + 1"],
            "abc",
            [
                {"zipf": {"range": [1, 100], "exponent": 2}},
                {"offset_from": {"parameter": 1, "by": [0, 9]}},
                {"offset_from": {"parameter": 2, "by": 1}},
            ],
        ),
        (["a random(1, 10)", "b case when :a <= 9 then 7 else 0 end"], "b", None),
        (["a random(0, 1) = 1"], "a", [{"choice": [False, True]}]),
        (["a random(1, 3) / 4.0"], "a", [{"choice": [0.25, 0.5, 0.75]}]),
        (["a random(1, 2) * 0 + 5"], "a", [{"range": [5, 5]}]),
    ],
)
def test_expressions_become_the_plainest_parameters(
    lines: list[str], used: str, params: list[dict[str, Any]] | None
) -> None:
    scope = bound(*lines)
    planned = plan_parameters([scope[name] for name in used])
    assert not planned.faults
    assert list(planned.params) == (params or [{"weighted": [{"value": 7, "weight": 9}, {"value": 0, "weight": 1}]}])


@pytest.mark.parametrize(
    ("lines", "used", "wrong"),
    [
        (["a random(1, 9)", "b :a * 2"], "ab", {1}),
        (["a random(1, 9)", "b 10 - :a"], "ab", {1}),
        (["a random(1, 9)", "b random(1, 9)", "c :a + :b"], "abc", {2}),
        (["a random(1, 100000) * random(1, 100000)"], "a", {0}),
        (["a random_zipfian(1, 100000, 1.5) * 2"], "a", {0}),
        (["a 9 - random_zipfian(1, 100000, 1.5)"], "a", {0}),
        (["a random_zipfian(1, 9, 11)"], "a", {0}),
        (["a random_gaussian(1, 9, 1001)"], "a", {0}),
        (["a random(1, 9) / (random(1, 2) - 1)"], "a", {0}),
        (["a 9223372036854775800 + random(1, 9)"], "a", {0}),
        (["a random(1, 2000) * 3"], "a", {0}),
        (["a ln(random(0, 3))"], "a", {0}),
    ],
)
def test_what_no_parameter_has_is_named(lines: list[str], used: str, wrong: set[int]) -> None:
    scope = bound(*lines)
    planned = plan_parameters([scope[name] for name in used])
    assert {place for place, _ in planned.faults} == wrong
    assert all(error.hint for _, error in planned.faults)
    assert planned.params == ()


def test_a_range_as_wide_as_another_random_number_is_refused() -> None:
    with pytest.raises(ExpressionError, match="width of the range"):
        bound("a random(1, 9)", "b random(1, :a)")


SUMS = st.lists(
    st.tuples(
        st.sampled_from(["random(1, 3)", "random(0, 1)", "random(-2, 2)", "random(4, 4)", "7", ":v", ":v"]),
        st.sampled_from(["", "", "", "", "-", "2 * ", "3 * "]),
    ),
    min_size=1,
    max_size=3,
)
OTHERS = st.sampled_from(
    ["case when :v > 1 then 5 else :v end", "abs(:v)", ":v % 2", ":v / 2.0", ":v = 1", "greatest(:v, 2)"]
)


@st.composite
def scripts(draw: st.DrawFn) -> list[str]:
    """Draw lines that set ``v0``, ``v1`` … from random numbers and from each other."""
    lines = ["v0 random(1, 4)"]
    for number in range(1, draw(st.integers(1, 4))):
        text = draw(OTHERS) if draw(st.integers(0, 4)) == 0 else " + ".join(f + t for t, f in draw(SUMS))
        lines.append(f"v{number} {text.replace(':v', f':v{draw(st.integers(0, number - 1))}')}")
    return lines


@settings(max_examples=400, deadline=None)
@given(scripts(), st.data())
def test_parameters_together_are_as_likely_as_what_pgbench_draws(lines: list[str], data: st.DataObject) -> None:
    try:
        scope = bound(*lines)
    except ExpressionError:
        return  # such as an operator on a truth value, which pgbench refuses as well
    random = [value for value in scope.values() if not isinstance(value, Constant)]
    used = list({id(value): value for value in data.draw(st.permutations(random))}.values())
    planned = plan_parameters(used)
    if planned.faults:
        return
    try:
        wanted = drawn(used)
    except ExpressionError:
        raise AssertionError("pgbench would refuse this, and it was taken") from None
    numbers = [number - 1 for number in planned.numbers]
    found: Joint = defaultdict(Fraction)
    for values, likelihood in made(planned.params).items():
        found[tuple(values[number] for number in numbers)] += likelihood
    assert found == wanted


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([":a <= 3", ":a = 2 or :a > 5", ":a + :b > 4", ":b = 1", "not (:a < 6)"]),
    st.sampled_from(["a", "b"]),
)
def test_values_under_a_condition_are_as_likely_as_where_it_holds(text: str, used: str) -> None:
    scope = bound("a random(1, 6)", "b random(1, 3)")
    condition = bind(parse_expression(text), scope.__getitem__)
    planned = plan_parameters([scope[used]], [(condition, True)])
    assert not planned.faults
    assert made(planned.params) == drawn([scope[used]], condition)
    assert probability([(condition, True)]) + probability([(condition, False)]) == 1


def test_conditions_on_different_numbers_are_not_gone_through_together() -> None:
    scope = bound("a random(1, 20000)", "b random(1, 20000)", "c random(1, 20000)")
    conditions = [(bind(parse_expression(f":{name} <= 10000"), scope.__getitem__), True) for name in "abc"]
    assert probability(conditions) == Fraction(1, 8)
    assert plan_parameters([scope["c"]], conditions).params == ({"range": [1, 10_000]},)


@pytest.mark.parametrize("function", ["random_zipfian", "random_gaussian", "random_exponential"])
def test_the_shares_of_an_uneven_number_add_up(function: str) -> None:
    weights = Draw(function, 1, 50, 2.5).weights()
    assert len(weights) == 50
    assert all(weight > 0 for weight in weights)
    middle = len(weights) // 2
    assert (max(weights) == weights[0]) == (function != "random_gaussian")
    assert weights[middle] > weights[-1]
