"""What the list of runs is asked for, as it stands in the address of the page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from upperbound.domain.run_state import RunStatus
from upperbound.store.history import RunFilter

COLUMNS: Final = {
    "created": "Created (UTC)",
    "load": "Load",
    "table": "Table",
    "template": "Template",
    "duration": "Duration",
    "threads": "Threads",
    "workers": "Workers",
    "operations": "Operations",
    "qps": "QPS",
    "p50": "p50 ms",
    "p95": "p95 ms",
    "p99": "p99 ms",
    "errors": "Errors %",
    "reason": "Why it ended",
}
"""Columns beside the run and its state, by key."""
SHOWN_FIRST: Final = ("created", "load", "threads", "qps", "p95", "p99", "errors")
LONGEST: Final = 200
"""Characters of a text that are looked for."""


@dataclass(frozen=True)
class HistoryQuery:
    """Filters, columns and the page."""

    text: str = ""
    status: RunStatus | None = None
    table_type: str = ""
    template_id: str = ""
    since: date | None = None
    until: date | None = None
    """This day included."""
    columns: tuple[str, ...] = SHOWN_FIRST
    page: int = 1

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "HistoryQuery":
        """Return the query of an address; what cannot be read is left out."""
        columns = tuple(key for key in given.get("columns", "").split(",") if key in COLUMNS)
        status = given.get("status", "")
        page = given.get("page", "1")
        return cls(
            text=given.get("q", "")[:LONGEST],
            status=RunStatus(status) if status in set(RunStatus) else None,
            table_type=given.get("table_type", "")[:LONGEST],
            template_id=given.get("template_id", "")[:LONGEST],
            since=_day(given.get("from", "")),
            until=_day(given.get("to", "")),
            columns=columns or SHOWN_FIRST,
            page=int(page) if page.isdecimal() and 0 < int(page) < 1_000_000 else 1,
        )

    def address(self) -> str:
        """Return the address of the page that shows this."""
        said = {
            "q": self.text,
            "status": self.status.value if self.status else "",
            "table_type": self.table_type,
            "template_id": self.template_id,
            "from": self.since.isoformat() if self.since else "",
            "to": self.until.isoformat() if self.until else "",
            "columns": ",".join(self.columns) if self.columns != SHOWN_FIRST else "",
            "page": str(self.page) if self.page > 1 else "",
        }
        query = urlencode({key: value for key, value in said.items() if value})
        return f"/history?{query}" if query else "/history"

    def filter(self) -> RunFilter:
        """Return what the store is asked for; days are those of UTC."""
        return RunFilter(
            statuses=(self.status,) if self.status else (),
            table_type=self.table_type or None,
            template_id=self.template_id or None,
            text=self.text,
            created_from=_midnight(self.since) if self.since else None,
            created_to=_midnight(self.until) + timedelta(days=1) if self.until else None,
        )

    @property
    def is_filtered(self) -> bool:
        """Whether anything is left out."""
        return self.filter() != RunFilter()

    def with_column(self, key: str, *, shown: bool) -> "HistoryQuery":
        """Return the query with a column or without it; columns stay in their order."""
        wanted = {*self.columns, key} if shown else {*self.columns} - {key}
        return replace(self, columns=tuple(one for one in COLUMNS if one in wanted) or SHOWN_FIRST)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
