"""One way through a script as an operation: its statements with ``$1``, ``$2`` … in place of what varies."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from upperbound.scenario.kinds import OperationKind
from upperbound.scenario.pgbench.expressions import Constant, Expression
from upperbound.scenario.pgbench.fault import ExpressionError, Fault
from upperbound.scenario.pgbench.forms import Linear, linear
from upperbound.scenario.pgbench.parameters import plan_parameters
from upperbound.scenario.pgbench.script import PlacedToken, SqlCommand
from upperbound.scenario.pgbench.shape import shape_of, type_of
from upperbound.scenario.pgbench.trace import Sent, Way
from upperbound.scenario.pgbench.variables import NAME, Bound, Unknown, written
from upperbound.scenario.sql_text import TokenKind

_IN_QUOTES: Final = re.compile(rf"(?<!:):({NAME})")
_VARIABLE: Final = re.compile(NAME)

BoundOf = Callable[[str, dict[str, Bound]], Bound]
"""Returns what a variable stands for in a scope; raises :class:`ExpressionError` when nothing."""


@dataclass(frozen=True)
class WayOperation:
    """What a way comes to."""

    operation: dict[str, Any]
    """An operation of a scenario, without its name and weight."""
    lines: tuple[int, ...]
    """Of each of its statements in the script."""
    names: tuple[str, ...]
    """Of the variable that each parameter stands for."""
    used_at: tuple[int, ...]
    """Line on which each parameter is used first."""


@dataclass(frozen=True)
class _Use:
    """An expression in a statement, which becomes a parameter."""

    expression: Expression
    form: Linear | None
    name: str
    line: int
    formula: str
    """What the script sets it to."""

    def hint(self, hint: str) -> str:
        """Return what to do when it is no parameter: its arithmetic can stand in the statement, if it draws nothing."""
        if ":" not in self.formula or "random" in self.formula.lower():
            return hint
        return f"write ({self.formula}) into the statement in place of :{self.name}"


class WayReader:
    """Turns a way into an operation."""

    def __init__(
        self, bound_of: BoundOf, is_known: Callable[[str, dict[str, Bound]], bool], *, complete: bool = True
    ) -> None:
        """Take how variables are looked up, and whether the script was read to its end."""
        self._bound_of = bound_of
        self._is_known = is_known
        self._complete = complete
        self.faults: list[Fault] = []
        self._uses: list[_Use] = []

    def read(self, way: Way) -> WayOperation | None:
        """Return the operation of a way; None if something in it cannot be imported."""
        commands = [sent.command for sent in way.sent]
        shape, faults = shape_of(commands)
        self.faults += faults
        parts = [list(self._parts(sent)) for sent in way.sent]
        inner = commands[shape.inner]
        if not inner and not self.faults and self._complete:
            line = commands[0].line if commands else way.decided_at[-1] if way.decided_at else 0
            self._fault(line, "sends no statement here, and an operation has at least one", "leave it out of the mix")
        planned = plan_parameters([use.expression for use in self._uses], way.conditions)
        for place, error in planned.faults:
            use = self._uses[place]
            self._fault(use.line, f":{use.name}: {error.message}", use.hint(error.hint))
        if self.faults:
            return None
        texts = [
            "".join(part if isinstance(part, str) else f"${planned.numbers[part]}" for part in statement)
            for statement in parts[shape.inner]
        ]
        operation: dict[str, Any] = {"kind": OperationKind.GENERIC_SQL.value, "operation_type": type_of(inner).value}
        if len(texts) == 1 and not shape.is_transaction:
            operation["sql"] = texts[0]
        else:
            operation["statements"] = texts
            operation["autocommit"] = not shape.is_transaction
            operation["isolation"] = shape.isolation.value if shape.isolation is not None else None
        operation["params"] = list(planned.params)
        numbered = sorted(zip(planned.numbers, self._uses, strict=True), key=lambda pair: pair[0])
        return WayOperation(
            operation,
            lines=tuple(command.line for command in inner),
            names=tuple(use.name for _, use in numbered),
            used_at=tuple(use.line for _, use in numbered),
        )

    def _parts(self, sent: Sent) -> Iterator[str | int]:
        """Yield the text of a statement, with the place of an expression for each variable that varies."""
        before = ""
        for token, name in _with_variables(sent.command):
            if name is None:
                self._check(token, sent.scope)
                yield token.text
                before = token.text
                continue
            try:
                bound = self._bound_of(name, sent.scope)
                text = bound.text
                if text is None and isinstance(bound.expression, Constant):
                    text = written(name, bound.expression.value)
            except Unknown:
                continue
            except ExpressionError as error:
                self._fault(token.line, error.message, error.hint)
                continue
            if text is not None:
                # Two minus signs in a row would begin a comment.
                yield f"({text})" if before == "-" and text.startswith("-") else text
            elif bound.expression is not None:
                yield self._place_of(_Use(bound.expression, linear(bound.expression), name, token.line, bound.formula))

    def _place_of(self, new: _Use) -> int:
        """Return the place of an expression among those used; the same one for the same values."""
        for place, use in enumerate(self._uses):
            if use.expression is new.expression or (new.form is not None and use.form == new.form):
                return place
        self._uses.append(new)
        return len(self._uses) - 1

    def _check(self, token: PlacedToken, scope: dict[str, Bound]) -> None:
        """Name what pgbench would take for something else than the server does."""
        if token.kind is TokenKind.PARAMETER:
            self._fault(token.line, f"{token.text} is no variable of pgbench", "write :name, and set it before")
        if token.kind is TokenKind.PLACEHOLDER:
            self._fault(token.line, f"{token.text} is not SQL, and would stand for a table here", "write its name")
        if token.kind not in (TokenKind.LITERAL, TokenKind.QUOTED_NAME):
            return
        for match in _IN_QUOTES.finditer(token.text):
            if self._is_known(match[1], scope):
                hint = f"put it outside: '…' || :{match[1]} || '…'"
                message = f"{match[0]} stands in quotes, where pgbench replaces it with -M simple only"
                self._fault(token.line, message, hint)

    def _fault(self, line: int, message: str, hint: str = "") -> None:
        fault = Fault(line, message, hint)
        if fault not in self.faults:
            self.faults.append(fault)


def _with_variables(command: SqlCommand) -> Iterator[tuple[PlacedToken, str | None]]:
    """Yield the tokens of a statement, each variable as one token with its name.

    A colon before a name makes a variable, unless it is one of several colons as in a cast.
    """
    tokens = command.tokens
    place = 0
    while place < len(tokens):
        run = _colons(tokens, place)
        following = tokens[place + run] if place + run < len(tokens) else None
        if run == 1 and following is not None and following.kind is TokenKind.WORD:
            match = _VARIABLE.match(following.text)
            assert match is not None, "a word begins as a name does"
            yield tokens[place], match[0]
            if rest := following.text[match.end() :]:
                yield PlacedToken(TokenKind.OTHER, rest, following.line), None
            place += 2
            continue
        taken = max(run, 1)
        for token in tokens[place : place + taken]:
            yield token, None
        place += taken


def _colons(tokens: Sequence[PlacedToken], place: int) -> int:
    """Return how many colons follow each other from a place on."""
    count = 0
    while place + count < len(tokens) and tokens[place + count].text == ":":
        count += 1
    return count
