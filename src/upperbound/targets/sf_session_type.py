"""The driver's session as a type, which is there for readers and type checkers and not imported at run time."""

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

    Session: TypeAlias = SnowflakeConnection
else:
    Session = Any
