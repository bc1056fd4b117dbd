"""The database that a command looks at: of a URL, or of a scenario, whose embedded server is started for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from upperbound.scenario.model import Scenario
    from upperbound.targets.postgres import ConnInfo
    from upperbound.targets.snowflake import SnowflakeInfo

Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="A server: postgresql://USER@HOST/DATABASE.", show_default=False),
]
ScenarioOf = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        metavar="SCENARIO",
        help="The target of a scenario file or a built-in scenario, in place of --url.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Subject:
    """A database that can be connected to."""

    connection: "ConnInfo | SnowflakeInfo"
    target: dict[str, Any]
    """The target as it stands in a scenario, without its table and without a password."""
    table: str | None
    """The scenario's table."""

    @property
    def postgres(self) -> "ConnInfo":
        """The connection, for what only PostgreSQL does. Raises :class:`ConfigurationError` for Snowflake."""
        from upperbound.errors import ConfigurationError
        from upperbound.targets.postgres import ConnInfo

        if not isinstance(self.connection, ConnInfo):
            raise ConfigurationError(
                "this is asked of PostgreSQL servers alone, and the scenario is for Snowflake",
                hint="name a scenario for PostgreSQL, or leave it out",
            )
        return self.connection


@contextmanager
def open_subject(url: str | None, scenario: str | None, purpose: str) -> Iterator[Subject]:
    """Lend the database of ``url`` or of ``scenario``; ``purpose`` is shown by the server.

    Raises:
        ConfigurationError: not exactly one of the two is given, or it is wrong.
        EmbeddedServerError: the scenario's server does not start.
    """
    from upperbound.errors import ConfigurationError
    from upperbound.orchestrator.open_target import open_target
    from upperbound.scenario.loader import load_scenario
    from upperbound.scenario.targets import SnowflakeTarget
    from upperbound.targets.postgres import ConnInfo

    if (url is None) == (scenario is None):
        found = "neither was given" if url is None else "both were given"
        raise ConfigurationError(f"a database is named by --url or by --scenario, and {found}", hint="give one of them")
    name = f"upperbound:{purpose}"
    if url is not None:
        given, password = _split(url)
        yield Subject(ConnInfo(given, password, name), {"kind": "postgres", "url": given}, None)
        return
    loaded = load_scenario(scenario or "")
    with open_target(loaded, keep=False, say=lambda text: typer.echo(text, err=True)) as target:
        own, info = loaded.scenario.target, ConnInfo(target.url or "", target.password, name)
        if isinstance(own, SnowflakeTarget):
            from upperbound.targets.snowflake import snowflake_info

            account = snowflake_info(own, purpose=name, secret=target.password)
            yield Subject(account, _plain(loaded.scenario), own.table)
            return
        yield Subject(info, _plain(loaded.scenario), loaded.scenario.target.table)


def _split(url: str) -> tuple[str, Any]:
    """Return a URL without its password, and the password."""
    from pydantic import SecretStr

    from upperbound.errors import ConfigurationError
    from upperbound.scenario.connection_url import check_url, split_password

    given = split_password(url)
    if fault := check_url(given.url):
        raise ConfigurationError(f"the target's URL {fault.message}", hint=fault.hint)
    return given.url, SecretStr(given.password) if given.password else None


def _plain(scenario: "Scenario") -> dict[str, Any]:
    plain: dict[str, Any] = {"kind": scenario.target.kind}
    return plain | scenario.target.model_dump(mode="json", exclude_defaults=True, exclude={"kind", "table"})
