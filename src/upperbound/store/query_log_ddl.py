"""What the tables of queries take beside themselves: parts on PostgreSQL, a stage on Snowflake."""

from upperbound.store.tables import QUERY_LOG_PARTITIONS, QUERY_LOG_STAGE, query_executions


def query_log_statements(dialect: str) -> list[str]:
    """Return the statements that follow the making of the tables; none on SQLite, whose queries stay in files."""
    if dialect == "postgresql":
        parts, table = QUERY_LOG_PARTITIONS, query_executions.name
        return [
            f"CREATE TABLE {table}_p{part:02d} PARTITION OF {table} FOR VALUES WITH (MODULUS {parts}, REMAINDER {part})"
            for part in range(parts)
        ]
    if dialect == "snowflake":
        return [f"CREATE STAGE IF NOT EXISTS {QUERY_LOG_STAGE} FILE_FORMAT = (TYPE = PARQUET)"]
    return []
