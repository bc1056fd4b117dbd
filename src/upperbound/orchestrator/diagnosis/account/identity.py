"""Who is logged in, where, and whether hybrid tables are to be had there."""

from typing import Final

from upperbound.orchestrator.diagnosis.account.probe import SESSION, Answer, Judgement, Probe, Seen, always, ok, warn

_WHO: Final = """
    SELECT CURRENT_USER() AS user_name, CURRENT_ROLE() AS role_name, CURRENT_ORGANIZATION_NAME() AS organization,
    CURRENT_ACCOUNT_NAME() AS account, CURRENT_ACCOUNT() AS locator, CURRENT_REGION() AS region,
    CURRENT_VERSION() AS version, CURRENT_WAREHOUSE() AS warehouse, CURRENT_DATABASE() AS database_name,
    CURRENT_SCHEMA() AS schema_name
"""
_NOT_COMMERCIAL: Final = ("GOV", "DOD", "FHPLUS", "_CN_", "CHINA")
"""What the names of regions of governments, and those of China, hold."""
_ELSEWHERE: Final = "keep the store in PostgreSQL or a file, and measure tables of other types"


def judge_session(answer: Answer, _seen: Seen) -> Judgement:
    """Say who is logged in, where, and what statements run on and in."""
    row = answer.rows[0]
    account = "-".join(str(row[key]) for key in ("organization", "account") if row.get(key)) or str(row.get("locator"))
    rest = [f"{what} {row.get(key) or 'none'}" for what, key in _PLACES]
    found = (
        f"{row.get('user_name')} with role {row.get('role_name') or 'none'} in {account}, {row.get('region')}, "
        f"Snowflake {row.get('version')}\n{', '.join(rest)}"
    )
    missing = [what for what, key in _PLACES if not row.get(key)]
    if not row.get("role_name"):
        return warn(found, "set role in the entry or the scenario: without one nothing can be seen")
    if missing:
        return warn(found, f"set {', '.join(missing)} in the entry or the scenario, or name them in full")
    return ok(found)


_PLACES: Final = (("warehouse", "warehouse"), ("database", "database_name"), ("schema", "schema_name"))


def judge_region(answer: Answer, _seen: Seen) -> Judgement:
    """Say whether hybrid tables are offered in a region, by its name such as ``AWS_US_WEST_2``."""
    region = str(answer.rows[0].get("region") or "").upper()
    # An account of several region groups has its group before a point.
    name = region.rpartition(".")[2]
    cloud = name.partition("_")[0]
    if cloud in ("AWS", "AZURE") and not any(part in name for part in _NOT_COMMERCIAL):
        return ok(f"{region} has hybrid tables, in accounts that are no trial ones")
    if cloud in ("AWS", "AZURE"):
        return warn(f"{region} is no commercial region, and these alone have hybrid tables", _ELSEWHERE)
    if cloud in ("GCP", "GCS"):
        return warn(f"{region} is on Google Cloud, which has no hybrid tables", _ELSEWHERE)
    return warn(f"{region or 'the region'} is not known here", "see Snowflake's page on hybrid tables")


def judge_hybrid_tables(answer: Answer, seen: Seen) -> Judgement:
    """Say whether the account answers questions about hybrid tables."""
    if missing := answer.missing(("name", "database_name", "schema_name")):
        return warn(f"SHOW HYBRID TABLES has no {', '.join(missing)}", "tell us what it has")
    many = len(answer.rows)
    database = seen.place("database_name")
    place = "the account" if database is None else f"database {database}"
    return ok(f"the account knows them; this role sees {f'{many}' if many else 'none'} in {place}")


PROBES: Final = (
    Probe(SESSION, always(" ".join(_WHO.split())), judge_session, "tell us what Snowflake said", needed=True),
    Probe(
        "hybrid tables: region",
        always("SELECT CURRENT_REGION() AS region"),
        judge_region,
        "see Snowflake's page on hybrid tables",
    ),
    Probe(
        "hybrid tables: account",
        lambda seen: f"SHOW HYBRID TABLES IN {seen.scope} LIMIT 100",
        judge_hybrid_tables,
        f"trial accounts and some regions have none: {_ELSEWHERE}",
    ),
)
