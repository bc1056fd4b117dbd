"""What a killed worker leaves on the server is ended by name, and nothing else is."""

import threading

import psycopg
import pytest

from upperbound.errors import TargetUnreachable
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.postgres import ConnInfo, end_sessions, open_connection, session_name
from upperbound.testing.waiting import until

RUN = "20261123-101500-abc123"


def test_the_sessions_of_a_run_are_ended_in_the_middle_of_a_query_and_those_of_others_stay(
    embedded_server: EmbeddedServer,
) -> None:
    url = embedded_server.url_with_password()

    def named(name: str) -> psycopg.Connection[tuple[object, ...]]:
        return open_connection(ConnInfo(url, application_name=name))

    def active() -> int:
        with psycopg.connect(url) as asking:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state = 'active'"
            row = asking.execute(query, [session_name(RUN, "worker-0")]).fetchone()
        return row[0] if row else 0

    with named(session_name(RUN, "worker-0")) as busy, named(session_name(RUN + "4", "worker-0")) as other:
        ended: list[Exception] = []

        def sleep() -> None:
            try:
                busy.execute("SELECT pg_sleep(60)")
            except psycopg.OperationalError as error:
                ended.append(error)

        sleeper = threading.Thread(target=sleep)
        sleeper.start()
        until(lambda: active() == 1, "the query is on its way")
        assert end_sessions(ConnInfo(url), RUN) == 1
        sleeper.join(30.0)
        assert ended
        assert "terminating connection" in str(ended[0])
        assert other.execute("SELECT 1").fetchone() == (1,)
    assert end_sessions(ConnInfo(url), RUN) == 0


def test_a_server_that_is_gone_is_said_to_be() -> None:
    with pytest.raises(TargetUnreachable):
        end_sessions(ConnInfo("postgresql://me@127.0.0.1:1/db"), RUN)
