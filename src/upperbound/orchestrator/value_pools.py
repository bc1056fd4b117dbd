"""Which value pools a run takes its values from: those prepared for its template where they fit, else its own."""

import secrets
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from upperbound.domain.value_pools import Coverage, PoolNeed, cover, table_change
from upperbound.errors import ConfigurationError, StoreError, TemplateNotFound
from upperbound.orchestrator.pool_sampling import NoWatcher, PoolWatcher, SampleOrder, sample_pools
from upperbound.orchestrator.pool_sources import PoolSource, PoolTarget, open_pool_source
from upperbound.scenario.model import Scenario
from upperbound.scenario.pool_needs import pool_needs
from upperbound.scenario.targets import EmbeddedTarget, SnowflakeTarget
from upperbound.store.engine import Store
from upperbound.store.library import FoundScenario
from upperbound.store.templates import TemplateRef
from upperbound.store.value_pools import PoolRow
from upperbound.targets.postgres import ConnInfo
from upperbound.targets.sf_target import snowflake_info

PREPARING: Final = "upperbound:prepare"
"""What a server shows of a session that samples for a template."""


@dataclass(frozen=True)
class PoolOrder:
    """Whose pools are wanted."""

    scenario: Scenario
    template: TemplateRef | None
    """None for a scenario that is no template: nothing can be prepared for it."""
    target: PoolTarget
    seed: int
    """Of the choice and the order of what is sampled."""
    sampled_by: str
    """Who asks."""


@dataclass(frozen=True)
class Fitness:
    """How far what is prepared for a template serves a scenario on the database it is about to run on."""

    coverage: Coverage[PoolRow]
    notes: tuple[str, ...] = ()
    """What the user should know about it, a sentence each; none when all is well."""
    advice: str = ""
    """What prepares the pools anew, as it is typed; empty where nothing can be prepared."""

    @property
    def missing(self) -> tuple[PoolNeed, ...]:
        """What is not prepared."""
        return tuple(need for need, _ in self.coverage.missing)


@dataclass(frozen=True)
class ChosenPools:
    """The pools of a run."""

    pools: tuple[PoolRow, ...] = ()
    notes: tuple[str, ...] = ()
    """As in :class:`Fitness`."""
    advice: str = ""
    """As in :class:`Fitness`."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know, and what to do about it."""
        return tuple(f"{note}: {self.advice}" for note in self.notes)


def template_order(found: FoundScenario, target: PoolTarget | None, *, sampled_by: str) -> PoolOrder:
    """Return the pools that a template wants, from its own target or another.

    Raises:
        ConfigurationError: its server is not there before a run.
    """
    assert found.template is not None, "pools are kept for templates"
    scenario = found.loaded.scenario
    if isinstance(scenario.target, EmbeddedTarget):
        raise ConfigurationError(
            f"the server of {scenario.name!r} is started for each run, which samples its own value pools",
            hint="pools are prepared for scenarios with target.kind postgres or snowflake",
        )
    own: PoolTarget
    if isinstance(scenario.target, SnowflakeTarget):
        own = snowflake_info(scenario.target, purpose=PREPARING, secret=found.loaded.password)
    else:
        own = ConnInfo(scenario.target.url, found.loaded.password, PREPARING)
    given = scenario.workload.seed
    seed = secrets.randbits(31) if given is None else given
    return PoolOrder(scenario, found.template, target or own, seed=seed, sampled_by=sampled_by)


def prepare_template(store: Store, order: PoolOrder, watcher: PoolWatcher | None = None) -> list[PoolRow]:
    """Sample every pool that a template needs and let them replace those it has for this database; return them.

    What was prepared before is in use until all of the new ones are complete, and stays when this raises or the process
    is killed. A scenario that takes no values from columns needs none.

    Raises:
        TargetMismatch: columns cannot be read, or hold no value.
        TargetError: there is no way into the target, or it gave up.
        TemplateNotFound: the template was deleted meanwhile.
        StoreError: the values cannot be written.
    """
    assert order.template is not None, "pools are prepared for a template"
    needs, table = pool_needs(order.scenario), order.scenario.target.table
    if not needs or table is None:
        return []
    store.value_pools.sweep()
    wanted = SampleOrder(table, needs, order.seed, order.sampled_by)
    with open_pool_source(order.target) as source:
        pool_ids = sample_pools(store, source, wanted, watcher or NoWatcher())
    store.value_pools.publish(pool_ids, order.template)
    store.value_pools.sweep()
    return store.value_pools.of_ids(pool_ids)


