"""Tells pages of prepared runs that their run was started, wherever that was done; they ask nobody meanwhile."""

import asyncio
from collections.abc import Callable

from upperbound.store.runs import RunRow


class RunStarts:
    """Who waits for which run. Used within one event loop; :meth:`hear` may be called from any thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[object, Callable[[], None]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def wait(self, run_id: str, started: Callable[[], None]) -> Callable[[], None]:
        """Call ``started`` once when the run is on its way; the function that is returned calls that off."""
        self._loop = asyncio.get_running_loop()
        key = object()
        self._waiting.setdefault(run_id, {})[key] = started

        def call_off() -> None:
            waiting = self._waiting.get(run_id, {})
            waiting.pop(key, None)
            if not waiting:
                self._waiting.pop(run_id, None)

        return call_off

    def hear(self, run: RunRow) -> None:
        """Take in the row of a run that is driven here."""
        if run.run_id in self._waiting and self._loop is not None:
            self._loop.call_soon_threadsafe(self._tell, run.run_id)

    def _tell(self, run_id: str) -> None:
        for started in self._waiting.pop(run_id, {}).values():
            started()
