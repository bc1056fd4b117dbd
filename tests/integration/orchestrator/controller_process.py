"""A controller that takes over the runs it is told of: ``controller_process.py HOME``, the store's URL in STORE_URL.

It reads the ids of runs from its input, and says of each which owner it saw at each tick, and how it ended for it.
"""

import os
import sys
from pathlib import Path

from upperbound.clock import SystemClock
from upperbound.errors import RunFailed
from upperbound.launchers.local import LocalLauncher
from upperbound.orchestrator import adoption, loop
from upperbound.orchestrator.service import Orchestrator
from upperbound.store.engine import open_store
from upperbound.store.runs import RunRow

LOOK_S = 0.05
"""Between two looks at a lease, and two ticks: shorter than a user's, for the sake of the many rounds."""


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> None:
    adoption.LOOK_S = loop.TICK_S = loop.BRISK_TICK_S = LOOK_S
    with open_store(os.environ["STORE_URL"]) as store:
        home = Path(sys.argv[1])
        control = Orchestrator(store, LocalLauncher(), SystemClock(), home, end_sessions=lambda _target, _run: 0)

        def tick(row: RunRow) -> None:
            say("owner", row.lease_owner)

        say("ready")
        for line in sys.stdin:
            run_id = line.strip()
            try:
                control.adopt_run(run_id)
                row = control.drive(run_id, tick)
            except RunFailed as error:
                say("refused", error)
            else:
                say("finished", row.status.value)


if __name__ == "__main__":
    main()
