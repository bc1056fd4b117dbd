"""The workload that was planned against the one that the server saw: the mix, and every source of parameters.

Usage: python benchmarks/workload_fidelity.py [--seconds 20] [--seed 1]

Two workers of eight threads run a mix of six operations on an embedded PostgreSQL; two of them write what they drew
into tables. The mix is read from the query log: the share of each operation over all of it, and the worst share in any
10,000 consecutive operations, which is wanted within 0.5 points of the plan. The distributions are read from the
tables: the exponent of zipf within 2 %, shares, means and deviations within five standard errors, what is uniform or
exponential by its chi-square, and keys, none of which may come twice.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow.dataset as ds
from numpy.typing import NDArray

from _product import Made, run_product
from upperbound.targets.embedded.server import EmbeddedServer

WORKERS, THREADS = 2, 8
WINDOW = 10_000
MIX_BAR_POINTS = 0.5
ZIPF_BAR = 0.02
STANDARD_ERRORS = 5.0
P_BAR = 1e-4
"""The least p-value: of as many tests as there are here, one in a thousand runs falls below it by chance."""
ROWS_MIN = 10_000
LATE_S = 0.1

THINGS = 10_000
POOL = 1_000
RANGE_HIGH, ZIPF_HIGH, HOT_HIGH, BELL_HIGH = 1_000, 100_000, 10_000, 1_001
FALL_HIGH, DECAY = 20, 3.0
EXPONENT, HOT_PCT, ACCESS_PCT, DEVIATIONS = 0.99, 5.0, 90.0, 4.0
WEIGHTS: Final = {"new": 70.0, "paid": 25.0, "lost": 4.5, "found": 0.5}
CHOICES: Final = ("a", "b", "c", "d")
FIRST_KEY = 1_000_001
SHORTEST, LONGEST = 5, 14
ELEMENTS_HIGH, LIST_MOST = 50, 6
CHARACTERS = 62

TABLES: Final = f"""
CREATE TABLE things (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO things (id) SELECT generate_series(1, {THINGS});
CREATE TABLE numbers (session int DEFAULT pg_backend_pid(), worker text DEFAULT current_setting('application_name'),
    uniform int, zipf int, hot int, bell int, key bigint, pooled int, base int, beyond int, weighted text, choice text,
    falling int);
CREATE TABLE made_up (arrived timestamptz DEFAULT clock_timestamp(), sent timestamptz, key uuid, word text, list int[]);
"""
NUMBERS: Final[dict[str, dict[str, Any]]] = {
    "uniform": {"range": [1, RANGE_HIGH]},
    "zipf": {"zipf": {"range": [1, ZIPF_HIGH], "exponent": EXPONENT}},
    "hot": {"hot_set": {"range": [1, HOT_HIGH], "hot_pct": HOT_PCT, "access_pct": ACCESS_PCT}},
    "bell": {"gaussian": {"range": [1, BELL_HIGH], "deviations": DEVIATIONS}},
    "key": {"sequence": {"start": FIRST_KEY}},
    "pooled": {"pool": "id", "limit": POOL},
    "base": {"range": [1, 100]},
    "beyond": {"offset_from": {"parameter": 7, "by": [1, 10]}},
    "weighted": {"weighted": [{"value": value, "weight": weight} for value, weight in WEIGHTS.items()]},
    "choice": {"choice": list(CHOICES)},
    "falling": {"exponential": {"range": [1, FALL_HIGH], "decay": DECAY}},
}
MADE_UP: Final[dict[str, dict[str, Any]]] = {
    "sent": {"now": {}},
    "key": {"uuid": "random"},
    "word": {"text": [SHORTEST, LONGEST]},
    "list": {"list": {"range": [1, ELEMENTS_HIGH]}, "size": [1, LIST_MOST]},
}

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Finding:
    """One thing that was planned, and what came of it."""

    name: str
    planned: str
    observed: str
    within: bool

    def __str__(self) -> str:
        mark = "" if self.within else "  OUTSIDE"
        return f"{self.name:<26} planned {self.planned:<34} observed {self.observed}{mark}"


def operations() -> list[dict[str, Any]]:
    """Return the mix: shares that are large, small, and the smallest there is."""
    return [
        {"weight_pct": 30, "kind": "INSERT", "name": "numbers", **_insert("numbers", NUMBERS)},
        {"weight_pct": 10, "kind": "INSERT", "name": "made up", **_insert("made_up", MADE_UP)},
        _by_id(40.00, "POINT_LOOKUP", "SELECT n FROM {table} WHERE id = $1"),
        _by_id(17.49, "RANGE_SCAN", "SELECT n FROM {table} WHERE id BETWEEN $1 AND $1 + 9"),
        _by_id(2.50, "UPDATE", "UPDATE {table} SET n = n + 1 WHERE id = $1"),
        _by_id(0.01, "GENERIC_SQL", "SELECT count(*) FROM {table} WHERE id < $1") | {"operation_type": "READ"},
    ]


def _by_id(weight_pct: float, kind: str, sql: str) -> dict[str, Any]:
    return {"weight_pct": weight_pct, "kind": kind, "sql": sql, "params": [{"range": [1, THINGS]}], "name": kind}


def _insert(table: str, sources: dict[str, dict[str, Any]]) -> dict[str, Any]:
    places = ", ".join(f"${place}" for place in range(1, len(sources) + 1))
    sql = f"INSERT INTO {table} ({', '.join(sources)}) VALUES ({places})"
    return {"sql": sql, "params": list(sources.values())}


def mix_findings(log: ds.Dataset) -> Iterator[Finding]:
    """Compare the shares of operations in the order in which they were started."""
    table = log.to_table(columns=["started_at", "operation"]).sort_by("started_at")
    labels = np.asarray(table["operation"].to_pylist())
    if len(labels) <= WINDOW:
        raise SystemExit(f"the log holds {len(labels)} operations, and more than {WINDOW} are needed: run for longer")
    for operation in operations():
        planned = float(operation["weight_pct"])
        counts = np.concatenate([[0], np.cumsum(labels == operation["name"])])
        overall = 100 * counts[-1] / len(labels)
        windows = 100 * (counts[WINDOW:] - counts[:-WINDOW]) / WINDOW
        worst = float(windows[np.argmax(np.abs(windows - planned))])
        off = max(abs(worst - planned), abs(overall - planned))
        yield Finding(
            f"mix: {operation['name']}",
            f"{planned:.2f} %",
            f"{overall:.3f} %, at worst {worst:.2f} % of {WINDOW:,}",
            off <= MIX_BAR_POINTS,
        )


class Seen:
    """What the two inserting operations left on the server."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Read both tables."""
        self.numbers = _columns(connection, "numbers", ["session", "worker", *NUMBERS])
        self.made_up = _columns(connection, "made_up", ["arrived", *MADE_UP])

    def whole(self, name: str) -> Numbers:
        """Return a column of whole numbers."""
        return np.asarray(self.numbers[name], dtype=np.int64)


def _columns(connection: psycopg.Connection[Any], table: str, names: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    rows = connection.execute(f"SELECT {', '.join(names)} FROM {table}".encode()).fetchall()
    if len(rows) < ROWS_MIN:
        raise SystemExit(f"{table} holds {len(rows)} rows, and {ROWS_MIN} are needed: run for longer")
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def arrival_findings(made: Made, seen: Seen) -> Iterator[Finding]:
    """Compare the rows that arrived with the operations that the log says succeeded."""
    for label, rows in (("numbers", len(seen.numbers["key"])), ("made up", len(seen.made_up["key"]))):
        wanted = (ds.field("operation") == label) & (ds.field("outcome") == "ok")
        logged = made.log.count_rows(filter=wanted)
        yield Finding(f"rows: {label}", f"{logged:,} by the query log", f"{rows:,} on the server", logged == rows)


def distribution_findings(seen: Seen) -> Iterator[Finding]:
    """Compare the sources of numbers and of listed values with what they are to be."""
    yield _uniform("range", seen.whole("uniform"), 1, RANGE_HIGH)
    exponent = likeliest_exponent(seen.whole("zipf"), ZIPF_HIGH)
    off = abs(exponent / EXPONENT - 1)
    yield Finding("zipf", f"exponent {EXPONENT}", f"exponent {exponent:.4f}, off by {100 * off:.2f} %", off <= ZIPF_BAR)
    hot = seen.whole("hot") <= HOT_HIGH * HOT_PCT / 100
    yield _share("hot_set", f"{HOT_PCT:g} % of the values", hot, ACCESS_PCT / 100)
    yield from _bell(seen.whole("bell"))
    weighted = np.asarray(seen.numbers["weighted"])
    for value, weight in WEIGHTS.items():
        yield _share("weighted", value, weighted == value, weight / sum(WEIGHTS.values()))
    choice = np.searchsorted(CHOICES, np.asarray(seen.numbers["choice"]))
    yield _uniform("choice", choice, 0, len(CHOICES) - 1)
    yield _falling(seen.whole("falling"))
    yield _uniform("offset_from", seen.whole("beyond") - seen.whole("base"), 1, 10)


def key_findings(seen: Seen) -> Iterator[Finding]:
    """Look for what must not come twice, and for who has drawn it."""
    keys, workers = seen.whole("key"), np.asarray(seen.numbers["worker"])
    twice = len(keys) - len(np.unique(keys))
    found = f"{twice} of {len(keys):,}, of {len(np.unique(workers))} workers, from {keys.min()}"
    ok = twice == 0 and len(np.unique(workers)) == WORKERS and keys.min() == FIRST_KEY
    yield Finding("sequence", f"no key twice, from {FIRST_KEY}", found, ok)
    uuids = seen.made_up["key"]
    again = len(uuids) - len(set(uuids))
    versions = {value.version for value in uuids}
    yield Finding(
        "uuid",
        "none twice, version 4",
        f"{again} of {len(uuids):,}, versions {versions}",
        not again and versions == {4},
    )


def pool_findings(seen: Seen) -> Iterator[Finding]:
    """Look at how the values of the pool are dealt out: each to one thread, which draws its own evenly."""
    pooled, sessions = seen.whole("pooled"), seen.whole("session")
    shares = {int(session): pooled[sessions == session] for session in np.unique(sessions)}
    owned = [set(share.tolist()) for share in shares.values()]
    values = set[int]().union(*owned)
    dealt = sum(map(len, owned))
    found = f"{len(values):,} values, {dealt - len(values)} of them twice, over {len(owned)} threads"
    ok = len(values) == dealt == POOL and len(owned) == WORKERS * THREADS and values <= set(range(1, THINGS + 1))
    yield Finding("pool", f"{POOL:,} values, each of one thread", found, ok)
    statistic = sum(_chi_square(np.unique(share, return_counts=True)[1]) for share in shares.values())
    yield _by_chi_square("pool, within a thread", statistic, dealt - len(owned))


def made_up_findings(seen: Seen) -> Iterator[Finding]:
    """Look at text, lists and the time."""
    words: Sequence[str] = seen.made_up["word"]
    yield _uniform("text, lengths", np.fromiter(map(len, words), np.int64), SHORTEST, LONGEST)
    characters = np.unique(np.frombuffer("".join(words).encode("utf-32-le"), "<u4"), return_counts=True)[1]
    if len(characters) == CHARACTERS:
        yield _by_chi_square("text, characters", _chi_square(characters), CHARACTERS - 1)
    else:
        yield Finding("text, characters", f"{CHARACTERS} of them", f"{len(characters)}", within=False)
    lists: Sequence[list[int]] = seen.made_up["list"]
    yield _uniform("list, sizes", np.fromiter(map(len, lists), np.int64), 1, LIST_MOST)
    yield _uniform("list, values", np.asarray([value for one in lists for value in one]), 1, ELEMENTS_HIGH)
    pairs = zip(seen.made_up["arrived"], seen.made_up["sent"], strict=True)
    late_s = np.asarray([(arrived - sent).total_seconds() for arrived, sent in pairs])
    middle, least = float(np.median(late_s)), float(late_s.min())
    found = f"{1000 * middle:.2f} ms before it arrived in the median, {1000 * least:.2f} ms at least"
    yield Finding("now", "the time of the sending", found, least >= 0 and middle <= LATE_S)


def likeliest_exponent(ranks: Numbers, items: int) -> float:
    """Return the exponent under which ``ranks`` of ``1 … items`` are likeliest.

    There the mean logarithm of the ranks is the one that the law expects, which falls as the exponent rises: bisection.
    """
    logs, mean_log = np.log(np.arange(1, items + 1)), float(np.log(ranks).mean())
    low, high = 0.01, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        law = np.exp(-middle * logs)
        low, high = (middle, high) if float((law * logs).sum() / law.sum()) > mean_log else (low, middle)
    return (low + high) / 2


def _bell(values: Numbers) -> Iterator[Finding]:
    """Compare with a normal curve whose ends are cut off."""
    normal, middle = NormalDist(), (1 + BELL_HIGH) / 2
    cut = 2 * DEVIATIONS * normal.pdf(DEVIATIONS) / (2 * normal.cdf(DEVIATIONS) - 1)
    # Rounding to whole numbers adds the variance of a unit's width.
    deviation = math.sqrt((BELL_HIGH / (2 * DEVIATIONS)) ** 2 * (1 - cut) + 1 / 12)
    off = abs(float(values.mean()) - middle) / (deviation / math.sqrt(len(values)))
    found = f"mean {values.mean():.2f}, {off:.1f} standard errors off"
    yield Finding("gaussian, mean", f"mean {middle:.2f}", found, off <= STANDARD_ERRORS)
    apart = abs(float(values.std()) / deviation - 1) * math.sqrt(2 * len(values))
    found = f"deviation {values.std():.2f}, {apart:.1f} standard errors off"
    yield Finding("gaussian, deviation", f"deviation {deviation:.2f}", found, apart <= STANDARD_ERRORS)


def _falling(values: Numbers) -> Finding:
    """Test whether each value is by the same factor less frequent than the one before."""
    if values.min() < 1 or values.max() > FALL_HIGH:
        return Finding("exponential", f"1 to {FALL_HIGH}", f"{values.min()} to {values.max()}", within=False)
    law = np.exp(-DECAY * np.arange(FALL_HIGH) / FALL_HIGH)
    expected = len(values) * law / law.sum()
    statistic = float(((np.bincount(values - 1, minlength=FALL_HIGH) - expected) ** 2 / expected).sum())
    tested = _by_chi_square("exponential", statistic, FALL_HIGH - 1)
    return replace(tested, planned=f"each {math.exp(-DECAY / FALL_HIGH):.3f} of the one before")


def _share(name: str, what: str, hits: NDArray[np.bool_], share: float) -> Finding:
    found = float(hits.mean())
    off = abs(found - share) / math.sqrt(share * (1 - share) / len(hits))
    observed = f"{100 * found:.3f} %, {off:.1f} standard errors off"
    return Finding(name, f"{100 * share:.2f} % for {what}", observed, off <= STANDARD_ERRORS)


def _uniform(name: str, values: Numbers, low: int, high: int) -> Finding:
    """Test whether every whole number from ``low`` to ``high``, and no other, is equally frequent."""
    if values.min() < low or values.max() > high:
        return Finding(name, f"{low} to {high}", f"{values.min()} to {values.max()}", within=False)
    return _by_chi_square(name, _chi_square(np.bincount(values - low, minlength=high - low + 1)), high - low)


def _chi_square(counts: Numbers) -> float:
    expected = counts.sum() / len(counts)
    return float(((counts - expected) ** 2 / expected).sum())


def _by_chi_square(name: str, statistic: float, freedom: int) -> Finding:
    """Judge by the p-value, in the approximation of Wilson and Hilferty (1931)."""
    spread = 2 / (9 * freedom)
    p = 1 - NormalDist().cdf(((statistic / freedom) ** (1 / 3) - 1 + spread) / math.sqrt(spread))
    return Finding(name, "uniform", f"chi-square {statistic:.1f} of {freedom} degrees, p = {p:.4f}", p >= P_BAR)


LOOKS: Final[tuple[Callable[[Seen], Iterable[Finding]], ...]] = (
    distribution_findings,
    key_findings,
    pool_findings,
    made_up_findings,
)


def main() -> int:
    """Run once, print what was planned and observed, and return 1 if anything is outside its bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    settings = {"synchronous_commit": "off", "autovacuum": "off"}
    with tempfile.TemporaryDirectory() as home, EmbeddedServer(max_connections=50, settings=settings) as server:
        with psycopg.connect(server.url_with_password(), autocommit=True) as connection:
            connection.execute(TABLES.encode())
        made = run_product(
            Path(home),
            server.url,
            {"mode": "CONCURRENCY", "warmup_seconds": 0, "duration_seconds": given.seconds},
            scaling={"mode": "FIXED", "min_workers": WORKERS, "min_threads": THREADS},
            operations=operations(),
            password=server.password,
            table="things",
            seed=given.seed,
        )
        with psycopg.connect(server.url_with_password()) as connection:
            seen = Seen(connection)
        findings = [*mix_findings(made.log), *arrival_findings(made, seen)]
    findings += [finding for look in LOOKS for finding in look(seen)]
    print(f"{made.log.count_rows():,} operations of {WORKERS} workers with {THREADS} threads each, seed {given.seed}")
    print(*findings, sep="\n")
    outside = [finding for finding in findings if not finding.within]
    print(f"{len(outside)} of {len(findings)} outside the bounds: {'failed' if outside else 'passed'}")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
