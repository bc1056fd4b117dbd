"""Real script files come out as operations, or with every line that cannot: each beside what is expected of it.

``scripts/NAME.sql`` is the script and ``scripts/NAME.yaml`` what becomes of it: operations, notes and a pause, or
problems.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from upperbound.errors import ScenarioError
from upperbound.scenario.pgbench.importer import ScriptFile, import_scripts

SCRIPTS = Path(__file__).parent / "scripts"
EXPECTED = sorted(SCRIPTS.glob("*.yaml"))


def outcome(script: Path, scale: int | None, define: dict[str, str]) -> dict[str, Any]:
    """Return what becomes of a script, in the form that is kept beside it."""
    file = ScriptFile(script.name, script.stem, script.read_text("utf-8"))
    try:
        imported = import_scripts([file], scale=scale, defines=define)
    except ScenarioError as error:
        return {"problems": [str(problem).removeprefix(f"{script.name}:") for problem in error.problems]}
    document = imported.scenario.model_dump(mode="json", exclude_defaults=True)
    found = {"operations": document["workload"]["operations"], "notes": list(imported.notes)}
    if think_time_ms := document["load"].get("think_time_ms"):
        found["think_time_ms"] = think_time_ms
    return {key: value for key, value in found.items() if value}


def test_every_script_has_its_expectation() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.sql")} == {path.stem for path in EXPECTED}
    assert len(EXPECTED) >= 10


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.stem)
def test_a_script_becomes_what_is_expected_of_it(expected: Path) -> None:
    wanted = yaml.safe_load(expected.read_text("utf-8"))
    scale, define = wanted.pop("scale", None), wanted.pop("define", {})
    assert outcome(expected.with_suffix(".sql"), scale, define) == wanted
