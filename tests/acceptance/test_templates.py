"""The page on templates can be followed from top to bottom as it stands, and a run keeps what it ran."""

import shlex
from pathlib import Path

from tests.acceptance.place import MEASURED, Place
from tests.acceptance.test_docs_commands import ROOT, commands

from upperbound.scenario.run_config import RunConfig

PAGE = ROOT / "docs" / "how-to" / "templates.md"
SHORTER = ("--set", "load.duration_seconds=1", "--set", "load.warmup_seconds=0")


def typed() -> list[list[str]]:
    """Return the arguments of every command of the page; the checkout's files by their full paths."""
    lines = [shlex.split(command)[1:] for command in commands(PAGE)]
    return [[str(ROOT / word) if word.startswith("examples/") else word for word in line] for line in lines]


def test_the_page_can_be_followed(place: Place) -> None:
    told = {}
    for arguments in typed():
        measures = arguments[0] == "run"
        outcome = place.run(*arguments, *(SHORTER if measures else ()), deadline_s=90.0)
        assert outcome.code in (MEASURED if measures else {0}), f"{arguments}: {outcome.text}"
        told[" ".join(arguments[:2])] = outcome.out
    assert "team=shop" in told["template list"]
    assert "unchanged, version 2" in told["template import"]
    assert "+  stage: final" in told["template diff"]
    assert "deleted" in told["template delete"]

    [run] = place.runs()
    with place.store() as store:
        template = store.templates.find("Rush hour, small")
        saved = store.templates.version(template.template_id, 2).scenario
    assert (run.template_id, run.template_version) == (template.template_id, 2)
    assert place.summary("result.json")["template"] == {"template_id": template.template_id, "version": 2}
    ran = RunConfig.model_validate(run.scenario_config).scenario
    assert (ran.load.duration_seconds, ran.load.stages) == (1, ())
    assert (ran.name, ran.tags, ran.workload) == (saved.name, saved.tags, saved.workload)
    assert f"template {template.template_id}, version 2" in place.run("runs", "show", run.run_id).text
    assert place.nothing_is_left(), place.leftovers()


def test_the_page_names_every_command_there_is() -> None:
    page = Path(PAGE).read_text(encoding="utf-8")
    for command in ("list", "show", "import", "export", "validate", "duplicate", "rename", "tag", "versions", "diff"):
        assert f"upperbound template {command} " in page
