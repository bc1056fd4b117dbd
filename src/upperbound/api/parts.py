"""Reading several parts of an answer at once; one that fails leaves the others."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from anyio import create_task_group, to_thread

from upperbound.api.errors import kind_of
from upperbound.errors import UpperboundError
from upperbound.views.run_detail import PartNote

log = logging.getLogger(__name__)


async def read_parts(parts: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Any], list[PartNote]]:
    """Call every function in a thread of its own, and return what each has returned and a note for each that failed."""
    found: dict[str, Any] = {}
    notes: list[PartNote] = []

    async def read(name: str, function: Callable[[], Any]) -> None:
        try:
            found[name] = await to_thread.run_sync(function)
        except UpperboundError as error:
            log.warning("%s cannot be read: %s", name, error)
            notes.append(PartNote(part=name, code=kind_of(error).code, reason=error.message))
        except Exception:
            log.exception("reading %s met a defect", name)
            notes.append(PartNote(part=name, code="defect", reason="the server met a defect; its log has the details"))

    async with create_task_group() as group:
        for name, function in parts.items():
            group.start_soon(read, name, function)
    return found, sorted(notes, key=lambda note: note.part)
