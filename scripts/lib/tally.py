"""Prints the last line of scripts/test from pytest's own JUnit report, and decides its exit code."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET


@dataclass(frozen=True)
class Tally:
    """How many tests ended in which way."""

    passed: int = 0
    failed: int = 0
    """Tests that failed or could not be set up, files that could not be collected, and checks before the tests."""
    skipped: int = 0

    def __str__(self) -> str:
        line = f"{self.passed} passed, {self.failed} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line


def count_report(report: Path) -> Tally:
    """Count the test cases of a JUnit file; a missing or cut file, left by a crash, counts as one failure."""
    try:
        cases = list(ET.parse(report).iter("testcase"))
    except (OSError, ET.ParseError):
        return Tally(failed=1)
    # A test that fails and then fails to clean up as well is written as two cases, or as one with two entries.
    outcomes: dict[tuple[str, str], set[str]] = {}
    for case in cases:
        name = (case.get("classname", ""), case.get("name", ""))
        outcomes.setdefault(name, set()).update(entry.tag for entry in case)
    failed = sum(1 for tags in outcomes.values() if tags & {"failure", "error"})
    skipped = sum(1 for tags in outcomes.values() if "skipped" in tags and not tags & {"failure", "error"})
    return Tally(len(outcomes) - failed - skipped, failed, skipped)


def tally(report: Path, *, pytest_status: int, failed_checks: int) -> Tally:
    """Count everything that ran; a pytest that exits non-zero, even for want of tests, is at least one failure."""
    counted = count_report(report)
    failed = max(counted.failed, 1 if pytest_status else 0)
    return Tally(counted.passed, failed + failed_checks, counted.skipped)


def main() -> int:
    """Print the line; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--pytest-status", type=int, default=0)
    parser.add_argument("--failed-checks", type=int, default=0)
    arguments = parser.parse_args()
    result = tally(arguments.report, pytest_status=arguments.pytest_status, failed_checks=arguments.failed_checks)
    print(result)
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())
