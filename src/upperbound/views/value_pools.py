"""Value pools: those that a run takes its values from, and those that are prepared for a template."""

from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from upperbound.domain.value_pools import cover
from upperbound.scenario.model import Scenario
from upperbound.scenario.pool_needs import pool_needs
from upperbound.scenario.targets import EmbeddedTarget
from upperbound.views.view import View

if TYPE_CHECKING:
    from upperbound.store.engine import Store
    from upperbound.store.value_pools import PoolRow


class PoolView(View):
    """The values of one column."""

    column: str
    value_type: str
    """The column's type when it was sampled."""
    values: int
    limit: int
    """How many were asked for; fewer values mean that there were no more, or no more in what was looked at."""
    size_bytes: int
    """What they take in the memory of each worker."""
    sampled_at: datetime
    prepared: bool
    """They are a template's; others were sampled for one run alone."""


class ServerPools(View):
    """What is prepared for a template on one database."""

    server: str
    """``host:port/database``, as it was reached."""
    sampled_at: datetime
    """When the first of them was sampled."""
    pools: list[PoolView]
    missing: list[str]
    """Why some of what the scenario needs is not among them, in words."""


class TemplatePools(View):
    """What a template needs and what is prepared for it, as far as the store alone can tell."""

    needed: list[str]
    """Columns that it takes values of."""
    can_be_prepared: bool
    """It runs on a server that is there already."""
    servers: list[ServerPools]


def load_run_pools(store: "Store", run_id: str) -> list[PoolView]:
    """Return the pools of a run by column; none when it has ended and they are gone.

    Raises:
        StoreUnreachable: the store cannot be read now.
    """
    return [pool_view(row) for row in store.value_pools.of_run(run_id)]


def load_template_pools(store: "Store", template_id: str, scenario: Scenario) -> TemplatePools:
    """Return what is prepared for a template, held against what ``scenario``, a version of it, needs.

    Raises:
        StoreUnreachable: the store cannot be read now.
    """
    needs = pool_needs(scenario)
    servers = []
    for (server, _), group in groupby(store.value_pools.of_template(template_id), lambda row: (row.server, row.target)):
        rows = list(group)
        servers.append(
            ServerPools(
                server=server,
                sampled_at=min(row.sampled_at for row in rows),
                pools=[pool_view(row) for row in rows],
                missing=[reason for _, reason in cover(needs, rows).missing],
            )
        )
    return TemplatePools(
        needed=[need.column for need in needs],
        can_be_prepared=not isinstance(scenario.target, EmbeddedTarget),
        servers=servers,
    )


def pool_view(row: "PoolRow") -> PoolView:
    """Return a stored pool as it is shown."""
    return PoolView(
        column=row.column,
        value_type=row.value_type,
        values=row.value_count,
        limit=row.limit,
        size_bytes=row.value_bytes,
        sampled_at=row.sampled_at,
        prepared=row.template_id is not None,
    )
