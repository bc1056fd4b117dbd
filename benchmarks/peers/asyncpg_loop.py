"""The 90/10 mix on asyncpg and uvloop: one coroutine per connection, prepared statements, nothing recorded.

Usage: asyncpg_loop.py CONNECTIONS SECONDS ACCOUNTS, with the server in libpq's environment variables.
"""

import asyncio
import json
import random
import resource
import sys
import time

import asyncpg
import uvloop


async def client(connection: asyncpg.Connection, until: float, accounts: int) -> int:
    """Send until the end and return how many queries that were."""
    point = await connection.prepare("SELECT abalance FROM pgbench_accounts WHERE aid = $1")
    span = await connection.prepare("SELECT abalance FROM pgbench_accounts WHERE aid BETWEEN $1 AND $1 + 9")
    count = 0
    while time.perf_counter() < until:
        await (point if random.random() < 0.9 else span).fetch(random.randint(1, accounts))
        count += 1
    return count


async def main(connections: int, seconds: float, accounts: int) -> None:
    """Connect, send and print."""
    links = [await asyncpg.connect() for _ in range(connections)]
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    counts = await asyncio.gather(*(client(link, begun + seconds, accounts) for link in links))
    after, ended = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"count": sum(counts), "seconds": ended - begun, "cpu_s": cpu_s}))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
