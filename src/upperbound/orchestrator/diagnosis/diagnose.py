"""All checks together."""

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

import upperbound
from upperbound.clock import Clock
from upperbound.domain.allocation import WorkerPlan
from upperbound.domain.diagnosis import Check, CheckArea, CheckList
from upperbound.errors import ScenarioError
from upperbound.orchestrator.diagnosis.account.walk import check_account
from upperbound.orchestrator.diagnosis.host import check_embedded, check_host
from upperbound.orchestrator.diagnosis.pools import check_pools
from upperbound.orchestrator.diagnosis.snowflake import check_snowflake
from upperbound.orchestrator.diagnosis.store import check_store_at
from upperbound.orchestrator.diagnosis.target import OPERATIONS, REACHABLE, TargetDiagnosis, check_target
from upperbound.orchestrator.host_facts import host_facts, plan_on_host
from upperbound.orchestrator.value_pools import PoolOrder
from upperbound.scenario.connection_url import mask_credentials
from upperbound.scenario.loader import LoadedScenario
from upperbound.scenario.model import Scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.scenario.targets import PostgresTarget, SnowflakeTarget
from upperbound.store.templates import TemplateRef
from upperbound.targets.capabilities import PostgresCapabilities
from upperbound.targets.postgres import ConnInfo


@dataclass(frozen=True)
class DiagnosisRequest:
    """What is to be checked."""

    store_url: str
    home: Path
    scenario: LoadedScenario | ScenarioError | None = None
    """The scenario, or why it cannot be read; None to check no scenario."""
    target_url: str | None = None
    """A server to check without a scenario; free of a password."""
    password: SecretStr | None = None
    """Of :attr:`target_url`; None leaves it to libpq."""
    template: TemplateRef | None = None
    """The template that the scenario comes from; None for a file or a built-in scenario."""
    execute: bool = False
    """Execute each operation of the scenario on its target, and roll it back."""
    snowflake: bool = False
    """Look at a Snowflake account by read-only probes."""
    account: SnowflakeTarget | None = None
    """That account; None for that of the scenario, or the one that files and environment lead to."""


@dataclass(frozen=True)
class Diagnosis:
    """Every check, by area."""

    checks: tuple[Check, ...]
    capabilities: PostgresCapabilities | None
    """Of the target; None when it was not asked or did not answer."""


def diagnose(request: DiagnosisRequest, clock: Clock) -> Diagnosis:
    """Make every check that can be made, whatever the others find; nothing is changed anywhere.

    Executing the operations changes what no rollback undoes: sequences move on, and rows leave dead versions.

    The workers' connections are not opened, so this takes a few seconds at most on servers that answer.
    """
    facts = host_facts()
    loaded = request.scenario if isinstance(request.scenario, LoadedScenario) else None
    scenario = loaded.scenario if loaded else None
    plan = plan_on_host(scenario, facts) if scenario else None
    # The target comes first: how fast it can answer tells how large the query log can grow.
    target = _target(request, clock, loaded, plan)
    checks = [
        *check_host(facts, request.home, scenario, plan, target.latency_floor_s),
        *check_store_at(request.store_url, clock),
        *_scenario(request.scenario),
        *target.checks,
        *(_pools(request, loaded, target) if loaded else []),
        *_account(request, clock, loaded),
    ]
    return Diagnosis(tuple(map(_masked, checks)), target.capabilities)


def _scenario(scenario: LoadedScenario | ScenarioError | None) -> list[Check]:
    checks = CheckList(CheckArea.SCENARIO)
    if isinstance(scenario, ScenarioError):
        found = [str(replace(problem, hint="")) for problem in scenario.problems]
        hints = dict.fromkeys(problem.hint for problem in scenario.problems if problem.hint)
        checks.fail("valid", "\n".join([scenario.message, *found]), "\n".join([*hints] or [scenario.hint]))
    elif scenario is not None:
        name = scenario.scenario.name
        if scenario.warnings:
            checks.warn("valid", "\n".join([name, *scenario.warnings]), "the run will start")
        else:
            checks.ok("valid", name)
    return checks.checks


def _target(
    request: DiagnosisRequest, clock: Clock, loaded: LoadedScenario | None, plan: WorkerPlan | None
) -> TargetDiagnosis:
    name = "upperbound:doctor"
    if request.target_url is not None:
        return check_target(ConnInfo(request.target_url, request.password, name), clock, None, None)
    if loaded is not None and plan is not None:
        target = loaded.scenario.target
        if isinstance(target, SnowflakeTarget):
            return check_snowflake(target, loaded.password, clock, loaded.scenario, plan.peak_threads)
        if not isinstance(target, PostgresTarget):
            started = CheckList(CheckArea.TARGET)
            started.skip("the embedded server is started for each run", OPERATIONS)
            return TargetDiagnosis([*check_embedded(), *started.checks])
        tried = _config(loaded.scenario, target.url, plan) if request.execute else None
        info = ConnInfo(target.url, loaded.password, name)
        return check_target(info, clock, loaded.scenario, plan.peak_threads, tried)
    checks = CheckList(CheckArea.TARGET)
    reason = "the scenario cannot be read" if request.scenario is not None else "neither a scenario nor a URL was named"
    checks.skip(reason, REACHABLE)
    return TargetDiagnosis(checks.checks)


def _config(scenario: Scenario, target_url: str, plan: WorkerPlan) -> RunConfig:
    """Return what a run of the scenario would be started with."""
    return RunConfig(
        scenario=scenario,
        threads=plan.threads,
        seed=scenario.workload.seed or 0,
        target_url=target_url,
        table=scenario.target.table,
        upperbound_version=upperbound.__version__,
    )


def _pools(request: DiagnosisRequest, loaded: LoadedScenario, found: TargetDiagnosis) -> list[Check]:
    target = loaded.scenario.target
    if not isinstance(target, PostgresTarget):
        return []
    info = ConnInfo(target.url, loaded.password, "upperbound:doctor")
    order = PoolOrder(loaded.scenario, request.template, info, seed=0, sampled_by="")
    return check_pools(request.store_url, order, reachable=found.capabilities is not None)


def _account(request: DiagnosisRequest, clock: Clock, loaded: LoadedScenario | None) -> list[Check]:
    """Look at the account that is asked for, if one is."""
    if not request.snowflake:
        return []
    if request.account is not None:
        return check_account(request.account, clock)
    if isinstance(request.scenario, ScenarioError):
        checks = CheckList(CheckArea.ACCOUNT)
        checks.skip("the scenario, which names it, cannot be read", REACHABLE)
        return checks.checks
    target = loaded.scenario.target if loaded else None
    return check_account(target if isinstance(target, SnowflakeTarget) else SnowflakeTarget(), clock)


def _masked(check: Check) -> Check:
    """Make sure of it once more, whatever a server or a driver has put into its message."""
    return replace(check, found=mask_credentials(check.found), advice=mask_credentials(check.advice))
