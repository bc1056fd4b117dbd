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


REAL = [f'<testcase classname="tests.acceptance.test_a" name="test_{n}"' for n in "abcd"]
FIRST_FAILS = f'{REAL[0]}><failure message="no"/></testcase>'
FIRST_PASSES = f"{REAL[0]}/>"
ALL_FAIL = "".join(f'{case}><failure message="no"/></testcase>' for case in REAL)
ALL_PASS = "".join(f"{case}/>" for case in REAL)
NAMED = "Unsteady, to be mended: tests.acceptance.test_a.test_a failed beside other tests and passed alone.\n"


@pytest.mark.parametrize(
    ("cases", "repeated", "options", "printed", "status"),
    [
        (PASSED + FIRST_FAILS, FIRST_PASSES, [], f"{NAMED}2 passed, 0 failed\n", 0),
        (PASSED + FIRST_FAILS, FIRST_FAILS, [], "1 passed, 1 failed\n", 1),
        (PASSED + FIRST_FAILS, "", [], "1 passed, 1 failed\n", 1),
        (PASSED + FIRST_FAILS, None, [], "1 passed, 1 failed\n", 1),
        (PASSED + FAILED, FAILED.replace("failure", "passing"), [], "1 passed, 1 failed\n", 1),
        (FAILED + FIRST_FAILS, FIRST_PASSES, [], "0 passed, 2 failed\n", 1),
        (ALL_FAIL, ALL_PASS, [], "0 passed, 4 failed\n", 1),
        (FIRST_FAILS, FIRST_PASSES, ["--pytest-status=2"], "0 passed, 1 failed\n", 1),
        (FIRST_FAILS, FIRST_PASSES, ["--failed-checks=1"], f"{NAMED}1 passed, 1 failed\n", 1),
    ],
    ids=[
        "passed alone",
        "failed alone too",
        "was not repeated",
        "no report",
        "a pure test",
        "a pure test beside it",
        "too many",
        "broken off",
        "a check failed",
    ],
)
def test_only_a_few_tests_of_real_processes_may_pass_when_repeated_alone_and_they_are_named(
    tmp_path: Path, cases: str, repeated: str | None, options: list[str], printed: str, status: int
) -> None:
    report, again = tmp_path / "result.xml", tmp_path / "repeated.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    if repeated is not None:
        again.write_text(f"<testsuites><testsuite>{repeated}</testsuite></testsuites>")
    assert run_tally(report, "--repeated", str(again), "--pytest-status=1", *options) == (printed, status)
