"""What a server makes of one statement that it has not executed; the same for every kind of server."""

from dataclasses import dataclass

from upperbound.errors import ConfigurationError
from upperbound.scenario.fields import HUNDRED
from upperbound.scenario.kinds import OperationKind, OperationType
from upperbound.scenario.model import Operation
from upperbound.scenario.statement_checks import check_statements


@dataclass(frozen=True)
class ValidStatement:
    """A statement that the server would execute."""

    parameters: tuple[str, ...]
    """Type of ``$1``, ``$2`` … as the server inferred it, or what decides on it."""
    columns: tuple[tuple[str, str], ...]
    """Name and type of each result column; none for a statement that returns no rows."""
    plan: tuple[str, ...]
    """Lines of the plan for parameters of any value; empty where there is none to be had."""


def as_operation(statement: str, *, has_table: bool) -> Operation:
    """Return an operation that is one statement. Raises :class:`ConfigurationError` when it is not one statement."""
    plain = {"kind": OperationKind.GENERIC_SQL, "operation_type": OperationType.WRITE, "sql": statement}
    if problems := list(check_statements("statement", plain, has_table=has_table)):
        raise ConfigurationError("this is not a statement that can be executed", problems=problems)
    return Operation.model_construct(kind=OperationKind.GENERIC_SQL, weight_pct=HUNDRED, sql=statement)
