"""Places of bound values, which the engine's dialect may write in another order than Snowflake's."""

from sqlglot import TokenType
from sqlglot.dialects.snowflake import Snowflake


def numbered(sql: str) -> str:
    """Return a statement of Snowflake's with its question marks as :1, :2 and so on."""
    parts, end = list[str](), 0
    marks = [token for token in Snowflake().tokenize(sql) if token.token_type is TokenType.PLACEHOLDER]
    for number, token in enumerate(marks, 1):
        parts += [sql[end : token.start], f":{number}"]
        end = token.end + 1
    return "".join([*parts, sql[end:]])
