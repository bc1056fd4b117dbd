"""Locks that last as long as a transaction: rows of a hybrid table that nothing else is kept in."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from upperbound.errors import StoreUnreachable
from upperbound.store.snowflake.hybrid import store_locks

_ATTEMPTS: Final = 3
_NAME: Final = sa.bindparam("lock", type_=sa.Text)
_TAKE: Final = sa.update(store_locks).where(store_locks.c.lock_name == _NAME).values(taken=store_locks.c.taken + 1)
_MAKE: Final = sa.insert(store_locks).values(lock_name=_NAME, taken=0)


def begin_locked(connection: Connection, begin: str, name: str) -> None:
    """Begin a transaction that holds the lock called ``name`` until it ends.

    The row of a lock is made the first time it is taken, by a statement of its own: of two who make it at once one
    fails, and finds it there. Raises :class:`StoreUnreachable` when others remove it each time.
    """
    for _ in range(_ATTEMPTS):
        connection.exec_driver_sql(begin)
        if connection.execute(_TAKE, {"lock": name}).rowcount:
            return
        connection.exec_driver_sql("ROLLBACK")
        try:
            connection.execute(_MAKE, {"lock": name})
        except exc.IntegrityError:
            continue
    raise StoreUnreachable(f"the lock {name!r} of the store cannot be had", hint="try again in a moment")


def remove_lock(connection: Connection, name: str) -> None:
    """Remove the row of a lock that nobody will take any more."""
    connection.execute(sa.delete(store_locks).where(store_locks.c.lock_name == name))
