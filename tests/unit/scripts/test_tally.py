"""The last line of scripts/test is true whatever became of pytest."""

import subprocess
import sys
from pathlib import Path

import pytest

TALLY = Path(__file__).resolve().parents[3] / "scripts" / "lib" / "tally.py"

PASSED = '<testcase classname="a" name="test_passes"/>'
FAILED = '<testcase classname="a" name="test_fails"><failure message="no"/></testcase>'
UNCLEAN = (
    '<testcase classname="a" name="test_twice"><failure message="no"/></testcase>'
    '<testcase classname="a" name="test_twice"><error message="nor this"/></testcase>'
)
UNCOLLECTED = '<testcase classname="" name="tests.b"><error message="collection failure"/></testcase>'
SKIPPED = '<testcase classname="a" name="test_skips"><skipped message="tool missing: x"/></testcase>'


def run_tally(report: Path, *options: str) -> tuple[str, int]:
    result = subprocess.run([sys.executable, TALLY, report, *options], capture_output=True, text=True, timeout=30)
    assert result.stderr == ""
    return result.stdout, result.returncode


@pytest.mark.parametrize(
    ("cases", "options", "line", "status"),
    [
        (PASSED, [], "1 passed, 0 failed", 0),
        (PASSED + SKIPPED, [], "1 passed, 0 failed, 1 skipped", 0),
        (PASSED + FAILED, ["--pytest-status=1"], "1 passed, 1 failed", 1),
        (PASSED + UNCLEAN, ["--pytest-status=1"], "1 passed, 1 failed", 1),
        (UNCOLLECTED, ["--pytest-status=2"], "0 passed, 1 failed", 1),
        ("", ["--pytest-status=5"], "0 passed, 1 failed", 1),
        (PASSED, ["--pytest-status=3"], "1 passed, 1 failed", 1),
        (PASSED, ["--failed-checks=2"], "1 passed, 2 failed", 1),
    ],
    ids=["passed", "skipped", "failed", "failed twice", "not collected", "no tests", "broken off", "checks failed"],
)
def test_the_line_counts_what_pytest_reported(
    tmp_path: Path, cases: str, options: list[str], line: str, status: int
) -> None:
    report = tmp_path / "result.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert run_tally(report, *options) == (f"{line}\n", status)


@pytest.mark.parametrize("content", [None, "", "<testsuites><testsuite>"], ids=["missing", "empty", "cut"])
def test_a_report_that_a_crash_left_unfinished_is_a_failure_even_if_pytest_seemed_to_succeed(
    tmp_path: Path, content: str | None
) -> None:
    report = tmp_path / "result.xml"
    if content is not None:
        report.write_text(content)
    assert run_tally(report, "--pytest-status=0") == ("0 passed, 1 failed\n", 1)
