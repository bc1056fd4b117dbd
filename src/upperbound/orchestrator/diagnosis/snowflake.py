"""Checks of a Snowflake account as a target."""

from pydantic import SecretStr

from upperbound.clock import Clock
from upperbound.domain.diagnosis import CheckArea, CheckList
from upperbound.errors import ConfigurationError, TargetError, TargetMismatch
from upperbound.orchestrator.diagnosis.target import FITS, OPERATIONS, REACHABLE, TargetDiagnosis, fail_with_problems
from upperbound.orchestrator.sites import SnowflakeSite
from upperbound.scenario.model import Scenario
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets.snowflake import snowflake_info


def check_snowflake(
    target: SnowflakeTarget, secret: SecretStr | None, clock: Clock, scenario: Scenario | None, threads: int | None
) -> TargetDiagnosis:
    """Check the account of a target, and whether ``scenario`` with so many ``threads`` fits it where there is one.

    Without a scenario the warehouse and the table are looked at. Nothing is executed or changed there. ``secret`` is a
    password or token given for this look; None leaves it to files and the environment.
    """
    checks = CheckList(CheckArea.TARGET)
    try:
        site = SnowflakeSite(snowflake_info(target, purpose="upperbound:doctor", secret=secret), target)
        if scenario is None or threads is None:
            found, fits = site.check_target(), _fits_so_far(target)
        else:
            found, fits = site.check(scenario, threads, clock), "warehouse, table and parameters fit"
    except TargetMismatch as error:
        checks.ok(REACHABLE, "Snowflake takes the login")
        fail_with_problems(checks, FITS, error)
    except (TargetError, ConfigurationError) as error:
        checks.fail(REACHABLE, error.message, error.hint, unreachable=isinstance(error, TargetError))
        checks.skip("there is no way into the target", FITS)
    else:
        checks.ok(REACHABLE, f"{found.version}, with {found.driver}")
        if found.warnings:
            checks.warn(FITS, "\n".join(found.warnings), "the run will start")
        else:
            checks.ok(FITS, fits)
    checks.skip("a run on Snowflake tries its operations when it is created", OPERATIONS)
    return TargetDiagnosis(checks.checks)


def _fits_so_far(target: SnowflakeTarget) -> str:
    """Say what fits of a scenario that is not complete."""
    what = "warehouse and table fit" if target.table is not None else "the warehouse fits, and no table is named"
    return f"{what}; the statements are looked at when the scenario is complete"
