"""Data sets are pure: any part of their rows can be made again alone, and looks as it did in the whole."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upperbound.errors import ConfigurationError
from upperbound.targets.datasets.catalogue import DATA_SETS, find_data_set
from upperbound.targets.datasets.dataset import DataSet, DataTable, Recipe, plan_parts
from upperbound.targets.datasets.noise import noise, pick, row_numbers
from upperbound.targets.datasets.rows import numeric_cells, text_lines
from upperbound.targets.datasets.tpcb import BIG_SCALE
from upperbound.targets.datasets.ycsb import KEY_DIGITS, KEY_FACTOR, KEY_MODULUS, RECORDS

TABLES = [(data_set, table) for data_set in DATA_SETS for table in data_set.tables if table.rows(1)]


def table_id(value: object) -> str | None:
    return value.name if isinstance(value, DataTable | DataSet) else None


@pytest.mark.parametrize(("data_set", "table"), TABLES, ids=table_id)
def test_rows_are_the_same_in_whatever_parts_they_are_made(data_set: DataSet, table: DataTable) -> None:
    recipe, rows = Recipe(scale=3, seed=7), min(table.rows(3), 300)
    whole = table.make(recipe, range(1, rows + 1))
    cuts = [1, *sorted({min(cut, rows + 1) for cut in (2, 50, 177)}), rows + 1]
    pieces = [table.make(recipe, range(low, high)) for low, high in itertools.pairwise(cuts) if low < high]
    assert b"".join(pieces) == whole
    assert whole


@pytest.mark.parametrize("data_set", [data_set for data_set in DATA_SETS if data_set.name != "tpcb"], ids=table_id)
def test_another_seed_gives_other_rows(data_set: DataSet) -> None:
    table = max(data_set.tables, key=lambda table: table.rows(1))
    rows = range(1, 101)
    assert table.make(Recipe(1, 1), rows) == table.make(Recipe(1, 1), rows)
    assert table.make(Recipe(1, 1), rows) != table.make(Recipe(1, 2), rows)


@settings(deadline=None, max_examples=20)
@given(scale=st.integers(1, 40))
def test_the_parts_of_a_plan_hold_each_row_once(scale: int) -> None:
    for data_set in DATA_SETS:
        parts = plan_parts(data_set.tables, scale)
        assert len({part.key for part in parts}) == len(parts)
        for table in data_set.tables:
            own = [part for part in parts if part.table is table]
            edges = [(part.rows.start, part.rows.stop) for part in own]
            assert [low for low, _ in edges[:1]] == [1] * bool(table.rows(scale))
            assert all(len(part.rows) <= table.rows_per_part for part in own)
            assert sum(len(part.rows) for part in own) == table.rows(scale)
            assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))
            for part in own[:1] + own[-1:]:
                chunks = list(part.chunks())
                assert (chunks[0].start, chunks[-1].stop) == (part.rows.start, part.rows.stop)
                assert all(before.stop == after.start for before, after in itertools.pairwise(chunks))


@pytest.mark.parametrize(("data_set", "table"), TABLES, ids=table_id)
def test_the_last_row_of_the_largest_scale_can_be_made(data_set: DataSet, table: DataTable) -> None:
    last = table.rows(data_set.max_scale)
    assert table.make(Recipe(data_set.max_scale, 2**63 - 1), range(last, last + 1))


def test_account_numbers_are_bigint_where_pgbench_has_them_so() -> None:
    accounts = next(table for table in find_data_set("tpcb").tables if table.name == "pgbench_accounts")
    assert "aid int " in accounts.create(BIG_SCALE - 1)
    assert "aid bigint " in accounts.create(BIG_SCALE)
    row = range(1, 2)
    grown = len(accounts.make(Recipe(BIG_SCALE, 1), row)) - len(accounts.make(Recipe(BIG_SCALE - 1, 1), row))
    assert grown == 4


def test_no_two_records_share_a_key() -> None:
    assert find_data_set("ycsb").max_scale * RECORDS < KEY_MODULUS
    assert all(KEY_MODULUS % divisor for divisor in range(2, 65_537)), "it has to be a prime"
    assert KEY_MODULUS < 65_537**2
    assert KEY_MODULUS <= 10**KEY_DIGITS
    numbers = np.arange(1, RECORDS + 1, dtype=np.int64)
    assert len(np.unique(numbers * KEY_FACTOR % KEY_MODULUS)) == RECORDS
    assert find_data_set("ycsb").max_scale * RECORDS * KEY_FACTOR < 2**63


def test_noise_is_spread_evenly_and_differs_by_column() -> None:
    numbers = row_numbers(range(1, 100_001))
    first, second = (pick(noise(1, column, numbers), 10) for column in (1, 2))
    for drawn in (first, second):
        assert np.abs(np.bincount(drawn) - 10_000).max() < 500
    assert abs(float(np.corrcoef(first, second)[0, 1])) < 0.02


def test_numbers_with_decimals_have_one_width_whatever_their_size() -> None:
    assert numeric_cells(np.array([0, 99, 123_456, 9_999_999_999], dtype=np.int64)).shape == (4, 14)


def test_lines_end_with_a_line_end() -> None:
    assert text_lines(["a\tb", "c"]) == b"a\tb\nc\n"
    assert text_lines([]) == b""


def test_an_unknown_data_set_is_named_with_the_one_that_may_be_meant() -> None:
    with pytest.raises(ConfigurationError, match="did you mean tpcb"):
        find_data_set("tpc-b")
    with pytest.raises(ConfigurationError, match="there are tpcb, ycsb, orders, events, analytics"):
        find_data_set("zzz")
