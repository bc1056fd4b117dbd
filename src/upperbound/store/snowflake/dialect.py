"""SQLAlchemy's dialect of Snowflake as the store uses it: in autocommit mode, with values bound by the server."""

from typing import Any, Final

import sqlalchemy as sa
from snowflake.connector import errors
from snowflake.sqlalchemy.base import SnowflakeCompiler, SnowflakeDDLCompiler, SnowflakeTypeCompiler
from snowflake.sqlalchemy.snowdialect import SnowflakeDialect
from sqlalchemy import exc
from sqlalchemy.engine import Connection, ExceptionContext

from upperbound.store.snowflake.abandoned import AbandonedSessions
from upperbound.store.snowflake.failures import is_conflict, is_lost
from upperbound.store.snowflake.hybrid import HYBRID_NAMES
from upperbound.store.snowflake.migrate import table_names

BEGIN: Final = "BEGIN"
_LOCK_WAIT_S: Final = 20
_IN_TRANSACTION: Final = "upperbound_in_transaction"


class StoreCompiler(SnowflakeCompiler):
    """Writes statements."""

    def limit_clause(self, select: "sa.Select[Any]", **kw: Any) -> str:
        """Write numbers of rows into the text: the server takes no bound value there."""
        text = ""
        if select._limit_clause is not None:  # noqa: SLF001 - what compilers read
            text += f"\n LIMIT {self._row_count(select._limit_clause, **kw)}"  # noqa: SLF001
        if select._offset_clause is not None:  # noqa: SLF001
            text += f" OFFSET {self._row_count(select._offset_clause, **kw)}"  # noqa: SLF001
        return text

    def _row_count(self, clause: Any, **kw: Any) -> str:
        if isinstance(clause, sa.BindParameter):
            clause = clause.render_literal_execute()
        return self.process(clause, **kw)

    def for_update_clause(self, select: "sa.Select[Any]", **_kw: Any) -> str:
        """Lock rows of hybrid tables, which alone can be locked; who reads others holds a lock of the store."""
        tables = {getattr(table, "name", None) for table in select.get_final_froms()}
        # Without WAIT the statement fails when another transaction holds a row.
        return f" FOR UPDATE WAIT {_LOCK_WAIT_S}" if tables <= HYBRID_NAMES else ""


class StoreTypeCompiler(SnowflakeTypeCompiler):
    """Writes types."""

    def visit_JSON(self, type_: "sa.JSON", **_kw: Any) -> str:  # noqa: ARG002, N802 - inherited
        """Write what documents are kept as: revisions name the type of other stores."""
        return "TEXT"


class StoreDDLCompiler(SnowflakeDDLCompiler):
    """Writes tables: hybrid ones with their indexes, standard ones without any."""

    def visit_create_table(self, create: Any, **kw: Any) -> str:
        """Write a table that may be there already: DDL is not rolled back, so that all of it can be repeated."""
        text = str(super().visit_create_table(create, **kw))  # type: ignore[no-untyped-call]  # as in its package
        kind = "HYBRID TABLE" if create.element.name in HYBRID_NAMES else "TABLE"
        return text.replace("CREATE TABLE ", f"CREATE {kind} IF NOT EXISTS ", 1)

    def create_table_constraints(self, table: sa.Table, _include_foreign_key_constraints: Any = None, **kw: Any) -> str:
        """Write keys and, of a hybrid table, indexes, which are best made with it."""
        constraints = super().create_table_constraints(  # type: ignore[no-untyped-call]  # as in its package
            table, _include_foreign_key_constraints, **kw
        )
        parts = [str(constraints)]
        if table.name in HYBRID_NAMES:
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                columns = ", ".join(self.preparer.format_column(column) for column in index.columns)
                parts.append(f"INDEX {self.preparer.format_index(index)} ({columns})")
        return ", \n\t".join(filter(None, parts))

    def define_constraint_cascades(self, constraint: sa.ForeignKeyConstraint) -> str:  # noqa: ARG002 - inherited
        """Write nothing: no row of a hybrid table goes with another one by itself."""
        return ""


class StoreDialect(SnowflakeDialect):
    """The dialect; each statement is a transaction of its own unless BEGIN was said."""

    supports_statement_cache = True
    statement_compiler = StoreCompiler
    ddl_compiler = StoreDDLCompiler
    type_compiler = StoreTypeCompiler
    default_paramstyle = "qmark"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.abandoned: Final = AbandonedSessions()
        """Sessions that were lost in the middle of a transaction."""

    @classmethod
    def import_dbapi(cls) -> Any:
        """Return the connector."""
        import snowflake.connector

        return snowflake.connector

    def initialize(self, connection: Connection) -> None:  # noqa: ARG002 - inherited
        """Ask the server nothing: no version and no schema is of use."""
        self.server_version_info = ()
        self.default_schema_name = None

    def has_table(self, connection: Connection, table_name: str, schema: str | None = None, **_kw: Any) -> bool:
        """Tell whether the session's schema has a table."""
        assert schema is None
        return table_name in table_names(connection)

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute, and remember whether a transaction has begun."""
        super().do_execute(cursor, statement, parameters, context)  # type: ignore[no-untyped-call]  # as in its package
        if statement == BEGIN:
            setattr(cursor.connection, _IN_TRANSACTION, True)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit what was begun; without that it would be a round trip for nothing."""
        if getattr(dbapi_connection, _IN_TRANSACTION, False):
            super().do_commit(dbapi_connection)
            _forget_transaction(dbapi_connection)

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back what was begun."""
        if getattr(dbapi_connection, _IN_TRANSACTION, False):
            super().do_rollback(dbapi_connection)
            _forget_transaction(dbapi_connection)

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Close a connection that was lost; what its transaction holds is given back as soon as there is a way."""
        if getattr(dbapi_connection, _IN_TRANSACTION, False):
            self.abandoned.take(dbapi_connection)
        else:
            super().do_terminate(dbapi_connection)  # type: ignore[no-untyped-call]  # as in its package

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        """Leave it as it is: connections are opened in autocommit mode."""

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Tell whether a connection is of no use any more."""
        ended = bool(super().is_disconnect(e, connection, cursor))
        return ended or (isinstance(e, errors.Error) and is_lost(e))


def _forget_transaction(dbapi_connection: Any) -> None:
    # A pool hands out a proxy, which passes attributes on when they are read and not when they are set.
    real = getattr(dbapi_connection, "dbapi_connection", dbapi_connection)
    setattr(real, _IN_TRANSACTION, False)


def name_conflict(context: ExceptionContext) -> exc.IntegrityError | None:
    """Give an offence against a key the class that other drivers give it; the connector calls it a wrong statement."""
    origin = context.original_exception
    if isinstance(origin, errors.Error) and is_conflict(origin):
        return exc.IntegrityError(
            context.statement, None, origin, hide_parameters=True, connection_invalidated=context.is_disconnect
        )
    return None
