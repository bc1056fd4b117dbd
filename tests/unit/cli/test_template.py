"""``upperbound template``, and runs that are made from templates."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.cli.fake_control import RUN_ID, FakeControl
from tests.unit.scenario.samples import changed

from upperbound.cli.app import main
from upperbound.cli.running import carry_out
from upperbound.scenario.loader import builtin_names, builtin_text, load_scenario, parse_scenario
from upperbound.scenario.run_config import RunConfig
from upperbound.store.engine import Store, open_store

FAST = {"slo": None}
"""What makes a run of the sample meet its objectives, whatever was measured."""
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder with a home of the test's own."""
    for name in list(os.environ):
        if name.startswith("UPPERBOUND_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UPPERBOUND_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(place: Path) -> Store:
    return open_store(f"sqlite:///{place / 'home' / 'upperbound.db'}")


def write(path: str, changes: dict[str, Any] | None = None) -> str:
    Path(path).write_text(yaml.safe_dump(changed(changes or {}), sort_keys=False))
    return path


def done(capsys: Capture, *arguments: str) -> str:
    """Return what a command prints that must succeed."""
    assert main(["template", *arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: Capture, *arguments: str, code: int = 2) -> str:
    """Return what a command says that must be refused."""
    assert main(list(arguments)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "Traceback" not in err
    return err


def listed(capsys: Capture, *arguments: str) -> list[str]:
    return [entry["name"] for entry in json.loads(done(capsys, "list", "--json", *arguments))]


# Import and export


def test_importing_makes_a_template_then_versions_of_it_and_nothing_when_it_is_the_same(
    place: Path, capsys: Capture
) -> None:
    file = write("a.yaml")
    assert done(capsys, "import", file).startswith("Sample: version 1 (t-")
    assert done(capsys, "import", file).startswith("Sample: unchanged, version 1 (t-")
    write(file, {"load.threads": 9})
    assert done(capsys, "import", file).startswith("Sample: version 2 (t-")
    with opened(place) as store:
        template = store.templates.find("Sample")
        rows = store.templates.versions(template.template_id)
        assert [(row.version, row.note) for row in rows] == [(2, "imported from a.yaml"), (1, "imported from a.yaml")]
        assert store.templates.version(template.template_id).scenario == load_scenario(file).scenario


def test_every_problem_of_every_file_is_told_and_no_file_is_kept(place: Path, capsys: Capture) -> None:
    good, twin, taken = write("good.yaml"), write("twin.yaml"), write("taken.yaml", {"name": "demo"})
    bad = write("bad.yaml", {"load.treads": 4, "workload.operations.0.weight_pct": 50, "name": "Bad"})
    err = refused(capsys, "template", "import", good, bad, twin, taken, "none.yaml")
    for said in (
        "bad.yaml: line",
        "unknown key 'treads'; did you mean 'threads'?",
        "the weights add up to 90.00",
        "twin.yaml: is called 'Sample', as is good.yaml",
        "taken.yaml: 'demo' is a built-in scenario, which cannot change",
        "there is no scenario file none.yaml",
    ):
        assert said in err
    assert not (place / "home").exists(), "a refused import makes no store"


def test_one_wrong_file_is_told_as_a_run_tells_it(capsys: Capture) -> None:
    bad = write("bad.yaml", {"load.treads": 4})
    assert refused(capsys, "template", "import", bad) == refused(capsys, "run", bad)
    assert refused(capsys, "template", "validate", bad) == refused(capsys, "run", bad)


def test_a_name_may_be_given_and_need_not_look_like_one(capsys: Capture) -> None:
    file = write("a.yaml")
    for name in ("17", "yes", 'say "hi": now', "größe 🙂"):
        assert done(capsys, "import", file, "--name", name).startswith(f"{name}: version 1")
    assert "several files" in refused(capsys, "template", "import", file, file + "x", "--name", "N")
    assert "'demo' is a built-in scenario" in refused(capsys, "template", "import", file, "--name", "demo")


def test_a_password_is_not_kept(place: Path, capsys: Capture) -> None:
    file = write("a.yaml", {"target.url": "postgresql://me:Hunter2x@127.0.0.1/db"})
    assert main(["template", "import", file]) == 0
    assert "the password in target.url is not kept" in capsys.readouterr().err
    assert "Hunter2x" not in done(capsys, "export", "Sample")
    assert all(b"Hunter2x" not in path.read_bytes() for path in (place / "home").rglob("*") if path.is_file())


def test_an_export_imports_as_the_same_scenario(place: Path, capsys: Capture) -> None:
    done(capsys, "import", write("a.yaml"))
    done(capsys, "import", write("a.yaml", {"load.threads": 9}))
    assert (
        parse_scenario(done(capsys, "export", "Sample", "--version", "1")).scenario
        == load_scenario(write("b.yaml")).scenario
    )
    assert done(capsys, "export", "Sample", "--output", "c.yaml") == "c.yaml\n"
    assert done(capsys, "import", "c.yaml").startswith("Sample: unchanged, version 2")
    assert "cannot be written" in refused(capsys, "template", "export", "Sample", "-o", "none/c.yaml")
    assert "no version 3" in refused(capsys, "template", "export", "Sample", "--version", "3")


# Lists


def test_templates_are_listed_and_searched_with_the_built_in_ones(capsys: Capture) -> None:
    done(capsys, "import", write("a.yaml", {"name": "Night reads", "tags": {"team": "data", "stage": "draft"}}))
    done(capsys, "import", write("b.yaml", {"name": "Day writes", "tags": {"team": "shop"}}))
    assert listed(capsys) == ["Day writes", "Night reads", *builtin_names()]
    assert listed(capsys, "--search", "READS night") == ["Night reads"]
    assert listed(capsys, "--tag", "team") == ["Day writes", "Night reads"]
    assert listed(capsys, "--tag", "team=data", "--tag", "stage=draft") == ["Night reads"]
    assert "demo" in listed(capsys, "--search", "demo")
    out = done(capsys, "list")
    assert "team=data stage=draft" in out or "stage=draft team=data" in out
    assert "built in" in out
    assert "no template is like that" in done(capsys, "list", "--search", "zzz")
    assert "has no key" in refused(capsys, "template", "list", "--tag", "=x")


def test_pages_go_on_from_the_templates_to_the_built_in_ones(capsys: Capture) -> None:
    for name in ("A", "B", "C"):
        done(capsys, "import", write("a.yaml", {"name": name}))
    everything = ["A", "B", "C", *builtin_names()]
    pages = [listed(capsys, "--limit", "2", "--page", str(page)) for page in range(1, len(everything) // 2 + 2)]
    assert [name for page in pages for name in page] == everything
    assert f"2 of {len(everything)}" in done(capsys, "list", "--limit", "2")


def test_a_template_is_shown_whole(capsys: Capture) -> None:
    done(capsys, "import", write("a.yaml"))
    out = done(capsys, "show", "Sample")
    head, _, text = out.partition("\n\n")
    assert "imported from a.yaml" in head
    assert parse_scenario(text).scenario == load_scenario("a.yaml").scenario
    shown = json.loads(done(capsys, "show", "Sample", "--json"))
    assert (shown["name"], shown["version"], shown["scenario"]["load"]["threads"]) == ("Sample", 1, 8)


# Changes


def test_tags_names_versions_and_differences(capsys: Capture) -> None:
    done(capsys, "import", write("a.yaml"))
    assert done(capsys, "tag", "Sample", "stage=final", "team=") == "Sample: stage=final, version 2\n"
    assert done(capsys, "tag", "Sample", "stage=final") == "Sample: nothing to change, version 2\n"
    err = refused(capsys, "template", "tag", "Sample", "stage", "a=1", "a=2")
    assert "stage: is not KEY=VALUE" in err
    assert "a: is set twice" in err
    assert done(capsys, "rename", "Sample", "Other") == "Sample is called Other, version 3\n"
    rows = json.loads(done(capsys, "versions", "Other", "--json"))
    assert [(row["version"], row["note"]) for row in rows] == [
        (3, "renamed from Sample"),
        (2, "tagged"),
        (1, "imported from a.yaml"),
    ]
    assert "renamed from Sample" in done(capsys, "versions", "Other")
    said = done(capsys, "diff", "Other", "1", "2")
    assert said.startswith("--- Sample, version 1\n+++ Sample, version 2\n")
    assert "-  team: data\n+  stage: final\n" in said
    assert done(capsys, "diff", "Other", "2", "2") == "versions 2 and 2 are the same\n"


def test_a_copy_has_versions_of_its_own_and_a_deleted_template_is_gone(capsys: Capture) -> None:
    done(capsys, "import", write("a.yaml"))
    done(capsys, "tag", "Sample", "x=y")
    assert done(capsys, "duplicate", "Sample", "Copy", "--version", "1").startswith("Copy: made from Sample, version 1")
    assert "there is a template 'Copy' already" in refused(capsys, "template", "duplicate", "Sample", "Copy")
    assert "Sample: deleted with its 2 versions" in done(capsys, "delete", "Sample")
    assert "there is no template 'Sampel'" in refused(capsys, "template", "delete", "Sampel")
    assert json.loads(done(capsys, "show", "Copy", "--json"))["scenario"]["tags"] == {"team": "data"}


def test_a_built_in_scenario_is_read_and_copied_and_never_changed(capsys: Capture) -> None:
    assert done(capsys, "export", "demo") == builtin_text("demo")
    assert "built in       yes" in done(capsys, "show", "demo")
    assert "demo is valid" in done(capsys, "validate", "demo")
    assert "has no versions" in refused(capsys, "template", "show", "demo", "--version", "1")
    assert done(capsys, "duplicate", "demo", "Mine").startswith("Mine: made from demo")
    assert done(capsys, "import", "demo").startswith("Demo: version 1")
    for command in (["delete", "demo"], ["tag", "demo", "a=b"], ["rename", "demo", "x"], ["versions", "demo"]):
        assert "no template 'demo'" in refused(capsys, "template", *command)


def test_validating_names_the_version_and_what_is_likely_a_mistake(capsys: Capture) -> None:
    weights = {"workload.operations.1.weight_pct": 40, "workload.operations.2.weight_pct": 0}
    done(capsys, "import", write("a.yaml", weights))
    assert main(["template", "validate", "Sample"]) == 0
    out, err = capsys.readouterr()
    assert "Sample, version 1 is valid: Sample, CONCURRENCY, POINT_LOOKUP, INSERT, top customers" in out
    assert "warning: operation top customers has weight 0.00" in err


# Runs


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> FakeControl:
    """Let runs be made by a stand-in."""
    control = FakeControl()
    monkeypatch.setattr("upperbound.cli.running.carry_out", partial(carry_out, make_control=control.make))
    return control


def test_a_run_of_a_template_keeps_its_id_and_version_and_the_scenario_it_ran(
    place: Path, control: FakeControl, capsys: Capture
) -> None:
    done(capsys, "import", write("a.yaml", FAST))
    done(capsys, "tag", "Sample", "x=y")
    assert main(["run", "Sample", "--set", "load.threads=11", "--quiet", "--json", "r.json"]) == 0
    assert "version 2" in capsys.readouterr().out
    done(capsys, "tag", "Sample", "x=z")
    with opened(place) as store:
        template_id = store.templates.find("Sample").template_id
        store.templates.delete(template_id)
        run = store.runs.get(RUN_ID)
    assert (run.template_id, run.template_version) == (template_id, 2)
    ran = RunConfig.model_validate(run.scenario_config).scenario
    assert (ran.threads, ran.tags) == (11, {"team": "data", "x": "y"})
    written = json.loads((place / "r.json").read_text())
    assert written["template"] == {"template_id": template_id, "version": 2}
    assert main(["runs", "show", RUN_ID]) == 0
    assert f"{template_id}, version 2" in capsys.readouterr().out


def test_a_template_is_run_by_its_id_too(place: Path, control: FakeControl, capsys: Capture) -> None:
    done(capsys, "import", write("a.yaml", FAST))
    with opened(place) as store:
        template_id = store.templates.find("Sample").template_id
    assert main(["run", template_id, "--quiet"]) == 0
    assert [request.template and request.template.template_id for request in control.requests] == [template_id]


def test_a_file_goes_before_a_template_of_its_name(control: FakeControl, capsys: Capture) -> None:
    done(capsys, "import", write("a.yaml", FAST))
    write("Sample", {"name": "From the file", **FAST})
    assert main(["run", "Sample", "--quiet"]) == 0
    [request] = control.requests
    assert (request.scenario.name, request.template) == ("From the file", None)


def test_a_name_that_means_two_things_is_refused_with_both(
    control: FakeControl, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = done(capsys, "import", write("a.yaml", {"name": "later-built-in", **FAST}))
    # A later version of Upperbound may bring a scenario of the name along.
    for module in ("store.library", "scenario.loader"):
        monkeypatch.setattr(f"upperbound.{module}.builtin_names", lambda: ["demo", "later-built-in"])
    template_id = made.partition("(")[2].rstrip(")\n")
    err = refused(capsys, "run", "later-built-in")
    assert f"is both a built-in scenario and the template {template_id}" in err
    assert f"upperbound template rename {template_id}" in err
    assert control.requests == []
    assert main(["run", template_id, "--quiet"]) == 0


def test_a_misspelt_name_is_refused_with_what_was_meant(place: Path, capsys: Capture) -> None:
    assert "did you mean 'demo'?" in refused(capsys, "run", "dmeo")
    assert not (place / "home").exists(), "asking makes no store"
    done(capsys, "import", write("a.yaml", {"name": "Orders, mostly reads"}))
    for name in ("Ordrs", "orders", "mostly reads"):
        err = refused(capsys, "run", name)
        assert f"there is no scenario file, template or built-in scenario '{name}'" in err
        assert "Orders, mostly reads" in err
    assert "there is no scenario file x.yaml" in refused(capsys, "run", "x.yaml")
    Path("folder").mkdir()
    assert "cannot be read: Is a directory" in refused(capsys, "run", "folder")
