"""How long to leave something alone that has just failed."""

from collections.abc import Callable


class Backoff:
    """Waits that double with each failure in a row, up to a ceiling, and that no two callers have in common.

    Exponential back-off with equal jitter (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015): each wait lies in
    the upper half of what it may be at most. So many processes that have lost the same server do not come back to it at
    the same moment, and none of them at once.
    """

    def __init__(self, first_s: float, most_s: float, draw: Callable[[], float]) -> None:
        """Wait ``first_s`` seconds at most after the first failure, and never more than ``most_s``.

        ``draw`` returns a random number in [0, 1) each time. Raises :class:`ValueError` unless 0 < first_s <= most_s.
        """
        if not 0 < first_s <= most_s:
            raise ValueError(f"a wait of {first_s} s cannot grow to {most_s} s")
        self._first_s, self._most_s, self._draw = first_s, most_s, draw
        self._bound_s = first_s

    def next_s(self) -> float:
        """Return how long to wait after another failure."""
        bound_s = self._bound_s
        self._bound_s = min(self._most_s, 2 * bound_s)
        return bound_s * (0.5 + self._draw() / 2)

    def reset(self) -> None:
        """Begin anew, as something has succeeded."""
        self._bound_s = self._first_s
