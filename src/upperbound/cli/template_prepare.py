"""``upperbound template prepare``: value pools, sampled from the target once and kept for every run of a template."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from upperbound.cli.exit_codes import ExitCode
from upperbound.cli.options import AsJson, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upperbound.orchestrator.value_pools import PoolOrder
    from upperbound.store.library import FoundScenario
    from upperbound.store.value_pools import PoolRow


def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name or id of a template.", show_default=False)],
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="Sample from postgresql://USER@HOST/DATABASE. Default: the template's target.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only the result.")] = False,
    as_json: AsJson = False,
    store: Store = None,
) -> None:
    """Sample the values that a template's parameters take from columns.

    One statement for each column, up to 1,000,000 values, which the store keeps: every run of the template has the same
    values then, and none waits for them. Values of an earlier call serve until all of the new ones are there, and stay
    when this is stopped. The password comes from PGPASSWORD, ~/.pgpass or a service file.
    """
    from upperbound.cli.pool_progress import make_pool_progress
    from upperbound.cli.scenario_source import find_scenario
    from upperbound.cli.settings import load_settings
    from upperbound.cli.stop_signals import StopSignals
    from upperbound.clock import SystemClock
    from upperbound.orchestrator.value_pools import prepare_template
    from upperbound.store.engine import open_store

    settings = load_settings(store=store)
    order = _order(name, find_scenario(name, [], settings), url)
    clock = SystemClock()
    begun_ns = clock.monotonic_ns()
    with open_store(settings.store_url) as opened, StopSignals() as signals:
        try:
            with make_pool_progress(quiet=quiet, clock=clock) as progress:
                pools = prepare_template(opened, order, progress)
        except KeyboardInterrupt:
            told = f"{signals.first or 'Ctrl-C'}: stopped. What was prepared before stays as it was."
            typer.echo(told, err=True)
            raise typer.Exit(ExitCode.CANCELLED) from None
    seconds = (clock.monotonic_ns() - begun_ns) / 1e9
    _print_result(order.scenario.name, pools, seconds, as_json=as_json)


def _order(name: str, found: "FoundScenario", url: str | None) -> "PoolOrder":
    """Return what is to be sampled, and where.

    Raises:
        ConfigurationError: ``name`` is no template, its server is not there before a run, or ``url`` is no URL.
    """
    from upperbound.cli.data import target_of
    from upperbound.cli.users import user_name
    from upperbound.errors import ConfigurationError
    from upperbound.orchestrator.value_pools import PREPARING, template_order

    if found.template is None:
        is_file = Path(name).exists()
        what, how = ("a file", "import") if is_file else ("a built-in scenario", "duplicate")
        command = f"upperbound template {how} {shlex.quote(name)}" + ("" if is_file else " NEW")
        raise ConfigurationError(
            f"{name} is {what}, and value pools are kept for templates; each run of it samples its own",
            hint=f"`{command}` makes a template of it",
        )
    target = None if url is None else target_of(url, PREPARING)
    return template_order(found, target, sampled_by=user_name())


def _print_result(name: str, pools: "Sequence[PoolRow]", seconds: float, *, as_json: bool) -> None:
    from upperbound.views.value_pools import pool_view

    if as_json:
        document = {
            "template": name,
            "server": pools[0].server if pools else None,
            "duration_seconds": round(seconds, 3),
            "pools": [pool_view(pool).model_dump(mode="json") for pool in pools],
        }
        typer.echo(json.dumps(document, indent=2))
        return
    if not pools:
        typer.echo(f"{name} takes no values from columns: there is nothing to prepare")
        return
    noun = "value pool" if len(pools) == 1 else "value pools"
    typer.echo(f"{name}: {len(pools)} {noun} prepared from {pools[0].server} in {seconds:.1f} s")
    width = max(len(pool.column) for pool in pools)
    for pool in pools:
        size = f"{pool.value_bytes / 2**20:,.1f} MiB"
        typer.echo(f"  {pool.column:<{width}}  {pool.value_count:,} values of type {pool.value_type}, {size}")
