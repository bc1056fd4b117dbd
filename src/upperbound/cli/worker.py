"""``upperbound worker``: one worker process, as launchers start it."""

import os
from typing import Annotated

import typer

from upperbound.cli.options import Store


def worker(
    run_id: Annotated[str, typer.Option("--run-id", metavar="ID", help="The run to work for.")],
    worker_id: Annotated[str, typer.Option("--worker-id", metavar="ID", help="Such as worker-0.")],
    group_id: Annotated[int, typer.Option("--worker-group-id", min=0, help="Number of this worker, from 0.")],
    group_count: Annotated[int, typer.Option("--worker-group-count", min=1, help="Number of workers of the run.")],
    store: Store = None,
) -> None:
    """Carry one worker's share of a run.

    Launchers start this, not people. Exit codes of its own: 0 clean, 1 configuration, 2 store unreachable for 60 s,
    3 no start, 4 fatal workload error.
    """
    from upperbound.cli.failures import show
    from upperbound.cli.settings import load_settings
    from upperbound.domain.worker_state import WorkerExit
    from upperbound.errors import ConfigurationError
    from upperbound.worker.main import run_worker
    from upperbound.worker.orders import WorkerOptions

    try:
        settings = load_settings(store=store)
    except ConfigurationError as error:
        show(error, debug=False)
        raise typer.Exit(WorkerExit.CONFIGURATION) from error
    os.environ.setdefault("UPPERBOUND_HOME", str(settings.home))
    options = WorkerOptions(settings.store_url, run_id, worker_id, group_id, group_count)
    raise typer.Exit(run_worker(options))
