"""The emulated account: everything that sessions share."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.emulators.snowflake import history
from tests.emulators.snowflake.catalog import Catalog, Name
from tests.emulators.snowflake.engine import Engine
from tests.emulators.snowflake.faults import Faults
from tests.emulators.snowflake.history import History
from tests.emulators.snowflake.results import as_json
from tests.emulators.snowflake.rewrite import AGGREGATE_TABLE, HISTORY_TABLE, METERING_TABLE, USAGE_TABLE, Context
from tests.emulators.snowflake.sessions import Session, Sessions
from tests.emulators.snowflake.transactions import Transactions
from tests.emulators.snowflake.users import Users
from tests.emulators.snowflake.warehouses import Warehouses

DEFAULT_WAREHOUSE = "COMPUTE_WH"


@dataclass
class Account:
    """One account, as empty as a new one is: a user and a warehouse."""

    engine: Engine = field(default_factory=Engine)
    catalog: Catalog = field(default_factory=Catalog)
    warehouses: Warehouses = field(default_factory=Warehouses)
    history: History = field(default_factory=History)
    faults: Faults = field(default_factory=Faults)
    sessions: Sessions = field(default_factory=Sessions)
    transactions: Transactions = field(init=False)
    users: Users = field(default_factory=Users)
    loaded: dict[Name, set[tuple[str, str, str]]] = field(default_factory=dict)
    """By table, the files that COPY INTO loaded: stage, path and time of the upload."""
    metering: list[dict[str, Any]] = field(default_factory=list)
    """Rows of WAREHOUSE_METERING_HISTORY, as a test sets them."""

    def __post_init__(self) -> None:
        self.transactions = Transactions(self.sessions.all)
        self.warehouses.set(DEFAULT_WAREHOUSE, {})

    def context(self, session: Session) -> Context:
        """Return what the functions of a session tell."""
        return Context(
            user=session.user,
            role=session.role,
            warehouse=session.warehouse,
            session_id=session.session_id,
            last_query_id=session.last_query_id,
            transaction_id=session.transaction.number if session.transaction else None,
            nowhere=session.engine.database is None,
            tables=self.catalog.inside(),
            history_lacks=frozenset() if self.history.tells_cache else history.VIEW_ONLY,
        )

    def fill(self, tables: frozenset[str]) -> None:
        """Bring the engine's tables of the history up to date, those that a statement is going to read."""
        now = datetime.now(UTC)
        if HISTORY_TABLE in tables:
            self.engine.fill(HISTORY_TABLE, _history_rows(self.history.current(now)))
        if USAGE_TABLE in tables:
            self.engine.fill(USAGE_TABLE, _history_rows(self.history.settled(now, self.history.shown())))
        if AGGREGATE_TABLE in tables:
            rows = history.aggregate(self.history.settled(now, self.history.all()))
            self.engine.fill(AGGREGATE_TABLE, (_aggregate_row(row) for row in rows))
        if METERING_TABLE in tables:
            self.engine.fill(METERING_TABLE, (_metering_row(row) for row in self.metering))


def _history_rows(records: list[history.Record]) -> list[list[Any]]:
    return [[value(record) for _, _, value in history.COLUMNS] for record in records]


def _aggregate_row(row: dict[str, Any]) -> list[Any]:
    return [as_json(row[name]) if kind == "JSON" else row[name] for name, kind in history.AGGREGATE_COLUMNS]


def _metering_row(row: dict[str, Any]) -> list[Any]:
    compute = float(row["credits_used_compute"])
    services = float(row.get("credits_used_cloud_services", 0.0))
    times = [datetime.fromisoformat(row["start_time"]), datetime.fromisoformat(row["end_time"])]
    return [*times, int(row.get("warehouse_id", 1)), row["warehouse_name"], compute + services, compute, services]
