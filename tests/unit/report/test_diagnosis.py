"""What a diagnosis looks like."""

from tests.unit.report.rendering import plain

from upperbound.domain.diagnosis import CheckArea, CheckList
from upperbound.report.diagnosis import counts, diagnosis


def checks(*, broken: bool = False, unreachable: bool = False) -> CheckList:
    made = CheckList(CheckArea.HOST)
    made.ok("python", "CPython 3.11")
    made.warn("memory", "little", "end other programs")
    if broken:
        made.fail("disk", "full\nreally", "free it", unreachable=unreachable)
    made.skip("there is no way in", "clock")
    return made


def test_each_check_is_a_row_with_its_status_what_was_found_and_what_to_do() -> None:
    lines = plain(diagnosis(checks(broken=True).checks)).splitlines()
    (memory,) = [line for line in lines if "memory" in line]
    assert memory.split() == ["memory", "warning", "little", "end", "other", "programs"]
    assert any(line.split() == ["clock", "skipped", "because", "there", "is", "no", "way", "in"] for line in lines)
    assert any(line.strip() == "really" for line in lines)
    assert any(line.strip() == "host" for line in lines)


def test_the_last_line_is_the_verdict_and_the_counts() -> None:
    assert plain(diagnosis(checks().checks)).splitlines()[-1] == (
        "Nothing stands in the way of a run. 1 ok, 1 warning, 1 skipped."
    )
    assert "see what failed" in plain(diagnosis(checks(broken=True).checks)).splitlines()[-1]
    assert "cannot be reached" in plain(diagnosis(checks(broken=True, unreachable=True).checks)).splitlines()[-1]


def test_brackets_in_what_was_found_are_not_taken_for_colours() -> None:
    made = CheckList(CheckArea.TARGET)
    made.ok("reachable", "host [red]::1[/red] and [bold]")
    assert "[red]::1[/red] and [bold]" in plain(diagnosis(made.checks))


def test_what_did_not_occur_is_not_counted() -> None:
    assert counts(checks(broken=True).checks) == "1 ok, 1 warning, 1 failed, 1 skipped."
    assert counts(checks().checks[:1]) == "1 ok."
