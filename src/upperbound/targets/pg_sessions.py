"""The sessions of a run on its target: how they are named, and how those are ended that nobody is left to end."""

from typing import LiteralString

import psycopg

from upperbound.errors import TargetError
from upperbound.targets.pg_connection import ConnInfo, open_connection
from upperbound.targets.pg_words import said

# The server keeps 63 bytes of a name; run and worker ids are far shorter.
_END: LiteralString = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE starts_with(application_name, %s) AND usename = current_user AND pid <> pg_backend_pid()
"""


def session_name(run_id: str, worker_id: str) -> str:
    """Return the ``application_name`` of a worker's connections."""
    return f"upperbound:{run_id}:{worker_id}"


def end_sessions(info: ConnInfo, run_id: str) -> int:
    """End every session of the run's workers and return how many there were.

    A server does not notice that a client was killed before it has an answer for it: a long query of a killed worker
    goes on, holding its locks, unless it is ended. The role that opened the sessions may end them.

    Raises:
        TargetError: the server cannot be reached, or does not let this role end its own sessions.
    """
    with open_connection(info) as connection:
        try:
            row = connection.execute(_END, [session_name(run_id, "")]).fetchone()
        except psycopg.Error as error:
            raise TargetError(f"the sessions of run {run_id} cannot be ended: {said(error)}") from error
    return int(row[0]) if row else 0
