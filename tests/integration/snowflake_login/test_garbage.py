"""Finalizers that set context variables, as the driver's do, bring no process down."""

import signal
import subprocess
import sys

import pytest

from upperbound.snowflake_login.garbage import IS_NEEDED, generation_due

PROGRAM = """
import contextvars, random, sys

if sys.argv[1] == "kept from it":
    from upperbound.snowflake_login.garbage import collect_in_a_thread
    collect_in_a_thread()
random.seed(int(sys.argv[2]))
variables = [contextvars.ContextVar(f"variable {number}") for number in range(40)]
ended = 0

class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        global ended
        ended += 1
        for variable in variables:
            variable.set(object())

kept = []
for _ in range(20_000):
    Cycle()
    kept.append([[] for _ in range(random.randrange(30))])
    for variable in variables:
        variable.set(object())
print(ended)
"""


def ends(how: str, seed: int) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", PROGRAM, how, str(seed)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(not IS_NEEDED, reason="not applicable: this interpreter collects no garbage within a call")
def test_a_process_that_has_sessions_survives_what_kills_others() -> None:
    assert any(ends("as ever", seed).returncode == -signal.SIGSEGV for seed in range(30)), "nothing is proved here"
    for seed in range(10):
        ended = ends("kept from it", seed)
        assert ended.returncode == 0, ended
        assert int(ended.stdout) > 1_000, "garbage was collected"


@pytest.mark.parametrize(
    ("counts", "due"),
    [((700, 10, 10), None), ((701, 0, 0), 0), ((701, 11, 0), 1), ((0, 0, 11), 2), ((701, 11, 11), 2)],
)
def test_the_generation_is_the_one_the_interpreter_would_choose(counts: tuple[int, int, int], due: int | None) -> None:
    assert generation_due(counts, (700, 10, 10)) == due


def test_a_threshold_of_zero_is_never_passed() -> None:
    assert generation_due((10**6, 10**6, 10**6), (0, 10, 0)) == 1
