"""Value pools: ``TEMPLATE_VALUE_POOLS``, their values in ``TEMPLATE_VALUE_CHUNKS``, and the runs that use them.

A pool is written chunk by chunk and nobody sees it until it is published, together with the others that are prepared
with it; from then on it never changes. Preparing anew makes other pools and replaces the old ones, which stay for as
long as a run uses them.
"""

import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from upperbound.domain.run_state import TERMINAL
from upperbound.domain.value_blocks import ValueBlock, ValueEncoding
from upperbound.domain.value_pools import PoolState, TableState
from upperbound.errors import StoreError, TemplateNotFound
from upperbound.store.database import Database
from upperbound.store.tables import (
    run_status,
    run_value_pools,
    template_value_chunks,
    template_value_pools,
    test_templates,
)
from upperbound.store.types import seconds_between, store_now

if TYPE_CHECKING:
    from upperbound.store.templates import TemplateRef

TEMPLATES_LOCK: Final = "templates"
"""Taken on Snowflake by whoever changes templates or value pools, and by runs that are linked to pools."""
GIVEN_UP_S: Final = 600
"""A pool that nobody has written to for so long, and that no run uses, was left behind by a process that is gone."""
_CODEC: Final = "zstd"
"""Makes text half as large at a gigabyte a second."""
_CHUNKS_AT_ONCE: Final = 4
"""Chunks in one answer: some megabytes."""


@dataclass(frozen=True)
class NewPool:
    """A pool that is about to be sampled."""

    target: str
    """The database that it is sampled from, as one word that is the same whichever way leads there."""
    server: str
    """The same for people: ``host:port/database``."""
    table: str
    """In quotes and in its true case."""
    column: str
    """In its true case, without quotes."""
    limit: int
    """How many values are asked for."""
    seed: int
    """Decides which values are chosen, and their order."""
    value_type: str
    """The column's type as SQL writes it."""
    encoding: ValueEncoding
    table_state: TableState
    """What the database said of the table before it was sampled."""
    sampled_by: str


@dataclass(frozen=True)
class PoolRow(NewPool):
    """A pool as it is stored."""

    pool_id: str
    template_id: str | None
    """None for one that was sampled for a run alone."""
    template_version: int | None
    """The version that it was prepared for; another one may need the same values."""
    state: PoolState
    value_count: int
    value_bytes: int
    """Size of the values in memory; the store holds them compressed."""
    chunk_count: int
    sampled_at: datetime
    """When the sampling began, by the store's clock."""


