"""Log lines reach a real store through its troubles, once and in order, and who logs does not wait for it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from upperbound.clock import SystemClock
from upperbound.domain.log_lines import LogSource
from upperbound.store.engine import Store, open_store
from upperbound.store.log_handler import StoreLogHandler
from upperbound.store.logs import LogWriter
from upperbound.testing.waiting import until

Hold = Callable[[], AbstractContextManager[None]]
WRITER = LogWriter("run-1", "worker-0-x", LogSource.WORKER, "worker-0")
LINES = 2_000


@contextmanager
def logging_to(store: Store) -> Iterator[logging.Logger]:
    """Lend a logger that sends its lines to ``store``."""
    logger = logging.Logger("upperbound.test", logging.DEBUG)  # noqa: LOG001 - one that outlives no test
    handler = StoreLogHandler(store.logs, WRITER, SystemClock(), flush_s=0.05, retry_s=0.05)
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        handler.close()


@pytest.fixture
def hold(engine: sa.Engine) -> Hold:
    """Keep every other process from writing to the log for the length of a block."""

    @contextmanager
    def held() -> Iterator[None]:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif engine.dialect.name == "snowflake":
                connection.exec_driver_sql("BEGIN")
                connection.exec_driver_sql("UPDATE store_locks SET taken = 0 WHERE lock_name = 'test_logs:run-1'")
            else:
                connection.exec_driver_sql("LOCK TABLE test_logs IN EXCLUSIVE MODE")
            yield
            connection.rollback()

    return held


def messages(store: Store) -> list[str]:
    return [row.message for row in store.logs.after("run-1", limit=10_000)]


def test_who_logs_does_not_wait_while_another_process_holds_the_log(store: Store, hold: Hold) -> None:
    with logging_to(store) as logger:
        logger.warning("before")
        until(lambda: messages(store) == ["before"], "the first line is written")
        with hold():
            # All of them return while nothing can be written: were one to wait for the store, this would never end.
            for number in range(LINES):
                logger.warning("%d", number)
            assert messages(store) == ["before"]
        until(lambda: len(messages(store)) == LINES + 1, "the lines are written")
    assert messages(store) == ["before", *(str(number) for number in range(LINES))]


# PostgreSQL only: a file has no connections to end ----------------------------------------------------------------


def test_lines_outlast_connections_that_the_server_ends(fresh_database: str) -> None:
    end_all = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'upperbound'"
    )
    with open_store(fresh_database, migrate=True) as store, psycopg.connect(fresh_database, autocommit=True) as admin:
        with logging_to(store) as logger:
            for number in range(20):
                logger.warning("%d", number)
                admin.execute(end_all)
        kept = admin.execute("SELECT message FROM test_logs ORDER BY sequence").fetchall()
    assert kept == [(str(number),) for number in range(20)]
