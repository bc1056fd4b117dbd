"""Reads a statement: what kind it is, and, where the emulator answers it itself, what it asks for."""

import re
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError, TokenError
from tests.emulators.snowflake.catalog import Index
from tests.emulators.snowflake.commands import (
    AlterWarehouse,
    CreateIndex,
    CreateWarehouse,
    DropIndex,
    DropWarehouse,
    Explain,
    Nothing,
    Parts,
    RefreshTable,
    SessionChange,
    Show,
    Special,
    StageCommand,
    Transaction,
    Use,
)
from tests.emulators.snowflake.create_table import plain, read_create_table
from tests.emulators.snowflake.errors import SYNTAX, SqlError
from tests.emulators.snowflake.tokens import Words

_EXPLAIN_AS_TEXT = re.compile(r"\s*EXPLAIN\s+USING\s+TEXT\s+(?P<explained>.+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """A statement that was read; ``special`` is None for one that goes to the engine as it is."""

    sql: str
    query_type: str
    """As QUERY_HISTORY names it."""
    type_id: int
    """As the wire protocol numbers it."""
    special: Special | None = None
    expression: exp.Expr | None = None

    @property
    def writes(self) -> bool:
        """Whether it changes rows."""
        return self.query_type in _WRITES

    @property
    def needs_warehouse(self) -> bool:
        """Whether it is computed by a warehouse: a query of tables or a change of rows."""
        if self.writes:
            return True
        return isinstance(self.expression, exp.Query) and any(True for _ in stored_tables(self.expression))


_SELECT, _INSERT, _UPDATE, _DELETE, _MERGE, _COPY = 0x1000, 0x3100, 0x3200, 0x3300, 0x3400, 0x3600
_SESSION, _USE, _SHOW, _DESCRIBE, _LIST, _TRANSACTION, _DDL = 0x4100, 0x4300, 0x4400, 0x4500, 0x4700, 0x5000, 0x6000
_PUT, _REMOVE = 0x7100, 0x7300
DML_TYPES = frozenset({_INSERT, _UPDATE, _DELETE, _MERGE})
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "COPY"})

_PARSED: tuple[tuple[type[exp.Expr], str, int], ...] = (
    (exp.Query, "SELECT", _SELECT),
    (exp.Insert, "INSERT", _INSERT),
    (exp.Update, "UPDATE", _UPDATE),
    (exp.Delete, "DELETE", _DELETE),
    (exp.Merge, "MERGE", _MERGE),
    (exp.Copy, "COPY", _COPY),
    (exp.Put, "PUT_FILES", _PUT),
    (exp.ListStage, "LIST_FILES", _LIST),
    (exp.Show, "SHOW", _SHOW),
    (exp.Describe, "DESCRIBE", _DESCRIBE),
    (exp.TruncateTable, "TRUNCATE_TABLE", _DDL),
    (exp.Use, "USE", _USE),
)

_OWN_SHOWS = (
    "WAREHOUSES",
    "HYBRID TABLES",
    "DYNAMIC TABLES",
    "INTERACTIVE TABLES",
    "INDEXES",
    "PRIMARY KEYS",
    "UNIQUE KEYS",
    "IMPORTED KEYS",
    "EXPORTED KEYS",
    "PARAMETERS",
)


@lru_cache(maxsize=2_000)
def read_statement(sql: str) -> Statement:
    """Read a statement. Raises SqlError for a syntax error."""
    try:
        words = Words(sql)
    except TokenError as error:
        raise SqlError(*SYNTAX, f"SQL compilation error:\nparse error: {error}") from None
    if words.ended:
        raise SqlError(900, "42601", "SQL compilation error: Empty SQL statement.")
    first = words.next().text.upper()
    reader = _READERS.get(first)
    if reader and (found := reader(sql, Words(sql))):
        return found
    return _read_parsed(sql)


def stored_tables(expression: exp.Expr) -> list[Parts]:
    """Return the names of the stored tables that a statement touches, those of INFORMATION_SCHEMA left out."""
    named_here = {cte.alias_or_name.upper() for cte in expression.find_all(exp.CTE)}
    found = []
    for table in expression.find_all(exp.Table):
        parts = tuple(_stored(part) for part in table.parts if isinstance(part, exp.Identifier))
        own_views = "INFORMATION_SCHEMA" in parts[:-1] or "ACCOUNT_USAGE" in parts[:-1]
        if parts and not own_views and not (len(parts) == 1 and parts[0] in named_here):
            found.append(parts)
    return found


def _read_parsed(sql: str) -> Statement:
    try:
        parsed = [found for found in sqlglot.parse(sql, read="snowflake") if found is not None]
    except SqlglotError as error:
        said = plain(error) if isinstance(error, sqlglot.ParseError) else str(error)
        raise SqlError(*SYNTAX, f"SQL compilation error:\nsyntax error: {said}") from None
    parsed = [found for found in parsed if not isinstance(found, exp.Semicolon)]
    if len(parsed) != 1:
        message = f"Actual statement count {len(parsed)} did not match the desired statement count 1."
        raise SqlError(8, "0A000", message)
    expression = parsed[0]
    for kind, query_type, type_id in _PARSED:
        if isinstance(expression, kind):
            return Statement(sql, query_type, type_id, expression=expression)
    if isinstance(expression, exp.Create):
        query_type = "CREATE_VIEW" if expression.kind == "VIEW" else "CREATE"
        return Statement(sql, query_type, _DDL, expression=expression)
    if isinstance(expression, exp.Command | exp.Alias | exp.Column) and not _is_known_command(expression):
        word = sql.split(None, 1)[0]
        raise SqlError(*SYNTAX, f"SQL compilation error:\nsyntax error line 1 at position 0 unexpected '{word}'.")
    query_type = (
        "DROP" if isinstance(expression, exp.Drop) else "ALTER" if isinstance(expression, exp.Alter) else "UNKNOWN"
    )
    return Statement(sql, query_type, _DDL, expression=expression)


def _is_known_command(expression: exp.Expr) -> bool:
    known = ("ALTER", "CREATE", "DROP", "SET", "UNSET", "SHOW", "CALL", "EXECUTE", "GET", "DESCRIBE", "EXPLAIN")
    return isinstance(expression, exp.Command) and str(expression.this).upper() in known


def _stored(identifier: exp.Identifier) -> str:
    return str(identifier.this) if identifier.args.get("quoted") else str(identifier.this).upper()


def _read_create(sql: str, words: Words) -> Statement | None:
    if table := read_create_table(sql):
        return Statement(sql, "CREATE_TABLE_AS_SELECT" if table.query else "CREATE_TABLE", _DDL, table)
    words.accept("CREATE")
    replace = words.accept("OR", "REPLACE")
    unique = words.accept("UNIQUE")
    if words.accept("INDEX"):
        exists = words.accept("IF", "NOT", "EXISTS")
        name = words.name()[-1]
        words.accept("ON")
        table_name = words.name()
        columns = words.names()
        include = words.names() if words.accept("INCLUDE") else ()
        index = Index(name, columns, include, unique)
        return Statement(sql, "CREATE_INDEX", _DDL, CreateIndex(index, table_name, exists))
    interactive = words.accept("INTERACTIVE")
    if words.accept("WAREHOUSE"):
        exists = words.accept("IF", "NOT", "EXISTS")
        name = words.name()[-1]
        tables = _read_tables(words)
        options = words.options()
        kind = "INTERACTIVE" if interactive else "STANDARD"
        return Statement(sql, "CREATE", _DDL, CreateWarehouse(name, kind, replace, exists, options, tables))
    if words.accept("SEQUENCE"):
        for place, token in enumerate(words.tokens):
            if token.text.upper() in ("ORDER", "NOORDER"):
                words.cut(place, place + 1)
        return _read_parsed(words.text_after_cuts())
    if words.accept_any("ROLE", "NETWORK", "RESOURCE", "AUTHENTICATION", "TASK", "COMPUTE"):
        return Statement(sql, "CREATE", _DDL, Nothing())
    return None


def _read_tables(words: Words) -> frozenset[Parts]:
    if not words.accept("TABLES"):
        return frozenset()
    words.accept("(")
    found = [words.name()]
    while words.accept(","):
        found.append(words.name())
    words.accept(")")
    return frozenset(found)


def _read_alter(sql: str, words: Words) -> Statement | None:
    words.accept("ALTER")
    if words.accept("SESSION"):
        return _read_session(sql, words)
    if words.accept("WAREHOUSE"):
        return _read_alter_warehouse(sql, words)
    if words.accept("DYNAMIC", "TABLE"):
        words.accept("IF", "EXISTS")
        name = words.name()
        refreshes = words.accept("REFRESH")
        return Statement(sql, "ALTER", _DDL, RefreshTable(name) if refreshes else Nothing())
    without_effect = ("ROLE", "USER", "ACCOUNT", "TASK", "INTERACTIVE", "COMPUTE", "NETWORK")
    if words.accept_any(*without_effect) or " SEARCH OPTIMIZATION" in sql.upper():
        return Statement(sql, "ALTER", _DDL, Nothing())
    return None


def _read_session(sql: str, words: Words) -> Statement:
    values: dict[str, str | None] = {}
    if words.accept("UNSET"):
        while not words.ended:
            values[words.value().upper()] = None
            words.accept(",")
    else:
        values.update(words.options())
    if not values:
        raise SqlError(*SYNTAX, "SQL compilation error:\nsyntax error: ALTER SESSION sets nothing.")
    return Statement(sql, "ALTER_SESSION", _SESSION, SessionChange(values))


def _read_alter_warehouse(sql: str, words: Words) -> Statement:
    if_exists = words.accept("IF", "EXISTS")
    name = words.name()[-1]
    action = words.value().upper()
    options: dict[str, str] = {}
    tables: frozenset[Parts] = frozenset()
    if action == "RESUME":
        options = {"IF": "SUSPENDED"} if words.accept("IF", "SUSPENDED") else {}
    elif action == "SET":
        options = words.options()
    elif action in ("ADD", "DROP"):
        tables = _read_tables(words)
    return Statement(sql, "ALTER", _DDL, AlterWarehouse(name, if_exists, action, options, tables))


def _read_use(sql: str, words: Words) -> Statement | None:
    words.accept("USE")
    if what := words.accept_any("WAREHOUSE", "ROLE"):
        return Statement(sql, "USE", _USE, Use(what, words.name()[-1]))
    if words.accept("SECONDARY", "ROLES"):
        return Statement(sql, "USE", _USE, Use("SECONDARY ROLES", words.value().upper()))
    return None


def _read_show(sql: str, words: Words) -> Statement | None:
    words.accept("SHOW")
    words.accept("TERSE")
    subject = next((found for found in _OWN_SHOWS if words.accept(*found.split()) or words.accept(found)), None)
    if subject is None:
        return None
    like = words.value() if words.accept_any("LIKE", "ILIKE") else None
    scope = ""
    name: Parts = ()
    if words.accept_any("IN", "FOR"):
        scope = words.accept_any("ACCOUNT", "DATABASE", "SCHEMA", "TABLE", "SESSION", "WAREHOUSE", "USER") or ""
        name = words.name() if not words.ended and not words.accept("STARTS") else ()
        scope = scope or ("SCHEMA" if subject.endswith("TABLES") else "TABLE")
    return Statement(sql, "SHOW", _SHOW, Show(subject, like, scope, name))


def _read_drop(sql: str, words: Words) -> Statement | None:
    words.accept("DROP")
    what = words.accept_any("WAREHOUSE", "INDEX", "STAGE", "ROLE", "TASK", "DYNAMIC", "HYBRID", "INTERACTIVE")
    if what is None:
        return None
    words.accept("TABLE")
    if_exists = words.accept("IF", "EXISTS")
    name = words.name()
    if what in ("DYNAMIC", "HYBRID", "INTERACTIVE"):
        as_table = Words(sql)
        as_table.cut(1, 2)
        return _read_parsed(as_table.text_after_cuts())
    special: Special
    if what == "WAREHOUSE":
        special = DropWarehouse(name[-1], if_exists)
    elif what == "INDEX":
        special = DropIndex(name, if_exists)
    elif what == "STAGE":
        special = StageCommand("DROP", name, if_exists=if_exists)
    else:
        special = Nothing()
    return Statement(sql, "DROP", _DDL, special)


def _read_transaction(sql: str, words: Words) -> Statement | None:
    word = words.value().upper()
    if word == "BEGIN" and not words.ended and not words.accept_any("TRANSACTION", "WORK", "NAME"):
        return None  # a block of Snowflake Scripting
    what = {"START": "BEGIN"}.get(word, word)
    return Statement(sql, {"BEGIN": "BEGIN_TRANSACTION"}.get(what, what), _TRANSACTION, Transaction(what))


def _read_explain(sql: str, _words: Words) -> Statement | None:
    match = _EXPLAIN_AS_TEXT.fullmatch(sql)
    return Statement(sql, "EXPLAIN", _DESCRIBE, Explain(match["explained"])) if match else None


def _read_remove(sql: str, _words: Words) -> Statement:
    text = sql.strip().rstrip(";").split(None, 1)[1].strip()
    if text.startswith("'"):
        location, _, rest = text[1:].partition("'")
    else:
        location, _, rest = text.partition(" ")
    pattern = Words(rest).options().get("PATTERN")
    stage, path = read_stage(location)
    return Statement(sql, "REMOVE_FILES", _REMOVE, StageCommand("REMOVE", stage, path, pattern))


def _read_list(sql: str, words: Words) -> Statement:
    removed = _read_remove(sql, words)
    command = removed.special
    assert isinstance(command, StageCommand)
    listed = StageCommand("LIST", command.stage, command.path, command.pattern)
    return Statement(sql, "LIST_FILES", _LIST, listed)


def read_stage(location: str) -> tuple[Parts, str]:
    """Read ``@database.schema.stage/path``, quoted as a whole or not, into the stage's name and the path."""
    text = location.strip("'")
    if not text.startswith("@"):
        raise SqlError(*SYNTAX, f"SQL compilation error:\nsyntax error: {location} is no stage: it begins without @.")
    name, _, path = text[1:].partition("/")
    return Words(name.replace("%", '"%"') if name.endswith("%") else name).name(), path


def _read_nothing(sql: str, _words: Words) -> Statement:
    return Statement(sql, sql.split(None, 1)[0].upper(), _DDL, Nothing())


_READERS = {
    "CREATE": _read_create,
    "ALTER": _read_alter,
    "USE": _read_use,
    "SHOW": _read_show,
    "DROP": _read_drop,
    "BEGIN": _read_transaction,
    "START": _read_transaction,
    "COMMIT": _read_transaction,
    "ROLLBACK": _read_transaction,
    "EXPLAIN": _read_explain,
    "REMOVE": _read_remove,
    "RM": _read_remove,
    "LIST": _read_list,
    "LS": _read_list,
    "GRANT": _read_nothing,
    "REVOKE": _read_nothing,
    "COMMENT": _read_nothing,
}
