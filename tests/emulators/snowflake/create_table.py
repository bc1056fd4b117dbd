"""CREATE TABLE of every type, as a statement that the engine understands and what it leaves out.

The engine has one type of table and enforces every key it is told. Snowflake enforces keys on hybrid tables alone, so
they are taken out of the statement for the others, and remembered for SHOW and reflection.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError
from tests.emulators.snowflake.catalog import ForeignKey, Index, Key, Name, Table, TableKind, qualified
from tests.emulators.snowflake.errors import SYNTAX, UNSUPPORTED, SqlError
from tests.emulators.snowflake.identifiers import quote_words
from tests.emulators.snowflake.tokens import Words

_MODIFIERS = ("LOCAL", "GLOBAL", "TEMP", "TEMPORARY", "VOLATILE", "TRANSIENT")
_KINDS = ("HYBRID", "INTERACTIVE", "DYNAMIC")


@dataclass(frozen=True)
class CreateTable:
    """A CREATE TABLE that was read."""

    parts: tuple[str, ...]
    kind: TableKind
    replace: bool
    if_not_exists: bool
    sql: str
    """What the engine runs."""
    primary_key: Key | None
    unique_keys: tuple[Key, ...]
    foreign_keys: tuple[ForeignKey, ...]
    indexes: tuple[Index, ...]
    options: dict[str, str]
    query: str | None

    def table(self, database: str | None, schema: str | None) -> Table:
        """Return what the catalog remembers."""
        return Table(
            self.name(database, schema),
            self.kind,
            self.primary_key,
            self.unique_keys,
            self.foreign_keys,
            list(self.indexes),
            self.options,
            self.query,
        )

    def name(self, database: str | None, schema: str | None) -> Name:
        """Return the whole name in a session."""
        return qualified(self.parts, database, schema)


def read_create_table(sql: str) -> CreateTable | None:
    """Read a CREATE TABLE statement, or return None for any other.

    Raises SqlError for what Snowflake refuses: a syntax error, a hybrid table without primary key.
    """
    words = Words(sql)
    if not words.accept("CREATE"):
        return None
    replace = words.accept("OR", "REPLACE")
    kind = _read_kind(words)
    if not words.accept("TABLE"):
        return None
    if_not_exists = words.accept("IF", "NOT", "EXISTS")
    parts = words.name()
    indexes = tuple(_cut_indexes(words))
    options = _cut_options(words)
    create = _parse(words.text_after_cuts())
    keys = _Keys(create, parts[-1])
    if kind is TableKind.HYBRID and keys.primary is None:
        raise SqlError(*UNSUPPORTED, f"Unsupported feature 'hybrid table {parts[-1]} without a primary key'.")
    if kind is not TableKind.HYBRID:
        keys.remove()
    query = create.expression
    return CreateTable(
        parts,
        kind,
        replace,
        if_not_exists,
        quote_words(create).sql(dialect="snowflake"),
        keys.primary,
        tuple(keys.unique),
        tuple(keys.foreign),
        indexes,
        options,
        query.sql(dialect="snowflake") if isinstance(query, exp.Query) else None,
    )


def _read_kind(words: Words) -> TableKind:
    kind = TableKind.STANDARD
    while True:
        if found := words.accept_any(*_KINDS):
            kind = TableKind(found)
            words.cut(words.at - 1, words.at)
        elif not words.accept_any(*_MODIFIERS):
            return kind


def _cut_indexes(words: Words) -> Iterator[Index]:
    """Cut ``INDEX name (columns) [INCLUDE (columns)]`` out of the list of columns, and read past the list."""
    if (token := words.peek()) is None or token.text != "(":
        return
    words.next()
    while not words.ended and not words.accept(")"):
        before = words.at - 1  # the comma or parenthesis that the clause follows
        unique = words.accept("UNIQUE", "INDEX")
        if unique or words.accept("INDEX"):
            name = words.name()[-1]
            columns = words.names()
            include = words.names() if words.accept("INCLUDE") else ()
            first_of_list = words.tokens[before].text == "("
            words.cut(before + first_of_list, words.at + first_of_list)
            yield Index(name, columns, include, unique)
        else:
            _skip_definition(words)
        words.accept(",")


def _skip_definition(words: Words) -> None:
    while (token := words.peek()) is not None and token.text not in (",", ")"):
        if token.text == "(":
            words.skip_parentheses()
        else:
            words.next()


def _cut_options(words: Words) -> dict[str, str]:
    """Cut what follows the columns up to the query: clustering, lag, warehouse, retention."""
    options: dict[str, str] = {}
    while not words.ended and not words.accept_any("AS", "LIKE", "CLONE"):
        start = words.at
        if words.accept("CLUSTER BY") or words.accept("CLUSTER", "BY"):
            first = words.at
            words.skip_parentheses()
            options["CLUSTER_BY"] = "".join(token.text for token in words.tokens[first : words.at])
            words.cut(start, words.at)
        elif (following := words.peek(1)) is not None and following.text == "=":
            name, _ = words.next().text.upper(), words.next()
            options[name] = words.value()
            if name != "COMMENT":
                words.cut(start, words.at)
        elif words.accept("COPY", "GRANTS"):
            words.cut(start, words.at)
        else:
            words.next()
    return options


def _parse(sql: str) -> exp.Create:
    try:
        create = sqlglot.parse_one(sql, read="snowflake")
    except ParseError as error:
        raise SqlError(*SYNTAX, f"SQL compilation error:\nsyntax error: {plain(error)}") from None
    if not isinstance(create, exp.Create):
        raise SqlError(*SYNTAX, f"SQL compilation error:\nsyntax error in {sql[:200]!r}")
    return create


def plain(error: ParseError) -> str:
    """Return what the parser says in one line, without the marks that colour a terminal."""
    first = error.errors[0] if error.errors else {}
    return f"{first.get('description', str(error))} at line {first.get('line', 1)}, near {first.get('highlight', '')!r}"


class _Keys:
    """The keys in the parsed statement: what they are, and how to take them out."""

    def __init__(self, create: exp.Create, table: str) -> None:
        self.primary: Key | None = None
        self.unique: list[Key] = []
        self.foreign: list[ForeignKey] = []
        self._schema = create.this if isinstance(create.this, exp.Schema) else None
        self._table = table
        if self._schema is None:
            return
        for definition in self._schema.expressions:
            if isinstance(definition, exp.ColumnDef):
                self._read_column(definition)
            elif isinstance(definition, exp.Constraint):
                for constraint in definition.expressions:
                    self._read(constraint, _stored(definition.this))
            else:
                self._read(definition, None)

    def remove(self) -> None:
        """Take all keys out of the statement; columns of a primary key stay NOT NULL, which Snowflake enforces."""
        if self._schema is None:
            return
        kept = [
            definition
            for definition in self._schema.expressions
            if not isinstance(definition, exp.Constraint | exp.PrimaryKey | exp.UniqueColumnConstraint | exp.ForeignKey)
        ]
        self._schema.set("expressions", kept)
        required = self.primary.columns if self.primary else ()
        for column in kept:
            if isinstance(column, exp.ColumnDef):
                constraints = [found for found in column.args.get("constraints") or [] if not _is_key(found)]
                if _stored(column.this) in required and not any(map(_is_not_null, constraints)):
                    constraints.append(exp.ColumnConstraint(kind=exp.NotNullColumnConstraint()))
                column.set("constraints", constraints)

    def _read_column(self, column: exp.ColumnDef) -> None:
        name = _stored(column.this)
        for constraint in column.args.get("constraints") or []:
            kind = constraint.args.get("kind")
            if isinstance(kind, exp.PrimaryKeyColumnConstraint):
                self.primary = Key(self._named(None, "PK"), (name,))
            elif isinstance(kind, exp.UniqueColumnConstraint):
                self.unique.append(Key(self._named(None, "UK"), (name,)))
            elif isinstance(kind, exp.Reference):
                self._read_reference(kind, None, (name,))

    def _read(self, constraint: exp.Expr, name: str | None) -> None:
        if isinstance(constraint, exp.PrimaryKey):
            self.primary = Key(self._named(name, "PK"), _columns(constraint))
        elif isinstance(constraint, exp.UniqueColumnConstraint):
            self.unique.append(Key(self._named(name, "UK"), _columns(constraint.this)))
        elif isinstance(constraint, exp.ForeignKey):
            self._read_reference(constraint.args["reference"], name, _columns(constraint))

    def _read_reference(self, reference: exp.Reference, name: str | None, columns: tuple[str, ...]) -> None:
        target = reference.this
        table = target.this if isinstance(target, exp.Schema) else target
        parent = tuple(_stored(part) for part in table.parts)
        parent_columns = _columns(target) if isinstance(target, exp.Schema) else ()
        self.foreign.append(ForeignKey(self._named(name, "FK"), columns, parent, parent_columns))

    def _named(self, given: str | None, kind: str) -> str:
        return given or f"SYS_{kind}_{self._table}_{len(self.unique) + len(self.foreign) + 1}"


def _is_key(constraint: exp.Expr) -> bool:
    kind = constraint.args.get("kind")
    return isinstance(kind, exp.PrimaryKeyColumnConstraint | exp.UniqueColumnConstraint | exp.Reference)


def _is_not_null(constraint: exp.Expr) -> bool:
    return isinstance(constraint.args.get("kind"), exp.NotNullColumnConstraint)


def _columns(expression: exp.Expr) -> tuple[str, ...]:
    return tuple(_stored(column.find(exp.Identifier) or column) for column in expression.expressions)


def _stored(identifier: exp.Expr) -> str:
    """Return a name as Snowflake stores it."""
    if isinstance(identifier, exp.Identifier) and identifier.args.get("quoted"):
        return str(identifier.this)
    return str(identifier.name).upper()
