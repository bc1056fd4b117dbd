"""What is sent around the statements of an operation that is a transaction."""

from dataclasses import dataclass

from upperbound.scenario.model import Operation
from upperbound.scenario.statements import lead


@dataclass(frozen=True)
class TransactionControl:
    """The statements that begin and end a transaction, each led by the operation's kind in a comment."""

    begin: str
    commit: str
    rollback: str


def transaction_control(operation: Operation) -> TransactionControl | None:
    """Return what an operation's statements stand between; None when each of them commits by itself."""
    if not operation.is_transaction:
        return None
    isolation = f" ISOLATION LEVEL {operation.isolation.value.replace('_', ' ').upper()}" if operation.isolation else ""
    return TransactionControl(
        begin=lead(operation, f"BEGIN{isolation}"),
        commit=lead(operation, "COMMIT"),
        rollback=lead(operation, "ROLLBACK"),
    )
