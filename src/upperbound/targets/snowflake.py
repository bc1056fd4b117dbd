"""Snowflake as a target: log in, check, and execute."""

from upperbound.snowflake_login.connecting import require_driver
from upperbound.targets.sf_connection import SnowflakeInfo, driver_version, open_session
from upperbound.targets.sf_preflight import SnowflakeReport, preflight, preflight_target
from upperbound.targets.sf_sampling import max_value, sample_blocks, sampled_kind
from upperbound.targets.sf_session_type import Session
from upperbound.targets.sf_sessions import SnowflakeSessions, end_statements
from upperbound.targets.sf_tables import SnowflakeTable, read_table
from upperbound.targets.sf_target import snowflake_info
from upperbound.targets.sf_warehouse import WarehouseLoad, look_at_load, make_warehouse_run, name_in_use

__all__ = [
    "Session",
    "SnowflakeInfo",
    "SnowflakeReport",
    "SnowflakeSessions",
    "SnowflakeTable",
    "WarehouseLoad",
    "driver_version",
    "end_statements",
    "look_at_load",
    "make_warehouse_run",
    "max_value",
    "name_in_use",
    "open_session",
    "preflight",
    "preflight_target",
    "read_table",
    "require_driver",
    "sample_blocks",
    "sampled_kind",
    "snowflake_info",
]
