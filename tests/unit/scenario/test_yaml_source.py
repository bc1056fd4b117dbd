"""YAML is read as a person expects it."""

import math
from typing import Any

import pytest

from upperbound.scenario.yaml_source import parse_yaml

BILLION_LAUGHS = "a0: &a0 [1]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(9))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("2025-01-01", "2025-01-01"),
        ("1:30", "1:30"),
        ("010", 10),
        ("0x10", 16),
        ("0o17", 15),
        ("100_000", 100_000),
        ("-5", -5),
        ("1e3", 1000.0),
        ("0.01", 0.01),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
    ],
)
def test_a_scalar_has_the_type_of_yaml_1_2(text: str, value: Any) -> None:
    document = parse_yaml(f"key: {text}")
    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)
    assert not document.problems


def test_keys_are_the_words_that_are_written() -> None:
    assert parse_yaml("{on: 1, 1: 2, null: 3, 'a b': 4}").data == {"on": 1, "1": 2, "null": 3, "a b": 4}


def test_a_key_twice_is_a_problem_with_both_lines_and_the_first_counts() -> None:
    document = parse_yaml("load:\n  threads: 1\n  mode: x\n  threads: 2\n")
    assert document.data["load"]["threads"] == 1
    assert [str(problem) for problem in document.problems] == [
        "line 4: load.threads: the key 'threads' is there twice; first in line 2 (remove one)"
    ]


def test_every_value_has_the_line_of_its_key_or_item() -> None:
    lines = parse_yaml("a:\n  b:\n    - x\n    -\n      c: 1\n").lines
    assert lines == {(): 1, ("a",): 1, ("a", "b"): 2, ("a", "b", 0): 3, ("a", "b", 1): 5, ("a", "b", 1, "c"): 5}


def test_anchors_stand_for_what_they_name() -> None:
    assert parse_yaml("a: &x [1]\nb: *x").data == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "line 1, column 5: is not valid YAML"),
        ("a: 1\nb: @x", "line 2, column 4: is not valid YAML"),
        ("a: 1\n---\nb: 2", "expected a single document in the stream but found another document"),
        ("a: !python/object:os.system x", "could not determine a constructor for the tag"),
        ("a: *x", "found undefined alias"),
        ("a: &x [*x]", "refers to itself"),
        ("[" * 5000, "is too deep"),
        (BILLION_LAUGHS, "is too deep or too large"),
        ("a: " + "9" * 5000, "is not a number that can be read"),
        ("a: !!int x", "is not a number that can be read"),
        ("{table}: [{a: 1}: 2]", "a key must be a word"),
        ("a\x07: 1", "holds a character that YAML does not allow"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_text_that_is_no_yaml_is_a_problem_and_never_an_exception(text: str, said: str) -> None:
    assert said in "\n".join(map(str, parse_yaml(text).problems))
