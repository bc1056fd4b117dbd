"""What ``upperbound import-pgbench`` makes of its arguments, and what it writes."""

import io
import sys
from pathlib import Path

import pytest
import yaml

from upperbound.cli.import_pgbench import read_arguments, scenario_text
from upperbound.errors import ConfigurationError
from upperbound.scenario.loader import parse_scenario
from upperbound.scenario.pgbench.importer import ScriptFile, import_scripts


@pytest.fixture
def lookup(tmp_path: Path) -> Path:
    path = tmp_path / "look up.sql"
    path.write_text("\ufeffSELECT 1;\r\n", encoding="utf-8")
    return path


def test_a_file_has_a_weight_after_its_last_at_sign(lookup: Path, tmp_path: Path) -> None:
    (tmp_path / "a@b").write_text("SELECT 2;")
    scripts, defines = read_arguments([str(lookup), f"{lookup}@0", f"{tmp_path}/a@b@7"], ["x=1", "y=a=b", "x="])
    assert [(script.title, script.weight) for script in scripts] == [("look up", 1), ("look up", 0), ("a@b", 7)]
    assert scripts[0] == ScriptFile(str(lookup), "look up", "SELECT 1;\r\n", 1)
    assert defines == {"x": "", "y": "a=b"}


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"SELECT 5;")))
    (script,), _ = read_arguments(["-@2"], [])
    assert script == ScriptFile("stdin", "script", "SELECT 5;", 2)


def test_everything_that_cannot_be_read_is_said_at_once(lookup: Path, tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"SELECT '\xfc'")
    (tmp_path / "large").write_bytes(b"-" * (2**20 + 1))
    files = [f"{lookup}@x", f"{lookup}@-1", f"{lookup}@3000000000", "nowhere", str(tmp_path)]
    with pytest.raises(ConfigurationError) as caught:
        read_arguments([*files, f"{tmp_path}/latin", f"{tmp_path}/large"], ["5=1", "x"])
    said = {problem.where: problem.message for problem in caught.value.problems}
    assert said == {
        f"{lookup}@x": "@x is not a weight",
        f"{lookup}@-1": "@-1 is not a weight",
        f"{lookup}@3000000000": "@3000000000 is not a weight",
        "nowhere": "cannot be read: No such file or directory",
        str(tmp_path): "cannot be read: Is a directory",
        f"{tmp_path}/latin": "is not UTF-8 text",
        f"{tmp_path}/large": "is larger than 1048576 bytes",
        "-D 5=1": "is not NAME=VALUE with a name that pgbench allows",
        "-D x": "is not NAME=VALUE with a name that pgbench allows",
    }


def test_a_scenario_file_says_where_it_comes_from_and_what_its_parameters_are() -> None:
    scripts = [
        ScriptFile("pay.sql", "pay", "\\set a random(1, 9)\n\\set b :a + :n\nSELECT :b, :a;", 3),
        ScriptFile("odd\nname", "read", "SELECT 1;"),
    ]
    imported = import_scripts(scripts, defines={"n": "5"}, scale=2)
    text = scenario_text(imported, scripts, 2, {"n": "5"})
    assert text.splitlines()[:3] == [
        "# Imported from script files of pgbench: pay.sql@3, odd?name with --scale 2 -D n=5.",
        "# Of pay, $1 :b, $2 :a.",
        "name: pgbench pay, read",
    ]
    assert parse_scenario(text).scenario == imported.scenario
    assert [operation["weight_pct"] for operation in yaml.safe_load(text)["workload"]["operations"]] == [75, 25]
