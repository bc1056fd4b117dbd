"""Value pools in words, a line for each thing to know."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from upperbound.report.wording import count

if TYPE_CHECKING:
    from upperbound.views.value_pools import PoolView, TemplatePools


def run_pools_text(pools: Sequence["PoolView"]) -> str:
    """Return where a run takes values of columns from; empty when it takes none."""
    prepared = [pool for pool in pools if pool.prepared]
    own = [pool for pool in pools if not pool.prepared]
    parts = [f"{_listed(prepared)}, prepared {_when(min(pool.sampled_at for pool in prepared))}"] if prepared else []
    parts += [f"{_listed(own)}, sampled for this run"] if own else []
    return "; ".join(parts)


def template_pools_lines(name: str, pools: "TemplatePools") -> list[str]:
    """Return what is prepared for the template of this name and what to do where something is not, a line a database.

    Nothing for a template that takes no values of columns.
    """
    if not pools.needed:
        return []
    columns = ", ".join(pools.needed)
    if not pools.can_be_prepared:
        return [f"{columns}: sampled by each run, as its server is started for it"]
    advice = f"`upperbound template prepare {shlex.quote(name)}`"
    if not pools.servers:
        return [f"{columns}: none prepared, each run samples its own; {advice} keeps them"]
    lines = []
    for server in pools.servers:
        missing = f"; {'; '.join(server.missing)}: {advice}" if server.missing else ""
        lines.append(f"{_listed(server.pools)}, sampled {_when(server.sampled_at)} from {server.server}{missing}")
    return lines


def _listed(pools: Sequence["PoolView"]) -> str:
    return ", ".join(f"{pool.column} {count(pool.values)} value{'' if pool.values == 1 else 's'}" for pool in pools)


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
