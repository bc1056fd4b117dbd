"""Checks of a Snowflake account as a target."""

from upperbound.clock import Clock
from upperbound.domain.diagnosis import CheckArea, CheckList
from upperbound.errors import ConfigurationError, TargetError, TargetMismatch
from upperbound.orchestrator.diagnosis.target import FITS, OPERATIONS, REACHABLE, TargetDiagnosis
from upperbound.orchestrator.sites import open_site
from upperbound.scenario.loader import LoadedScenario


def check_snowflake(loaded: LoadedScenario, clock: Clock, threads: int) -> TargetDiagnosis:
    """Check the account of a scenario, and whether the scenario fits it; nothing is executed or changed there."""
    checks = CheckList(CheckArea.TARGET)
    try:
        site = open_site(loaded.scenario, None, loaded.password, "upperbound:doctor")
        found = site.check(loaded.scenario, threads, clock)
    except TargetMismatch as error:
        checks.ok(REACHABLE, "Snowflake takes the login")
        for problem in error.problems:
            checks.fail(FITS, f"{problem.where}: {problem.message}", problem.hint)
    except (TargetError, ConfigurationError) as error:
        checks.fail(REACHABLE, error.message, error.hint, unreachable=isinstance(error, TargetError))
        checks.skip("there is no way into the target", FITS)
    else:
        checks.ok(REACHABLE, f"{found.version}, with {found.driver}")
        if found.warnings:
            checks.warn(FITS, "\n".join(found.warnings), "the run will start")
        else:
            checks.ok(FITS, "warehouse, table and parameters fit")
    checks.skip("a run on Snowflake tries its operations when it is created", OPERATIONS)
    return TargetDiagnosis(checks.checks)
