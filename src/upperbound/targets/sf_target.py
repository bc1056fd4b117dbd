"""From a scenario's target to a way into Snowflake."""

import os
from collections.abc import Mapping

from pydantic import SecretStr

from upperbound.scenario.targets import SnowflakeTarget
from upperbound.snowflake_login.decision import Value, decide_login
from upperbound.snowflake_login.files import gather
from upperbound.targets.sf_connection import SessionSettings, SnowflakeInfo


def snowflake_info(
    target: SnowflakeTarget,
    *,
    purpose: str,
    secret: SecretStr | None = None,
    environment: Mapping[str, str] | None = None,
) -> SnowflakeInfo:
    """Return how to open sessions of a scenario's target; ``purpose`` is the tag of their statements.

    ``secret`` is a password or token given for this run; None leaves it to files and the environment.

    Raises:
        ConfigurationError: nothing says how to log in, or a file cannot be read.
    """
    wanted: dict[str, Value] = {
        key: value
        for key, value in (
            ("account", target.account),
            ("user", target.user),
            ("role", target.role),
            ("warehouse", target.warehouse),
            ("database", target.database),
            ("schema", target.schema_name),
        )
        if value is not None
    }
    given = gather(wanted, target.connection_name, os.environ if environment is None else environment, secret=secret)
    settings = SessionSettings(
        query_tag=purpose, result_cache=target.result_cache, statement_timeout_s=target.statement_timeout_seconds
    )
    return SnowflakeInfo(decide_login(given), settings)
