"""The tables of pgbench: what ``pgbench -i`` makes, so that pgbench itself runs on them.

After PostgreSQL's ``src/bin/pgbench/pgbench.c``, ``initCreateTables`` to ``initCreatePKeys``: the same columns, types,
fill factors, keys and initial contents, in which every balance is 0. A test compares them with ``pgbench -i``.
"""

from typing import Final

from upperbound.targets.datasets.dataset import DataSet, DataTable, Recipe
from upperbound.targets.datasets.noise import row_numbers
from upperbound.targets.datasets.rows import binary_rows, int4, int8, same_text

TELLERS_PER_BRANCH: Final = 10
ACCOUNTS_PER_BRANCH: Final = 100_000
BIG_SCALE: Final = 20_000
"""From here on account numbers are bigint, as pgbench has it."""


def _aid_type(scale: int) -> str:
    return "bigint" if scale >= BIG_SCALE else "int"


def _branches(_recipe: Recipe, rows: range) -> bytes:
    bid = row_numbers(rows)
    return binary_rows(len(bid), [int4(bid), int4(bid * 0), None])


def _tellers(_recipe: Recipe, rows: range) -> bytes:
    tid = row_numbers(rows)
    return binary_rows(len(tid), [int4(tid), int4((tid - 1) // TELLERS_PER_BRANCH + 1), int4(tid * 0), None])


def _accounts(recipe: Recipe, rows: range) -> bytes:
    aid = row_numbers(rows)
    key = int8(aid) if recipe.scale >= BIG_SCALE else int4(aid)
    branch = int4((aid - 1) // ACCOUNTS_PER_BRANCH + 1)
    return binary_rows(len(aid), [key, branch, int4(aid * 0), same_text("", len(aid))])


def _no_rows(_recipe: Recipe, _rows: range) -> bytes:
    return b""


TPCB: Final = DataSet(
    name="tpcb",
    about="The tables of pgbench, as pgbench -i makes them: pgbench itself runs on them.",
    size="100,000 accounts, 10 tellers, 1 branch, an empty history; about 15 MB",
    tables=(
        DataTable(
            "pgbench_history",
            lambda scale: (
                f"CREATE TABLE pgbench_history (tid int, bid int, aid {_aid_type(scale)}, delta int, mtime timestamp, "
                "filler char(22))"
            ),
            lambda _scale: 0,
            _no_rows,
        ),
        DataTable(
            "pgbench_tellers",
            lambda _scale: (
                "CREATE TABLE pgbench_tellers (tid int not null, bid int, tbalance int, filler char(84)) "
                "WITH (fillfactor = 100)"
            ),
            lambda scale: TELLERS_PER_BRANCH * scale,
            _tellers,
        ),
        DataTable(
            "pgbench_accounts",
            lambda scale: (
                f"CREATE TABLE pgbench_accounts (aid {_aid_type(scale)} not null, bid int, abalance int, "
                "filler char(84)) WITH (fillfactor = 100)"
            ),
            lambda scale: ACCOUNTS_PER_BRANCH * scale,
            _accounts,
        ),
        DataTable(
            "pgbench_branches",
            lambda _scale: (
                "CREATE TABLE pgbench_branches (bid int not null, bbalance int, filler char(88)) "
                "WITH (fillfactor = 100)"
            ),
            lambda scale: scale,
            _branches,
        ),
    ),
    finish=(
        "ALTER TABLE pgbench_branches ADD PRIMARY KEY (bid)",
        "ALTER TABLE pgbench_tellers ADD PRIMARY KEY (tid)",
        "ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid)",
    ),
    max_scale=100_000,
)
