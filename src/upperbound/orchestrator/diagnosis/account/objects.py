"""What the account tells of tables and views, and how values are read and written."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final

from upperbound.orchestrator.diagnosis.account.probe import Answer, Judgement, Probe, Seen, Skip, always, ok, warn
from upperbound.scenario.identifiers import quote_name

VIEWS: Final = "views"
TABLE: Final = "table"
SAMPLE: Final = "sample"
FLAGS: Final = ("is_hybrid", "is_dynamic", "is_interactive")
"""Columns of SHOW TABLES that tell the type of a table."""
TIME_TEXT: Final = "2026-03-04 05:06:07.000008+00:00"
"""A time as parameters are sent."""
_TIME: Final = dt.datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=dt.UTC)
_SEED: Final = 7
_SAMPLE_PCT: Final = 10
_NO_TABLE: Final = Skip("no scenario on Snowflake names a table")
_YES: Final = ("Y", "YES", "TRUE", True)
_COLUMNS: Final = "tell us which columns there are"


def judge_tables(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether the list of all tables tells their types."""
    if missing := answer.missing(("name", "rows", "created_on")):
        return warn(f"SHOW TABLES has no {', '.join(missing)}", _COLUMNS)
    if missing := answer.missing(FLAGS):
        kinds = ", ".join(f"SHOW {flag.removeprefix('is_').upper()} TABLES" for flag in missing)
        return ok(f"SHOW TABLES has no {', '.join(missing)}: {kinds} tells instead, a statement more for each table")
    return ok(f"SHOW TABLES has {', '.join(FLAGS)}")


