"""Upperbound without Snowflake's driver says how to install it."""

import subprocess
import sys

import pytest

from upperbound.errors import ConfigurationError
from upperbound.snowflake_login.decision import Given, decide_login
from upperbound.targets.sf_connection import SnowflakeInfo, open_session


def test_without_the_driver_it_is_told_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "snowflake.connector", None)
    login = decide_login(Given(wanted={"account": "a"}, environment={"SNOWFLAKE_USER": "u", "SNOWFLAKE_PASSWORD": "p"}))
    with pytest.raises(ConfigurationError, match="driver is not installed") as caught:
        open_session(SnowflakeInfo(login))
    assert caught.value.hint == 'install it: pip install "upperbound[snowflake]"'


def test_nothing_imports_the_driver_before_it_is_needed() -> None:
    modules = "upperbound.cli.running, upperbound.worker.main, upperbound.orchestrator.service"
    program = f"import sys, {modules}; print(sorted(m for m in sys.modules if m.split('.')[0] == 'snowflake'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
