"""Prints the last line of scripts/test from pytest's own JUnit report, and decides its exit code.

A test of real processes can fail because the machine was busy. At most :data:`MOST_UNSTEADY` of them may fail beside
the others and pass when repeated alone; they are named, since each is a fault, of the test or the product, to be found.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

REAL_PROCESSES = ("tests.integration.", "tests.acceptance.", "tests.browser.")
"""Where tests depend on what else the machine does. A pure test that fails once has failed."""
MOST_UNSTEADY = 3


@dataclass(frozen=True)
class Tally:
    """How many tests ended in which way."""

    passed: int = 0
    failed: int = 0
    """Tests that failed or could not be set up, files that could not be collected, and checks before the tests."""
    skipped: int = 0
    unsteady: tuple[str, ...] = ()
    """Names of those that failed beside the others and passed when repeated alone; counted as passed."""

    def __str__(self) -> str:
        line = f"{self.passed} passed, {self.failed} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line


def read_report(report: Path) -> dict[str, str]:
    """Return how each test case of a JUnit file ended: passed, failed or skipped.

    Raises OSError or ET.ParseError for a missing or cut file, which a crash leaves.
    """
    # A test that fails and then fails to clean up as well is written as two cases, or as one with two entries.
    entries: dict[str, set[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        entries.setdefault(name, set()).update(entry.tag for entry in case)
    return {name: _outcome(tags) for name, tags in entries.items()}


def tally(report: Path, *, repeated: Path | None, pytest_status: int, failed_checks: int) -> Tally:
    """Count everything that ran; a pytest that exits non-zero, even for want of tests, is at least one failure."""
    try:
        outcomes = read_report(report)
    except (OSError, ET.ParseError):
        return Tally(failed=1 + failed_checks)
    failed = [name for name, outcome in outcomes.items() if outcome == "failed"]
    # Only a pytest that ran to its end (0 or 1) can be helped by a repetition.
    unsteady = _passed_alone(failed, repeated) if repeated is not None and pytest_status == 1 else ()
    counts = Counter(outcomes.values())
    failures = max(len(failed), 1 if pytest_status else 0) - len(unsteady) + failed_checks
    return Tally(counts["passed"] + len(unsteady), failures, counts["skipped"], unsteady)


def _outcome(tags: set[str]) -> str:
    if tags & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in tags else "passed"


def _passed_alone(failed: list[str], repeated: Path) -> tuple[str, ...]:
    if len(failed) > MOST_UNSTEADY or not all(name.startswith(REAL_PROCESSES) for name in failed):
        return ()
    try:
        again = read_report(repeated)
    except (OSError, ET.ParseError):
        return ()
    return tuple(name for name in failed if again.get(name) == "passed")


def main() -> int:
    """Print the line; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--repeated", type=Path, help="report on the failed tests repeated alone")
    parser.add_argument("--pytest-status", type=int, default=0)
    parser.add_argument("--failed-checks", type=int, default=0)
    arguments = parser.parse_args()
    result = tally(
        arguments.report,
        repeated=arguments.repeated,
        pytest_status=arguments.pytest_status,
        failed_checks=arguments.failed_checks,
    )
    for name in result.unsteady:
        print(f"Unsteady, to be mended: {name} failed beside other tests and passed alone.")
    print(result)
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())
