"""How errors of the engine are put into Snowflake's terms."""

import pytest
from tests.emulators.snowflake.errors import Conflict, SqlError, from_engine


@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [
        ("ConstraintException", 'Duplicate key "id: 1" violates primary key constraint.', 200001),
        ("TransactionException", "Failed to commit: PRIMARY KEY or UNIQUE constraint violated: duplicate key", 200001),
        ("ConstraintException", "NOT NULL constraint failed: T.N", 100072),
        ("ConstraintException", 'Violates foreign key constraint because key "id: 9" does not exist', 200009),
        ("CatalogException", "Table with name T does not exist!\nDid you mean X?", 2003),
        ("CatalogException", 'Schema with name "x" does not exist!', 2003),
        ("CatalogException", 'Table with name "T" already exists!', 2002),
        ("BinderException", 'Referenced column "A" not found in FROM clause!', 904),
        ("ParserException", "syntax error at or near", 1003),
        ("ConversionException", "Could not convert string 'x' to INT64", 100038),
        ("InterruptException", "Interrupted!", 604),
        ("InternalException", "something else", 603),
    ],
)
def test_an_error_of_the_engine_has_snowflakes_code(kind: str, message: str, code: int) -> None:
    found = from_engine(kind, message)
    assert isinstance(found, SqlError)
    assert found.code == code
    assert "Did you mean" not in found.message


@pytest.mark.parametrize(
    "message", ["Conflict on update!", "Conflict on tuple deletion!", "Catalog write-write conflict on create"]
)
def test_a_conflict_of_transactions_is_no_error_of_the_statement(message: str) -> None:
    assert isinstance(from_engine("TransactionException", f"TransactionContext Error: {message}"), Conflict)


def test_an_error_is_shown_as_the_client_shows_it() -> None:
    assert str(SqlError(625, "57014", "locked")) == "000625 (57014): locked"
