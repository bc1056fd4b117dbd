"""The databases that a scenario can measure: one model for each kind."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from upperbound.scenario.connection_url import check_url
from upperbound.scenario.fields import ScenarioModel, Whole, worded_error
from upperbound.scenario.identifiers import (
    POSTGRES,
    SNOWFLAKE,
    IdentifierError,
    Naming,
    parse_name,
    parse_table,
)
from upperbound.scenario.kinds import TableType

EMBEDDED_TABLE = "public.orders"
STATEMENT_TIMEOUT_MAX_S = 604_800
"""A week: the most that Snowflake takes."""


def _check_table(naming: Naming) -> Callable[[Any], Any]:
    """Return what accepts a table name as a database writes it."""

    def check(value: Any) -> Any:
        if isinstance(value, str):
            try:
                parse_table(value, naming)
            except IdentifierError as error:
                raise worded_error(error.message, error.hint) from None
        return value

    return check


def _check_name(what: str, hint: str) -> Callable[[Any], Any]:
    """Return what accepts a single name of Snowflake's."""

    def check(value: Any) -> Any:
        if isinstance(value, str):
            try:
                parse_name(value, what, hint, SNOWFLAKE)
            except IdentifierError as error:
                raise worded_error(error.message, error.hint) from None
        return value

    return check


def _check_target_url(value: Any) -> Any:
    """Accept a PostgreSQL connection URL that holds no secret."""
    if isinstance(value, str) and (fault := check_url(value)):
        raise worded_error(fault.message, fault.hint)
    return value


def _check_account(value: Any) -> Any:
    """Accept an account identifier; what people often have at hand is the address of the web interface."""
    if isinstance(value, str):
        if "://" in value or "/" in value:
            raise worded_error(
                "must be an account identifier, not an address", "write it as ORGANISATION-ACCOUNT, such as MYORG-PROD"
            )
        if not value or not all(char.isalnum() or char in "-_." for char in value):
            raise worded_error("is no account identifier", "write it as ORGANISATION-ACCOUNT, such as MYORG-PROD")
    return value


def _check_word(value: Any) -> Any:
    """Accept a name that is not looked into; blank ones could only confuse."""
    if isinstance(value, str) and (not value.strip() or not value.isprintable()):
        raise worded_error("must be one line of printable characters, and not blank")
    return value


Table = Annotated[str, BeforeValidator(_check_table(POSTGRES))]
SnowflakeTable = Annotated[str, BeforeValidator(_check_table(SNOWFLAKE))]
TargetUrl = Annotated[str, BeforeValidator(_check_target_url)]
_Word = Annotated[str, BeforeValidator(_check_word), Field(max_length=255)]
_Account = Annotated[str, BeforeValidator(_check_account), Field(max_length=255)]
_Database = Annotated[str, BeforeValidator(_check_name("a database name", "write the schema under schema"))]
_Schema = Annotated[str, BeforeValidator(_check_name("a schema name", "write the database under database"))]
_Role = Annotated[str, BeforeValidator(_check_name("a role name", "a database role cannot be a session's role"))]
_Warehouse = Annotated[str, BeforeValidator(_check_name("a warehouse name", "a warehouse is in no schema"))]


class PostgresTarget(ScenarioModel):
    """A PostgreSQL server that is there already."""

    kind: Literal["postgres"] = "postgres"
    """``postgres``."""
    url: TargetUrl
    """Where it is: ``postgresql://user@host:5432/database``. The password comes from PGPASSWORD, ``~/.pgpass`` or a
    service file."""
    table: Table | None = None
    """The table under test, ``schema.table``: what ``{table}`` stands for, and where value pools are sampled."""
    table_type: Literal[TableType.POSTGRES, TableType.SNOWFLAKE_POSTGRES] = TableType.POSTGRES
    """The kind of table."""

    @property
    def naming(self) -> Naming:
        """How names are read."""
        return POSTGRES


class EmbeddedTarget(ScenarioModel):
    """A PostgreSQL server that is started for the run, with a table of orders, and thrown away after it."""

    kind: Literal["embedded"] = "embedded"
    """``embedded``."""
    table: Table = EMBEDDED_TABLE
    """The table that is made and filled."""
    table_type: Literal[TableType.POSTGRES] = TableType.POSTGRES
    """The kind of table."""
    rows: Annotated[Whole, Field(ge=1, le=1_000_000_000)] = 100_000
    """How many rows the table holds when the run starts; their ids are 1 to this number."""
    port: Annotated[Whole, Field(ge=1, le=65_535)] | None = None
    """The port the server listens on; a free one when left out."""

    @property
    def naming(self) -> Naming:
        """How names are read."""
        return POSTGRES


class SnowflakeTarget(ScenarioModel):
    """A table of a Snowflake account.

    What is left out comes from the entry of ``connections.toml``, then from the environment: SNOWFLAKE_ACCOUNT,
    SNOWFLAKE_USER and the like. Passwords, keys and tokens come from there alone.
    """

    kind: Literal["snowflake"] = "snowflake"
    """``snowflake``."""
    connection_name: _Word | None = None
    """The entry of ``connections.toml`` that says how to log in; SNOWFLAKE_DEFAULT_CONNECTION_NAME, else ``default``,
    when left out and there is one."""
    account: _Account | None = None
    """The account identifier, ``ORGANISATION-ACCOUNT``."""
    user: _Word | None = None
    """Who logs in."""
    role: _Role | None = None
    """The role of the sessions."""
    warehouse: _Warehouse | None = None
    """The warehouse under test. It is resumed before the clock starts when it is suspended."""
    database: _Database | None = None
    """The database of the sessions."""
    schema_name: _Schema | None = Field(default=None, alias="schema")
    """The schema of the sessions."""
    table: SnowflakeTable | None = None
    """The table under test, ``table``, ``schema.table`` or ``database.schema.table``: what ``{table}`` stands for, and
    where value pools are sampled."""
    table_type: Literal[TableType.STANDARD, TableType.HYBRID, TableType.INTERACTIVE, TableType.DYNAMIC] = (
        TableType.STANDARD
    )
    """The kind of table; dynamic tables are for reading only."""
    result_cache: Annotated[bool, Field(strict=True)] = False
    """``true`` lets Snowflake answer a query that it has answered before from its cache of results, which measures the
    cache and not the table."""
    statement_timeout_seconds: Annotated[Whole, Field(ge=1, le=STATEMENT_TIMEOUT_MAX_S)] | None = None
    """How long a statement may take before Snowflake cancels it; the account's setting when left out."""
    allow_store_warehouse: Annotated[bool, Field(strict=True)] = False
    """``true`` lets the warehouse under test be that of the store, whose own statements then share it with the load."""

    @property
    def naming(self) -> Naming:
        """How names are read."""
        return SNOWFLAKE


Target = Annotated[PostgresTarget | EmbeddedTarget | SnowflakeTarget, Field(discriminator="kind")]
