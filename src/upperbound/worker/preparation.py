"""From a run's configuration to a load that is ready to begin."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from psycopg.pq import ExecStatus

from upperbound.domain.sharding import Shard, key_blocks
from upperbound.errors import TargetError
from upperbound.loadgen.event_loop import Statement
from upperbound.loadgen.opening import Connection
from upperbound.scenario.model import Operation
from upperbound.scenario.params import ChoiceParam, Param, PoolParam, RangeParam, SequenceParam, ZipfParam
from upperbound.scenario.params import SequenceSource as ScenarioSequence
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.statements import render
from upperbound.targets.pg_types import PgType, pg_type
from upperbound.targets.postgres import ConnInfo, describe, max_value, open_connection, sample_pool
from upperbound.workload.sources import ListSource, SequenceSource, UniformSource, Values, ValueSource, ZipfSource
from upperbound.workload.streams import OperationPlan, ParameterPlan, ThreadStream, Workload

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


def prepare(config: RunConfig, conninfo: ConnInfo, *, group_id: int, group_count: int) -> PreparedLoad:
    """Ask the target for parameter types and pool values, and plan this worker's share of the workload.

    Raises:
        TargetError: the target cannot be reached.
        TargetMismatch: a statement does not fit it.
    """
    operations = config.scenario.workload.operations
    texts = [render(operation, config.table) for operation in operations]
    with open_connection(conninfo) as connection:
        shapes = describe(connection, texts, [operation.label for operation in operations])
        values = _TableValues(connection, config, group_id)
        plans = [
            _plan(operation, [pg_type(oid) for oid in shape.param_oids], values)
            for operation, shape in zip(operations, shapes, strict=True)
        ]
    statements = tuple(
        Statement(
            name=b"ub%d" % index,
            param_formats=[pg_type(oid).format for oid in shape.param_oids] or None,
            may_block=_largest_row(operation) > SOCKET_ROOM_BYTES,
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


class _TableValues:
    """What parameters take from the target table, each asked for once."""

    def __init__(self, connection: Connection, config: RunConfig, group_id: int) -> None:
        self._connection = connection
        self._group_id, self._capacity = group_id, config.capacity
        self._starts = config.sequence_starts
        self._table = config.table or ""
        self._seed = config.seed
        self._pools: dict[tuple[str, int], Sequence[object]] = {}
        parameters = [p for operation in config.scenario.workload.operations for p in operation.params]
        self._lanes = Counter(p.sequence for p in parameters if isinstance(p, SequenceParam))
        self._lanes_taken: Counter[ScenarioSequence] = Counter()

    def pool(self, column: str, limit: int) -> Sequence[object]:
        """Return sampled values of a column; the same ones, in the same order, in every worker of the run."""
        key = (column, limit)
        if key not in self._pools:
            self._pools[key] = sample_pool(self._connection, self._table, column, limit, self._seed)
        return self._pools[key]

    def lane(self, sequence: ScenarioSequence) -> tuple[int, int]:
        """Return the next free lane of a sequence and how many parameters draw from it."""
        lane = self._lanes_taken[sequence]
        self._lanes_taken[sequence] += 1
        return lane, self._lanes[sequence]

    def blocks(self) -> Iterator[int]:
        """Return the blocks of keys of this worker, for one sequence."""
        return key_blocks(self._group_id, self._capacity)

    def after(self, column: str) -> int:
        """Return the first key after the highest value that a column had when the run was prepared."""
        known = self._starts.get(column)
        return max_value(self._connection, self._table, column) + 1 if known is None else known


def _plan(operation: Operation, types: Sequence[PgType], values: _TableValues) -> OperationPlan:
    return OperationPlan(
        weight_pct=operation.weight_pct,
        parameters=tuple(
            _parameter(parameter, kind, values) for parameter, kind in zip(operation.params, types, strict=True)
        ),
    )


def _parameter(parameter: Param, kind: PgType, values: _TableValues) -> ParameterPlan:
    """Return how one parameter is produced: integers are encoded as they are drawn, listed values once beforehand."""
    match parameter:
        case RangeParam(range=(low, high)):
            return _drawn(kind, lambda _: UniformSource(low, high))
        case SequenceParam(sequence=sequence):
            start = sequence.start if sequence.after is None else values.after(sequence.after)
            lane, lanes = values.lane(sequence)
            blocks = values.blocks()
            return _drawn(kind, lambda _: SequenceSource(start or 0, blocks, lane=lane, lanes=lanes))
        case ChoiceParam(choice=choice):
            return _listed(kind, choice, lambda encoded, _: ListSource(encoded))
        case PoolParam(pool=column, limit=limit):
            return _listed(
                kind,
                values.pool(column, limit),
                lambda encoded, shard: ListSource([encoded[i] for i in shard.slice_for(len(encoded))]),
            )
        case ZipfParam(zipf=zipf) if zipf.range is not None:
            low, high = zipf.range
            return _drawn(kind, lambda _: ZipfSource(low, high, zipf.exponent))
        case ZipfParam(zipf=zipf):
            # Every thread draws from the whole pool: a hot value is hot because all of them want it.
            return _listed(
                kind,
                values.pool(zipf.pool or "", zipf.limit),
                lambda encoded, _: ListSource(encoded, ZipfSource(0, len(encoded) - 1, zipf.exponent)),
            )


def _drawn(kind: PgType, source: Callable[[Shard], ValueSource]) -> ParameterPlan:
    return ParameterPlan(source=source, encode=kind.encode)


def _listed(
    kind: PgType, values: Sequence[object], source: Callable[[list[object], Shard], ValueSource]
) -> ParameterPlan:
    encoded: list[object] = list(kind.encode(values))
    return ParameterPlan(source=lambda shard: source(encoded, shard), encode=_as_they_are)


def _as_they_are(values: Values) -> Iterator[bytes | None]:
    """Return values that are encoded already."""
    return iter(values)  # type: ignore[arg-type]  # _listed puts encoded bytes into the sources that end here


def _largest_row(operation: Operation) -> int:
    """Return the size in bytes of the largest row of parameters that a scenario spells out."""
    return sum(
        max(len(str(value).encode()) for value in parameter.choice)
        for parameter in operation.params
        if isinstance(parameter, ChoiceParam)
    )
