r"""The expressions of pgbench's ``\set`` and ``\if``: text into a tree.

After the grammar in PostgreSQL 18, "Built-in Operators" and "Built-in Functions" of the manual's page on pgbench: the
same operators with the same precedence, and the same functions with the same numbers of arguments.
"""

import re
from dataclasses import dataclass
from typing import Final

from upperbound.scenario.fields import INT64_MAX, INT64_MIN
from upperbound.scenario.pgbench.draws import Draw
from upperbound.scenario.pgbench.fault import ExpressionError

Value = bool | int | float | None
"""What an expression makes: a truth value, a number of 64 bits, a double or NULL."""

RANDOM_FUNCTIONS: Final = ("random", "random_exponential", "random_gaussian", "random_zipfian")
SCATTERING_FUNCTIONS: Final = ("hash", "hash_fnv1a", "hash_murmur2", "permute")
"""Functions that spread neighbouring numbers over others, by a seed that pgbench draws unless it is given."""


@dataclass(frozen=True)
class Constant:
    """A number, a truth value or NULL."""

    value: Value


@dataclass(frozen=True)
class Variable:
    """``:name``."""

    name: str


@dataclass(frozen=True, eq=False)
class Call:
    """A function or an operator with its operands.

    Operators go by their sign; ``and``, ``or``, ``not``, ``is`` and ``case`` by their word. The operands of ``case``
    are condition, value, condition, value … and what holds otherwise.
    """

    function: str
    operands: "tuple[Expression, ...]"


Expression = Constant | Variable | Call | Draw
"""As it is parsed, an expression has no :class:`Draw`; when its variables have been replaced, it has no variable."""

