"""Errors as a user sees them: on stderr, complete, and without a traceback unless one is asked for."""

import sys
import traceback
from dataclasses import replace
from typing import TextIO

from upperbound.errors import ConfigurationError, UpperboundError


def describe(error: UpperboundError) -> str:
    """Return the message of ``error`` with every problem and hint, each on a line of its own."""
    lines = [f"error: {error.message}"]
    if isinstance(error, ConfigurationError):
        for problem in error.problems:
            lines.append(f"  - {replace(problem, hint='')}")
            if problem.hint:
                lines.append(f"    hint: {problem.hint}")
    if error.hint:
        lines.append(f"hint: {error.hint}")
    return "\n".join(lines)


def show(error: BaseException, *, debug: bool, stream: TextIO | None = None) -> None:
    """Print ``error``; with ``debug`` the traceback as well.

    What is not part of the error tree is a defect of ours and says so.
    """
    stream = stream or sys.stderr
    if debug:
        traceback.print_exception(error, file=stream)
    if isinstance(error, UpperboundError):
        print(describe(error), file=stream)
        return
    name = type(error).__name__
    hint = "this is a defect in Upperbound; run again with `upperbound --debug …` and report what it prints"
    print(f"error: {name}: {error}\nhint: {hint}", file=stream)
