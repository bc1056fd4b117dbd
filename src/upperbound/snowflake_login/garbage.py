"""Collects garbage where it cannot bring the process down.

Before 3.12, CPython may collect garbage in the middle of ``ContextVar.set``. A finalizer that sets a variable of the
same context then frees what the first call still works on (python/cpython#148891), and the process ends with SIGSEGV.
The driver sets such variables in its calls and in finalizers of its objects, so that workers and controllers died of
it.

In a process that has sessions, garbage is therefore collected by a thread that does nothing else: a finalizer finds a
context there that nobody works on.
"""

import gc
import logging
import sys
import threading
from collections.abc import Sequence
from typing import Final

log = logging.getLogger(__name__)

IS_NEEDED: Final = sys.version_info < (3, 12)
"""Whether this interpreter collects garbage in the middle of anything; later ones do it between two steps."""
LOOK_S: Final = 0.1
"""How often the thread looks whether garbage is to be collected."""
_NAME: Final = "garbage"
_lock = threading.Lock()


def collect_in_a_thread() -> None:
    """Let a thread collect the garbage of this process from now on, on interpreters that need it; once is enough."""
    if not IS_NEEDED:
        return
    with _lock:
        if all(thread.name != _NAME for thread in threading.enumerate()):
            threading.Thread(target=_collect_for_ever, name=_NAME, daemon=True).start()


def generation_due(counts: Sequence[int], thresholds: Sequence[int]) -> int | None:
    """Return the oldest generation that is to be collected, as the interpreter would choose it; None for none.

    Both are by generation, as :func:`gc.get_count` and :func:`gc.get_threshold` tell them; a threshold of 0 means
    never.
    """
    due = [
        generation
        for generation, (count, threshold) in enumerate(zip(counts, thresholds, strict=True))
        if threshold and count > threshold
    ]
    return max(due, default=None)


def _collect_for_ever() -> None:
    gc.disable()
    never = threading.Event()
    try:
        while not never.wait(LOOK_S):
            generation = generation_due(gc.get_count(), gc.get_threshold())
            if generation is not None:
                gc.collect(generation)
    except Exception:
        log.exception("garbage is collected in the middle of other work again")
        raise
    finally:
        gc.enable()
