"""Statements are read and written as PostgreSQL's lexer does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.scenario.identifiers import IdentifierError, TableName, parse_column, parse_table
from upperbound.scenario.model import Operation
from upperbound.scenario.sql_text import UnterminatedSql, parameter_numbers, tokenize
from upperbound.scenario.statements import render


def operation(sql: str) -> Operation:
    return Operation.model_validate({"kind": "POINT_LOOKUP", "weight_pct": 100, "sql": sql})


@pytest.mark.parametrize(
    ("sql", "numbers"),
    [
        ("SELECT $1, $2, $1", {1, 2}),
        ("SELECT '$1', $2", {2}),
        ("SELECT 'it''s $1', $2", {2}),
        (r"SELECT E'it\'s $1', $2", {2}),
        (r"SELECT 'back\', $1", {1}),
        ('SELECT "$1", $2', {2}),
        ('SELECT "a""$1", $2', {2}),
        ("SELECT $2 -- $1\n, $3", {2, 3}),
        ("SELECT /* $1 /* $2 */ $3 */ $4", {4}),
        ("SELECT $$ $1 $$, $2", {2}),
        ("SELECT $tag$ $1 $$ $tag$, $2", {2}),
        ("SELECT a$1, $2", {2}),
        ("SELECT $1$2", {1, 2}),
        ("SELECT $1::bigint + 49", {1}),
        ("SELECT 5-$1", {1}),
        ("SELECT name'$1', $2", {2}),
        ("SELECT $10", {10}),
        ("SELECT 1", set()),
    ],
)
def test_parameters_count_only_where_the_server_sees_them(sql: str, numbers: set[int]) -> None:
    assert parameter_numbers(list(tokenize(sql))) == numbers


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT 'a", "a string"),
        (r"SELECT E'a\'", "a string"),
        ('SELECT "a', "a quoted name"),
        ("SELECT /* /* */", "a comment"),
        ("SELECT $x$ $$", "dollar quotes"),
    ],
)
def test_what_is_opened_and_not_closed_is_named(sql: str, what: str) -> None:
    with pytest.raises(UnterminatedSql, match=what):
        list(tokenize(sql))


@given(st.text(alphabet="aE$1'\"-/*{};\\\n table", max_size=40))
def test_tokens_put_together_are_the_text(sql: str) -> None:
    try:
        tokens = list(tokenize(sql))
    except UnterminatedSql:
        return
    assert "".join(token.text for token in tokens) == sql


@pytest.mark.parametrize(
    ("written", "quoted"),
    [
        ("orders", '"orders"'),
        ("public.orders", '"public"."orders"'),
        ("Public.ORDERS", '"public"."orders"'),
        ('"Public"."Or.ders"', '"Public"."Or.ders"'),
        ('public."a""b"', '"public"."a""b"'),
        ('"a; DROP TABLE x"', '"a; DROP TABLE x"'),
        ("größe", '"größe"'),
        ("_a$1", '"_a$1"'),
    ],
)
def test_a_table_is_quoted_in_its_true_case(written: str, quoted: str) -> None:
    assert parse_table(written).quoted == quoted
    assert parse_table(quoted) == parse_table(written)
    assert (
        render(operation("SELECT * FROM {table} t"), written) == f"/* UB_KIND=POINT_LOOKUP */ SELECT * FROM {quoted} t"
    )


@given(
    st.text(min_size=1, max_size=12).filter(lambda name: "\0" not in name and len(name.encode("utf-8", "replace")) < 60)
)
def test_any_name_survives_quoting_and_reading(name: str) -> None:
    table = TableName(schema="S", name=name.encode("utf-8", "replace").decode())
    assert parse_table(table.quoted) == table


@pytest.mark.parametrize(
    "text", ["", "a.", ".a", "a..b", "a b", "a-b", "1a", '"a', '""', 'a"b"', "a.b.c", "a;b", "x" * 64]
)
def test_what_is_no_table_name_is_refused(text: str) -> None:
    with pytest.raises(IdentifierError) as caught:
        parse_table(text)
    assert caught.value.hint


def test_a_column_is_one_name() -> None:
    assert (parse_column("ID"), parse_column('"Id"')) == ("id", "Id")
    with pytest.raises(IdentifierError):
        parse_column("t.id")


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        ("SELECT 1;", "SELECT 1"),
        ("  SELECT 1 ; ; -- done\n", "SELECT 1   -- done"),
        ("SELECT '{table}', \"{table}\" FROM {table}", 'SELECT \'{table}\', "{table}" FROM "t"'),
        ("SELECT /* {table} */ ';'", "SELECT /* {table} */ ';'"),
        ("SELECT * FROM {table} a JOIN {table} b USING (id)", 'SELECT * FROM "t" a JOIN "t" b USING (id)'),
    ],
)
def test_a_statement_is_sent_with_its_kind_its_table_and_nothing_else_changed(sql: str, sent: str) -> None:
    assert render(operation(sql), "t") == f"/* UB_KIND=POINT_LOOKUP */ {sent}"


def test_a_statement_that_needs_a_table_is_not_rendered_without_one() -> None:
    assert render(operation("SELECT '{table}'"), None) == "/* UB_KIND=POINT_LOOKUP */ SELECT '{table}'"
    with pytest.raises(ValueError, match="no target table"):
        render(operation("SELECT * FROM {table}"), None)
