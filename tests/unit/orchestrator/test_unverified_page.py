"""The page of what was never run on a real account names the probes that there are."""

import re
from pathlib import Path

from upperbound.orchestrator.diagnosis.account.sessions import PARAMETERS
from upperbound.orchestrator.diagnosis.account.walk import PROBES, REACHABLE

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "unverified-on-snowflake.md"
PARAMETER = "parameter …"
"""Stands for the probes of all parameters, each of which the page names."""


def test_every_probe_checks_a_row_and_every_row_names_a_probe() -> None:
    checked = PAGE.read_text("utf-8").partition("## What the doctor checks")[2].partition("\n## ")[0]
    rows = [row.split(" | ") for row in re.findall(r"^\| (.+) \|$", checked, re.MULTILINE)[1:]]
    known = {probe.name for probe in PROBES if not probe.name.startswith("parameter ")} | {REACHABLE, PARAMETER}
    named = [set(re.findall(r"`([^`]+)`", row[-1])) & known for row in rows]
    assert all(named), [row[0] for row, names in zip(rows, named, strict=True) if not names]
    assert set().union(*named) == known
    assert [key for key in PARAMETERS if f"`{key}`" not in checked] == []
