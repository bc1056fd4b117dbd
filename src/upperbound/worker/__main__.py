"""``python -m upperbound.worker``: what the local launcher starts; ``upperbound worker`` is the same for people."""

import argparse
import sys
from typing import NoReturn

from upperbound.domain.worker_state import WorkerExit
from upperbound.worker.main import run_worker
from upperbound.worker.orders import WorkerOptions


class _Parser(argparse.ArgumentParser):
    """Ends as a worker does whose configuration is wrong: the usual code 2 says that its store is unreachable."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end."""
        self.print_usage(sys.stderr)
        self.exit(WorkerExit.CONFIGURATION, f"{self.prog}: error: {message}\n")


def main() -> int:
    """Read the command line and live as one worker."""
    parser = _Parser(prog="upperbound worker", description="Carry one worker's share of a run.")
    parser.add_argument("--store", required=True, help="URL of the control and results store")
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--worker-id", required=True)
    parser.add_argument("--worker-group-id", type=int, required=True)
    parser.add_argument("--worker-group-count", type=int, required=True)
    given = parser.parse_args()
    return run_worker(
        WorkerOptions(
            store_url=given.store,
            run_id=given.run_id,
            worker_id=given.worker_id,
            group_id=given.worker_group_id,
            group_count=given.worker_group_count,
        )
    )


sys.exit(main())
