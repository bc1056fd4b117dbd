"""Snowflake's connector in a bare loop, as a program; not a benchmark itself.

It sends one statement from so many threads when it is told to by a line, keeps nothing of the answers, and prints what
was sent and what that took as JSON. The connector is not imported before the process is kept on its core: so the
connector's own threads, which it starts then, are kept there as well, as they are in a worker.
"""

import argparse
import json
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any

from upperbound.clock import SystemClock
from upperbound.scenario.targets import SnowflakeTarget
from upperbound.targets.sf_connection import open_session
from upperbound.targets.sf_target import snowflake_info
from upperbound.worker.snowflake_preparation import pin_to_core


def main() -> int:
    """Be a bare loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int)
    parser.add_argument("threads", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("statement")
    given = parser.parse_args()
    pin_to_core(given.number)
    info = snowflake_info(SnowflakeTarget(connection_name="bench"), purpose="benchmark:bare")
    with ExitStack() as stack:
        cursors = [stack.enter_context(open_session(info)).cursor() for _ in range(given.threads)]
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(_load(cursors, given.statement, given.seconds)), flush=True)
        # The others may be measured still.
        sys.stdin.readline()
    return 0


def _load(cursors: list[Any], statement: str, seconds: float) -> dict[str, float]:
    """Send from a thread for each cursor, and return what was sent in so many seconds after the first."""
    done = [0] * len(cursors)
    over = threading.Event()

    def send(index: int, cursor: Any) -> None:
        while not over.is_set():
            cursor.execute(statement, [index + 1])
            cursor.fetchall()
            done[index] += 1

    crowd = [threading.Thread(target=send, args=one, daemon=True) for one in enumerate(cursors)]
    for one in crowd:
        one.start()
    clock = SystemClock()
    # As in a run: what the first statements take is not measured.
    clock.sleep(1)
    begun, begun_ns, begun_cpu_s = sum(done), clock.monotonic_ns(), time.process_time()
    clock.sleep(seconds)
    figures = {
        "statements": sum(done) - begun,
        "seconds": (clock.monotonic_ns() - begun_ns) / 1e9,
        "cpu_s": time.process_time() - begun_cpu_s,
    }
    over.set()
    for one in crowd:
        one.join()
    return figures


if __name__ == "__main__":
    sys.exit(main())
