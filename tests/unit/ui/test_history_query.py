"""The address of the list of runs."""

from datetime import UTC, date, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from upperbound.domain.run_state import RunStatus
from upperbound.ui.pages.history.query import COLUMNS, SHOWN_FIRST, HistoryQuery


def read(address: str) -> HistoryQuery:
    return HistoryQuery.read(dict(parse_qsl(urlsplit(address).query)))


def test_an_address_leads_to_what_it_was_made_of() -> None:
    query = HistoryQuery(
        text='a "name" & more',
        status=RunStatus.FAILED,
        table_type="POSTGRES",
        template_id="t-1",
        since=date(2026, 1, 2),
        until=date(2026, 1, 3),
        columns=("p99", "reason"),
        page=3,
    )
    assert read(query.address()) == query
    assert HistoryQuery().address() == "/history"


@pytest.mark.parametrize(
    "address",
    [
        "/history?status=GONE&page=-1&from=yesterday&columns=x,y",
        "/history?page=99999999999&to=2026-13-01",
        "/history?page=x",
    ],
)
def test_what_cannot_be_read_is_left_out(address: str) -> None:
    assert read(address) == HistoryQuery()


def test_the_last_day_is_included() -> None:
    wanted = HistoryQuery(since=date(2026, 1, 2), until=date(2026, 1, 2)).filter()
    assert wanted.created_from == datetime(2026, 1, 2, tzinfo=UTC)
    assert wanted.created_to == datetime(2026, 1, 3, tzinfo=UTC)


def test_columns_come_and_go_in_their_order() -> None:
    query = HistoryQuery().with_column("template", shown=True)
    assert query.columns == tuple(key for key in COLUMNS if key in {*SHOWN_FIRST, "template"})
    for key in query.columns:
        query = query.with_column(key, shown=False)
    assert query.columns == SHOWN_FIRST


def test_a_filter_is_known_from_columns_and_pages() -> None:
    assert not HistoryQuery(columns=("p99",), page=4).is_filtered
    assert HistoryQuery(text="x").is_filtered
