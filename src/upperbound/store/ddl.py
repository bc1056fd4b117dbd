"""The schema as SQL, for those who make tables by hand."""

from collections.abc import Sequence
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from upperbound.store.migrate import HEAD_REVISION
from upperbound.store.tables import CONTROL_TABLES, RESULTS_TABLES, VERSION_TABLE

DialectName = Literal["sqlite", "postgresql"]
DIALECTS: Final[tuple[DialectName, ...]] = ("sqlite", "postgresql")


def ddl(dialect: DialectName) -> dict[str, str]:
    """Return the statements that make an empty store of the present revision, by file name.

    ``control_tables.sql`` also records the revision, so that a store made by both files opens without a migration.
    """
    compiler = sa.make_url(f"{dialect}://").get_dialect()()
    version = sa.Table(VERSION_TABLE, sa.MetaData(), sa.Column("version_num", sa.String(32), nullable=False))
    version.append_constraint(sa.PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"))
    record = f"INSERT INTO {VERSION_TABLE} (version_num) VALUES ('{HEAD_REVISION}')"  # noqa: S608 - our own constants
    control = [*_create(CONTROL_TABLES, compiler), *_create([version], compiler), record]
    results = _create(RESULTS_TABLES, compiler)
    return {
        "control_tables.sql": _script(dialect, "Control tables: what runs and workers decide on.", control),
        "results_tables.sql": _script(dialect, "Results tables: what was measured.", results),
    }


def _create(tables: Sequence[sa.Table], dialect: Dialect) -> list[str]:
    statements = []
    for table in tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements.extend(str(CreateIndex(index).compile(dialect=dialect)) for index in indexes)
    return statements


def _script(dialect: str, title: str, statements: Sequence[str]) -> str:
    head = f"-- {title}\n-- Schema revision {HEAD_REVISION}; made by `upperbound store ddl --dialect {dialect}`.\n"
    return head + "".join(f"\n{_tidy(statement)};\n" for statement in statements)


def _tidy(statement: str) -> str:
    return "\n".join(line.rstrip().replace("\t", "  ") for line in statement.strip().splitlines())
