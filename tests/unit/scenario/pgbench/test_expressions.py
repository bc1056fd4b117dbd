"""Expressions are read and computed as pgbench does; ``tests/integration/pgbench`` holds the same against pgbench."""

import math

import pytest

from upperbound.scenario.pgbench.evaluation import evaluate
from upperbound.scenario.pgbench.expressions import Value, parse_expression, variables_of
from upperbound.scenario.pgbench.fault import ExpressionError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 4", 3),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7 / -2.0", -3.5),
        ("- -5", 5),
        ("-9223372036854775808", -(2**63)),
        ("~ 1 + 2", -4),
        ("1 | 2 & 3 # 5", 6),
        ("1 << 3 >> 1", 4),
        ("1 << 63", -(2**63)),
        ("1 + 1 < 3 and not 2 = 3", True),
        ("true or 1 / 0 = 1", True),
        ("null and false", None),
        ("null is null and 1 is not null", True),
        ("5 notnull", True),
        ("1 is true", False),
        ("case when 0 then 1 when null then 2 when 0.5 then 3 end", 3),
        ("case when false then 1 end", None),
        ("1 + null", None),
        ("int(2.5) + int(3.5)", 6),
        ("double(3) / 2", 1.5),
        ("greatest(1, 2.5, 2)", 2.5),
        ("least(4, 3, 7)", 3),
        ("abs(-3) + abs(-0.5)", 3.5),
        ("sqrt(16) + ln(exp(2)) + power(2, 10)", 1030.0),
        ("pow(0, -2) - pow(-10, 1001)", math.inf),
        ("pow(-0.0, -3)", math.inf),
        ("pi()", math.pi),
        ("MOD(7, 4)", 3),
        ("1 / 0.0", math.inf),
        ("5.0 % 3", 2),
        (".5e1 + 1.", 6.0),
        ("1 >= 1 and 2 > 1 and 1 != 2 and 1 <> 2", True),
        ("debug(4)", 4),
    ],
)
def test_an_expression_has_the_value_that_pgbench_computes(text: str, value: Value) -> None:
    found = evaluate(parse_expression(text))
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ends too early"),
        ("1 +", "ends too early"),
        ("(1", "ends too early, where ')' belongs"),
        ("1 2", "an unexpected '2'"),
        ("1 < 2 < 3", "a comparison follows on another one"),
        ("1 @ 2", "an unexpected '@'"),
        ("random(1)", "random has 1 arguments, and takes 2"),
        ("least()", "least has 0 arguments, and takes 1 or more"),
        ("hash(1, 2, 3)", "takes 1 or 2"),
        ("nonsense(1)", "pgbench has no function nonsense"),
        ("case 1 end", "an unexpected '1'"),
        ("1 is 5", "IS must be followed by"),
        ("9223372036854775808", "needs more than 64 bits"),
        ("(" * 300 + "1", "nested more than"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "a division by zero"),
        ("1 % 0", "a division by zero"),
        ("9223372036854775807 + 1", "needs more than 64 bits"),
        ("-9223372036854775808 / -1", "needs more than 64 bits"),
        ("int(1e30)", "needs more than 64 bits"),
        ("not 1", "1 is no truth value"),
        ("1 and true", "1 is no truth value"),
        ("true + 1", "true is no number"),
        ("exp(true)", "true is no number"),
    ],
)
def test_what_pgbench_refuses_to_compute_is_refused(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(parse_expression(text))
    assert said in caught.value.message


def test_variables_are_found_wherever_they_stand() -> None:
    assert variables_of(parse_expression("case when :a > 1 then abs(:b) else -:größe end + 5")) == {"a", "b", "größe"}
