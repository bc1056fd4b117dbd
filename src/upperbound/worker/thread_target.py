"""How many threads a worker shall use: the newest target, and the way there."""


class ThreadTarget:
    """An absolute number of threads, reached at once or in a straight line; not safe for several threads at once.

    A newer target replaces an older one wherever that had got to.
    """

    def __init__(self) -> None:
        self.goal: int | None = None
        """The newest target; None when there never was one."""
        self._from = 0
        self._begin_ns = 0
        self._ramp_ns = 0

    def aim(self, goal: int, *, present: int | None, ramp_s: float, now_ns: int) -> None:
        """Go from ``present`` threads to ``goal`` within ``ramp_s`` seconds.

        Without a present number, or with a ramp of zero, the goal holds at once. Raises :class:`ValueError` for
        negative numbers.
        """
        if goal < 0 or ramp_s < 0:
            raise ValueError(f"a target of {goal} threads in {ramp_s} s makes no sense")
        self._from = goal if present is None else present
        self.goal, self._begin_ns, self._ramp_ns = goal, now_ns, int(ramp_s * 1e9)

    def at(self, now_ns: int) -> int | None:
        """Return the threads to use at ``now_ns``; None when there never was a target."""
        if self.goal is None:
            return None
        passed_ns = now_ns - self._begin_ns
        if passed_ns >= self._ramp_ns:
            return self.goal
        return self._from + (self.goal - self._from) * max(0, passed_ns) // self._ramp_ns
