"""``upperbound runs set``: other threads and workers for a run that goes on."""

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from upperbound.cli.options import RunId, Store
from upperbound.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from upperbound.orchestrator.scaling import Wanted

KEYS: Final = {"threads": "threads", "connections": "threads", "workers": "workers", "target_qps": "target_qps"}
"""What may be set, and what it is called inside."""
_RATE: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def set_run(
    run: RunId,
    changes: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE…", help="threads=N or target_qps=N over all workers, workers=N, or several."),
    ],
    ramp: Annotated[
        float, typer.Option("--ramp", metavar="SECONDS", help="Take so long to get to the new number of threads.")
    ] = 0.0,
    store: Store = None,
) -> None:
    """Change a run that goes on.

    Threads are allotted to the workers anew. Workers that leave let their queries end, and what they have counted
    stays in the result; workers that join are started by the command that runs the benchmark.
    """
    from upperbound.cli.settings import load_settings
    from upperbound.cli.users import user_name
    from upperbound.orchestrator.scaling import change_run
    from upperbound.store.engine import open_store

    wanted = parse(changes, ramp)
    with open_store(load_settings(store=store).store_url) as opened:
        run_id = opened.runs.resolve(run)
        changed = change_run(opened, run_id, wanted, initiated_by=f"{user_name()} with `upperbound runs set`")
        shares = [threads for threads in opened.runs.get(run_id).worker_targets.values() if threads]
    if wanted.target_qps is not None:
        typer.echo(f"run {run_id}: {wanted.target_qps:g} operations per second")
    if not changed.targets and wanted.target_qps is None:
        typer.echo(f"run {run_id}: nothing to change")
        return
    if not changed.targets:
        return
    moves = [f"{worker_id} joins" for worker_id in changed.joined]
    moves += [f"{worker_id} leaves" for worker_id in changed.retired]
    said = f" ({', '.join(moves)})" if moves else ""
    typer.echo(f"run {run_id}: {sum(shares)} threads on {len(shares)} workers{said}")


def parse(changes: Sequence[str], ramp_s: float = 0.0) -> "Wanted":
    """Return what is wanted. Raises :class:`ConfigurationError` with every problem."""
    from upperbound.orchestrator.scaling import Wanted

    values: dict[str, int] = {}
    rate: float | None = None
    problems: list[Problem] = []
    for change in changes:
        key, equals, text = (part.strip() for part in change.partition("="))
        name = KEYS.get(key)
        if not equals:
            problems.append(Problem(change, "is no assignment", "write threads=200"))
        elif name is None:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(KEYS)}"
            problems.append(Problem(key, "cannot be set", hint))
        elif name == "target_qps":
            if not _RATE.fullmatch(text):
                problems.append(Problem(key, f"{text!r} is not a number"))
            elif rate is not None:
                problems.append(Problem(key, "is set twice"))
            else:
                rate = float(text)
        elif not (text.isascii() and text.isdigit()):
            problems.append(Problem(key, f"{text!r} is not a whole number"))
        elif name in values:
            problems.append(Problem(key, "is set twice"))
        else:
            values[name] = int(text)
    if problems:
        raise ConfigurationError("the run stays as it is", problems=problems)
    return Wanted(threads=values.get("threads"), workers=values.get("workers"), target_qps=rate, ramp_s=ramp_s)
