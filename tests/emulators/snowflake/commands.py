"""What a statement asks for where the emulator answers it itself."""

from dataclasses import dataclass, field

from tests.emulators.snowflake.catalog import Index
from tests.emulators.snowflake.create_table import CreateTable

Parts = tuple[str, ...]


@dataclass(frozen=True)
class SessionChange:
    """ALTER SESSION: values by parameter, None for UNSET."""

    values: dict[str, str | None]


@dataclass(frozen=True)
class Use:
    """USE WAREHOUSE, ROLE or SECONDARY ROLES."""

    what: str
    name: str


@dataclass(frozen=True)
class CreateWarehouse:
    """CREATE [INTERACTIVE] WAREHOUSE."""

    name: str
    kind: str
    replace: bool
    if_not_exists: bool
    options: dict[str, str]
    tables: frozenset[Parts] = frozenset()


@dataclass(frozen=True)
class AlterWarehouse:
    """ALTER WAREHOUSE with SET, RESUME, SUSPEND, ADD TABLES, DROP TABLES or ABORT."""

    name: str
    if_exists: bool
    action: str
    options: dict[str, str] = field(default_factory=dict)
    tables: frozenset[Parts] = frozenset()


@dataclass(frozen=True)
class DropWarehouse:
    """DROP WAREHOUSE."""

    name: str
    if_exists: bool


@dataclass(frozen=True)
class CreateIndex:
    """CREATE INDEX on a hybrid table."""

    index: Index
    table: Parts
    if_not_exists: bool


@dataclass(frozen=True)
class DropIndex:
    """DROP INDEX table.index."""

    name: Parts
    if_exists: bool


@dataclass(frozen=True)
class Show:
    """A SHOW that the emulator answers itself; ``scope`` is ACCOUNT, DATABASE, SCHEMA, TABLE or empty."""

    subject: str
    like: str | None
    scope: str
    name: Parts


@dataclass(frozen=True)
class Transaction:
    """BEGIN, COMMIT or ROLLBACK."""

    what: str


@dataclass(frozen=True)
class RefreshTable:
    """ALTER DYNAMIC TABLE … REFRESH."""

    table: Parts


@dataclass(frozen=True)
class StageCommand:
    """REMOVE, DROP STAGE or LIST of a stage; ``path`` is relative to the stage."""

    what: str
    stage: Parts
    path: str = ""
    pattern: str | None = None
    if_exists: bool = False


@dataclass(frozen=True)
class Explain:
    """A statement whose plan is told as text, and which is not run."""

    sql: str


@dataclass(frozen=True)
class Nothing:
    """A statement that succeeds and has no effect here, such as a GRANT."""


Special = (
    SessionChange
    | Use
    | CreateWarehouse
    | AlterWarehouse
    | DropWarehouse
    | CreateIndex
    | DropIndex
    | Show
    | Transaction
    | RefreshTable
    | StageCommand
    | CreateTable
    | Explain
    | Nothing
)
