"""From a run's configuration to a load that is ready to begin."""

from collections.abc import Callable
from dataclasses import dataclass

from psycopg.pq import ExecStatus

from upperbound.clock import Clock, SystemClock
from upperbound.domain.sharding import Shard
from upperbound.errors import TargetError
from upperbound.loadgen.event_loop import Statement
from upperbound.loadgen.opening import Connection
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.statements import render
from upperbound.targets.pg_types import pg_type
from upperbound.targets.postgres import ConnInfo, describe, open_connection
from upperbound.worker.parameter_plans import TableValues, depends_on_time, largest_row_bytes, plan_operation
from upperbound.workload.streams import ThreadStream, Workload

SOCKET_ROOM_BYTES = 8192
"""Parameters up to this size always fit into an idle connection's send buffer."""


@dataclass(frozen=True)
class PreparedLoad:
    """What the executor needs to send a scenario's operations."""

    statements: tuple[Statement, ...]
    connect: Callable[[], Connection]
    """Opens a connection with every statement prepared."""
    stream: Callable[[int], ThreadStream]
    """Gives a thread of this worker its work."""
    kinds: tuple[str, ...]
    """By operation."""
    labels: tuple[str, ...]
    """By operation."""


def prepare(
    config: RunConfig, conninfo: ConnInfo, *, group_id: int, group_count: int, clock: Clock | None = None
) -> PreparedLoad:
    """Ask the target for parameter types and pool values, and plan this worker's share of the workload.

    ``clock`` gives the times of parameters that are ``now``; this machine's when left out.

    Raises:
        TargetError: the target cannot be reached.
        TargetMismatch: a statement does not fit it.
    """
    operations = config.scenario.workload.operations
    texts = [render(operation, config.table) for operation in operations]
    with open_connection(conninfo) as connection:
        shapes = describe(connection, texts, [operation.label for operation in operations])
        values = TableValues(connection, config, group_id, clock or SystemClock())
        plans = [
            plan_operation(operation, [pg_type(oid) for oid in shape.param_oids], values)
            for operation, shape in zip(operations, shapes, strict=True)
        ]
    statements = tuple(
        Statement(
            name=b"ub%d" % index,
            param_formats=[pg_type(oid).format for oid in shape.param_oids] or None,
            may_block=largest_row_bytes(operation, values) > SOCKET_ROOM_BYTES,
            drawn_ahead=not depends_on_time(operation),
        )
        for index, (operation, shape) in enumerate(zip(operations, shapes, strict=True))
    )
    workload = Workload(plans, seed=config.seed)
    threads = max(config.threads)
    prepared = [
        (s.name, text.encode(), shape.param_oids) for s, text, shape in zip(statements, texts, shapes, strict=True)
    ]

    def connect() -> Connection:
        connection = open_connection(conninfo)
        for name, text, oids in prepared:
            result = connection.pgconn.prepare(name, text, list(oids))
            if result.status != ExecStatus.COMMAND_OK:
                message = connection.pgconn.get_error_message()
                connection.close()
                raise TargetError(f"the target does not prepare {text.decode()!r}: {message}")
        return connection

    return PreparedLoad(
        statements=statements,
        connect=connect,
        stream=lambda thread: workload.stream(Shard(group_id, group_count, thread, threads)),
        kinds=tuple(operation.kind.value for operation in operations),
        labels=tuple(operation.label for operation in operations),
    )