def judge_dynamic(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether it is told how current dynamic tables are."""
    if missing := answer.missing(("name", "target_lag", "data_timestamp")):
        return warn(f"SHOW DYNAMIC TABLES has no {', '.join(missing)}: how current a table is, is not said", _COLUMNS)
    return ok(f"the account knows them; {len(answer.rows) or 'none'} seen")


def judge_interactive(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether the account answers questions about interactive tables."""
    if missing := answer.missing(("name",)):
        return warn(f"SHOW INTERACTIVE TABLES has no {', '.join(missing)}", _COLUMNS)
    return ok(f"the account knows them; {len(answer.rows) or 'none'} seen")


def judge_views(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether there is a view to try."""
    if missing := answer.missing(("name", "database_name", "schema_name")):
        return warn(f"SHOW VIEWS has no {', '.join(missing)}", _COLUMNS)
    found = _a_view(answer)
    return ok("none is seen, so none is described" if found is None else f"one is {_name(found)}")


def judge_described(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether DESCRIBE TABLE told the columns of a view."""
    if missing := answer.missing(("name", "type", "null?")):
        return warn(f"DESCRIBE TABLE of a view has no {', '.join(missing)}", _COLUMNS)
    if not answer.rows:
        return warn("DESCRIBE TABLE tells no columns of it", "scenarios on views need them: tell us")
    return ok(f"DESCRIBE TABLE takes a view, and tells its {len(answer.rows)} columns")


def judge_times(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether the text of a time is read as the same moment by every type of time."""
    row = answer.rows[0]
    read = {
        "ntz": _TIME.replace(tzinfo=None),
        "ltz": _TIME,
        "tz": _TIME,
        "day": _TIME.date(),
        "clock": _TIME.time(),
    }
    wrong = [f"{key} is {row.get(key)}" for key, wanted in read.items() if row.get(key) != wanted]
    if wrong:
        return warn(f"{TIME_TEXT}: {', '.join(wrong)}", "parameters that are times may be written wrongly: tell us")
    return ok("one form of text is taken for every type of time")


def judge_table(answer: Answer, seen: Seen) -> Judgement:
    """Say of which type the scenario's table is, as far as SHOW TABLES tells."""
    row = _own_row(answer, seen)
    if row is None:
        return warn("SHOW TABLES does not show it", "is it a view, or may the role not see it?")
    kinds = [flag.removeprefix("is_") for flag in FLAGS if row.get(flag) in _YES]
    return ok(f"{_name(row)} is {' and '.join(kinds) or 'a standard table'}, with {row.get('rows')} rows")


def judge_count(answer: Answer, seen: Seen) -> Judgement:
    """Say whether SHOW TABLES counts the rows of the scenario's table."""
    counted = int(answer.rows[0]["counted"])
    row = _own_row(seen.answers[TABLE], seen) if TABLE in seen.answers else None
    shown = None if row is None or row.get("rows") is None else int(row["rows"])
    if shown is None:
        return warn(f"{counted:,} rows are counted, and SHOW TABLES tells no number", "it is none for a view")
    found = f"{counted:,} rows are counted, and SHOW TABLES says {shown:,}"
    # Value pools need the order of magnitude alone.
    if not counted // 2 <= shown <= counted * 2:
        return warn(found, "value pools of large tables are sampled by that number: tell us the table's type")
    return ok(found)


def judge_sample(answer: Answer, _seen: Seen) -> Judgement:
    """Say how much one sample holds; the next one is compared with it."""
    return ok(f"SAMPLE ROW ({_SAMPLE_PCT}) SEED ({_SEED}) reads {answer.rows[0].get('sampled')} rows")


def judge_sample_again(answer: Answer, seen: Seen) -> Judgement:
    """Say whether equal seeds gave equal rows."""
    before = seen.answers[SAMPLE].rows[0]
    now = answer.rows[0]
    if {**before} == {**now}:
        return ok("equal seeds give equal rows")
    found = f"{before.get('sampled')} rows and then {now.get('sampled')}, with other contents"
    return warn(f"equal seeds give other rows: {found}", "prepared value pools of large tables differ between runs")


def _show(what: str) -> Callable[[Seen], str]:
    return lambda seen: f"SHOW {what} IN {seen.scope} LIMIT 100"


def _a_view(answer: Answer) -> Mapping[str, Any] | None:
    """Return a view that somebody has made; None when none is seen."""
    return next((row for row in answer.rows if row.get("schema_name") not in (None, "INFORMATION_SCHEMA")), None)


def _name(row: Mapping[str, Any]) -> str:
    return ".".join(quote_name(str(row[key])) for key in ("database_name", "schema_name", "name"))


def _describe_view(seen: Seen) -> str | Skip:
    found = _a_view(seen.answers[VIEWS]) if VIEWS in seen.answers else None
    return Skip("no view is seen") if found is None else f"DESCRIBE TABLE {_name(found)}"


def _own_row(answer: Answer, seen: Seen) -> Mapping[str, Any] | None:
    """Return the row of the scenario's table: LIKE looks at no case, and takes _ for any character."""
    wanted = seen.table
    if wanted is None:
        return None
    return next((row for row in answer.rows if row.get("name") == wanted.name), None)


def _show_table(seen: Seen) -> str | Skip:
    if seen.table is None:
        return _NO_TABLE
    name = seen.table
    pattern = name.name.replace("\\", "\\\\").replace("'", "''")
    place = [part for part in (name.database, name.schema) if part is not None]
    inside = f" IN SCHEMA {'.'.join(map(quote_name, place))}" if place else ""
    return f"SHOW TABLES LIKE '{pattern}'{inside}"


def _count_table(seen: Seen) -> str | Skip:
    if seen.table is None:
        return _NO_TABLE
    return f"SELECT COUNT(*) AS counted FROM {seen.table.quoted}"  # noqa: S608 - a name that was quoted


def _sample(seen: Seen) -> str | Skip:
    if seen.table is None:
        return _NO_TABLE
    sampled = f"{seen.table.quoted} SAMPLE ROW ({_SAMPLE_PCT}) SEED ({_SEED})"
    return f"SELECT COUNT(*) AS sampled, HASH_AGG(*) AS contents FROM {sampled}"  # noqa: S608 - a name that was quoted


def _sample_again(seen: Seen) -> str | Skip:
    return _sample(seen) if SAMPLE in seen.answers else Skip("there is no sample to compare with")


_TIMES: Final = ", ".join(
    f"'{TIME_TEXT}'::{kind} AS {key}"
    for key, kind in (
        *(("ntz", "TIMESTAMP_NTZ"), ("ltz", "TIMESTAMP_LTZ"), ("tz", "TIMESTAMP_TZ"), ("day", "DATE")),
        ("clock", "TIME"),
    )
)
_NOT_MEASURED: Final = "tables of this type cannot be measured in this account"
PROBES: Final = (
    Probe("tables", _show("TABLES"), judge_tables, "tell us what Snowflake said"),
    Probe("dynamic tables", _show("DYNAMIC TABLES"), judge_dynamic, _NOT_MEASURED),
    Probe(
        "interactive tables",
        _show("INTERACTIVE TABLES"),
        judge_interactive,
        _NOT_MEASURED,
    ),
    Probe(VIEWS, _show("VIEWS"), judge_views, "tell us what Snowflake said"),
    Probe("view described", _describe_view, judge_described, "scenarios on views cannot run: tell us"),
    Probe("text of times", always(f"SELECT {_TIMES}"), judge_times, "parameters that are times may fail: tell us"),
    Probe(TABLE, _show_table, judge_table, "check database and schema, and that the role may use them"),
    Probe("rows of the table", _count_table, judge_count, "GRANT SELECT ON TABLE … TO ROLE …"),
    Probe(SAMPLE, _sample, judge_sample, "value pools of more than 400,000 rows cannot be sampled: tell us"),
    Probe("sample repeated", _sample_again, judge_sample_again, "tell us what Snowflake said"),
)
