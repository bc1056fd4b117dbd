"""Opening the connections of a load beside the loop."""

import threading
from decimal import Decimal

import psycopg
import pytest

from upperbound.domain.sharding import Shard
from upperbound.errors import TargetError, TargetUnreachable
from upperbound.loadgen.client import Client
from upperbound.loadgen.opening import Connection, Opener
from upperbound.testing.waiting import DEADLINE_S
from upperbound.workload.streams import OperationPlan, Workload


def test_when_one_connection_cannot_be_opened_none_of_the_others_is_left_open(fresh_database: str) -> None:
    opened: list[Connection] = []
    third = threading.Barrier(3)
    """The failure and two others come at the same time, so that some succeed after it is known."""

    def connect() -> Connection:
        number = third.wait(DEADLINE_S)
        if number == 0:
            raise TargetUnreachable("the server has had enough")
        connection = psycopg.Connection.connect(fresh_database, autocommit=True)
        opened.append(connection)
        return connection

    workload = Workload([OperationPlan(Decimal(100), ())], seed=1)
    clients = [Client(index, workload.stream(Shard(0, 1, index, 3))) for index in range(3)]
    progress: list[int] = []
    opener = Opener(connect, lambda: None)
    with pytest.raises(TargetError, match="had enough"):
        opener.open_all(clients, progress.append)
    opener.close()
    for client in clients:
        client.detach()
    assert len(opened) == 2
    assert all(connection.closed for connection in opened)
    assert progress == [1, 2]
