"""Errors get numbers that records can hold, and the number leads back to what the target said."""

import pytest

from upperbound.domain.outcomes import Outcome
from upperbound.loadgen import errors_table
from upperbound.loadgen.errors_table import ErrorTable


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a table be full after three messages."""
    monkeypatch.setattr(errors_table, "MAX_DISTINCT", 3)


def fill(table: ErrorTable) -> None:
    for index in range(errors_table.MAX_DISTINCT):
        table.number(Outcome.SYNTAX, "42601", f"syntax error {index}")


def test_numbers_start_at_one_and_lead_to_the_entry() -> None:
    table = ErrorTable()
    first = table.number(Outcome.DEADLOCK, "40P01", "deadlock detected")
    second = table.number(Outcome.CONSTRAINT, "23505", "duplicate key")
    assert (first, second) == (1, 2)
    assert [(entry.number, entry.outcome, entry.code, entry.message) for entry in table.entries] == [
        (1, Outcome.DEADLOCK, "40P01", "deadlock detected"),
        (2, Outcome.CONSTRAINT, "23505", "duplicate key"),
    ]


def test_the_same_error_keeps_its_number_and_any_difference_makes_another() -> None:
    table = ErrorTable()
    keys = [
        (Outcome.OTHER, "XX000", "a"),
        (Outcome.OTHER, "XX000", "b"),
        (Outcome.OTHER, "XX001", "a"),
        (Outcome.SYNTAX, "XX000", "a"),
    ]
    assert [table.number(*key) for key in keys * 2] == [1, 2, 3, 4] * 2
    assert len(table.entries) == 4


@pytest.mark.usefixtures("few")
def test_a_full_table_counts_further_messages_together_by_class_and_code() -> None:
    table = ErrorTable()
    fill(table)
    rest = {table.number(Outcome.CONSTRAINT, "23505", f"duplicate key {index}") for index in range(10)}
    assert len(rest) == 1
    entry = table.entries[rest.pop() - 1]
    assert (entry.outcome, entry.code) == (Outcome.CONSTRAINT, "23505")
    assert "not kept apart" in entry.message
    assert table.number(Outcome.SYNTAX, "42601", "syntax error 0") == 1


@pytest.mark.usefixtures("few")
def test_no_error_is_ever_counted_under_another_class() -> None:
    table = ErrorTable()
    fill(table)
    for outcome in Outcome:
        for code in ("A", "B", "C"):
            number = table.number(outcome, code, "too many to keep")
            assert table.entries[number - 1].outcome is outcome, f"{outcome!r} {code}"


@pytest.mark.usefixtures("few")
def test_a_table_never_grows_past_what_a_record_can_name() -> None:
    table = ErrorTable()
    for index in range(1000):
        table.number(Outcome.OTHER, f"{index:05d}", f"message {index}")
    assert len(table.entries) <= 2 * errors_table.MAX_DISTINCT + len(Outcome)
    assert [entry.number for entry in table.entries] == list(range(1, len(table.entries) + 1))
