"""Results of statements, and the answers that carry them to the client."""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from fakesnow.arrow import to_ipc, to_sf
from fakesnow.rowtype import describe_as_rowtype
from tests.emulators.snowflake.errors import SqlError
from tests.emulators.snowflake.statements import DML_TYPES

_ARROW_TYPES: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "JSON": pa.string(),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
}
_COUNTS = {
    "number of rows inserted": "numRowsInserted",
    "number of rows updated": "numRowsUpdated",
    "number of rows deleted": "numRowsDeleted",
}


@dataclass
class Result:
    """The rows of a statement, with the names and types of the columns as the engine describes them."""

    table: pa.Table
    rowtype: list[dict[str, Any]]
    transfer: dict[str, Any] | None = None
    """Where the client is to upload files, for PUT."""
    rows_produced: int | None = None
    binding: dict[str, Any] = field(default_factory=dict)
    """What a description tells about the values to bind."""
    is_description: bool = False
    """There are no rows, and none of the columns that are described."""

    def __post_init__(self) -> None:
        if self.rows_produced is None:
            self.rows_produced = self.table.num_rows


def result_of(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> Result:
    """Make a result of rows; ``columns`` are names with the engine's types."""
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [pa.array(list(held), type=_ARROW_TYPES[kind]) for held, (_, kind) in zip(values, columns, strict=True)]
    table = pa.Table.from_arrays(arrays, names=[name for name, _ in columns])
    return Result(table, rowtype_of(columns))


def rowtype_of(columns: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the description of columns that the client reads."""
    described = [(name, kind, None, None, None, None) for name, kind in columns]
    return [dict(column) for column in describe_as_rowtype(described)]


def status(message: str = "Statement executed successfully.") -> Result:
    """Make the result of a statement that tells that it succeeded."""
    return result_of([("status", "VARCHAR")], [[message]])


def answer(result: Result, *, query_id: str, type_id: int, context: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a statement that succeeded; ``context`` is what the session is after it."""
    if result.transfer is not None:
        return {"success": True, "code": None, "message": None, "data": result.transfer | {"queryId": query_id}}
    data: dict[str, Any] = {
        "parameters": [{"name": "TIMEZONE", "value": "Etc/UTC"}],
        "rowtype": result.rowtype,
        "total": result.table.num_rows,
        "returned": result.table.num_rows,
        "queryId": query_id,
        "statementTypeId": type_id,
        **context,
        **result.binding,
    }
    if type_id in DML_TYPES:
        columns = [column.to_pylist() for column in result.table.columns]
        rows = [[None if value is None else str(value) for value in row] for row in zip(*columns, strict=True)]
        data |= {"queryResultFormat": "json", "rowset": rows, "stats": _stats(result.table)}
    elif result.is_description:
        data |= {"queryResultFormat": "arrow", "rowsetBase64": ""}
    else:
        encoded = b64encode(to_ipc(_with_nulls(to_sf(result.table, result.rowtype)))).decode()
        data |= {"queryResultFormat": "arrow", "rowsetBase64": encoded}
    return {"success": True, "code": None, "message": None, "data": data}


def _with_nulls(table: pa.Table) -> pa.Table:
    """Let timestamps be NULL: a structure whose parts are NULL and may not be is one that the client does not read."""
    for place, field_of in enumerate(table.schema):
        if not pa.types.is_struct(field_of.type):
            continue
        column = table.column(place).combine_chunks()
        parts = [field_of.type.field(number).with_nullable(True) for number in range(field_of.type.num_fields)]
        values = [column.field(number) for number in range(field_of.type.num_fields)]
        # As it is with an array that has no rows, which has no first part to ask.
        mask = values[0].is_null()
        filled = pa.StructArray.from_arrays(values, fields=parts, mask=mask)
        table = table.set_column(place, field_of.with_type(filled.type), filled)
    return table


def failure(error: SqlError, *, query_id: str) -> dict[str, Any]:
    """Return the answer to a statement that failed."""
    code = f"{error.code:06d}"
    data = {"internalError": False, "errorCode": code, "sqlState": error.sqlstate, "queryId": query_id}
    return {"success": False, "code": code, "message": error.message, "data": data}


def as_json(value: Any) -> str:
    """Return a value of an OBJECT or ARRAY column as its text."""
    return json.dumps(value)


def _stats(table: pa.Table) -> dict[str, int]:
    stats = dict.fromkeys(_COUNTS.values(), 0)
    for column in table.column_names:
        if column in _COUNTS and table.num_rows:
            stats[_COUNTS[column]] = int(table.column(column)[0].as_py())
    return stats
