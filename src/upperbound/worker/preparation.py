"""From a run's configuration to a load that is ready to begin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg.pq import ExecStatus

from upperbound.clock import Clock, SystemClock
from upperbound.domain.outcomes import Outcome
from upperbound.domain.sharding import Shard
from upperbound.errors import TargetError
from upperbound.loadgen.opening import Connection
from upperbound.loadgen.operations import Operation, Statement
from upperbound.planning.parameter_plans import TableValues, depends_on_time, largest_row_bytes, plan_operation
from upperbound.planning.pool_values import RunPools
from upperbound.scenario import model
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.transactions import transaction_control
from upperbound.targets.pg_types import pg_type
from upperbound.targets.postgres import ConnInfo, OperationShape, describe_operations, open_connection
from upperbound.workload.streams import ThreadStream, Workload

SOCKET_ROOM_BYTES = 8192
"""Parameters up to this size always fit into an idle connection's send buffer."""


@dataclass(frozen=True)
class PreparedLoad:
    """What the executor needs to send a scenario's operations."""

    operations: tuple[Operation, ...]
    connect: Callable[[], Connection]
    """Opens a connection with every statement prepared."""
    stream: Callable[[int], ThreadStream]
    """Gives a thread of this worker its work."""
    kinds: tuple[str, ...]
    """By operation."""
    labels: tuple[str, ...]
    """By operation."""
    transactions: frozenset[int]
    """The operations whose attempts are counted: transactions, and those that may be tried again."""
    address: str
    """Where the target is, without anything secret."""


@dataclass(frozen=True)
class _Text:
    """A statement as it is prepared on each connection."""

    name: bytes
    text: bytes
    param_oids: tuple[int, ...] = ()


def prepare(
    config: RunConfig,
    conninfo: ConnInfo,
    *,
    group_id: int,
    group_count: int,
    clock: Clock | None = None,
    pools: RunPools | None = None,
) -> PreparedLoad:
    """Ask the target for parameter types, and plan this worker's share of the workload.

    ``clock`` gives the times of parameters that are ``now``; this machine's when left out. ``pools`` hold the values
    for parameters that take them from columns.

    Raises:
        StoreError: there are no values of a column that parameters take them from.
        TargetError: the target cannot be reached.
        TargetMismatch: a statement does not fit it.
    """
    scenario_operations = config.scenario.workload.operations
    with open_connection(conninfo) as connection:
        shapes = describe_operations(connection, scenario_operations, config.table)
        values = TableValues(connection, config, group_id, clock or SystemClock(), pools or RunPools())
        plans = [
            plan_operation(operation, [pg_type(oid) for oid in shape.param_oids], values, places=shape.places)
            for operation, shape in zip(scenario_operations, shapes, strict=True)
        ]
        may_block = [largest_row_bytes(operation, values) > SOCKET_ROOM_BYTES for operation in scenario_operations]
    texts: list[_Text] = []
    operations = tuple(
        _operation(number, operation, shape, texts, may_block=blocks)
        for number, (operation, shape, blocks) in enumerate(zip(scenario_operations, shapes, may_block, strict=True))
    )
    workload = Workload(plans, seed=config.seed)
    threads = max(config.threads)
    return PreparedLoad(
        operations=operations,
        connect=lambda: _connect(conninfo, texts),
        stream=lambda thread: workload.stream(Shard(group_id, group_count, thread, threads)),
        kinds=tuple(operation.kind.value for operation in scenario_operations),
        labels=tuple(operation.label for operation in scenario_operations),
        transactions=frozenset(
            number
            for number, operation in enumerate(scenario_operations)
            if operation.is_transaction or operation.retry
        ),
        address=conninfo.url,
    )


def _operation(
    number: int, operation: model.Operation, shape: OperationShape, texts: list[_Text], *, may_block: bool
) -> Operation:
    """Return an operation as it is sent, and add to ``texts`` what has to be prepared for it."""
    statements: list[Statement] = []
    rollback = None

    def add(text: str, oids: tuple[int, ...] = ()) -> Statement:
        name = b"ub%d_%d" % (number, len(statements) + (rollback is not None))
        texts.append(_Text(name, text.encode(), oids))
        formats = [pg_type(oid).format for oid in oids] or None
        before = sum(len(statement.param_formats or ()) for statement in statements)
        return Statement(name, formats, may_block=may_block and formats is not None, first_param=before)

    control = transaction_control(operation)
    if control is not None:
        rollback = add(control.rollback)
        statements.append(add(control.begin))
    for statement in shape.statements:
        statements.append(add(statement.text, statement.param_oids))  # noqa: PERF401 - add counts those before
    if control is not None:
        statements.append(add(control.commit))
    return Operation(
        statements=tuple(statements),
        rollback=rollback,
        retry={Outcome[kind.name]: most for kind, most in operation.retry.items()},
        drawn_ahead=not depends_on_time(operation),
    )


def _connect(conninfo: ConnInfo, texts: Sequence[_Text]) -> Connection:
    connection = open_connection(conninfo)
    for text in texts:
        result = connection.pgconn.prepare(text.name, text.text, list(text.param_oids))
        if result.status != ExecStatus.COMMAND_OK:
            message = connection.pgconn.get_error_message()
            connection.close()
            raise TargetError(f"the target does not prepare {text.text.decode()!r}: {message}")
    return connection
