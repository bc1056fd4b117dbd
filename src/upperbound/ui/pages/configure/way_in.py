"""The way into the target that is typed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr, ValidationError

from upperbound.errors import ConfigurationError
from upperbound.scenario.connection_url import check_url
from upperbound.scenario.kinds import TableType
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets.postgres import ConnInfo
from upperbound.targets.sf_catalog import written
from upperbound.targets.snowflake import SnowflakeInfo, snowflake_info
from upperbound.ui.draft import Draft

WayIn = ConnInfo | SnowflakeInfo


@dataclass(frozen=True)
class Choice:
    """A table or view that was picked from a catalog."""

    place: WayIn
    """The way into its database."""
    schema: str
    """Its true name."""
    table: str
    """As it is written in ``target.table``."""
    other_database: str | None = None
    """The true name of its database; None for the one that what is typed leads to."""
    table_type: TableType | None = None
    """Its kind; None where the server knows one alone."""


OF_THE_TABLE: Final = ("table", "table_type")
"""What is typed of a target and has no part in the way into it."""


def is_snowflake(draft: Draft) -> bool:
    """Tell whether the target is a Snowflake account."""
    return bool(draft.get("target.kind") == "snowflake")


def way_in(draft: Draft, password: SecretStr | None, purpose: str) -> WayIn:
    """Return the way into the target that is typed, whatever its table is; ``purpose`` is shown by the server.

    Files of the controller's user are read. Raises :class:`ConfigurationError` when what is typed leads nowhere.
    """
    name = f"upperbound:{purpose}"
    if draft.get("target.kind") == "embedded":
        raise ConfigurationError(
            "an embedded server is started for its run alone, so that there is nothing to look at yet"
        )
    if is_snowflake(draft):
        return snowflake_info(typed_account(draft, without=OF_THE_TABLE), purpose=name, secret=password)
    url = str(draft.get("target.url") or "")
    if fault := check_url(url):
        raise ConfigurationError(f"the target's URL {fault.message}", hint=fault.hint)
    return ConnInfo(url, password, name)


def typed_account(draft: Draft, *, without: Sequence[str] = ()) -> SnowflakeTarget:
    """Return the Snowflake target that is typed, but for some of its keys.

    Raises:
        ConfigurationError: a value is wrong; it carries every problem of the target.
    """
    typed = {key: value for key, value in draft.document()["target"].items() if key not in without}
    try:
        return SnowflakeTarget.model_validate(typed)
    except ValidationError:
        # The scenario's own check has the words for it.
        left_out = {f"target.{key}" for key in without}
        found = [
            problem
            for problem in draft.judge().problems
            if problem.where.startswith("target.") and problem.where not in left_out
        ]
    raise ConfigurationError("the target cannot be looked at as it is typed", problems=found)


def in_database(place: WayIn, name: str) -> WayIn:
    """Return the way into another database of the same server, by its true name."""
    if isinstance(place, SnowflakeInfo):
        return place.in_database(written(name))
    parts = urlsplit(place.url)
    return replace(place, url=urlunsplit(parts._replace(path=f"/{quote(name, safe='')}")))


def keep_choice(draft: Draft, choice: Choice) -> None:
    """Let a draft be for the table that was picked.

    A Snowflake target is given its schema as well: one that was typed may not be there in another database.
    """
    draft.set("target.table", choice.table)
    if isinstance(choice.place, ConnInfo):
        draft.set("target.url", choice.place.url)
        return
    if choice.other_database is not None:
        draft.set("target.database", written(choice.other_database))
    draft.set("target.schema", written(choice.schema))
    if choice.table_type is not None:
        draft.set("target.table_type", choice.table_type.value)
