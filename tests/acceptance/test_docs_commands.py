"""The commands that the first pages tell a newcomer to type work as they stand there.

In blocks marked ``console`` the lines that begin with ``$ scripts/demo`` or ``$ upperbound`` are run, with a second of
load in place of the time they state. What needs a server of the reader's own is marked ``sh`` and tested elsewhere.
"""

import re
import shlex
from pathlib import Path

import pytest
from tests.acceptance.place import COMMAND, MEASURED, Place

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
    ROOT / "docs" / "how-to" / "load-modes-and-stages.md",
    ROOT / "docs" / "how-to" / "parameters.md",
    ROOT / "docs" / "how-to" / "transactions.md",
]
PROGRAMS = {"scripts/demo": ROOT / "scripts" / "demo", "upperbound": COMMAND}
SHORTER = {
    "demo": ("--duration", "1", "--warmup", "0"),
    "run": ("--set", "load.duration_seconds=1", "--set", "load.warmup_seconds=0"),
}
SHORTER_STAGES = ("--set", "load.stages=[{at: 0.3, threads: 8, ramp_seconds: 0.3}]")
STAGED = "examples/stages.yaml"


def commands(page: Path) -> list[str]:
    """Return what a page tells its reader to type at a prompt, of the programs that are tested here."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    typed = [line[2:].strip() for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [command for command in typed if command.split()[0] in PROGRAMS]


ALL = sorted({command for page in PAGES for command in commands(page)})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_first_page_has_a_command_to_try(page: Path) -> None:
    assert commands(page)


@pytest.mark.parametrize("command", ALL)
def test_a_documented_command_works(command: str, place: Place) -> None:
    program, *arguments = shlex.split(command)
    subcommand = "demo" if program == "scripts/demo" else arguments[0]
    help_only = "--help" in arguments
    shorter: tuple[str, ...] = () if help_only else SHORTER.get(subcommand, ())
    if STAGED in arguments and not any(argument.startswith("load=") for argument in arguments):
        shorter += SHORTER_STAGES
    # The commands are typed in the checkout, and run in a place that can be looked over afterwards.
    arguments = [str(ROOT / argument) if argument.startswith("examples/") else argument for argument in arguments]

    outcome = place.start_program(PROGRAMS[program], *arguments, *shorter).wait(90.0)

    measures = subcommand in SHORTER and not help_only
    assert outcome.code in (MEASURED if measures else {0}), outcome.text
    if measures:
        assert "COMPLETED" in outcome.out
    if "--json" in arguments:
        assert place.summary(arguments[arguments.index("--json") + 1])["status"] == "COMPLETED"
    assert place.nothing_is_left(), place.leftovers()
