"""What an account answers to the doctor's probes is judged by rows alone, without an account."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

import pytest

from upperbound.domain.diagnosis import Check, CheckStatus
from upperbound.orchestrator.diagnosis.account import history, objects, sessions, warehouses
from upperbound.orchestrator.diagnosis.account.probe import SESSION, Answer, Probe, Seen, Skip
from upperbound.orchestrator.diagnosis.account.walk import PROBES, STATEMENT_TIMEOUT_S
from upperbound.scenario.identifiers import TableName
from upperbound.targets import sf_warehouse
from upperbound.targets.sf_connection import SessionSettings

OK, WARNING, FAILED = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.FAILED
TAG = "upperbound:doctor:1234"
BY_NAME = {probe.name: probe for probe in PROBES}
WHO: dict[str, Any] = {
    "user_name": "ADA",
    "role_name": "BENCH",
    "organization": "ORG",
    "account": "PROD",
    "locator": "XY1",
    "region": "AWS_EU_CENTRAL_1",
    "version": "9.1.0",
    "warehouse": "BENCH_WH",
    "database_name": "APP",
    "schema_name": "PUBLIC",
}
WAREHOUSE: dict[str, Any] = {
    "name": "BENCH_WH",
    "state": "STARTED",
    "type": "STANDARD",
    "size": "X-Small",
    "auto_resume": "true",
    "running": 3,
    "queued": 1,
    "started_clusters": 1,
    "min_cluster_count": 1,
    "max_cluster_count": 1,
    "scaling_policy": "STANDARD",
}


def answer(*rows: Mapping[str, Any], columns: tuple[str, ...] = ()) -> Answer:
    return Answer(frozenset({*columns, *(key for row in rows for key in row)}), rows)


def seen(**answers: Answer) -> Seen:
    table = TableName("PUBLIC", "ORDERS", None)
    return Seen(TAG, table, {SESSION: answer(WHO), **{key.replace("_", " "): value for key, value in answers.items()}})


def judge(name: str, given: Answer, **answers: Answer) -> Check:
    check = BY_NAME[name].check(given, seen(**answers))
    assert check.name == name
    assert check.advice or check.status is OK, "what is wrong comes with what to do"
    return check


def without(row: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}


# The probes


def test_every_probe_has_a_name_of_its_own_and_says_what_to_do_when_it_is_refused() -> None:
    assert len(BY_NAME) == len(PROBES)
    assert all(probe.refused for probe in PROBES)


@pytest.mark.parametrize(
    "place", [WHO, without(WHO, "warehouse", "database_name", "schema_name")], ids=["full", "bare"]
)
@pytest.mark.parametrize("table", [None, TableName(None, "ORDERS", None), TableName("S", "O'x\\_y", 'd"b')])
def test_every_statement_only_reads_or_changes_the_session_itself(place: dict[str, Any], table: TableName) -> None:
    view = {"name": "V", "database_name": "APP", "schema_name": "PUBLIC"}
    sample = answer({"sampled": 1, "contents": 2})
    found = Seen(TAG, table, {SESSION: answer(place), objects.VIEWS: answer(view), objects.SAMPLE: sample})
    asked = [statement for probe in PROBES if not isinstance(statement := probe.statement(found), Skip)]
    assert len(asked) > 20
    for statement in asked:
        assert re.match(r"(SELECT|SHOW|DESCRIBE TABLE|ALTER SESSION SET) ", statement), statement
        assert ";" not in statement
        assert not re.search(r"\b(INSERT|UPDATE|DELETE|MERGE|CREATE|DROP|ALTER (?!SESSION)|CALL|SYSTEM\$)", statement)


def test_what_there_is_nothing_to_ask_of_is_skipped_with_the_reason() -> None:
    bare = Seen(TAG, None, {SESSION: answer(without(WHO, "warehouse", "database_name"))})
    skipped = {probe.name: statement.reason for probe in PROBES if isinstance(statement := probe.statement(bare), Skip)}
    assert "no database" in skipped["query history"]
    assert "no warehouse" in skipped["warehouse figures"]
    assert "no scenario" in skipped["sample"]
    assert set(skipped) == {
        *("query history", "query history: under way", "warehouse figures", "view described"),
        *("table", "rows of the table", "sample", "sample repeated"),
    }


def test_names_are_written_as_names_into_statements() -> None:
    odd = Seen(TAG, TableName("S", "O'x\\_y", 'd"b'), {SESSION: answer(WHO | {"database_name": 'd"b'})})
    assert BY_NAME["table"].statement(odd) == 'SHOW TABLES LIKE \'O\'\'x\\\\_y\' IN SCHEMA "d""b"."S"'
    assert BY_NAME["tables"].statement(odd) == 'SHOW TABLES IN DATABASE "d""b" LIMIT 100'


def test_a_refused_statement_is_a_warning_unless_no_run_starts_without_it() -> None:
    def refused(name: str) -> CheckStatus:
        return BY_NAME[name].failed("Snowflake refuses").status

    assert (refused("warehouses"), refused("session")) == (FAILED, FAILED)
    assert (refused("aggregate query history"), refused("parameter READ_LATEST_WRITES")) == (WARNING, WARNING)
    assert "GOVERNANCE_VIEWER" in BY_NAME["aggregate query history"].failed("no").advice
    assert "USAGE_VIEWER" in BY_NAME["warehouse metering"].failed("no").advice


# Who and where


def test_the_session_says_who_where_and_with_what() -> None:
    check = judge("session", answer(WHO))
    assert check.status is OK
    for part in ("ADA with role BENCH", "ORG-PROD", "AWS_EU_CENTRAL_1", "9.1.0", "warehouse BENCH_WH", "database APP"):
        assert part in check.found


@pytest.mark.parametrize(
    ("missing", "advice"),
    [(("role_name",), "set role"), (("warehouse",), "set warehouse"), (("schema_name",), "set schema")],
)
def test_what_a_session_lacks_is_to_be_set(missing: tuple[str, ...], advice: str) -> None:
    check = judge("session", answer(WHO | dict.fromkeys(missing)))
    assert (check.status, advice in check.advice) == (WARNING, True)


@pytest.mark.parametrize(
    ("region", "status", "said"),
    [
        ("AWS_US_WEST_2", OK, "has hybrid tables"),
        ("PUBLIC.AWS_EU_CENTRAL_1", OK, "has hybrid tables"),
        ("AZURE_WESTEUROPE", OK, "has hybrid tables"),
        ("AWS_US_GOV_WEST_1", WARNING, "no commercial region"),
        ("AWS_US_EAST_1_GOV", WARNING, "no commercial region"),
        ("AZURE_USGOVVIRGINIA", WARNING, "no commercial region"),
        ("AWS_CN_NORTHWEST_1", WARNING, "no commercial region"),
        ("GCP_EUROPE_WEST2", WARNING, "Google Cloud"),
        ("ORACLE_1", WARNING, "not known"),
        (None, WARNING, "not known"),
    ],
)
def test_the_region_says_whether_there_are_hybrid_tables(region: str | None, status: CheckStatus, said: str) -> None:
    check = judge("hybrid tables: region", answer({"region": region}))
    assert (check.status, said in check.found) == (status, True), check


def test_an_account_that_knows_hybrid_tables_need_not_have_one() -> None:
    columns = ("name", "database_name", "schema_name")
    assert "sees none in database APP" in judge("hybrid tables: account", answer(columns=columns)).found
    assert judge("hybrid tables: account", answer(columns=("name",))).status is WARNING


# Warehouses


def test_a_warehouse_that_tells_everything_is_well() -> None:
    check = judge("warehouses", answer(WAREHOUSE, WAREHOUSE | {"name": "FAST", "type": "INTERACTIVE"}))
    assert check.status is OK
    assert "BENCH_WH (X-Small, started), FAST (X-Small, started, interactive)" in check.found
    assert judge("warehouse figures", answer(WAREHOUSE)).found.endswith("running 3, queued 1, started_clusters 1")


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (answer(without(WAREHOUSE, "state")), FAILED, "has no state"),
        (answer(columns=tuple(WAREHOUSE)), FAILED, "sees no warehouse"),
        (answer(without(WAREHOUSE, "queued")), WARNING, "has no queued"),
    ],
)
def test_what_show_warehouses_lacks_is_told(given: Answer, status: CheckStatus, said: str) -> None:
    check = judge("warehouses", given)
    assert (check.status, said in check.found) == (status, True), check


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (WAREHOUSE | {"name": "OTHER"}, "does not show BENCH_WH"),
        (WAREHOUSE | {"running": "hidden"}, "running is 'hidden'"),
    ],
)
def test_figures_that_are_none_are_told(row: dict[str, Any], said: str) -> None:
    check = judge("warehouse figures", answer(row))
    assert (check.status, said in check.found) == (WARNING, True), check


def test_the_edition_is_guessed_from_the_columns_of_clusters() -> None:
    standard = without(WAREHOUSE, "min_cluster_count", "max_cluster_count", "started_clusters", "scaling_policy")
    assert "Standard edition" in judge("edition", answer(standard)).found
    assert "no warehouse that is seen" in judge("edition", answer(WAREHOUSE)).found
    several = judge("edition", answer(WAREHOUSE | {"max_cluster_count": "4"}))
    assert "Enterprise or higher: BENCH_WH" in several.found


def test_the_columns_that_are_asked_for_are_those_that_runs_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()

    class Recorded(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            read.add(key)
            return super().get(key, default)

    monkeypatch.setattr(sf_warehouse, "_show", lambda _connection, _name: Recorded(WAREHOUSE))
    sf_warehouse.look_at_load(None, "BENCH_WH")  # type: ignore[arg-type]
    sf_warehouse.find_warehouse(None, "BENCH_WH")  # type: ignore[arg-type]
    assert read == {*warehouses.NEEDED, *warehouses.FOLLOWED, *warehouses.CLUSTERS}


# Parameters of sessions


def in_force(**changes: str) -> list[dict[str, str]]:
    values = {"QUERY_TAG": TAG + ":probe"} | {key: value.strip("'") for key, value in sessions.PARAMETERS.items()}
    return [{"key": key, "value": value.lower()} for key, value in (values | changes).items()]


def set_before() -> dict[str, Answer]:
    return {sessions.parameter_name(key): answer(columns=("status",)) for key in ("QUERY_TAG", *sessions.PARAMETERS)}


def judge_parameters(rows: list[dict[str, str]], before: dict[str, Answer]) -> Check:
    return BY_NAME["parameters in force"].check(answer(*rows), Seen(TAG, None, before))


def test_parameters_that_were_set_are_in_force() -> None:
    check = judge_parameters(in_force(), set_before())
    assert (check.status, "8 parameters" in check.found) == (OK, True), check


def test_parameters_of_the_login_are_those_that_sessions_of_the_product_are_opened_with() -> None:
    opened = SessionSettings(TAG, statement_timeout_s=STATEMENT_TIMEOUT_S, read_latest_writes=True).parameters()
    rows = [{"key": key, "value": str(value).lower()} for key, value in opened.items()]
    check = judge("parameters at login", answer(*rows))
    assert (check.status, "6 parameters" in check.found) == (OK, True), check
    late = [row | {"value": "172800"} if row["key"] == "STATEMENT_TIMEOUT_IN_SECONDS" else row for row in rows]
    check = judge("parameters at login", answer(*late))
    assert (check.status, check.found) == (WARNING, "STATEMENT_TIMEOUT_IN_SECONDS is '172800'")


def test_a_parameter_that_is_another_or_not_shown_is_told() -> None:
    rows = [row for row in in_force(USE_CACHED_RESULT="true") if row["key"] != "READ_LATEST_WRITES"]
    check = judge_parameters(rows, set_before())
    assert check.status is WARNING
    assert check.found.splitlines() == ["USE_CACHED_RESULT is 'true'", "READ_LATEST_WRITES is not shown"]


def test_a_parameter_that_could_not_be_set_is_told_once() -> None:
    before = without(set_before(), sessions.parameter_name("READ_LATEST_WRITES"))
    rows = [row for row in in_force() if row["key"] != "READ_LATEST_WRITES"]
    assert judge_parameters(rows, before).status is OK


# History


def record(**changes: Any) -> dict[str, Any]:
    given = {"execution_status": "SUCCESS", "query_tag": TAG + ":probe"}
    return dict.fromkeys(history.READ) | given | changes


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (answer(record(), record(query_tag=TAG)), OK, "2 statements of this session"),
        (answer(record(query_tag=TAG)), WARNING, "none of them by the tag that was set within"),
        (answer(record(execution_status="RUNNING")), WARNING, "none of the statements"),
        (answer(columns=history.READ), WARNING, "none of the statements"),
        (answer(without(record(), "cluster_number")), WARNING, "has no cluster_number"),
    ],
)
def test_the_history_is_to_show_the_statements_of_the_session(given: Answer, status: CheckStatus, said: str) -> None:
    check = judge("query history", given)
    assert (check.status, said in check.found) == (status, True), check


def test_the_statement_that_asks_is_to_be_seen_under_way() -> None:
    assert judge("query history: under way", answer(record(), record(execution_status="RUNNING"))).status is OK
    assert judge("query history: under way", answer(record())).status is WARNING


@pytest.mark.parametrize(
    ("name", "columns"), [("aggregate query history", history.AGGREGATED), ("warehouse metering", history.METERED)]
)
def test_views_of_the_account_that_can_be_read_may_be_empty(name: str, columns: tuple[str, ...]) -> None:
    assert judge(name, answer(dict.fromkeys(columns))).status is OK
    assert "has no" in judge(name, answer(columns=columns)).found
    lacking = judge(name, answer(columns=columns[1:]))
    assert (lacking.status, columns[0] in lacking.found) == (WARNING, True)


# Tables, views, values


def test_the_list_of_tables_tells_their_types_or_other_lists_do() -> None:
    plain = ("name", "rows", "created_on")
    assert judge("tables", answer(columns=(*plain, *objects.FLAGS))).found.startswith("SHOW TABLES has is_hybrid")
    other = judge("tables", answer(columns=(*plain, "is_hybrid", "is_dynamic")))
    assert "SHOW INTERACTIVE TABLES tells instead" in other.found
    assert judge("tables", answer(columns=("name", *objects.FLAGS))).status is WARNING


def test_lists_of_one_type_may_be_empty_and_have_their_columns() -> None:
    columns = ("name", "target_lag", "data_timestamp")
    assert judge("dynamic tables", answer(columns=columns)).status is OK
    assert judge("dynamic tables", answer(columns=columns[:2])).status is WARNING
    assert judge("interactive tables", answer(columns=("name",))).status is OK
    assert judge("interactive tables", answer(columns=("title",))).status is WARNING


def test_a_view_that_somebody_has_made_is_described() -> None:
    own = {"name": "TABLES", "database_name": "APP", "schema_name": "INFORMATION_SCHEMA"}
    made = {"name": "seen", "database_name": "APP", "schema_name": "PUBLIC"}
    describe = BY_NAME["view described"].statement
    assert describe(seen(views=answer(own, made))) == 'DESCRIBE TABLE "APP"."PUBLIC"."seen"'
    assert isinstance(describe(seen(views=answer(own))), Skip)
    assert judge("views", answer(own)).status is OK
    column = {"name": "ID", "type": "NUMBER(38,0)", "null?": "Y"}
    assert "its 1 columns" in judge("view described", answer(column)).found
    assert judge("view described", answer(columns=tuple(column))).status is WARNING
    assert judge("view described", answer(columns=("name",))).status is WARNING


def test_the_text_of_a_time_is_the_same_moment_for_every_type() -> None:
    moment = dt.datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=dt.timezone(dt.timedelta(0)))
    read: dict[str, Any] = {"ntz": moment.replace(tzinfo=None), "ltz": moment, "tz": moment, "day": moment.date()}
    read |= {"clock": dt.time(5, 6, 7, 8)}
    assert judge("text of times", answer(read)).status is OK
    shifted = judge("text of times", answer(read | {"ntz": (moment + dt.timedelta(hours=8)).replace(tzinfo=None)}))
    assert (shifted.status, "ntz is 2026-03-04 13:06:07.000008" in shifted.found) == (WARNING, True)


def shown(rows: int | None, name: str = "ORDERS") -> Answer:
    place = {"database_name": "APP", "schema_name": "PUBLIC", "is_hybrid": "Y", "is_dynamic": "N"}
    return answer({"name": name, "rows": rows, **place})


def test_the_scenarios_table_is_told_with_its_type() -> None:
    assert judge("table", shown(7)).found == '"APP"."PUBLIC"."ORDERS" is hybrid, with 7 rows'
    assert judge("table", shown(7, "ORDERS_2")).status is WARNING


@pytest.mark.parametrize(
    ("counted", "told", "status"),
    [(1_000, 1_000, OK), (1_000, 600, OK), (1_000, 0, WARNING), (10, 1_000, WARNING), (1_000, None, WARNING)],
)
def test_rows_that_show_tables_tells_are_compared_with_a_count(
    counted: int, told: int | None, status: CheckStatus
) -> None:
    assert judge("rows of the table", answer({"counted": counted}), table=shown(told)).status is status


def test_a_sample_is_compared_with_one_of_the_same_seed() -> None:
    first = {"sampled": 100, "contents": 4711}
    again = BY_NAME["sample repeated"]
    assert isinstance(again.statement(seen()), Skip)
    assert again.statement(seen(sample=answer(first))) == BY_NAME["sample"].statement(seen())
    assert judge("sample", answer(first)).status is OK
    assert judge("sample repeated", answer(first), sample=answer(first)).status is OK
    other = judge("sample repeated", answer(first | {"contents": 4712}), sample=answer(first))
    assert other.status is WARNING


JUDGED_BY_ABSENCE = ("edition", "query history: under way", "sample repeated")
READING = [probe for probe in PROBES if not probe.name.startswith("parameter") and probe.name not in JUDGED_BY_ABSENCE]


@pytest.mark.parametrize("probe", READING, ids=lambda probe: probe.name)
def test_an_answer_without_columns_is_never_taken_for_a_good_one(probe: Probe) -> None:
    """What no judge has thought of is an error that the walk turns into a warning, never ``ok``."""
    try:
        check = probe.check(Answer(frozenset(), ()), seen())
    except (LookupError, TypeError, ValueError):
        return
    assert check.status is not OK, check
