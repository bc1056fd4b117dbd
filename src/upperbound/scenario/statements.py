"""What is sent to the server for an operation."""

from upperbound.scenario.identifiers import parse_table
from upperbound.scenario.model import Operation
from upperbound.scenario.sql_text import TABLE, is_table, tokenize, uses_table, without_trailing_semicolon


def render(operation: Operation, table: str | None) -> str:
    """Return the statement of ``operation``: led by its kind in a comment, and with ``{table}`` replaced.

    The text holds nothing that varies, so that prepared statements and ``pg_stat_statements`` stay aggregated.
    ``table`` is a name as users write it; it is put in quotes in its true case. ``{table}`` within strings and comments
    is left alone: ``'{table}'`` is an array.

    Raises:
        ValueError: the statement asks for a table and there is none.
        UnterminatedSql: the statement does not tokenize; a validated scenario holds none such.
        IdentifierError: ``table`` is not a table name.
    """
    tokens = without_trailing_semicolon(list(tokenize(operation.sql)))
    if table is None and uses_table(tokens):
        raise ValueError(f"operation {operation.label} uses {TABLE}, and the scenario has no target table")
    quoted = parse_table(table).quoted if table is not None else ""
    body = "".join(quoted if is_table(token) else token.text for token in tokens)
    return f"/* UB_KIND={operation.kind.value} */ {body.strip()}"
