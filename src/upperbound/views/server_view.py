"""What a server's history says about a run: the document of ``TEST_RESULTS.SERVER_VIEW``, in its first version."""

from datetime import datetime
from typing import Any, Final

from pydantic import Field, ValidationError

from upperbound.views.view import View

SERVER_VIEW_VERSION: Final = 1


class CoverageView(View):
    """How many calls have reached the server, and how many of them it tells of."""

    reached: int
    """Those that succeeded, and failed ones of which the server has told an id."""
    matched: int
    """Those of them that are in its history."""
    pct: float | None
    """Null when none has reached it."""


class CoverageByPhase(View):
    """The same by phase."""

    all: CoverageView
    warmup: CoverageView
    measurement: CoverageView


class SpreadView(View):
    """How times are spread; a percentile that is withheld or has too few behind it is null."""

    count: int
    """How many times are known."""
    mean_ms: float | None
    min_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class TimesView(View):
    """What the server and the way to it took, for successful calls of one statement and one attempt."""

    coverage: CoverageView
    server: SpreadView
    """From receiving a statement to its end, by the server, in whole milliseconds."""
    overhead: SpreadView
    """The client's service time less that; rounding of the server's may make it negative."""
    left_out: int
    """Successful matched calls of several statements or attempts."""
    withheld: str | None
    """Why percentiles are not shown; null when they are."""


class WaitingView(View):
    """How long calls waited for the warehouse."""

    calls: int
    """Those that waited."""
    share_pct: float | None
    """Their share of those that are matched."""
    times: SpreadView
    """Of all that are matched, with 0 for those that did not wait."""


class QueueView(View):
    """The same by what they waited for."""

    overload: WaitingView
    """The warehouse was busy."""
    provisioning: WaitingView
    """It was being started or resized."""
    repair: WaitingView
    """Something of it was being repaired."""
    any: WaitingView


class ClusterView(View):
    """What one cluster of the warehouse did."""

    number: int | None
    """Null for calls of which the server names no cluster."""
    calls: int
    share_pct: float
    elapsed: SpreadView
    waited: WaitingView


class CacheView(View):
    """What was answered or read from memory, as far as the server tells."""

    without_warehouse: int
    """Calls that no warehouse executed and that scanned nothing: answered from the cache of results or from metadata,
    which the history does not tell apart."""
    without_warehouse_pct: float | None
    scanning: int
    """Calls that scanned bytes and of which the server tells from where."""
    local_pct: float | None
    """Mean over these of the share that the warehouse had at hand; null where the server does not tell."""


class ErrorCountView(View):
    """Statements of the measurement that the server has ended with an error of one code."""

    code: str
    count: int


class OverheadPointView(View):
    """The overhead of the calls that started within one step of time."""

    elapsed_s: float
    """When the step began, in seconds since the run's first call was due."""
    count: int
    p50_ms: float | None
    p95_ms: float | None


class OverheadSeriesView(View):
    """Overhead over time, warmup included."""

    step_s: int
    points: list[OverheadPointView]
    withheld: str | None


class GroupRangeView(View):
    """From the lowest to the highest value that groups have of a percentile; no bound for all of them together."""

    lowest_ms: float
    highest_ms: float


class MergedView(View):
    """What can be said of a quantity of several groups together. Percentiles are never averaged."""

    mean_ms: float
    min_ms: float
    max_ms: float
    median: GroupRangeView
    p90: GroupRangeView
    p99: GroupRangeView


class MergedMinutesView(View):
    """Several groups of the history by the minute."""

    calls: int
    failed: int
    throttled: int
    """Requests to hybrid tables that were held back by their quota."""
    elapsed: MergedView | None
    execution: MergedView | None
    overload: MergedView | None


class MinuteView(MergedMinutesView):
    """All groups of one minute."""

    start: datetime


class DistributionView(View):
    """One quantity of a group, as the server has put it together."""

    sum_ms: float
    min_ms: float
    median_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


class GroupView(View):
    """The statements of one text that one session executed in one minute."""

    start: datetime
    worker_id: str
    phase: str
    kind: str | None
    calls: int
    elapsed: DistributionView | None
    execution: DistributionView | None
    overload: DistributionView | None
    failed: int
    throttled: int


class MinutesView(View):
    """The history by the minute, which has the short statements on hybrid tables as well."""

    calls: int
    """Statements of both phases, those of transactions one by one."""
    measurement: MergedMinutesView
    by_kind: dict[str, MergedMinutesView]
    """Of the measurement; without a name where statements have lost theirs."""
    by_minute: list[MinuteView]
    groups: list[GroupView]
    """The largest, one by one."""
    groups_left_out: int


class ReadingView(View):
    """How the history was read."""

    read_at: datetime
    since: datetime
    until: datetime
    """From when to when, by the server's clock."""
    attempts: int
    waited_s: float
    account_statements: int
    """Statements of the account that those of the run were picked from."""
    notes: list[str]


class ServerView(View):
    """What the server's history says about the run; figures are of the measurement unless said otherwise."""

    version: int
    reading: ReadingView
    statements: int
    """Statements of the workload that the history has, of both phases."""
    unmatched_statements: int
    """Those that no recorded call is known by: other statements of a transaction, and attempts before the last."""
    coverage: CoverageByPhase
    measurement: TimesView
    by_kind: dict[str, TimesView]
    queue: QueueView
    clusters: list[ClusterView]
    cache: CacheView
    errors: list[ErrorCountView]
    overhead_series: OverheadSeriesView
    minutes: MinutesView | None = Field(
        description="Null where the history by the minute was not asked for or not read."
    )


def read_server_view(document: dict[str, Any] | None) -> ServerView | None:
    """Return the document as it was kept; None for none, and for one that another version has kept in another form."""
    if document is None or document.get("version") != SERVER_VIEW_VERSION:
        return None
    try:
        return ServerView.model_validate(document)
    except ValidationError:
        return None
