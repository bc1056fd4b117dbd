"""Answers about runs that nothing changes any more, kept so that the same question is not worked out twice."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

from upperbound.store.engine import Store
from upperbound.views.run_detail import is_settled

Answer = TypeVar("Answer")

KEPT: Final = 64
"""Answers kept at most; the one that was asked for longest ago goes first."""


class SettledAnswers:
    """Keeps answers by run and question; safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, Hashable], Any] = OrderedDict()

    def ask(self, run_id: str, question: Hashable, find: Callable[[], Answer]) -> Answer:
        """Return what ``find`` returns for this question, or what it returned before if the run is settled.

        Raises :class:`upperbound.errors.RunNotFound`, and what ``find`` raises.
        """
        key = (run_id, question)
        settled = is_settled(self._store.runs.get(run_id))
        if settled:
            with self._lock:
                if key in self._answers:
                    self._answers.move_to_end(key)
                    kept: Answer = self._answers[key]
                    return kept
        answer = find()
        if settled:
            with self._lock:
                self._answers[key] = answer
                while len(self._answers) > KEPT:
                    self._answers.popitem(last=False)
        return answer
