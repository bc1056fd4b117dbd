"""Names that Snowflake takes as they are and the engine takes for words of its own."""

from sqlglot import exp

_ENGINE_WORDS = frozenset(
    [
        "ANALYSE",
        "ANALYZE",
        "ANTI",
        "ARRAY",
        "ASC",
        "ASOF",
        "ASYMMETRIC",
        "AT",
        "AUTHORIZATION",
        "BINARY",
        "BOTH",
        "COLLATE",
        "COLLATION",
        "CONCURRENTLY",
        "DEFERRABLE",
        "DESC",
        "DESCRIBE",
        "DO",
        "END",
        "EXCEPT",
        "FETCH",
        "FOREIGN",
        "FREEZE",
        "GLOB",
        "INITIALLY",
        "ISNULL",
        "LAMBDA",
        "LEADING",
        "LIMIT",
        "NOTNULL",
        "OFFSET",
        "ONLY",
        "OUTER",
        "OVERLAPS",
        "PIVOT",
        "PIVOT_LONGER",
        "PIVOT_WIDER",
        "PLACING",
        "POSITIONAL",
        "PRIMARY",
        "REFERENCES",
        "RETURNING",
        "SEMI",
        "SHOW",
        "SIMILAR",
        "SUMMARIZE",
        "SYMMETRIC",
        "TRAILING",
        "UNPACK",
        "UNPIVOT",
        "VARIADIC",
        "VERBOSE",
        "WINDOW",
    ]
)
"""Words that DuckDB 2 does not take as the name of a column and that are not reserved in Snowflake either."""


def quote_words(expression: exp.Expr) -> exp.Expr:
    """Quote such names in the expression, in upper case as Snowflake stores them, and return it."""
    for identifier in expression.find_all(exp.Identifier):
        name = str(identifier.this)
        if not identifier.args.get("quoted") and name.upper() in _ENGINE_WORDS:
            identifier.set("this", name.upper())
            identifier.set("quoted", True)
    return expression
