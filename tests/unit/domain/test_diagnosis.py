"""The verdict over all checks."""

import pytest

from upperbound.domain.diagnosis import Check, CheckArea, CheckList, CheckStatus, Verdict, verdict


def check(status: CheckStatus, *, unreachable: bool = False) -> Check:
    return Check(CheckArea.TARGET, "something", status, "found", unreachable=unreachable)


@pytest.mark.parametrize("status", [CheckStatus.OK, CheckStatus.WARNING, CheckStatus.SKIPPED])
def test_what_did_not_fail_stands_in_the_way_of_nothing(status: CheckStatus) -> None:
    assert verdict([check(CheckStatus.OK), check(status)]) is Verdict.OK


def test_one_failure_is_something_to_fix() -> None:
    assert verdict([check(CheckStatus.OK), check(CheckStatus.FAILED)]) is Verdict.FIX


@pytest.mark.parametrize("unreachable_first", [True, False])
def test_no_way_in_outranks_other_failures(unreachable_first: bool) -> None:
    checks = [check(CheckStatus.FAILED, unreachable=True), check(CheckStatus.FAILED)]
    assert verdict(checks if unreachable_first else checks[::-1]) is Verdict.UNREACHABLE


def test_a_list_keeps_its_checks_in_the_order_they_were_made() -> None:
    checks = CheckList(CheckArea.STORE)
    checks.ok("one", "1")
    checks.warn("two", "2", "do")
    checks.fail("three", "3", "do", unreachable=True)
    checks.skip("of three", "four", "five")
    assert [(one.name, one.status) for one in checks.checks] == [
        ("one", CheckStatus.OK),
        ("two", CheckStatus.WARNING),
        ("three", CheckStatus.FAILED),
        ("four", CheckStatus.SKIPPED),
        ("five", CheckStatus.SKIPPED),
    ]
    assert {one.area for one in checks.checks} == {CheckArea.STORE}
