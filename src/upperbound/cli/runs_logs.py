"""``upperbound runs logs``: what orchestrator and workers have said about a run, then and now."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from upperbound.cli.options import RunId, Store
from upperbound.domain.log_lines import LogLevel, LogSource
from upperbound.domain.run_state import TERMINAL
from upperbound.errors import StoreUnreachable

if TYPE_CHECKING:
    from upperbound.clock import Clock
    from upperbound.store.engine import Store as OpenStore
    from upperbound.store.logs import LogRow

POLL_S: Final = 0.5
"""How often a followed log is looked at."""
LINGER_S: Final = 3.0
"""How long after a run's end its processes may still write lines: theirs wait up to a second for others."""
PATIENCE_S: Final = 60.0
"""How long the store may be away while a log is followed."""
PAGE: Final = 1000
"""Lines read at once."""

_COLOURS: Final = {
    LogLevel.DEBUG: typer.colors.BRIGHT_BLACK,
    LogLevel.WARNING: typer.colors.YELLOW,
    LogLevel.ERROR: typer.colors.RED,
    LogLevel.CRITICAL: typer.colors.RED,
}


class LevelChoice(StrEnum):
    """A level, in lower case as it is typed."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True)
class Choice:
    """Which lines of a run are wanted; None means all."""

    run_id: str
    levels: tuple[LogLevel, ...] | None = None
    sources: tuple[LogSource, ...] | None = None
    worker_id: str | None = None


def logs(
    run: RunId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines until the run has ended.")
    ] = False,
    level: Annotated[
        LevelChoice | None, typer.Option("--level", case_sensitive=False, help="Only lines that matter this much.")
    ] = None,
    source: Annotated[
        LogSource | None, typer.Option("--source", case_sensitive=False, help="Only lines of this side.")
    ] = None,
    worker: Annotated[
        str | None, typer.Option("--worker", metavar="ID", help="Only lines of this worker, such as worker-0.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each line as a JSON object.")] = False,
    store: Store = None,
) -> None:
    """Show the log of a run.

    What its orchestrator and workers have said, in the order in which the store took it in. Times are UTC, by the
    clock of the host that said it.
    """
    from upperbound.cli.settings import load_settings
    from upperbound.clock import SystemClock
    from upperbound.store.engine import open_store

    # Ctrl-C is how one stops to look; it has nothing to do with the run.
    with contextlib.suppress(KeyboardInterrupt), open_store(load_settings(store=store).store_url) as opened:
        choice = Choice(
            opened.runs.resolve(run),
            LogLevel[level.name].and_above if level else None,
            (source,) if source else None,
            worker,
        )
        rows = followed(opened, choice, SystemClock()) if follow else present(opened, choice)
        for row in rows:
            if as_json:
                typer.echo(json.dumps({**asdict(row), **_times(row)}))
            else:
                typer.secho(as_text(row), fg=_COLOURS.get(row.level))


def present(store: "OpenStore", choice: Choice, after: int = 0) -> Iterator["LogRow"]:
    """Yield the lines that are there, in order, from the one after sequence ``after``."""
    while True:
        page = store.logs.after(
            choice.run_id,
            after,
            levels=choice.levels,
            sources=choice.sources,
            worker_id=choice.worker_id,
            limit=PAGE,
        )
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].sequence


def followed(store: "OpenStore", choice: Choice, clock: "Clock") -> Iterator["LogRow"]:
    """Yield lines as they come, until the run has ended and so have those who write about it.

    Raises:
        StoreUnreachable: it stayed away for :data:`PATIENCE_S`.
    """
    last = 0
    reached_ns = clock.monotonic_ns()
    while True:
        try:
            # Read before the lines: what was written until then is among them.
            run = store.runs.get(choice.run_id)
            over = run.status in TERMINAL and run.status_age_s >= LINGER_S
            for row in present(store, choice, last):
                last = row.sequence
                yield row
            reached_ns = clock.monotonic_ns()
        except StoreUnreachable:
            if clock.monotonic_ns() - reached_ns > PATIENCE_S * 1e9:
                raise
            over = False
        if over:
            return
        clock.sleep(POLL_S)


def as_text(row: "LogRow") -> str:
    """Return a line for people; what would steer a terminal is made visible."""
    moment = row.logged_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    message = "".join(
        char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in row.message
    )
    return f"{moment} {row.level.value:8} {row.worker_id or row.source.value:12} {message}"


def _times(row: "LogRow") -> dict[str, str]:
    return {"logged_at": row.logged_at.isoformat(), "received_at": row.received_at.isoformat()}