class ValuePoolRepository:
    """Writes and reads value pools."""

    def __init__(self, database: Database, now: sa.ColumnElement[datetime] | None = None) -> None:
        self._database = database
        self._now = store_now() if now is None else now

    def begin(self, pool: NewPool) -> str:
        """Make room for a pool and return its id; it is PREPARING until it is published or kept."""
        pool_id = f"p-{secrets.token_hex(8)}"
        self._database.write(
            sa.insert(template_value_pools).values(
                pool_id=pool_id,
                state=PoolState.PREPARING,
                target=pool.target,
                server=pool.server,
                table_name=pool.table,
                column_name=pool.column,
                value_limit=pool.limit,
                seed=pool.seed,
                value_type=pool.value_type,
                encoding=pool.encoding,
                table_state=pool.table_state.to_json(),
                sampled_by=pool.sampled_by,
                sampled_at=self._now,
                touched_at=self._now,
            )
        )
        return pool_id

    def append(self, pool_id: str, chunk: int, block: ValueBlock) -> None:
        """Write the next chunk, counted from 0; one that is there is left as it is, so that a call may be repeated.

        Raises :class:`StoreError` when the pool was given up meanwhile.
        """
        columns = template_value_pools.c
        preparing = sa.and_(columns.pool_id == pool_id, columns.state == PoolState.PREPARING)
        grow = (
            sa.update(template_value_pools)
            .where(preparing, columns.chunk_count == chunk)
            .values(
                value_count=columns.value_count + block.count,
                value_bytes=columns.value_bytes + len(block.memory),
                chunk_count=columns.chunk_count + 1,
                touched_at=self._now,
            )
        )
        values = {
            "pool_id": pool_id,
            "chunk": chunk,
            "value_count": block.count,
            "value_bytes": len(block.memory),
            "data": _compressed(block.memory),
        }
        # Without a lock on Snowflake, too: a pool has one writer, and nobody removes one that was written to of late.
        with self._database.transaction() as connection:
            if connection.execute(grow).rowcount:
                connection.execute(sa.insert(template_value_chunks).values(values))
            elif (connection.execute(sa.select(columns.chunk_count).where(preparing)).scalar() or 0) <= chunk:
                raise _given_up()

    def publish(self, pool_ids: Sequence[str], template: "TemplateRef") -> None:
        """Let these pools be those of a template for the database they come from, in place of any it has for that.

        All of it or nothing. Raises :class:`TemplateNotFound` when the template was deleted, and :class:`StoreError`
        when a pool was given up meanwhile.
        """
        columns = template_value_pools.c
        template_row = sa.select(test_templates.c.template_id).where(
            test_templates.c.template_id == template.template_id
        )
        with self._database.transaction(lock=TEMPLATES_LOCK) as connection:
            if connection.execute(template_row.with_for_update()).first() is None:
                raise TemplateNotFound(
                    f"the template {template.template_id} was deleted while its value pools were prepared",
                    hint="`upperbound template list` shows those that there are",
                )
            targets = self._lock_prepared(connection, pool_ids)
            retire(connection, template.template_id, targets)
            connection.execute(
                sa.update(template_value_pools)
                .where(columns.pool_id.in_(pool_ids))
                .values(state=PoolState.READY, template_id=template.template_id, template_version=template.version)
            )

    def keep_for_a_run(self, pool_ids: Sequence[str]) -> None:
        """Let these pools be complete without a template; the run that they are for is about to be created.

        Raises :class:`StoreError` when one was given up meanwhile.
        """
        with self._database.transaction(lock=TEMPLATES_LOCK) as connection:
            self._lock_prepared(connection, pool_ids)
            update = sa.update(template_value_pools).where(template_value_pools.c.pool_id.in_(pool_ids))
            connection.execute(update.values(state=PoolState.READY, touched_at=self._now))

    def discard(self, pool_ids: Sequence[str]) -> None:
        """Remove pools that no run uses and no template has; others are left."""
        columns = template_value_pools.c
        with self._database.transaction(lock=TEMPLATES_LOCK) as connection:
            self._remove(connection, sa.and_(columns.pool_id.in_(pool_ids), columns.template_id.is_(None)))

    def sweep(self) -> int:
        """Remove the pools that nobody uses any more, with their values, and return how many there were.

        Those are replaced pools and pools of a run alone whose runs have ended, and those that a process which is gone
        has left behind.
        """
        columns = template_value_pools.c
        old = seconds_between(self._now, columns.touched_at) > GIVEN_UP_S
        used_once = sa.exists(sa.select(run_value_pools.c.run_id).where(run_value_pools.c.pool_id == columns.pool_id))
        garbage = sa.or_(
            sa.and_(columns.state == PoolState.PREPARING, old),
            columns.state == PoolState.REPLACED,
            sa.and_(columns.state == PoolState.READY, columns.template_id.is_(None), sa.or_(used_once, old)),
        )
        with self._database.transaction(lock=TEMPLATES_LOCK) as connection:
            return self._remove(connection, garbage)

    def of_template(self, template_id: str, target: str | None = None) -> list[PoolRow]:
        """Return what is prepared for a template, for one database or for all, by database and column."""
        columns = template_value_pools.c
        conditions = [columns.template_id == template_id, columns.state == PoolState.READY]
        if target is not None:
            conditions.append(columns.target == target)
        query = sa.select(template_value_pools).where(*conditions)
        return self._rows(query.order_by(columns.server, columns.target, columns.column_name))

    def of_ids(self, pool_ids: Sequence[str]) -> list[PoolRow]:
        """Return pools by column; those that are gone are left out."""
        columns = template_value_pools.c
        query = sa.select(template_value_pools).where(columns.pool_id.in_(pool_ids))
        return self._rows(query.order_by(columns.column_name))

    def of_run(self, run_id: str) -> list[PoolRow]:
        """Return the pools that a run uses, by column; those of a run that has ended may be gone."""
        columns = template_value_pools.c
        query = sa.select(template_value_pools).join(run_value_pools, run_value_pools.c.pool_id == columns.pool_id)
        return self._rows(query.where(run_value_pools.c.run_id == run_id).order_by(columns.column_name))

    def blocks(self, pool: PoolRow) -> Iterator[ValueBlock]:
        """Yield a pool's values in their order, chunk by chunk, a few chunks in each answer of the store.

        Raises :class:`StoreError` when they are not there any more, or damaged.
        """
        columns = template_value_chunks.c
        query = sa.select(template_value_chunks).where(columns.pool_id == pool.pool_id)
        for first in range(0, pool.chunk_count, _CHUNKS_AT_ONCE):
            wanted = range(first, min(first + _CHUNKS_AT_ONCE, pool.chunk_count))
            page = query.where(columns.chunk >= wanted.start, columns.chunk < wanted.stop).order_by(columns.chunk)
            rows = self._database.rows(page)
            if [row["chunk"] for row in rows] != list(wanted):
                raise _damaged(pool, "some of them are gone")
            for row in rows:
                try:
                    memory = _decompressed(row["data"], row["value_bytes"])
                    block = ValueBlock(pool.encoding, memory, row["value_count"])
                except (OSError, ValueError) as error:
                    raise _damaged(pool, str(error)) from error
                yield block

    def _rows(self, query: "sa.Select[Any]") -> list[PoolRow]:
        return [_pool_row(dict(row)) for row in self._database.rows(query)]

    def _lock_prepared(self, connection: Connection, pool_ids: Sequence[str]) -> set[str]:
        """Return the databases of pools that are PREPARING, which nobody gives up before the transaction has ended."""
        columns = template_value_pools.c
        query = sa.select(columns.target).where(columns.pool_id.in_(pool_ids), columns.state == PoolState.PREPARING)
        targets = connection.execute(query.order_by(columns.pool_id).with_for_update()).scalars().all()
        if len(targets) != len(pool_ids):
            raise _given_up()
        return set(targets)

    def _remove(self, connection: Connection, condition: sa.ColumnElement[bool]) -> int:
        """Remove pools, with their values, that no run which has not ended uses; returns how many."""
        columns, links, runs = template_value_pools.c, run_value_pools.c, run_status.c
        chosen = sa.select(columns.pool_id).where(condition).order_by(columns.pool_id).with_for_update()
        # Locked first and looked up then: a run that is created in this moment holds the same lock until it is linked.
        locked = list(connection.execute(chosen).scalars())
        living = (
            sa.select(links.pool_id)
            .join(run_status, runs.run_id == links.run_id)
            .where(links.pool_id.in_(locked), runs.status.not_in(TERMINAL))
        )
        used = set(connection.execute(living).scalars())
        unused = [pool_id for pool_id in locked if pool_id not in used]
        if unused:
            for table in (template_value_chunks, run_value_pools, template_value_pools):
                connection.execute(sa.delete(table).where(table.c.pool_id.in_(unused)))
        return len(unused)


