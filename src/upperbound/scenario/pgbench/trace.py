r"""What a script does: the statements it sends on each of its ways, and what its variables stand for by then.

A ``\if`` whose condition is always the same leaves one way. One that is decided by a random number splits the script
into several, each with its likelihood; pgbench decides anew in every transaction, as a weighted mix does.
"""

import math
import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from upperbound.scenario.pgbench.binding import bind
from upperbound.scenario.pgbench.evaluation import to_double, truth
from upperbound.scenario.pgbench.expressions import Constant, Expression, parse_expression
from upperbound.scenario.pgbench.fault import ExpressionError, Fault
from upperbound.scenario.pgbench.forms import probability
from upperbound.scenario.pgbench.script import MetaCommand, Script, SqlCommand
from upperbound.scenario.pgbench.variables import Bound, Given, Unknown, is_name

WAYS_MAX: Final = 50
"""Ways through one script."""
_SLEEP: Final = re.compile(r"([-+]?[0-9]+|:\S+)\s*(us|ms|s)?", re.IGNORECASE)
_UNITS_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_NEVER: Final = Fraction(1, 10**12)
"""A way that is less likely than this is none: it is the rounding of probabilities, or a transaction in a year."""
_FROM_RESULT: Final = (
    "takes values from a result, and parameters are drawn before their statements are sent",
    "let one statement do both: UPDATE … RETURNING in a WITH, or a subquery",
)
_REFUSED: Final = {
    "aset": _FROM_RESULT,
    "gset": _FROM_RESULT,
    "setshell": ("takes a value from a program, and no parameter does", "give one value for all with -D"),
    "shell": ("runs a program, and no operation does", "remove it"),
    "startpipeline": ("sends statements without waiting for answers, and operations wait for each", "remove it"),
    "syncpipeline": ("belongs to a pipeline, and operations wait for each answer", "remove it"),
    "endpipeline": ("belongs to a pipeline, and operations wait for each answer", "remove it"),
}
_CONDITIONS: Final = ("if", "elif", "else", "endif")


@dataclass(frozen=True)
class Sent:
    """A statement as it is reached."""

    command: SqlCommand
    scope: dict[str, Bound]
    """The variables that the script has set by then."""


@dataclass(frozen=True)
class Pause:
    r"""A constant ``\sleep``."""

    line: int
    ms: float
    after: int
    """How many statements were sent before it."""


@dataclass(frozen=True)
class Way:
    """One way through a script."""

    sent: tuple[Sent, ...] = ()
    pauses: tuple[Pause, ...] = ()
    conditions: tuple[tuple[Expression, bool], ...] = ()
    """What decides for it, with the outcome."""
    scope: dict[str, Bound] = field(default_factory=dict)
    levels: tuple[str, ...] = ()
    """Of each open ``\\if``: ``active``, ``waiting`` for a branch that holds, ``over``, or ``dead`` within one that
    is not executed."""
    decided_at: tuple[int, ...] = ()
    """Lines of the conditions."""
    likelihood: Fraction = Fraction(1)
    """How many of the script's transactions go this way."""

    @property
    def active(self) -> bool:
        """Whether commands are executed here."""
        return all(level == "active" for level in self.levels)


