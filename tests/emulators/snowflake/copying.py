"""COPY INTO a table from Parquet files of a stage, by column names; other forms are left to the engine."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
from sqlglot import exp
from tests.emulators.snowflake import stages
from tests.emulators.snowflake.account import Account
from tests.emulators.snowflake.catalog import Name, qualified
from tests.emulators.snowflake.errors import TABLE_MISSING, SqlError, from_engine
from tests.emulators.snowflake.results import Result, result_of
from tests.emulators.snowflake.sessions import Session

_COLUMNS = (
    ("file", "VARCHAR"),
    ("status", "VARCHAR"),
    ("rows_parsed", "BIGINT"),
    ("rows_loaded", "BIGINT"),
    ("error_limit", "BIGINT"),
    ("errors_seen", "BIGINT"),
    ("first_error", "VARCHAR"),
    ("first_error_line", "BIGINT"),
    ("first_error_character", "BIGINT"),
    ("first_error_column_name", "VARCHAR"),
)
_JSON = "JSON"


@dataclass(frozen=True)
class Copying:
    """A COPY INTO that was read."""

    table: tuple[str, ...]
    location: str
    files: tuple[str, ...] = ()
    pattern: str | None = None
    match_case: bool = False
    force: bool = False
    purge: bool = False
    lost_rows: int = field(default=0)
    """How many rows of the first file a fault leaves out."""


def read_copy(expression: exp.Copy, lost_rows: int = 0) -> Copying | None:
    """Read a COPY INTO, or return None for a form that is left to the engine."""
    source = expression.args["files"][0].this
    location = source.name if isinstance(source, exp.Var | exp.Literal) else ""
    options = {parameter.this.name.upper(): parameter for parameter in expression.args.get("params") or []}
    match = _text(options.get("MATCH_BY_COLUMN_NAME")).upper()
    if not location.startswith("@") or match not in ("CASE_SENSITIVE", "CASE_INSENSITIVE"):
        return None
    if not isinstance(expression.this, exp.Table):
        return None
    listed = options["FILES"].expression if "FILES" in options else None
    return Copying(
        table=tuple(
            str(part.name) if part.args.get("quoted") else str(part.name).upper() for part in expression.this.parts
        ),
        location=location,
        files=tuple(item.name for item in listed.find_all(exp.Literal)) if listed else (),
        pattern=_text(options.get("PATTERN")) or None,
        match_case=match == "CASE_SENSITIVE",
        force=_text(options.get("FORCE")).upper() == "TRUE",
        purge=_text(options.get("PURGE")).upper() == "TRUE",
        lost_rows=lost_rows,
    )


def copy(account: Account, session: Session, wanted: Copying) -> Result:
    """Load the files that the table has not loaded yet, and return a row for each. Raises SqlError or Conflict."""
    table = qualified(wanted.table, session.engine.database, session.engine.schema)
    stage, chosen = _chosen(account, session, wanted)
    rows: list[list[Any]] = []
    lost = wanted.lost_rows
    for relative, path in chosen:
        shown = f"{stage[2].lower()}/{relative}"
        mark = (".".join(stage), relative, str(path.stat().st_mtime_ns))
        if mark in account.loaded.get(table, set()) and not wanted.force:
            rows.append([shown, "LOAD_SKIPPED", 0, 0, 1, 1, "File was loaded before.", None, None, None])
            continue
        parsed = pq.read_metadata(path).num_rows
        loaded = _load(account, session, table, path, wanted, parsed - min(lost, parsed))
        errors, lost = parsed - loaded, 0
        status = "PARTIALLY_LOADED" if errors else "LOADED"
        reason = "A row that the test asked to lose." if errors else None
        rows.append([shown, status, parsed, loaded, 1, errors, reason, None, None, None])
        account.loaded.setdefault(table, set()).add(mark)
        if wanted.purge:
            path.unlink()
    if not rows:
        return result_of([("status", "VARCHAR")], [["Copy executed with 0 files processed."]])
    result = result_of(_COLUMNS, rows)
    result.rows_produced = sum(int(row[3]) for row in rows)
    return result


def _chosen(account: Account, session: Session, wanted: Copying) -> tuple[Name, list[tuple[str, Path]]]:
    stage, prefix = stages.known_stage(account, session, wanted.location)
    found = dict(stages.files(stage))
    if wanted.files:
        names = [f"{prefix.rstrip('/')}/{name}".lstrip("/") for name in wanted.files]
        if missing := [name for name in names if name not in found]:
            raise SqlError(91016, "22000", f"Remote file '{missing[0]}' was not found.")
        return stage, [(name, found[name]) for name in names]
    matching = re.compile(wanted.pattern) if wanted.pattern else None
    chosen = [
        (name, path)
        for name, path in found.items()
        if name.startswith(prefix) and (matching is None or matching.fullmatch(name))
    ]
    return stage, chosen


def _load(account: Account, session: Session, table: Name, path: Path, wanted: Copying, rows: int) -> int:
    columns = account.engine.query(
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        table,
    )
    if not columns:
        raise SqlError(*TABLE_MISSING, f"SQL compilation error:\nTable '{'.'.join(table)}' does not exist.")
    schema = pq.read_schema(path)
    pairs = list(_pairs({str(name): str(kind) for name, kind in columns}, schema.names, wanted.match_case))
    targets = ", ".join(f'"{target}"' for target, _ in pairs)
    sources = ", ".join(source for _, source in pairs)
    name = ".".join(f'"{part}"' for part in table)
    sql = f"INSERT INTO {name} ({targets}) SELECT {sources} FROM read_parquet(?) LIMIT {rows}"
    try:
        session.engine._duck_conn.execute(sql, [str(path)])
    except duckdb.Error as error:
        raise from_engine(type(error).__name__, str(error)) from error
    return rows


def _pairs(columns: dict[str, str], names: list[str], match_case: bool) -> Iterator[tuple[str, str]]:
    """Yield columns of the table with the expression that fills each; those the file lacks take their defaults."""
    held = {name if match_case else name.upper(): name for name in names}
    for column, kind in columns.items():
        found = held.get(column if match_case else column.upper())
        if found is not None:
            quoted = '"' + found.replace('"', '""') + '"'
            yield column, f"to_json({quoted})" if kind == _JSON else quoted


def _text(parameter: exp.Expr | None) -> str:
    """Return an option's value."""
    value = parameter.args.get("expression") if parameter else None
    return "" if value is None else str(value.this) if isinstance(value, exp.Boolean) else str(value.name)
