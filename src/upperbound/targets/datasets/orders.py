"""A shop's orders: the table that the embedded target has, with the same rows, indexes and names.

All values come from hashes of the id. Half of the orders are delivered, every fourth has no note, and the times rise
with the ids over one year, as in a table that has grown.
"""

from datetime import UTC, datetime
from typing import Final

import numpy as np

from upperbound.targets.datasets.dataset import DataSet, DataTable, Recipe
from upperbound.targets.datasets.noise import postgres_hash, row_numbers
from upperbound.targets.datasets.rows import text_lines, timestamps
from upperbound.targets.embedded.dataset import DEFAULT_ROWS, ROWS_PER_CUSTOMER

FIRST_TIME: Final = datetime(2025, 1, 1, tzinfo=UTC)
SECONDS: Final = 31_536_000
"""A year."""
_STATUS: Final = (*("delivered",) * 5, "shipped", "paid", "paid", "new", "cancelled")
_HASH_MASK: Final = 2**48 - 1


def _rows(scale: int) -> int:
    return DEFAULT_ROWS * scale


def _orders(recipe: Recipe, rows: range) -> bytes:
    total = _rows(recipe.scale)
    ids = row_numbers(rows)
    hashes = postgres_hash(ids, recipe.seed % 2**63)
    # As in SQL: the remainder of a negative number is negative, and its absolute value is meant.
    customers = 1 + np.abs(np.fmod(hashes, 1_000_000_007)) % max(1, total // ROWS_PER_CUSTOMER)
    cents = 100 + (hashes >> 20 & 65_535) * 10
    created = np.rint(1e6 * (ids * float(SECONDS) / total)).astype(np.int64)
    columns = zip(
        ids.tolist(),
        customers.tolist(),
        ((hashes >> 8 & 1023) % 10).tolist(),
        cents.tolist(),
        timestamps(created, FIRST_TIME),
        hashes.tolist(),
        strict=True,
    )
    return text_lines(
        f"{number}\t{customer}\t{_STATUS[status]}\t{cent // 100}.{cent % 100:02}\t{time}\t"
        + (f"order {number} {bits & _HASH_MASK:x}" if bits & 3 else r"\N")
        for number, customer, status, cent, time, bits in columns
    )


ORDERS: Final = DataSet(
    name="orders",
    about="A shop's table of orders, the one that the demo measures, for transactions of every kind.",
    size="100,000 orders of 5,000 customers; about 16 MB",
    tables=(
        DataTable(
            "orders",
            lambda _scale: (
                "CREATE TABLE orders (id bigint NOT NULL, customer_id integer NOT NULL, status text NOT NULL, "
                "amount numeric(10, 2) NOT NULL, created_at timestamptz NOT NULL, note text)"
            ),
            _rows,
            _orders,
            binary=False,
        ),
    ),
    finish=(
        "ALTER TABLE orders ADD PRIMARY KEY (id)",
        "CREATE INDEX ON orders (customer_id, created_at)",
        "CREATE INDEX ON orders (created_at)",
    ),
)
