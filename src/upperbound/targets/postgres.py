"""PostgreSQL as a target: connect, check, describe, and take values from it."""

from upperbound.targets.pg_connection import TARGET_PASSWORD_VARIABLE, ConnInfo, open_connection
from upperbound.targets.pg_describe import StatementShape, describe
from upperbound.targets.pg_operation import OperationShape, describe_operations
from upperbound.targets.pg_preflight import TargetReport, preflight
from upperbound.targets.pg_sampling import column_type, max_value, sample_blocks
from upperbound.targets.pg_sessions import end_sessions, session_name

__all__ = [
    "TARGET_PASSWORD_VARIABLE",
    "ConnInfo",
    "OperationShape",
    "StatementShape",
    "TargetReport",
    "column_type",
    "describe",
    "describe_operations",
    "end_sessions",
    "max_value",
    "open_connection",
    "preflight",
    "sample_blocks",
    "session_name",
]
