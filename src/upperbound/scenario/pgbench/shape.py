"""How statements belong together: one transaction, or each by itself; and whether they read or write."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from upperbound.scenario.kinds import Isolation, OperationType
from upperbound.scenario.pgbench.fault import Fault
from upperbound.scenario.pgbench.script import SqlCommand

_BEGIN: Final = ("BEGIN", "START")
_END: Final = ("COMMIT", "END")
_REFUSED: Final = {
    **dict.fromkeys(
        ("ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"),
        ("steers a transaction, and operations only commit", "leave it out, or keep to COMMIT"),
    ),
    **dict.fromkeys(
        ("PREPARE", "EXECUTE", "DEALLOCATE", "DISCARD"),
        ("handles prepared statements, and every statement is prepared anyway", "write the statement itself"),
    ),
    "COPY": ("sends or takes rows beside the statement, which no operation does", "write INSERT … SELECT unnest($1)"),
}
_READS: Final = ("SELECT", "VALUES", "TABLE", "SHOW", "WITH", "EXPLAIN", "FETCH", "DECLARE", "CLOSE", "SET", "RESET")
_WRITE_WORDS: Final = frozenset(("INSERT", "UPDATE", "DELETE", "MERGE", "INTO"))
_LEVELS: Final = {
    ("READ", "UNCOMMITTED"): Isolation.READ_COMMITTED,
    ("READ", "COMMITTED"): Isolation.READ_COMMITTED,
    ("REPEATABLE", "READ"): Isolation.REPEATABLE_READ,
    ("SERIALIZABLE",): Isolation.SERIALIZABLE,
}
"""Isolation levels by their words; PostgreSQL takes READ UNCOMMITTED for READ COMMITTED."""


@dataclass(frozen=True)
class Shape:
    """How the statements of a way are sent."""

    inner: slice
    """Those that are sent, without BEGIN and COMMIT."""
    is_transaction: bool
    isolation: Isolation | None = None


def shape_of(commands: Sequence[SqlCommand]) -> tuple[Shape, list[Fault]]:
    """Return how statements belong together, and what no operation has."""
    faults = [fault for command in commands for fault in _refused(command)]
    begun, ended = -1, -1
    outside: list[SqlCommand] = []
    inside = False
    for place, command in enumerate(commands):
        word = _first(command)
        if word in _BEGIN:
            if begun >= 0:
                hint = "make a script file of each, or one transaction of both"
                faults.append(Fault(command.line, "another transaction begins, and an operation is one", hint))
            begun, inside = place if begun < 0 else begun, True
        elif word in _END:
            if not inside:
                faults.append(Fault(command.line, f"{word} has no BEGIN before it", "write BEGIN, or remove it"))
            ended, inside = place, False
        elif not inside:
            outside.append(command)
    if begun < 0 and ended < 0:
        return Shape(slice(0, len(commands)), is_transaction=False), faults
    if inside:
        faults.append(Fault(commands[begun].line, "BEGIN has no END after it", "write END; where the transaction ends"))
    hint = "put it between BEGIN and END, or into a script file of its own"
    faults += [
        Fault(command.line, f"{_first(command)} stands outside of the transaction in the same script", hint)
        for command in outside
        if begun >= 0
    ]
    isolation, begins = None, [command for command in commands if _first(command) in _BEGIN]
    for command in reversed(begins):
        isolation, more = _isolation(command)
        faults += more
    return Shape(slice(begun + 1, ended), is_transaction=True, isolation=isolation), faults


def type_of(commands: Sequence[SqlCommand]) -> OperationType:
    """Return WRITE unless every statement is known to read only; what functions do cannot be seen."""
    return OperationType.READ if all(map(_reads, commands)) else OperationType.WRITE


def _reads(command: SqlCommand) -> bool:
    words = command.words
    if not words or words[0] not in _READS or not _WRITE_WORDS.isdisjoint(words):
        return False
    # FOR SHARE, FOR KEY SHARE: locks are written into the rows, as those of FOR UPDATE are.
    return not any(word == "FOR" and "SHARE" in words[place + 1 : place + 3] for place, word in enumerate(words))


def _first(command: SqlCommand) -> str:
    return (command.words or [""])[0]


def _refused(command: SqlCommand) -> list[Fault]:
    word = _first(command)
    if word in _REFUSED:
        why, hint = _REFUSED[word]
        return [Fault(command.line, f"{word} {why}", hint)]
    words = command.words
    if word in _END and "CHAIN" in words and "NO" not in words:
        return [Fault(command.line, f"{word} AND CHAIN begins another transaction", "leave AND CHAIN out")]
    if word in _END and "PREPARED" in words:
        return [Fault(command.line, f"{word} PREPARED is a step of a two-phase commit", "commit in one step")]
    return []


def _isolation(begin: SqlCommand) -> tuple[Isolation | None, list[Fault]]:
    """Return the level that BEGIN asks for, and what else it asks for that no operation has."""
    words = [word for word in begin.words[1:] if word not in ("WORK", "TRANSACTION")]
    level: Isolation | None = None
    place = 0
    while place < len(words):
        rest = tuple(words[place:])
        if rest[:2] == ("ISOLATION", "LEVEL"):
            found = next((known for known in _LEVELS if rest[2 : 2 + len(known)] == known), None)
            if found is None:
                return None, [Fault(begin.line, f"BEGIN asks for an unknown isolation level {' '.join(rest[2:])}")]
            level = _LEVELS[found]
            place += 2 + len(found)
        elif rest[:2] in (("READ", "WRITE"), ("NOT", "DEFERRABLE")):
            place += 2
        else:
            hint = f"write SET TRANSACTION {' '.join(rest)}; as the first statement of the transaction"
            return level, [Fault(begin.line, f"BEGIN … {' '.join(rest)} has no equivalent", hint)]
    return level, []