def link_run(connection: Connection, run_id: str, pool_ids: Sequence[str]) -> None:
    """Keep pools for a run until it has ended; in the transaction that creates the run.

    Raises :class:`StoreError` when one of them is gone, because newer ones have just taken its place.
    """
    columns = template_value_pools.c
    if not pool_ids:
        return
    complete = sa.select(columns.pool_id).where(columns.pool_id.in_(pool_ids), columns.state != PoolState.PREPARING)
    found = connection.execute(complete.order_by(columns.pool_id).with_for_update(read=True)).scalars().all()
    if len(found) != len(set(pool_ids)):
        raise StoreError(
            "the value pools of the run were replaced while it was being created", hint="give the same command again"
        )
    connection.execute(sa.insert(run_value_pools), [{"run_id": run_id, "pool_id": pool_id} for pool_id in found])


def retire(connection: Connection, template_id: str, targets: Collection[str] | None = None) -> None:
    """Let the pools of a template be replaced ones, those for some databases or all."""
    columns = template_value_pools.c
    conditions = [columns.template_id == template_id, columns.state == PoolState.READY]
    if targets is not None:
        conditions.append(columns.target.in_(targets))
    # In the order in which everybody locks them: a run that is created in this moment holds some of them.
    chosen = sa.select(columns.pool_id).where(*conditions).order_by(columns.pool_id).with_for_update()
    pool_ids = list(connection.execute(chosen).scalars())
    update = sa.update(template_value_pools).where(columns.pool_id.in_(pool_ids))
    connection.execute(update.values(state=PoolState.REPLACED))


def _compressed(memory: bytes) -> bytes:
    # Where it is needed: most of what the store is asked needs no library of this size.
    import pyarrow as pa

    return bytes(pa.compress(memory, codec=_CODEC, asbytes=True))


def _decompressed(data: bytes, size_bytes: int) -> bytes:
    """Return what was compressed; raises :class:`OSError` or :class:`ValueError` for anything else."""
    import pyarrow as pa

    return bytes(pa.decompress(data, decompressed_size=size_bytes, codec=_CODEC, asbytes=True))


def _pool_row(row: dict[str, Any]) -> PoolRow:
    row["table_state"] = TableState.from_json(row["table_state"])
    del row["touched_at"]
    names = {"table_name": "table", "column_name": "column", "value_limit": "limit"}
    return PoolRow(**{names.get(name, name): value for name, value in row.items()})


def _given_up() -> StoreError:
    return StoreError(
        "the value pools that were being prepared are not there any more",
        hint=f"they are given up after {GIVEN_UP_S // 60} minutes without progress: prepare them again",
    )


def _damaged(pool: PoolRow, why: str) -> StoreError:
    return StoreError(
        f"the values of column {pool.column} in value pool {pool.pool_id} cannot be read: {why}",
        hint="prepare them again with `upperbound template prepare`, or run again",
    )
