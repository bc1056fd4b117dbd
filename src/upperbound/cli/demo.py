"""``upperbound demo``: a true benchmark of a database that it brings along."""

from typing import Annotated

import typer

from upperbound.cli.options import JsonPath, Quiet, Store


def demo(
    workers: Annotated[int, typer.Option("--workers", min=1, help="Worker processes.")] = 2,
    threads: Annotated[int, typer.Option("--threads", "--connections", min=1, help="Threads of each worker.")] = 8,
    duration: Annotated[float, typer.Option("--duration", metavar="SECONDS", help="Length of the measurement.")] = 20,
    warmup: Annotated[
        float, typer.Option("--warmup", metavar="SECONDS", min=0, help="Length of the warmup before it.")
    ] = 5,
    json_path: JsonPath = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Port of the embedded server. Default: a free one."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the embedded server running.")] = False,
    store: Store = None,
    quiet: Quiet = False,
) -> None:
    """Benchmark an embedded PostgreSQL.

    Nothing to set up: starts a PostgreSQL server of its own, fills a table of orders, measures it with several worker
    processes, prints the result and stops the server again. Every query is kept in Parquet files.
    """
    from upperbound.cli.running import RunOrder, carry_out
    from upperbound.cli.settings import load_settings
    from upperbound.scenario.loader import builtin_text, parse_scenario

    overrides = [
        "scaling.mode=FIXED",
        f"scaling.min_workers={workers}",
        f"scaling.min_threads={threads}",
        f"load.warmup_seconds={warmup}",
        f"load.duration_seconds={duration}",
    ]
    if port is not None:
        overrides.append(f"target.port={port}")
    settings = load_settings(store=store)
    loaded = parse_scenario(builtin_text("demo"), overrides, source="demo")
    raise typer.Exit(carry_out(RunOrder(loaded, json_path, quiet=quiet, keep=keep), settings))
