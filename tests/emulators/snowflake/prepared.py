"""Remembers how statements are translated for the engine, as translating takes most of the time of a short one."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

_MOST = 2_000
_REPEATABLE = (exp.Select, exp.Insert, exp.Update, exp.Delete)


@dataclass(frozen=True)
class Prepared:
    """A translated statement; ``kind`` is select, inserted, updated or deleted."""

    sql: str
    kind: str
    rowtype: list[dict[str, Any]]


class PreparedStatements:
    """The statements translated last; those from before a change of definitions are not found again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[Hashable, Prepared] = OrderedDict()
        self._generation = 0

    @property
    def generation(self) -> int:
        """How often definitions were changed; part of every key."""
        return self._generation

    def forget(self) -> None:
        """Tell that definitions were changed."""
        with self._lock:
            self._generation += 1
            self._held.clear()

    def find(self, key: Hashable) -> Prepared | None:
        """Return a statement."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def keep(self, key: Hashable, prepared: Prepared) -> None:
        """Remember a statement in place of the one that was not used for longest."""
        with self._lock:
            self._held[key] = prepared
            if len(self._held) > _MOST:
                self._held.popitem(last=False)


def kind_of(sql: str, parsed: exp.Expr, translated: exp.Expr) -> str | None:
    """Return the kind of a statement that can be repeated as it was translated, or None for one that cannot.

    One whose translation depends on variables, or that was translated into several, cannot.
    """
    if "$" in sql or "IDENTIFIER" in sql.upper() or parsed.args.get("overwrite"):
        return None
    if not isinstance(parsed, _REPEATABLE) or type(translated) is not type(parsed):
        return None
    if not set(translated.args) <= set(type(translated).arg_types):
        return None  # the translation left notes of its own
    names = {exp.Select: "select", exp.Insert: "inserted", exp.Update: "updated", exp.Delete: "deleted"}
    return names[type(parsed)]
