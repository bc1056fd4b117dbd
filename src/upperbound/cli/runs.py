"""``upperbound runs``: the history in the store, and changing, stopping or taking over what goes on."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from upperbound.cli.options import AsJson, JsonPath, Quiet, RunId, Store
from upperbound.cli.runs_logs import logs
from upperbound.cli.runs_set import set_run
from upperbound.domain.run_state import TERMINAL, RunStatus

if TYPE_CHECKING:
    from upperbound.clock import Clock
    from upperbound.store.engine import Store as OpenStore

app = typer.Typer(help="List, show, change, stop and take over runs.", rich_markup_mode=None)

POLL_S: Final = 0.5
"""How often a command that waits for a run looks at it."""
UNATTENDED_S: Final = 30.0
"""How long a run that is being stopped may be without a controller before nobody can be expected to finish it."""


class StatusChoice(StrEnum):
    """A status to list, in lower case as it is typed."""

    PREPARED = "prepared"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many of the newest to list.")] = 20,
    status: Annotated[
        StatusChoice | None, typer.Option("--status", case_sensitive=False, help="List only these.")
    ] = None,
    as_json: AsJson = False,
    store: Store = None,
) -> None:
    """List runs, the newest first."""
    from upperbound.cli.output import print_result
    from upperbound.report.terminal import run_list
    from upperbound.store.history import RunFilter
    from upperbound.views.run_list import load_run_list

    with _store(store) as opened:
        wanted = RunFilter(statuses=(RunStatus[status.name],) if status else ())
        entries = load_run_list(opened, wanted, limit=limit).runs
    if as_json:
        typer.echo(json.dumps([entry.model_dump(mode="json") for entry in entries], indent=2))
    else:
        print_result(run_list(entries))


@app.command()
def show(run: RunId, as_json: AsJson = False, store: Store = None) -> None:
    """Show a run.

    Its result, or what is known of it so far.
    """
    from upperbound.cli.output import print_result
    from upperbound.report.terminal import result
    from upperbound.views.run_summary import load_summary, planned_mix

    with _store(store) as opened:
        run_id = opened.runs.resolve(run)
        summary = load_summary(opened, run_id)
        mix = planned_mix(opened.runs.get(run_id))
    if as_json:
        typer.echo(summary.model_dump_json(indent=2))
    else:
        print_result(result(summary, mix))


@app.command()
def stop(
    run: RunId,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the run has ended.")] = False,
    store: Store = None,
) -> None:
    """Stop a run.

    Its workers send nothing more, and queries in flight may end. A run that has ended stays as it is.
    """
    from upperbound.cli.users import user_name
    from upperbound.clock import SystemClock
    from upperbound.orchestrator.stopping import request_stop

    with _store(store) as opened:
        run_id = opened.runs.resolve(run)
        before = opened.runs.get(run_id).status
        if before in TERMINAL:
            typer.echo(f"run {run_id} had ended before: {before.value}")
            return
        status = request_stop(opened, run_id, f"{user_name()} with `upperbound runs stop`")
        if wait and status not in TERMINAL:
            status = wait_for_end(opened, run_id, SystemClock())
    typer.echo(f"run {run_id}: {status.value}")


@app.command()
def adopt(run: RunId, json_path: JsonPath = None, quiet: Quiet = False, store: Store = None) -> None:
    """Take over a run whose controller is gone.

    Workers go on by the plan when the command that started them dies. This waits until that command's lease has run
    out, brings the run to its end, and prints its result. A run whose controller is alive is left alone.
    """
    from upperbound.cli.running import carry_on
    from upperbound.cli.settings import load_settings

    raise typer.Exit(carry_on(run, load_settings(store=store), json_path=json_path, quiet=quiet))


@app.command("retry-enrichment")
def retry_enrichment(run: RunId, as_json: AsJson = False, store: Store = None) -> None:
    """Finish what follows the load of a run.

    Loads queries that are not in the store yet and asks the run's server once more for its own view. Nothing is doubled
    however often this is done. Exits with 4 when something is still missing.
    """
    from upperbound.cli.exit_codes import ExitCode
    from upperbound.cli.running import process_again
    from upperbound.cli.settings import load_settings
    from upperbound.domain.enrichment_status import EnrichmentStatus

    summary = process_again(run, load_settings(store=store))
    told, log = summary.enrichment, summary.query_log
    if as_json:
        typer.echo(json.dumps({"enrichment": told.model_dump(), "query_log": log.model_dump()}, indent=2))
    else:
        typer.echo(f"run {summary.run_id}: enrichment {told.status}" + (f": {told.reason}" if told.reason else ""))
        where = f"{log.loaded_rows:,} of {log.rows:,} in the store" if log.loaded_rows is not None else "in files"
        typer.echo(f"queries: {where}")
    if told.status not in (EnrichmentStatus.COMPLETED, EnrichmentStatus.SKIPPED):
        raise typer.Exit(ExitCode.RUN_FAILED)


app.command("set")(set_run)
app.command()(logs)


def wait_for_end(store: "OpenStore", run_id: str, clock: "Clock") -> RunStatus:
    """Return the status a run ends with.

    Raises:
        RunFailed: no controller has watched the run for :data:`UNATTENDED_S`, so that it will not end.
    """
    from upperbound.errors import RunFailed

    while True:
        run = store.runs.get(run_id)
        if run.status in TERMINAL:
            return run.status
        unattended = run.lease_remaining_s is None or run.lease_remaining_s <= 0
        if unattended and run.status_age_s > UNATTENDED_S:
            raise RunFailed(
                f"run {run_id} is {run.status.value} and no controller watches it",
                hint=f"its workers have been told to stop; finish it with `upperbound runs adopt {run_id}`",
            )
        clock.sleep(POLL_S)


def _store(url: str | None) -> "OpenStore":
    from upperbound.cli.settings import load_settings
    from upperbound.store.engine import open_store

    return open_store(load_settings(store=url).store_url)
