"""What was prepared serves for as long as it fits, and a table that has changed much is told from one that has not."""

from dataclasses import dataclass

import pytest

from upperbound.domain.value_pools import PoolNeed, TableState, cover, table_change

TABLE = '"public"."orders"'


@dataclass(frozen=True)
class Pool:
    table: str
    column: str
    limit: int


def test_a_pool_serves_needs_of_its_column_up_to_its_limit() -> None:
    pools = [Pool(TABLE, "id", 100), Pool(TABLE, "region", 10), Pool('"other"', "key", 10), Pool(TABLE, "unused", 1)]
    needs = [
        PoolNeed(TABLE, "region", 10),
        PoolNeed(TABLE, "id", 1_000_000),
        PoolNeed(TABLE, "key", 1),
        PoolNeed(TABLE, "new", 1),
    ]
    coverage = cover(needs, pools)
    assert coverage.used == ((needs[0], pools[1]),)
    assert coverage.pools == (pools[1],)
    assert coverage.missing == (
        (needs[1], "id was prepared for 100 values, and 1,000,000 are asked"),
        (needs[2], 'key was prepared from table "other"'),
        (needs[3], "new was not prepared"),
    )


STATE = TableState("1", "2", 1_000.0)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (STATE, ""),
        (TableState("1", "2", 1_199), ""),
        (TableState("1", "2", 801), ""),
        (TableState("1", "2", 1_200), "has about 20 % more rows"),
        (TableState("1", "2", 800), "has about 20 % fewer rows"),
        (TableState("1", "2", 0), "has about 100 % fewer rows"),
        (TableState("1", "2", 5_000_000), "has grown from about 1,000 to about 5,000,000 rows"),
        (TableState("1", "3", 1_000), "was written anew, as TRUNCATE, VACUUM FULL and REFRESH do"),
        (TableState("4", "3", 1_000), "was dropped and made anew"),
        (TableState("1", "2", None), ""),
    ],
)
def test_a_change_of_a_fifth_and_every_other_table_is_told(now: TableState, said: str) -> None:
    assert table_change(STATE, now) == said


def test_a_table_that_was_empty_has_grown_and_a_view_never_changes() -> None:
    assert table_change(TableState("1", "2", 0), TableState("1", "2", 0)) == ""
    assert "to about 500 rows" in table_change(TableState("1", "2", 0), TableState("1", "2", 500))
    assert table_change(TableState("1", None, None), TableState("1", None, 5)) == ""


def test_a_state_comes_back_from_json() -> None:
    for state in (STATE, TableState("7", None, None)):
        assert TableState.from_json(state.to_json()) == state
