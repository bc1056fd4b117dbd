"""``upperbound doctor``: whether a run can start here, and what would spoil its figures."""

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from upperbound.cli.exit_codes import ExitCode
from upperbound.cli.options import AsJson, Store

if TYPE_CHECKING:
    from upperbound.cli.settings import Settings
    from upperbound.domain.diagnosis import Check
    from upperbound.orchestrator.diagnosis.diagnose import Diagnosis, DiagnosisRequest
    from upperbound.scenario.targets import SnowflakeTarget


def doctor(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCENARIO|URL]",
            help="A scenario, or postgresql://USER@HOST/DATABASE, to check as well; with --snowflake also an entry of "
            "connections.toml.",
            show_default=False,
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the scenario. May be repeated."),
    ] = None,
    execute: Annotated[
        bool,
        typer.Option(
            "--execute",
            help="Execute each operation of the scenario as well, as a run does before it starts, and undo it.",
        ),
    ] = False,
    snowflake: Annotated[
        bool,
        typer.Option(
            "--snowflake",
            help="Look at a Snowflake account as well: that of the entry or the scenario, else the default entry.",
        ),
    ] = False,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that a run needs.

    This machine, the store, and the scenario with its database or a database alone. Every check is made, also after one
    that failed, and nothing is changed. With --execute each operation of the scenario is executed in a transaction that
    is rolled back: all that it leaves are numbers that sequences have given out, and dead versions of rows.

    With --snowflake some thirty statements look at an account: who is logged in, whether hybrid tables are to be had,
    what warehouses, tables and the history tell, and which grants are missing. They are SELECT, SHOW, DESCRIBE and
    ALTER SESSION. Some take the session's warehouse, which may be resumed for it and is then billed for a minute.

    Exits with 0 when a run can start, warnings aside, with 2 when there is something to fix, and with 3 when the
    database or the store cannot be reached.
    """
    from upperbound.cli.output import print_result
    from upperbound.cli.settings import load_settings
    from upperbound.clock import SystemClock
    from upperbound.domain.diagnosis import Verdict, verdict
    from upperbound.orchestrator.diagnosis.diagnose import diagnose
    from upperbound.report.diagnosis import diagnosis as table
    from upperbound.scenario.targets import SnowflakeTarget

    settings = load_settings(store=store)
    entry = _entry(subject) if snowflake else None
    request = _request(subject if entry is None else None, overrides or [], settings, execute=execute)
    if snowflake and entry is None and subject is not None and _is_unknown(request):
        # It may have been meant for an entry: then it is told which there are.
        entry = SnowflakeTarget(connection_name=subject)
    request = dataclasses.replace(request, snowflake=snowflake, account=entry)
    found = diagnose(request, SystemClock())
    found = dataclasses.replace(found, checks=(_measuring_loop(), *found.checks))
    codes = {Verdict.OK: ExitCode.OK, Verdict.FIX: ExitCode.USAGE, Verdict.UNREACHABLE: ExitCode.UNREACHABLE}
    code = codes[verdict(found.checks)]
    if as_json:
        typer.echo(_json(found, code))
    else:
        print_result(table(found.checks))
    raise typer.Exit(code)


def _request(subject: str | None, overrides: list[str], settings: "Settings", *, execute: bool) -> "DiagnosisRequest":
    """Return what to check.

    Raises:
        ConfigurationError: the subject is a URL of another kind, or options of a scenario were given and none was
            named.
    """
    from pydantic import SecretStr

    from upperbound.cli.scenario_source import find_scenario
    from upperbound.errors import ConfigurationError, ScenarioError, StoreError
    from upperbound.orchestrator.diagnosis.diagnose import DiagnosisRequest
    from upperbound.scenario.connection_url import check_url, split_password

    is_url = subject is not None and "://" in subject
    if overrides and (subject is None or is_url):
        raise ConfigurationError("--set changes a scenario, and none was named")
    if execute and (subject is None or is_url):
        raise ConfigurationError("--execute tries the operations of a scenario, and none was named")
    if subject is None:
        return DiagnosisRequest(settings.store_url, settings.home)
    if is_url:
        given = split_password(subject)
        if fault := check_url(given.url):
            raise ConfigurationError(f"the target's URL {fault.message}", hint=fault.hint)
        password = SecretStr(given.password) if given.password else None
        return DiagnosisRequest(settings.store_url, settings.home, target_url=given.url, password=password)
    try:
        found = find_scenario(subject, overrides, settings)
    except ScenarioError as error:
        return DiagnosisRequest(settings.store_url, settings.home, scenario=error)
    except StoreError:
        # That the store cannot be asked is found, and told, by the checks of the store.
        unknown = ScenarioError(
            f"there is no file {subject}, and the store cannot be asked for a template of that name"
        )
        return DiagnosisRequest(settings.store_url, settings.home, scenario=unknown)
    return DiagnosisRequest(
        settings.store_url, settings.home, scenario=found.loaded, template=found.template, execute=execute
    )


def _entry(subject: str | None) -> "SnowflakeTarget | None":
    """Return the account of an entry of ``connections.toml``; None for what names none.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    import os
    from pathlib import Path

    from upperbound.scenario.targets import SnowflakeTarget
    from upperbound.snowflake_login.files import read_connections, snowflake_folder

    found = read_connections(snowflake_folder(os.environ, Path.home()))
    return SnowflakeTarget(connection_name=subject) if subject is not None and subject in found.entries else None


def _is_unknown(request: "DiagnosisRequest") -> bool:
    """Tell whether a name is that of no scenario, rather than of one that is wrong."""
    from upperbound.errors import ScenarioError

    return isinstance(request.scenario, ScenarioError) and not request.scenario.problems


def _measuring_loop() -> "Check":
    """Return whether the measuring loop is the fast one."""
    from upperbound.domain.diagnosis import Check, CheckArea, CheckStatus
    from upperbound.loadgen.compiled_library import CompiledUnavailable, compiled_loop

    try:
        compiled_loop()
    except CompiledUnavailable as why:
        found = f"in Python, which takes more CPU per query; the compiled one cannot be used: {why}"
        advice = "install Upperbound again where there is a C compiler, or where PyPI can be reached"
        return Check(CheckArea.HOST, "measuring loop", CheckStatus.WARNING, found, advice)
    return Check(CheckArea.HOST, "measuring loop", CheckStatus.OK, "compiled")


def _json(found: "Diagnosis", code: ExitCode) -> str:
    import json

    from upperbound.domain.diagnosis import verdict

    capabilities = found.capabilities.model_dump(mode="json") if found.capabilities else None
    document = {
        "verdict": verdict(found.checks).value,
        "exit_code": int(code),
        "checks": [dataclasses.asdict(check) for check in found.checks],
        "capabilities": capabilities,
    }
    return json.dumps(document, indent=2)
