"""What the routes work with, and how asynchronous code asks the synchronous store."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends
from starlette.requests import HTTPConnection

from upperbound.api.live.hub import LiveHub
from upperbound.api.live.pushes import LivePushes
from upperbound.api.prometheus import ControllerMetrics
from upperbound.api.settled import SettledAnswers
from upperbound.clock import Clock
from upperbound.orchestrator.controller import Controller
from upperbound.store.engine import Store
from upperbound.views.settings import SettingEntry

TARGET_CALLS: Final = 8
"""Requests that may wait for targets at once; others wait for their turn."""
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class ControllerServices:
    """Everything that is wired together once, when the server starts."""

    store: Store
    controller: Controller
    clock: Clock
    home: Path
    """Where the files of runs are."""
    metrics: ControllerMetrics
    """What is counted for Prometheus; whoever wires the store and the orchestrator lets them tell it."""
    settings: tuple[SettingEntry, ...] = ()
    """The settings in effect, secrets masked."""
    debug: bool = False
    pushes: LivePushes | None = None
    """What workers of runs that are started here push; None lets nobody push."""
    target_calls: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(TARGET_CALLS))
    """Threads that may wait for targets."""
    answers: SettledAnswers = field(init=False)
    """What was worked out about runs that are over."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "answers", SettledAnswers(self.store))

    def admits_worker(self, run_id: str, token: str) -> bool:
        """Say whether a token is that of the run's workers."""
        return self.pushes is not None and self.pushes.admits(run_id, token)


def services_of(connection: HTTPConnection) -> ControllerServices:
    """Return the services of the application that a request or a WebSocket belongs to."""
    services: ControllerServices = connection.app.state.services
    return services


Services = Annotated[ControllerServices, Depends(services_of)]
"""The services, as a route's argument."""


def live_of(connection: HTTPConnection) -> LiveHub:
    """Return what lets viewers watch runs: that of the application that a request or a WebSocket belongs to."""
    live: LiveHub = connection.app.state.live
    return live


Live = Annotated[LiveHub, Depends(live_of)]
"""The same, as a route's argument."""


async def with_target(
    services: ControllerServices,
    function: Callable[Arguments, Result],
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """Call what may wait long for a target in a thread, of which there are few: reading stays quick meanwhile."""
    return await to_thread.run_sync(lambda: function(*arguments, **named), limiter=services.target_calls)


async def in_thread(
    function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Call what blocks (the store, a target, a file) in a thread, and return what it returns."""
    return await to_thread.run_sync(lambda: function(*arguments, **named))