@contextmanager
def lent_pools(store: Store, order: PoolOrder, watcher: PoolWatcher | None = None) -> Iterator[ChosenPools]:
    """Lend the pools for a run that the body creates; those of its own go again when the body raises.

    Raises what :func:`choose_pools` raises.
    """
    chosen = choose_pools(store, order, watcher)
    try:
        yield chosen
    except BaseException:
        # What cannot be removed now is swept up later.
        with suppress(StoreError):
            store.value_pools.discard([pool.pool_id for pool in chosen.pools])
        raise


def choose_pools(store: Store, order: PoolOrder, watcher: PoolWatcher | None = None) -> ChosenPools:
    """Return the pools for a run that is about to be created: prepared ones, and for other needs some of its own.

    Those are sampled here, once, so that every worker of the run has the same values, one that joins later as well.

    Raises:
        TargetMismatch: columns cannot be read, or hold no value.
        TargetError: there is no way into the target, or it gave up.
        StoreError: values cannot be read or written.
    """
    needs, table = pool_needs(order.scenario), order.scenario.target.table
    if not needs or table is None:
        return ChosenPools()
    store.value_pools.sweep()
    with open_pool_source(order.target) as source:
        fitness = judge_pools(store, source, order, needs)
        if not fitness.missing:
            return ChosenPools(fitness.coverage.pools, fitness.notes, fitness.advice)
        wanted = SampleOrder(table, fitness.missing, order.seed, order.sampled_by)
        own = sample_pools(store, source, wanted, watcher or NoWatcher())
    store.value_pools.keep_for_a_run(own)
    pools = (*fitness.coverage.pools, *store.value_pools.of_ids(own))
    return ChosenPools(pools, fitness.notes, fitness.advice)


def judge_pools(store: Store, source: PoolSource, order: PoolOrder, needs: Sequence[PoolNeed]) -> Fitness:
    """Hold what is prepared for a template against what its scenario needs and what the table is now.

    Costs some catalog look-ups and reads no row. Raises :class:`StoreError`, and :class:`TargetMismatch` when a column
    is not there.
    """
    if order.template is None or order.scenario.target.table is None:
        return Fitness(cover(needs, list[PoolRow]()))
    template_id, table = order.template.template_id, order.scenario.target.table
    identity = source.identity()
    there = store.value_pools.of_template(template_id)
    here = [pool for pool in there if pool.target == identity.key]
    advice = prepare_advice(store, template_id)
    if not here:
        elsewhere = ", ".join(dict.fromkeys(pool.server for pool in there))
        notes = [f"value pools are prepared for {elsewhere} and not for {identity.shown}"] if there else []
        return Fitness(cover(needs, here), tuple(notes), advice)
    coverage = _with_types(source, table, cover(needs, here))
    reasons = [reason for _, reason in coverage.missing]
    notes = [f"value pools are sampled for this run alone, as {'; '.join(reasons)}"] if reasons else []
    if coverage.used:
        oldest = min(coverage.pools, key=lambda pool: pool.sampled_at)
        if change := table_change(oldest.table_state, source.state(table)):
            when = f"{oldest.sampled_at:%Y-%m-%d %H:%M} UTC"
            notes.append(f"value pools were sampled at {when}, and {table} {change} since")
    return Fitness(coverage, tuple(notes), advice)


def prepare_advice(store: Store, template_id: str) -> str:
    """Return what prepares the pools of a template, as it is typed."""
    try:
        name = store.templates.get(template_id).name
    except TemplateNotFound:
        name = template_id
    return f"`upperbound template prepare {shlex.quote(name)}`"


def _with_types(source: PoolSource, table: str, coverage: Coverage[PoolRow]) -> Coverage[PoolRow]:
    """Take pools for missing whose column has another type than it had."""
    used: list[tuple[PoolNeed, PoolRow]] = []
    missing = list(coverage.missing)
    for need, pool in coverage.used:
        present, _ = source.column(table, pool.column)
        if present == pool.value_type:
            used.append((need, pool))
        else:
            missing.append((need, f"{pool.column} was of type {pool.value_type} and is {present}"))
    return Coverage(tuple(used), tuple(missing))
