"""Value pools are seen whole or not at all, newer ones replace older ones, and a run keeps what it was made with."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.unit.scenario.samples import changed

from upperbound.domain.phases import Phase
from upperbound.domain.run_state import RunStatus
from upperbound.domain.value_blocks import ValueBlock, ValueEncoding, integer_block, text_block, uuid_block
from upperbound.domain.value_pools import PoolState, TableState
from upperbound.errors import RunNotFound, StoreError, TemplateNotFound
from upperbound.scenario.model import Scenario
from upperbound.store.engine import Store
from upperbound.store.runs import NewRun
from upperbound.store.templates import TemplateRef
from upperbound.store.value_pools import GIVEN_UP_S, NewPool

if TYPE_CHECKING:
    from tests.contract.store.conftest import SetClock

NEW = NewPool(
    target="7312/5",
    server="127.0.0.1:5432/shop",
    table='"public"."orders"',
    column="Id of it",
    limit=1_000_000,
    seed=2**40,
    value_type="bigint",
    encoding=ValueEncoding.INTEGER,
    table_state=TableState("16400", "16401", 2.5e9),
    sampled_by="ada",
)
BLOCKS = [integer_block(range(first, first + 10)) for first in range(0, 50, 10)]
"""More than the store answers with at once."""


@pytest.fixture
def template(store: Store) -> TemplateRef:
    made = store.templates.create(Scenario.model_validate(changed({})), saved_by="ada")
    return TemplateRef(made.template_id, made.latest_version)


def write(store: Store, *blocks: ValueBlock, **changes: object) -> str:
    pool_id = store.value_pools.begin(replace(NEW, **changes))  # type: ignore[arg-type]  # names of its fields
    for chunk, block in enumerate(blocks or BLOCKS):
        store.value_pools.append(pool_id, chunk, block)
    return pool_id


def published(store: Store, template: TemplateRef, **changes: object) -> str:
    pool_id = write(store, **changes)
    store.value_pools.publish([pool_id], template)
    return pool_id


def ids(store: Store, template: TemplateRef, target: str | None = None) -> set[str]:
    return {pool.pool_id for pool in store.value_pools.of_template(template.template_id, target)}


def kept(store: Store) -> int:
    """Return how many pools the store holds, in whatever state, with their chunks."""
    with store._database.connection() as connection:
        pools = connection.exec_driver_sql("SELECT count(*) FROM template_value_pools").scalar_one()
        chunks = connection.exec_driver_sql("SELECT count(DISTINCT pool_id) FROM template_value_chunks").scalar_one()
    assert chunks <= pools
    return int(pools)


def end(store: Store, run_id: str = "run-1") -> None:
    run = store.runs.get(run_id)
    store.runs.transition(run_id, expected=run.status, to=RunStatus.FAILED, phase=Phase.COMPLETED)


# Values and what is known of them


def test_a_pool_comes_back_as_it_was_written(clocked_store: Store, clock: "SetClock", template: TemplateRef) -> None:
    sampled_at = clock.moment
    pool_id = clocked_store.value_pools.begin(NEW)
    clock.advance(5)
    for chunk, block in enumerate(BLOCKS):
        clocked_store.value_pools.append(pool_id, chunk, block)
    clocked_store.value_pools.publish([pool_id], template)
    (pool,) = clocked_store.value_pools.of_template(template.template_id)
    assert {field.name: getattr(pool, field.name) for field in fields(NewPool)} == vars(NEW)
    assert (pool.pool_id, pool.template_id, pool.template_version) == (pool_id, template.template_id, 1)
    assert (pool.state, pool.sampled_at) == (PoolState.READY, sampled_at)
    assert (pool.value_count, pool.value_bytes, pool.chunk_count) == (50, 400, 5)
    assert list(clocked_store.value_pools.blocks(pool)) == BLOCKS


@pytest.mark.parametrize(
    "block",
    [
        integer_block([-(2**63), 0, 2**63 - 1]),
        uuid_block([bytes(range(16)), b"\xff" * 16, b"\0" * 16]),
        text_block(["", "größe 🙂", "a\nb", "\\"]),
    ],
    ids=lambda block: block.encoding.value,
)
def test_values_of_every_encoding_come_back(store: Store, template: TemplateRef, block: ValueBlock) -> None:
    pool_id = write(store, block, encoding=block.encoding)
    store.value_pools.publish([pool_id], template)
    (pool,) = store.value_pools.of_template(template.template_id)
    assert list(store.value_pools.blocks(pool)) == [block]


def test_a_chunk_written_twice_is_kept_once(store: Store, template: TemplateRef) -> None:
    pool_id = store.value_pools.begin(NEW)
    for _ in range(2):
        store.value_pools.append(pool_id, 0, BLOCKS[0])
    store.value_pools.publish([pool_id], template)
    (pool,) = store.value_pools.of_template(template.template_id)
    assert (pool.value_count, pool.chunk_count) == (10, 1)
    assert list(store.value_pools.blocks(pool)) == BLOCKS[:1]


def test_a_pool_without_values_has_no_blocks(store: Store, template: TemplateRef) -> None:
    pool_id = store.value_pools.begin(NEW)
    store.value_pools.publish([pool_id], template)
    (pool,) = store.value_pools.of_template(template.template_id)
    assert list(store.value_pools.blocks(pool)) == []


def test_values_that_are_gone_or_damaged_are_an_error_and_never_fewer_values(
    store: Store, template: TemplateRef, engine: sa.Engine
) -> None:
    published(store, template)
    (pool,) = store.value_pools.of_template(template.template_id)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE template_value_chunks SET data = :data WHERE chunk = 2"), {"data": b"no"})
    with pytest.raises(StoreError, match=f"column Id of it in value pool {pool.pool_id} cannot be read"):
        list(store.value_pools.blocks(pool))
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM template_value_chunks WHERE chunk = 2"))
    with pytest.raises(StoreError, match="some of them are gone"):
        list(store.value_pools.blocks(pool))


# Seen whole or not at all


def test_a_pool_that_is_being_written_is_nobodys(store: Store, template: TemplateRef) -> None:
    write(store)
    assert store.value_pools.of_template(template.template_id) == []
    assert kept(store) == 1


def test_pools_are_published_together_and_replace_what_the_template_had_for_their_database(
    store: Store, template: TemplateRef
) -> None:
    old = {published(store, template), published(store, template, target="other", column="x")}
    assert ids(store, template) == old
    new = [write(store, column="id"), write(store, column="region")]
    assert ids(store, template) == old, "nothing changes before all of them are complete"
    store.value_pools.publish(new, template)
    assert ids(store, template, NEW.target) == set(new)
    assert len(ids(store, template, "other")) == 1
    assert [pool.column for pool in store.value_pools.of_template(template.template_id, NEW.target)] == ["id", "region"]


def test_other_templates_keep_theirs(store: Store, template: TemplateRef) -> None:
    other = store.templates.duplicate(template.template_id, "Other", saved_by="ada")
    theirs = published(store, TemplateRef(other.template_id, 1))
    published(store, template)
    assert ids(store, TemplateRef(other.template_id, 1)) == {theirs}


def test_pools_that_were_given_up_cannot_be_published_and_the_old_ones_stay(
    clocked_store: Store, clock: "SetClock", template: TemplateRef
) -> None:
    old = published(clocked_store, template)
    left, going_on = write(clocked_store), write(clocked_store)
    clock.advance(GIVEN_UP_S - 1)
    clocked_store.value_pools.append(going_on, len(BLOCKS), BLOCKS[0])
    clock.advance(2)
    assert clocked_store.value_pools.sweep() == 1
    with pytest.raises(StoreError, match="not there any more"):
        clocked_store.value_pools.append(left, 20, BLOCKS[0])
    with pytest.raises(StoreError, match="not there any more"):
        clocked_store.value_pools.publish([left, going_on], template)
    assert ids(clocked_store, template) == {old}
    clocked_store.value_pools.publish([going_on], template)
    assert ids(clocked_store, template) == {going_on}


def test_a_template_that_is_deleted_meanwhile_gets_none(store: Store, template: TemplateRef) -> None:
    pool_id = write(store)
    store.templates.delete(template.template_id)
    with pytest.raises(TemplateNotFound, match="was deleted while"):
        store.value_pools.publish([pool_id], template)
    store.value_pools.discard([pool_id])
    assert kept(store) == 0


# Runs


def test_a_run_keeps_its_pools_when_they_are_replaced_and_until_it_has_ended(
    store: Store, template: TemplateRef, new_run: Callable[..., NewRun]
) -> None:
    old = published(store, template)
    store.runs.create(new_run(value_pools=[old]))
    new = published(store, template)
    assert store.value_pools.sweep() == 0
    (used,) = store.value_pools.of_run("run-1")
    assert (used.pool_id, used.state) == (old, PoolState.REPLACED)
    assert list(store.value_pools.blocks(used)) == BLOCKS
    end(store)
    assert store.value_pools.sweep() == 1
    assert store.value_pools.of_run("run-1") == []
    assert ids(store, template) == {new}
    assert kept(store) == 1


def test_a_run_of_several_keeps_them_all(store: Store, template: TemplateRef, new_run: Callable[..., NewRun]) -> None:
    pools = [write(store, column=column) for column in ("b", "a")]
    store.value_pools.publish(pools, template)
    for run_id in ("run-1", "run-2"):
        store.runs.create(new_run(run_id, value_pools=pools))
    store.templates.delete(template.template_id)
    end(store, "run-1")
    assert store.value_pools.sweep() == 0
    assert [pool.column for pool in store.value_pools.of_run("run-2")] == ["a", "b"]
    end(store, "run-2")
    assert store.value_pools.sweep() == 2
    assert kept(store) == 0


def test_pools_of_a_run_alone_go_with_it(
    clocked_store: Store, clock: "SetClock", new_run: Callable[..., NewRun]
) -> None:
    pool_id, never_used = write(clocked_store), write(clocked_store)
    clocked_store.value_pools.keep_for_a_run([pool_id, never_used])
    assert clocked_store.value_pools.sweep() == 0, "its run is about to be created"
    clocked_store.runs.create(new_run(value_pools=[pool_id]))
    (used,) = clocked_store.value_pools.of_run("run-1")
    assert (used.template_id, used.template_version, used.state) == (None, None, PoolState.READY)
    clock.advance(GIVEN_UP_S + 1)
    assert clocked_store.value_pools.sweep() == 1, "the one whose run was never created"
    assert kept(clocked_store) == 1
    end(clocked_store)
    assert clocked_store.value_pools.sweep() == 1


def test_a_run_is_not_created_without_the_pools_it_asks_for(
    store: Store, template: TemplateRef, new_run: Callable[..., NewRun]
) -> None:
    gone = published(store, template)
    published(store, template)
    store.value_pools.sweep()
    half = write(store)
    for pool_id in (gone, half):
        with pytest.raises(StoreError, match="were replaced while it was being created"):
            store.runs.create(new_run(value_pools=[pool_id]))
    with pytest.raises(RunNotFound):
        store.runs.get("run-1")


def test_what_is_in_use_or_a_templates_is_not_discarded(
    store: Store, template: TemplateRef, new_run: Callable[..., NewRun]
) -> None:
    prepared, alone, half = published(store, template), write(store), write(store)
    store.value_pools.keep_for_a_run([alone])
    store.runs.create(new_run(value_pools=[alone]))
    store.value_pools.discard([prepared, alone, half])
    assert ids(store, template) == {prepared}
    assert [pool.pool_id for pool in store.value_pools.of_run("run-1")] == [alone]
    assert kept(store) == 2
