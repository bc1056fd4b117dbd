"""The page that says how soon a failure is noticed says what the code does."""

import re
from pathlib import Path

from upperbound.domain.run_view import Limits
from upperbound.domain.worker_state import DEAD_AFTER_S, STALE_AFTER_S
from upperbound.orchestrator import controller, loop
from upperbound.orchestrator.stopping import DRAIN_TIMEOUT_S
from upperbound.worker import control, main

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "when-something-fails.md"
LIMITS = Limits()
IN_THE_CODE = [
    control.HEARTBEAT_S,
    control.POLL_S,
    control.RECONCILE_S,
    loop.TICK_S,
    loop.LEASE_S,
    controller.LOOK_FOR_ORPHANS_S,
    STALE_AFTER_S,
    DEAD_AFTER_S,
    LIMITS.start_timeout_s,
    main.START_TIMEOUT_S,
    control.STORE_LOST_S,
    loop.STORE_PATIENCE_S,
    max(control.AWAY_MOST_S, loop.AWAY_MOST_S),
    LIMITS.term_after_s,
    DRAIN_TIMEOUT_S - control.CANCEL_BEFORE_S,
    LIMITS.drain_timeout_s,
    LIMITS.load_timeout_s,
]
"""In the order of the page."""


def test_every_time_on_the_page_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| (.+) \| ([\d.]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    said = {what: float(seconds) for what, seconds in rows}
    assert said == dict(zip(said, IN_THE_CODE, strict=True))


def test_the_stop_event_and_the_controller_agree_on_the_drain() -> None:
    assert LIMITS.drain_timeout_s == DRAIN_TIMEOUT_S
