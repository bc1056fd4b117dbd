"""An operation of several statements: its two forms, what goes with each, and what is sent for it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.scenario.samples import REMOVE, TRANSACTION, changed, load, problems_of

from upperbound.domain.outcomes import Outcome
from upperbound.scenario.kinds import Isolation, RetryClass
from upperbound.scenario.model import Operation, Scenario
from upperbound.scenario.retries import RETRIES_MAX
from upperbound.scenario.sql_text import TokenKind, parameter_numbers, tokenize
from upperbound.scenario.statements import Rendered, render, render_all

OP = "workload.operations.2"
SINGLE = {key: value for key, value in TRANSACTION.items() if key not in ("statements", "params")} | {"sql": "SELECT 1"}


def operation(**changes: Any) -> Operation:
    return load({OP: TRANSACTION | changes}).scenario.workload.operations[2]


def faults(base: dict[str, Any], **changes: Any) -> dict[str, str]:
    """Return the message at each place that is refused when ``changes`` are made to an operation."""
    changed_operation = {key: value for key, value in (base | changes).items() if value is not REMOVE}
    return {where: problem.message for where, problem in problems_of(changed({OP: changed_operation})).items()}


def test_statements_are_one_transaction_unless_each_commits_by_itself() -> None:
    transaction = operation(isolation="repeatable_read", retry={"serialization_failure": 10, "deadlock": 1})
    assert transaction.is_transaction
    assert transaction.texts == tuple(TRANSACTION["statements"])
    assert transaction.isolation is Isolation.REPEATABLE_READ
    assert transaction.retry == {RetryClass.SERIALIZATION_FAILURE: 10, RetryClass.DEADLOCK: 1}
    assert not operation(autocommit=True).is_transaction
    assert operation(statements=["SELECT $1, $2, $3"]).is_transaction, "a list of one is a transaction of one"


def test_a_single_statement_is_no_transaction_and_may_be_repeated() -> None:
    single = load({"workload.operations.0.retry": {"statement_timeout": 50}}).scenario.workload.operations[0]
    assert single.texts == (single.sql,)
    assert not single.is_transaction
    assert single.retry == {RetryClass.STATEMENT_TIMEOUT: 50}


def test_the_words_of_retry_are_outcomes() -> None:
    assert {word.value for word in RetryClass} < {outcome.label for outcome in Outcome}


@pytest.mark.parametrize(
    ("changes", "where", "said"),
    [
        ({"sql": "SELECT $1, $2, $3"}, "statements", "has both sql and statements"),
        ({"statements": REMOVE, "params": REMOVE}, "sql", "is missing"),
        ({"statements": None, "params": REMOVE}, "statements", "must be a list, not nothing"),
        ({"statements": [], "params": REMOVE}, "statements", "must not be empty"),
        ({"statements": ["SELECT $1, $2, $3"] * 101}, "statements", "must have at most 100 entries"),
        ({"statements": "SELECT $1, $2, $3"}, "statements", "must be a list"),
        ({"statements": ["SELECT $1, $2, $3", 5]}, "statements.1", "must be text, not 5"),
        ({"statements": ["SELECT $1, $2, $3", " "]}, "statements.1", "holds no statement"),
        ({"statements": ["SELECT $1, $2", "SELECT $3; SELECT 1"]}, "statements.1", "holds more than one statement"),
        ({"statements": ["SELECT $1, $2", "SELECT '$3"]}, "statements.1", "opens a string and does not close it"),
        ({"statements": ["SELECT $1, $2", "SELECT $3 FROM {tabel}"]}, "statements.1", "unknown placeholder {tabel}"),
        ({"statements": ["SELECT $1, $2", "SELECT $4"]}, "statements.1", "uses $4 and not $3"),
        ({"statements": ["SELECT $1, $2", "SELECT $0"]}, "statements.1", "parameters run from $1"),
        ({"statements": ["SELECT $1, $2", "SELECT $1"]}, "params", "has 3 entries, and statements use $1 to $2"),
        ({"statements": ["BEGIN", "SELECT $1, $2, $3"]}, "statements.0", "BEGIN steers a transaction"),
        ({"statements": ["SELECT $1, $2, $3", "end;"]}, "statements.1", "END steers a transaction"),
        ({"operation_type": REMOVE}, "operation_type", "is missing"),
        ({"operation_type": "READ"}, "statements.0", "UPDATE writes, and the operation is a READ"),
        ({"operation_type": "READ"}, "statements.2", "INSERT writes, and the operation is a READ"),
        ({"kind": "UPDATE"}, "statements", "an operation of kind UPDATE is one statement"),
        ({"autocommit": "yes"}, "autocommit", "must be true or false, not 'yes'"),
        ({"autocommit": True, "isolation": "serializable"}, "isolation", "autocommit leaves no transaction"),
        ({"autocommit": True, "retry": {"deadlock": 1}}, "retry", "would repeat what has been committed"),
        ({"isolation": "serialisable"}, "isolation", "did you mean serializable?"),
        ({"retry": 3}, "retry", "must be a mapping"),
        ({"retry": {"deadlock": 0}}, "retry.deadlock", "must be at least 1, not 0"),
        ({"retry": {"deadlock": RETRIES_MAX + 1}}, "retry.deadlock", "must be at most 50, not 51"),
        ({"retry": {"deadlock": True}}, "retry.deadlock", "must be a whole number, not true"),
        ({"retry": {"deadlok": 1}}, "retry.deadlok", "'deadlok' is not known; did you mean deadlock?"),
        ({"retry": {"connection_lost": 1}}, "retry.connection_lost", "nobody knows whether the commit took place"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(changes: dict[str, Any], where: str, said: str) -> None:
    assert said in faults(TRANSACTION, **changes)[f"{OP}.{where}"]


@pytest.mark.parametrize(
    ("changes", "where", "said"),
    [
        ({"isolation": "serializable"}, "isolation", "belongs to transactions"),
        ({"autocommit": True}, "autocommit", "sql commits by itself"),
        ({"sql": "BEGIN"}, "sql", "BEGIN steers a transaction"),
        ({"retry": {"constraint": 2}}, "retry.constraint", "the same values would be refused again"),
    ],
)
def test_what_a_single_statement_has_no_use_for_is_refused(changes: dict[str, Any], where: str, said: str) -> None:
    assert faults(SINGLE, **changes).keys() == {f"{OP}.{where}"}
    assert said in faults(SINGLE, **changes)[f"{OP}.{where}"]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome.label not in tuple(RetryClass)])
def test_an_outcome_after_which_nothing_is_repeated_is_refused_with_the_reason(outcome: Outcome) -> None:
    message = faults(TRANSACTION, retry={outcome.label: 1})[f"{OP}.retry.{outcome.label}"]
    assert message.startswith(f"an operation is not repeated after {outcome.label}: ")


def test_every_fault_of_a_transaction_is_said_at_once() -> None:
    found = faults(
        TRANSACTION,
        statements=["BEGIN", "UPDATE {table} SET a = $1", "SELECT '"],
        operation_type="READ",
        isolation="high",
        retry={"auth": 1, "deadlock": 99},
    )
    places = ("statements.0", "statements.1", "statements.2", "isolation", "retry.auth", "retry.deadlock")
    assert found.keys() == {f"{OP}.{place}" for place in places}


def test_a_scenario_kept_by_an_earlier_version_still_loads() -> None:
    scenario = load({}).scenario
    document = scenario.model_dump(mode="json")
    for kept in document["workload"]["operations"]:
        for key in ("statements", "autocommit", "isolation", "retry"):
            del kept[key]
    assert Scenario.model_validate(document) == scenario


def test_each_statement_is_sent_with_the_kind_and_its_own_parameters() -> None:
    assert render_all(operation(), "Public.orders") == (
        Rendered('/* UB_KIND=GENERIC_SQL */ UPDATE "public"."orders" SET status = $2 WHERE id = $1', (0, 1)),
        Rendered('/* UB_KIND=GENERIC_SQL */ SELECT status FROM "public"."orders" WHERE id = $1', (0,)),
        Rendered("/* UB_KIND=GENERIC_SQL */ INSERT INTO log (id, amount) VALUES ($1, $2)", (0, 2)),
    )


def test_parameters_are_numbered_anew_only_where_the_server_sees_them() -> None:
    sent = render_all(operation(statements=["SELECT $1, $2", "SELECT '$3', $$ $3 $$, $3::int -- $3"]), "orders")[1]
    assert sent == Rendered("/* UB_KIND=GENERIC_SQL */ SELECT '$3', $$ $3 $$, $1::int -- $3", (2,))


def test_a_single_statement_is_sent_with_the_numbers_it_has() -> None:
    single = load({}).scenario.workload.operations[1]
    assert render_all(single, "orders") == (Rendered(render(single, "orders"), (0, 1, 2, 3)),)


def test_there_is_no_single_text_of_several_statements() -> None:
    with pytest.raises(ValueError, match="no single statement"):
        render(operation(), "orders")


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 12), max_size=6), min_size=1, max_size=5))
def test_every_statement_gets_the_values_it_names_whatever_their_numbers(uses: list[list[int]]) -> None:
    texts = ["SELECT " + ", ".join(["0", *(f"${number}" for number in numbers)]) for numbers in uses]
    sent = render_all(operation().model_copy(update={"statements": tuple(texts)}), None)
    for text, numbers, rendered in zip(texts, uses, sent, strict=True):
        tokens = list(tokenize(rendered.text))
        assert parameter_numbers(tokens) == set(range(1, len(rendered.parameters) + 1))
        found = [int(token.text[1:]) for token in tokens if token.kind is TokenKind.PARAMETER]
        assert [rendered.parameters[number - 1] + 1 for number in found] == numbers
        assert rendered.text.count("$") == text.count("$")
