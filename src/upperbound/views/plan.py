"""What a run of a scenario would be, before there is one."""

from upperbound.views.view import View


class Plan(View):
    """Workers, threads and times, as they would be planned on the controller's machine."""

    workers: int
    threads: list[int]
    """Of each worker at the start."""
    total_threads: int
    peak_threads: int
    """The most that its stages come to."""
    warmup_seconds: float
    duration_seconds: float
    total_seconds: float