class Tracer:
    """Follows the commands of one script on all ways."""

    def __init__(self, script: Script, given: Given) -> None:
        commands = script.commands
        self._commands = commands
        self._complete = script.complete
        self._given = given
        self.faults: list[Fault] = []
        self._captures = tuple(
            command.rest
            for command in commands
            if isinstance(command, MetaCommand) and command.name in ("gset", "aset")
        )
        self._ways: list[tuple[int, Way]] = [(0, Way())]
        self._done: list[Way] = []

    def ways(self) -> list[Way]:
        """Return every way; what cannot be imported is in :attr:`faults`, once each."""
        if not self._conditions_match():
            return []
        while self._ways:
            place, way = self._ways.pop()
            while place < len(self._commands):
                way = self._step(place, way)
                place += 1
            self._done.append(way)
            if len(self._done) + len(self._ways) > WAYS_MAX:
                self._fault(
                    way.decided_at[0], f"this and other \\if make more than {WAYS_MAX} ways", "split the script"
                )
                break
        return self._done

    def value_of(self, name: str, scope: dict[str, Bound]) -> Expression:
        """Return what a variable stands for in an expression; raises :class:`ExpressionError` when nothing."""
        bound = scope.get(name)
        if bound is None:
            self._refuse_captured(name)
            return self._given.value(name)
        if bound.expression is None:
            raise Unknown(name)
        return bound.expression

    def bound(self, name: str, scope: dict[str, Bound]) -> Bound:
        """Return what a variable stands for in a statement; raises :class:`ExpressionError` when nothing."""
        if name in scope:
            return scope[name]
        self._refuse_captured(name)
        return self._given.bound(name)

    def _refuse_captured(self, name: str) -> None:
        if not self._given.is_known(name) and any(name.startswith(prefix) for prefix in self._captures):
            raise Unknown(name)  # may come from a result; that is a fault of its own

    def _fault(self, line: int, message: str, hint: str = "") -> None:
        fault = Fault(line, message, hint)
        if fault not in self.faults:
            self.faults.append(fault)

    def _step(self, place: int, way: Way) -> Way:
        """Execute one command on a way; the other side of a split is left for later."""
        command = self._commands[place]
        if isinstance(command, SqlCommand):
            return replace(way, sent=(*way.sent, Sent(command, way.scope))) if way.active else way
        if command.name in _CONDITIONS:
            return self._condition(place, command, way)
        if not way.active:
            return way
        if command.name == "set":
            return self._set(command, way)
        if command.name == "sleep":
            return self._sleep(command, way)
        if command.name not in _REFUSED:
            self._fault(command.line, f"pgbench has no command \\{command.name}")
            return way
        why, hint = _REFUSED[command.name]
        self._fault(command.line, f"\\{command.name} {why}", hint)
        if command.name == "setshell":
            return _with(way, command.rest.split()[0] if command.rest else "", Bound(None))
        return way

    def _set(self, command: MetaCommand, way: Way) -> Way:
        name, _, text = command.rest.replace("\t", " ").partition(" ")
        if not is_name(name):
            self._fault(
                command.line, f"\\set has no name of a variable, but {name!r}" if name else "\\set sets nothing"
            )
            return way
        bound = self._evaluate(command.line, f"\\set {name}", text, way)
        return _with(way, name, Bound(bound, formula=text.strip()))

    def _evaluate(self, line: int, what: str, text: str, way: Way) -> Expression | None:
        """Return the value of an expression on a way; None after a fault."""
        try:
            return bind(parse_expression(text), lambda name: self.value_of(name, way.scope))
        except Unknown:
            return None
        except ExpressionError as error:
            self._fault(line, f"{what}: {error.message}", error.hint)
            return None

    def _sleep(self, command: MetaCommand, way: Way) -> Way:
        match = _SLEEP.fullmatch(command.rest)
        if match is None:
            self._fault(command.line, f"\\sleep takes a time such as 10 ms, not {command.rest!r}")
            return way
        number, unit = match[1], (match[2] or "s").lower()
        value = self._evaluate(command.line, "\\sleep", number, way)
        if value is None:
            return way
        if not isinstance(value, Constant):
            message = "\\sleep pauses for a random time, and think_time_ms is one time"
            self._fault(command.line, message, "use a constant time")
            return way
        try:
            # Doubles are cut off here, as pgbench reads them from their text up to the point.
            units = max(0, math.trunc(to_double(value.value)))
            pause = Pause(command.line, units * _UNITS_MS[unit], len(way.sent))
        except ExpressionError as error:
            self._fault(command.line, f"\\sleep: {error.message}")
            return way
        return replace(way, pauses=(*way.pauses, pause))

    def _condition(self, place: int, command: MetaCommand, way: Way) -> Way:
        """Go on in a branch, or past it; a random condition leaves the other side of the split for later."""
        if command.name == "endif":
            return replace(way, levels=way.levels[:-1])
        outer, level = way.levels[:-1], way.levels[-1] if way.levels else ""
        if command.name == "else":
            return replace(way, levels=(*outer, {"waiting": "active", "active": "over"}.get(level, level)))
        if command.name == "if":
            outer, level = way.levels, "waiting" if way.active else "dead"
        if level != "waiting":
            return replace(way, levels=(*outer, "over" if level == "active" else level))
        taken, passed = replace(way, levels=(*outer, "active")), replace(way, levels=(*outer, "waiting"))
        value = self._evaluate(command.line, f"\\{command.name}", command.rest, way)
        if isinstance(value, Constant):
            return taken if truth(value.value) else passed
        decided = (*way.decided_at, command.line)
        if value is None:
            # What is wrong has been named; both branches are looked at for what else is.
            self._ways.append((place + 1, replace(passed, decided_at=decided)))
            return replace(taken, decided_at=decided)
        return self._split(
            command,
            place,
            replace(taken, conditions=(*way.conditions, (value, True)), decided_at=decided),
            replace(passed, conditions=(*way.conditions, (value, False)), decided_at=decided),
        )

    def _split(self, command: MetaCommand, place: int, taken: Way, passed: Way) -> Way:
        """Return one side of a split and leave the other for later, unless it is never taken."""
        try:
            likelihood = probability(taken.conditions)
            sides = [replace(taken, likelihood=likelihood), replace(passed, likelihood=passed.likelihood - likelihood)]
        except ExpressionError as error:
            self._fault(command.line, f"\\{command.name}: {error.message}", error.hint)
            sides = [replace(side, conditions=side.conditions[:-1]) for side in (taken, passed)]
        possible = [side for side in sides if side.likelihood > _NEVER] or sides[:1]
        self._ways += [(place + 1, side) for side in possible[1:]]
        return possible[0]

    def _conditions_match(self) -> bool:
        """Check that each branch has its beginning and its end."""
        open_: list[tuple[int, bool]] = []
        for command in self._commands:
            if not isinstance(command, MetaCommand) or command.name not in _CONDITIONS:
                continue
            if command.name == "if":
                open_.append((command.line, False))
            elif not open_:
                self._fault(command.line, f"\\{command.name} has no \\if before it")
                return False
            elif command.name == "endif":
                open_.pop()
            elif open_[-1][1]:
                self._fault(command.line, f"\\{command.name} comes after \\else")
                return False
            else:
                open_[-1] = (open_[-1][0], command.name == "else")
        if not self._complete:
            return True
        for line, _ in open_:
            self._fault(line, "\\if has no \\endif")
        return not open_


def _with(way: Way, name: str, bound: Bound) -> Way:
    return replace(way, scope={**way.scope, name: bound})
