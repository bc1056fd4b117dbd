"""Samples value pools from a target into the store, block by block: the only place where the two meet for values."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from upperbound.domain.value_blocks import ValueEncoding
from upperbound.domain.value_pools import PoolNeed
from upperbound.errors import Problem, TargetMismatch, UpperboundError
from upperbound.orchestrator.pool_sources import PoolSource
from upperbound.store.engine import Store
from upperbound.store.value_pools import NewPool

POOL_BYTES_MAX: Final = 512 * 2**20
"""The most that the values of a pool may take: every worker holds them in memory."""


class PoolWatcher(Protocol):
    """Is told how sampling goes on, in the thread that samples."""

    def planned(self, table: str, needs: Sequence[PoolNeed]) -> None:
        """Learn what will be sampled, and from which table."""
        ...

    def begun(self, need: PoolNeed) -> None:
        """Learn that the server chooses and sorts the values of a column."""
        ...

    def sampled(self, need: PoolNeed, values: int) -> None:
        """Learn that so many more values are in the store."""
        ...

    def done(self, need: PoolNeed) -> None:
        """Learn that all values of a column are in the store."""
        ...


class NoWatcher:
    """Listens to nothing."""

    def planned(self, table: str, needs: Sequence[PoolNeed]) -> None:
        """Ignore the plan."""

    def begun(self, need: PoolNeed) -> None:
        """Ignore the beginning."""

    def sampled(self, need: PoolNeed, values: int) -> None:
        """Ignore the values."""

    def done(self, need: PoolNeed) -> None:
        """Ignore the end."""


@dataclass(frozen=True)
class SampleOrder:
    """What is to be sampled."""

    table: str
    """As it is written in the scenario."""
    needs: Sequence[PoolNeed]
    seed: int
    sampled_by: str


def sample_pools(store: Store, source: PoolSource, order: SampleOrder, watcher: PoolWatcher) -> list[str]:
    """Sample each column with one statement, write the values to the store, and return the ids of the pools.

    They are PREPARING: to be published or kept for a run by the caller. Nothing is left when this raises.

    Raises:
        TargetMismatch: columns cannot be read or hold no value, or one that takes more memory than pools may.
        StoreError: the values cannot be written.
    """
    kinds = _column_types(source, order)
    identity, state = source.identity(), source.state(order.table)
    watcher.planned(order.table, order.needs)
    pool_ids: list[str] = []
    try:
        for need, (value_type, encoding) in zip(order.needs, kinds, strict=True):
            pool = NewPool(
                target=identity.key,
                server=identity.shown,
                table=need.table,
                column=need.column,
                limit=need.limit,
                seed=order.seed,
                value_type=value_type,
                encoding=encoding,
                table_state=state,
                sampled_by=order.sampled_by,
            )
            watcher.begun(need)
            pool_ids.append(store.value_pools.begin(pool))
            _sample(store, source, order, need, pool_ids[-1], watcher)
            watcher.done(need)
    except BaseException:
        # What cannot be removed now is swept up later.
        with contextlib.suppress(UpperboundError):
            store.value_pools.discard(pool_ids)
        raise
    return pool_ids


def _column_types(source: PoolSource, order: SampleOrder) -> list[tuple[str, ValueEncoding]]:
    """Return the type of each column and how its values are written; every one that cannot be read is a problem."""
    found: list[tuple[str, ValueEncoding]] = []
    problems: list[Problem] = []
    for need in order.needs:
        try:
            found.append(source.column(order.table, need.column))
        except TargetMismatch as error:
            what = error.problems[0].message if error.problems else error.message
            problems.append(Problem("", f"column {need.column} of {order.table}: {what}"))
    if problems:
        raise TargetMismatch(f"values of {order.table} cannot be sampled", problems=problems)
    return found


def _sample(
    store: Store, source: PoolSource, order: SampleOrder, need: PoolNeed, pool_id: str, watcher: PoolWatcher
) -> None:
    """Write the values of one column into a pool."""
    values = size_bytes = 0
    blocks = source.blocks(order.table, need.column, need.limit, order.seed)
    with contextlib.closing(blocks):
        for chunk, block in enumerate(blocks):
            values, size_bytes = values + block.count, size_bytes + len(block.memory)
            if size_bytes > POOL_BYTES_MAX:
                raise TargetMismatch(
                    f"the pool of column {need.column} is larger than the {POOL_BYTES_MAX // 2**20} MiB that pools may "
                    f"have: the first {values:,} values of at most {need.limit:,} take more",
                    hint=f"set the limit of its parameters to {values // 2:,}, or take another column",
                )
            store.value_pools.append(pool_id, chunk, block)
            watcher.sampled(need, block.count)
    if not values:
        raise TargetMismatch(
            f"column {need.column} of table {order.table} holds no value to choose from", hint="fill the table first"
        )
