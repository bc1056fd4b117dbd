"""Array parameters: PostgreSQL's text form of arrays, in which the server reads values of any type."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_types import Values, plain_text


def element_type(connection: Connection, oid: int) -> int | None:
    """Return the type of the elements of an array type; None for any other type."""
    row = connection.execute("SELECT typelem FROM pg_type WHERE oid = %s AND typcategory = 'A'", [oid]).fetchone()
    return None if row is None else int(row[0])


def array_elements(values: Values) -> Iterator[bytes]:
    """Return values as they stand within an array: quoted, so that none is taken for anything else.

    Raises:
        ValueError: text has a zero byte.
    """
    if isinstance(values, np.ndarray):
        return (b"%d" % value for value in values.tolist())
    return map(_element, values)


def encode_arrays(rows: Values) -> Iterator[bytes | None]:
    """Encode lists of what :func:`array_elements` has made."""
    return (b"{" + b",".join(row) + b"}" for row in cast("Any", rows))


def _element(value: object) -> bytes:
    if value is None:
        return b"NULL"
    return b'"' + plain_text(value).replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
