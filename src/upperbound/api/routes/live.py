"""Runs as they go on: the WebSocket that viewers watch, and what workers push."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import Field
from starlette.websockets import WebSocket, WebSocketDisconnect

from upperbound.api.errors import problem_responses
from upperbound.api.live.feed import FeedCut, FeedFailed, Published
from upperbound.api.live.hub import TooManyViewers
from upperbound.api.live.mailbox import Mailbox, MailboxClosed
from upperbound.api.live.pushes import AGAIN_UNWATCHED_S, AGAIN_WATCHED_S
from upperbound.api.parameters import RunId
from upperbound.api.services import Live, Services
from upperbound.domain.phases import Phase
from upperbound.errors import RunNotFound, StoreError
from upperbound.store.snapshots import Snapshot
from upperbound.views.view import View

router = APIRouter(tags=["live"])

CLOSED_OVER: Final = 1000
"""The run is over: what was sent last is its end."""
_CLOSED_BY: Final[Mapping[type[Exception], tuple[int, str]]] = {
    RunNotFound: (4404, "there is no such run"),
    TooManyViewers: (4429, "as many viewers as this server takes watch already"),
    StoreError: (1013, "the store cannot be read now; try again later"),
    FeedCut: (1012, "the server ends"),
    FeedFailed: (1011, "the server met a defect of its own; its log has the details"),
}
"""Code and reason by what has ended a viewer's updates; the first class that fits decides."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]


class PushedSnapshot(View):
    """What one worker has counted in its phase so far, as it writes it to the store as well."""

    worker_id: Annotated[str, Field(pattern=r"^worker-\d{1,6}$")]
    group_id: Count
    group_count: Count
    sequence: Annotated[int, Field(ge=1, le=2**63 - 1)]
    """A higher one is newer."""
    phase: Phase
    elapsed_s: Finite
    operations: Count
    failed: Count
    qps: Finite
    p50_ms: Finite | None
    p95_ms: Finite | None
    p99_ms: Finite | None
    active_threads: Count
    target_threads: Count
    figures: dict[str, Any]
    """Counts and histograms by operation."""


class PushAnswer(View):
    """What a worker is told."""

    again_in_s: float
    """How long to wait before the next push; 0 for the next snapshot."""


@router.post(
    "/api/runs/{run_id}/metrics/live",
    summary="Push a worker's newest snapshot",
    responses=problem_responses(400, 401, 403, 413, 421, 422),
    openapi_extra={"security": [{"worker": []}]},
)
async def push(services: Services, live: Live, run_id: RunId, given: PushedSnapshot) -> PushAnswer:
    """Take in what a worker has counted, for 5 s; the store has it too, so that nothing is lost with a push.

    Needs the token of the run, which the workers that this server has started find in their environment.
    """
    if services.pushes is not None:
        services.pushes.put(Snapshot(run_id=run_id, test_id=f"{run_id}-{given.worker_id}", **dict(given)))
    return PushAnswer(again_in_s=AGAIN_WATCHED_S if live.is_watched(run_id) else AGAIN_UNWATCHED_S)


@router.websocket("/ws/test/{run_id}")
async def watch(websocket: WebSocket, live: Live, run_id: str) -> None:
    """Send a RUN_UPDATE a second until the run is over; what a viewer sends is not looked at."""
    await websocket.accept()
    code, reason = CLOSED_OVER, "the run is over"
    try:
        async with live.watch(run_id) as box:
            await _show(websocket, box)
    except WebSocketDisconnect:
        return
    except MailboxClosed:
        pass
    except tuple(_CLOSED_BY) as error:
        code, reason = next(said for kind, said in _CLOSED_BY.items() if isinstance(error, kind))
    with contextlib.suppress(WebSocketDisconnect):
        await websocket.close(code, reason)


async def _show(websocket: WebSocket, box: Mailbox[Published]) -> None:
    """Send what comes into the mailbox, the newest each time that the viewer is ready for more.

    Raises :class:`WebSocketDisconnect` when the viewer has gone, and what the mailbox is closed with.
    """
    leaving = asyncio.create_task(_until_gone(websocket, box), name="a viewer's end")
    try:
        while True:
            published = await box.take()
            await websocket.send_text(published.text)
    finally:
        leaving.cancel()


async def _until_gone(websocket: WebSocket, box: Mailbox[Published]) -> None:
    """Close the mailbox when its viewer has gone; whatever the viewer sends until then is dropped."""
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        pass
    box.close(WebSocketDisconnect(message.get("code", 1006)))