_ARGUMENTS: Final[dict[str, tuple[int, int | None]]] = {
    "abs": (1, 1),
    "debug": (1, 1),
    "double": (1, 1),
    "exp": (1, 1),
    "greatest": (1, None),
    "hash": (1, 2),
    "hash_fnv1a": (1, 2),
    "hash_murmur2": (1, 2),
    "int": (1, 1),
    "least": (1, None),
    "ln": (1, 1),
    "mod": (2, 2),
    "permute": (2, 3),
    "pi": (0, 0),
    "pow": (2, 2),
    "power": (2, 2),
    "random": (2, 2),
    "random_exponential": (3, 3),
    "random_gaussian": (3, 3),
    "random_zipfian": (3, 3),
    "sqrt": (1, 1),
}
"""The functions, with how many arguments each takes at least and at most."""
_SAME: Final = {"power": "pow", "%": "mod", "!=": "<>"}
"""Names for the same thing."""
_KEYWORDS: Final = frozenset(
    ("and", "or", "not", "is", "isnull", "notnull", "case", "when", "then", "else", "end", "true", "false", "null")
)
_LEVELS: Final = {
    sign: level
    for level, signs in (
        (1, "or"),
        (2, "and"),
        (4, "is isnull notnull"),
        (5, "< > = <= >= <> !="),
        (6, "| # & << >>"),
        (7, "+ -"),
        (8, "* / %"),
    )
    for sign in signs.split()
}
"""How tightly each binary or trailing operator binds."""
_NOT_LEVEL, _COMPARISON_LEVEL, _COMPLEMENT_LEVEL, _SIGN_LEVEL = 3, 5, 6, 9
_DEPTH_MAX: Final = 200
"""Nested brackets and signs; more are no benchmark."""
_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<double>[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+ | [0-9]+\.[0-9]* | \.[0-9]+(?:[eE][-+]?[0-9]+)?)
    | (?P<integer>[0-9]+)
    | (?P<variable>:[A-Za-z0-9_\x80-\U0010ffff]+)
    | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)
    | (?P<sign><<|>>|<=|>=|<>|!=|[-+*/%()=<>|\#&~,])
    """,
    re.VERBOSE,
)


def parse_expression(text: str) -> Expression:
    """Return the tree of an expression.

    Raises:
        ExpressionError: it is none.
    """
    parser = _Parser(text)
    expression = parser.expression(0)
    parser.expect_end()
    return expression


def variables_of(expression: Expression) -> set[str]:
    """Return the names of all variables in an expression."""
    if isinstance(expression, Variable):
        return {expression.name}
    if isinstance(expression, Call):
        return set[str]().union(*map(variables_of, expression.operands))
    return set()


def _tokens(text: str) -> list[tuple[str, str]]:
    """Return kind and text of each token, words and key words in lower case; the last one is of kind ``end``."""
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"the expression holds an unexpected {text[position]!r}")
        kind, word = str(match.lastgroup), match[0]
        position = match.end()
        if kind == "word":
            word = word.lower()
            kind = "sign" if word in _KEYWORDS else "function"
        if kind != "space":
            found.append((kind, word))
    return [*found, ("end", "")]


class _Parser:
    """Precedence climbing over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._place = 0
        self._depth = 0

    def expression(self, level: int) -> Expression:
        """Parse operands and every operator that binds at least as tightly as ``level``."""
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise ExpressionError(
                f"the expression is nested more than {_DEPTH_MAX} deep", "split it into several \\set"
            )
        left = self._operand()
        compared = False
        while (found := _LEVELS.get(self._sign() or "", -1)) >= level:
            if found == _COMPARISON_LEVEL and compared:
                raise ExpressionError("a comparison follows on another one", "put one of them in brackets")
            compared = found == _COMPARISON_LEVEL
            left = self._operator(left, found)
        self._depth -= 1
        return left

    def expect_end(self) -> None:
        """Refuse anything that is left."""
        if self._tokens[self._place][0] != "end":
            raise self._unexpected()

    def _operator(self, left: Expression, level: int) -> Expression:
        """Parse an operator after its left operand."""
        sign = self._next()[1]
        if sign in ("isnull", "notnull"):
            return self._test(left, Constant(None), negated=sign == "notnull")
        if sign == "is":
            negated = self._took("not")
            kind, word = self._next()
            if kind != "sign" or word not in ("null", "true", "false"):
                raise ExpressionError("IS must be followed by NULL, TRUE or FALSE")
            return self._test(left, Constant(_word_value(word)), negated=negated)
        right = self.expression(level + 1)
        if sign in (">", ">="):
            left, right, sign = right, left, {">": "<", ">=": "<="}[sign]
        return Call(_SAME.get(sign, sign), (left, right))

    @staticmethod
    def _test(left: Expression, value: Constant, *, negated: bool) -> Expression:
        test = Call("is", (left, value))
        return Call("not", (test,)) if negated else test

    def _operand(self) -> Expression:
        """Parse what an operator can stand behind."""
        kind, word = token = self._next()
        match token:
            case "integer", digits:
                return Constant(_integer(digits))
            case "double", digits:
                return Constant(float(digits))
            case "variable", name:
                return Variable(name[1:])
            case "function", name:
                return self._call(name)
            case "sign", "(":
                inner = self.expression(0)
                self._expect(")")
                return inner
            case "sign", "+":
                return self.expression(_SIGN_LEVEL)
            case "sign", "-":
                return self._negative()
            case "sign", "~":
                return Call("#", (Constant(-1), self.expression(_COMPLEMENT_LEVEL + 1)))
            case "sign", "not":
                return Call("not", (self.expression(_NOT_LEVEL),))
            case "sign", "case":
                return self._case()
            case "sign", "true" | "false" | "null":
                return Constant(_word_value(word))
        self._place -= kind != "end"
        raise self._unexpected()

    def _negative(self) -> Expression:
        """Parse what follows a minus sign; only there the lowest integer can be written."""
        if self._tokens[self._place] == ("integer", str(-INT64_MIN)):
            self._place += 1
            return Constant(INT64_MIN)
        return Call("-", (Constant(0), self.expression(_SIGN_LEVEL)))

    def _call(self, name: str) -> Expression:
        """Parse a function's arguments."""
        self._expect("(")
        operands: list[Expression] = []
        if self._sign() != ")":
            operands.append(self.expression(0))
            while self._took(","):
                operands.append(self.expression(0))
        self._expect(")")
        if name not in _ARGUMENTS:
            raise ExpressionError(f"pgbench has no function {name}")
        fewest, most = _ARGUMENTS[name]
        if len(operands) < fewest or (most is not None and len(operands) > most):
            wanted = f"{fewest}" if most == fewest else f"{fewest} or more" if most is None else f"{fewest} or {most}"
            raise ExpressionError(f"{name} has {len(operands)} arguments, and takes {wanted}")
        return Call(_SAME.get(name, name), tuple(operands))

    def _case(self) -> Expression:
        """Parse conditions and values up to END."""
        operands: list[Expression] = []
        while self._took("when"):
            operands.append(self.expression(0))
            self._expect("then")
            operands.append(self.expression(0))
        if not operands:
            raise self._unexpected()
        operands.append(self.expression(0) if self._took("else") else Constant(None))
        self._expect("end")
        return Call("case", tuple(operands))

    def _sign(self) -> str | None:
        """Return the next token if it is an operator, a bracket or a key word."""
        kind, word = self._tokens[self._place]
        return word if kind == "sign" else None

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._place]
        self._place += token[0] != "end"
        return token

    def _took(self, sign: str) -> bool:
        """Take the next token if it is ``sign``."""
        there = self._sign() == sign
        self._place += there
        return there

    def _expect(self, sign: str) -> None:
        if not self._took(sign):
            raise self._unexpected(sign)

    def _unexpected(self, wanted: str = "") -> ExpressionError:
        kind, word = self._tokens[self._place]
        found = "ends too early" if kind == "end" else f"has an unexpected {word!r}"
        return ExpressionError(f"the expression {found}" + (f", where {wanted!r} belongs" if wanted else ""))


def _integer(digits: str) -> int:
    value = int(digits) if len(digits) <= 30 else INT64_MAX + 1
    if value > INT64_MAX:
        raise ExpressionError(f"{digits[:30]} needs more than 64 bits")
    return value


def _word_value(word: str) -> Value:
    return {"true": True, "false": False}.get(word)
