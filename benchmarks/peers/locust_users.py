"""The 90/10 mix as Locust's users on psycopg: one greenlet per connection, every query reported to Locust.

Usage: locust_users.py CONNECTIONS SECONDS ACCOUNTS, with the server in libpq's environment variables.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402 - after the patch, as gevent wants it
import random  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402
import psycopg  # noqa: E402
from locust import User, constant, task  # noqa: E402
from locust.env import Environment  # noqa: E402

POINT = "SELECT abalance FROM pgbench_accounts WHERE aid = %s"
SPAN = "SELECT abalance FROM pgbench_accounts WHERE aid BETWEEN %s AND %s + 9"
CONNECTIONS, SECONDS, ACCOUNTS = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])


class Client(User):
    """One simulated client with its connection."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Connect."""
        self.connection = psycopg.connect(autocommit=True)

    @task
    def query(self) -> None:
        """Send one query and report it."""
        aid, begun = random.randint(1, ACCOUNTS), time.perf_counter()
        if random.random() < 0.9:
            name, rows = "point", self.connection.execute(POINT, (aid,), prepare=True).fetchall()
        else:
            name, rows = "range", self.connection.execute(SPAN, (aid, aid), prepare=True).fetchall()
        self.environment.events.request.fire(
            request_type="sql",
            name=name,
            response_time=(time.perf_counter() - begun) * 1000,
            response_length=len(rows),
            exception=None,
            context={},
        )


def main() -> None:
    """Let every user connect, then measure."""
    environment = Environment(user_classes=[Client])
    runner = environment.create_local_runner()
    runner.start(CONNECTIONS, spawn_rate=CONNECTIONS)
    while runner.user_count < CONNECTIONS or not environment.stats.total.num_requests:
        gevent.sleep(0.1)
    gevent.sleep(0.5)
    before, begun, already = (
        resource.getrusage(resource.RUSAGE_SELF),
        time.perf_counter(),
        environment.stats.total.num_requests,
    )
    gevent.sleep(SECONDS)
    after, ended = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    count = environment.stats.total.num_requests - already
    runner.quit()
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"count": count, "seconds": ended - begun, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
