"""Value pools: what a scenario needs of them, whether what was prepared will do, and whether its table has changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Generic, Protocol, TypeVar

CHANGED_MUCH_PCT: Final = 20
"""How much larger or smaller a table may be, in percent, before values sampled from it are said to be out of date."""


class PoolState(StrEnum):
    """Where a pool is in its life; a run is made with READY ones only."""

    PREPARING = "PREPARING"
    """Its values are being written; nobody uses them."""
    READY = "READY"
    """Complete: its values never change."""
    REPLACED = "REPLACED"
    """Newer ones have taken its place; it goes when the last run that uses it has ended."""


@dataclass(frozen=True)
class PoolNeed:
    """Values of one column that a scenario takes; parameters of one column share them."""

    table: str
    """In quotes and in its true case."""
    column: str
    """In its true case, without quotes."""
    limit: int
    """The most that any of the parameters asks for; one that asks for fewer takes the first of them."""


class SampledFor(Protocol):
    """A pool as far as it is compared with needs."""

    @property
    def table(self) -> str:
        """As in :class:`PoolNeed`, and so are the others."""
        ...

    @property
    def column(self) -> str:
        """The column."""
        ...

    @property
    def limit(self) -> int:
        """How many values were asked for."""
        ...


Pool = TypeVar("Pool", bound=SampledFor)


@dataclass(frozen=True)
class Coverage(Generic[Pool]):
    """Which pools serve which needs."""

    used: tuple[tuple[PoolNeed, Pool], ...]
    """Needs that are met, each with its pool."""
    missing: tuple[tuple[PoolNeed, str], ...]
    """Needs that no pool meets, each with the reason in words."""

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The pools that meet a need."""
        return tuple(pool for _, pool in self.used)


def cover(needs: Sequence[PoolNeed], pools: Iterable[Pool]) -> Coverage[Pool]:
    """Find a pool for each need; ``pools`` hold one for each column at most."""
    by_column = {pool.column: pool for pool in pools}
    used: list[tuple[PoolNeed, Pool]] = []
    missing: list[tuple[PoolNeed, str]] = []
    for need in needs:
        pool = by_column.get(need.column)
        if pool is None:
            missing.append((need, f"{need.column} was not prepared"))
        elif pool.table != need.table:
            missing.append((need, f"{need.column} was prepared from table {pool.table}"))
        elif pool.limit < need.limit:
            missing.append(
                (need, f"{need.column} was prepared for {pool.limit:,} values, and {need.limit:,} are asked")
            )
        else:
            used.append((need, pool))
    return Coverage(tuple(used), tuple(missing))


@dataclass(frozen=True)
class TableState:
    """What a database says of a table at no cost, to be compared with what it says later."""

    table_id: str
    """Another one when the table is made anew."""
    storage_id: str | None
    """Another one when all its rows are written anew; None where the database does not tell."""
    rows: float | None
    """An estimate; None where there is none, as for a view."""

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "TableState":
        """Return the state that :meth:`to_json` has written."""
        rows = document["rows"]
        return cls(document["table_id"], document["storage_id"], None if rows is None else float(rows))


def table_change(then: TableState, now: TableState) -> str:
    """Say what has become of a table since ``then``, as the end of a sentence; nothing where it is much the same."""
    if then.table_id != now.table_id:
        return "was dropped and made anew"
    if then.storage_id != now.storage_id:
        return "was written anew, as TRUNCATE, VACUUM FULL and REFRESH do"
    if then.rows is None or now.rows is None:
        return ""
    change_pct = 100.0 * (now.rows - then.rows) / max(then.rows, 1.0)
    if abs(change_pct) < CHANGED_MUCH_PCT:
        return ""
    if now.rows > 2 * then.rows:
        return f"has grown from about {then.rows:,.0f} to about {now.rows:,.0f} rows"
    return f"has about {abs(change_pct):.0f} % {'more' if change_pct > 0 else 'fewer'} rows"
