"""What the pages work with, and how they ask the synchronous store."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from anyio import to_thread

from upperbound.clock import Clock
from upperbound.orchestrator.controller import Controller
from upperbound.store.engine import Store
from upperbound.ui.starts import RunStarts
from upperbound.views.live_payload import RunUpdate
from upperbound.views.settings import SettingEntry

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class LiveRuns(Protocol):
    """Lets any number of viewers follow runs."""

    def subscribe(self, run_id: str) -> AsyncGenerator[RunUpdate, None]:
        """Yield updates of a run, the first at once and the newest each time, until it is over.

        Raises :class:`upperbound.errors.UpperboundError` when there is no first one. Close it when leaving early.
        """
        ...


@dataclass(frozen=True)
class UiServices:
    """Everything that is wired together once, when the server starts."""

    store: Store
    controller: Controller
    clock: Clock
    live: LiveRuns
    starts: RunStarts
    home: Path
    """Where the files of runs are."""
    user_of: Callable[[Mapping[str, Any]], str]
    """Says who has sent the request with this scope."""
    settings: tuple[SettingEntry, ...] = ()
    """The settings in effect, secrets masked."""


async def in_thread(
    function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Call what blocks (the store, a target, a file) in a thread, and return what it returns."""
    return await to_thread.run_sync(lambda: function(*arguments, **named))
