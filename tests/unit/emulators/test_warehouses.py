"""The emulated warehouses."""

import threading

import pytest
from tests.emulators.snowflake.errors import SqlError
from tests.emulators.snowflake.warehouses import SHOW_COLUMNS, Warehouses, matches_like

DEADLINE_S = 20


def shown(warehouses: Warehouses, name: str = "W") -> dict[str, object]:
    (row,) = warehouses.rows(name, None)
    return dict(zip((column for column, _ in SHOW_COLUMNS), row, strict=True))


def made(**fields: object) -> Warehouses:
    warehouses = Warehouses()
    warehouses.set("W", fields)
    return warehouses


@pytest.mark.parametrize(
    ("pattern", "matches"), [(None, True), ("a%", True), ("%B_", True), ("ab", False), ("A*", False), ("___", True)]
)
def test_names_are_matched_as_like_does_in_any_case(pattern: str | None, matches: bool) -> None:
    assert matches_like("abc", pattern) is matches


@pytest.mark.parametrize(
    ("given", "size"), [("XSMALL", "X-Small"), ("x-small", "X-Small"), ("XXLARGE", "2X-Large"), ("X6LARGE", "6X-Large")]
)
def test_a_size_is_shown_as_snowflake_writes_it(given: str, size: str) -> None:
    warehouses = made()
    warehouses.alter("W", "SET", {"WAREHOUSE_SIZE": given})
    assert shown(warehouses)["size"] == size


def test_a_warehouse_is_suspended_and_resumed() -> None:
    warehouses = made(min_clusters=2, max_clusters=4)
    warehouses.alter("W", "SUSPEND", {})
    assert (shown(warehouses)["state"], shown(warehouses)["started_clusters"]) == ("SUSPENDED", 0)
    with pytest.raises(SqlError, match="cannot be suspended"):
        warehouses.alter("W", "SUSPEND", {})
    warehouses.alter("W", "RESUME", {})
    assert (shown(warehouses)["state"], shown(warehouses)["started_clusters"]) == ("STARTED", 2)
    with pytest.raises(SqlError, match="cannot be resumed"):
        warehouses.alter("W", "RESUME", {})
    warehouses.alter("W", "RESUME", {"IF": "SUSPENDED"})


def test_a_statement_resumes_a_warehouse_that_resumes_by_itself_and_no_other() -> None:
    warehouses = made(state="SUSPENDED")
    with warehouses.slot("W", lambda: False) as queued_ms:
        assert queued_ms >= 0
        assert (shown(warehouses)["state"], shown(warehouses)["running"]) == ("STARTED", 1)
    assert shown(warehouses)["running"] == 0
    warehouses.set("W", {"state": "SUSPENDED", "auto_resume": False})
    with pytest.raises(SqlError) as refused, warehouses.slot("W", lambda: False):
        pass
    assert refused.value.code == 606


def test_a_full_warehouse_lets_statements_wait_until_another_cluster_starts() -> None:
    warehouses = made(slots_per_cluster=1, max_clusters=2)
    entered = threading.Event()

    def enter() -> None:
        with warehouses.slot("W", lambda: False):
            entered.set()

    with warehouses.slot("W", lambda: False):
        waiting = threading.Thread(target=enter)
        waiting.start()
        while shown(warehouses)["queued"] != 1:
            assert waiting.is_alive()
        assert not entered.is_set()
        warehouses.set("W", {"started_clusters": 2})
        assert entered.wait(DEADLINE_S)
    waiting.join(DEADLINE_S)
    assert (shown(warehouses)["running"], shown(warehouses)["queued"]) == (0, 0)


def test_a_statement_that_is_cancelled_leaves_the_queue() -> None:
    warehouses = made(slots_per_cluster=0)
    cancelled = threading.Event()
    timer = threading.Timer(0.1, cancelled.set)
    timer.start()
    with warehouses.slot("W", cancelled.is_set):
        assert cancelled.is_set()
    assert shown(warehouses)["queued"] == 0


def test_figures_that_a_test_sets_are_shown_instead_of_the_real_ones() -> None:
    warehouses = made(shown_running=7, shown_queued=3, started_clusters=2, max_clusters=3)
    told = shown(warehouses)
    assert (told["running"], told["queued"], told["started_clusters"], told["suspended"]) == (7, 3, 2, 1)


def test_a_field_that_cannot_be_set_is_refused_with_those_that_can() -> None:
    with pytest.raises(ValueError, match="no settable name; there are size, kind, state"):
        made(name="X")


def test_a_warehouse_is_created_once() -> None:
    warehouses = made()
    with pytest.raises(SqlError, match="already exists"):
        warehouses.create("W", {}, kind="STANDARD", replace=False, if_not_exists=False)
    assert not warehouses.create("W", {}, kind="STANDARD", replace=False, if_not_exists=True)
    assert warehouses.create("W", {"INITIALLY_SUSPENDED": "TRUE"}, kind="STANDARD", replace=True, if_not_exists=False)
    assert shown(warehouses)["state"] == "SUSPENDED"
