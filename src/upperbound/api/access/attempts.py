"""How often somebody may try to log in, and fail."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from upperbound.clock import Clock

FREE: Final = 5
"""Failures that cost nothing."""
FIRST_WAIT_S: Final = 2.0
"""After one more; each further one doubles it."""
LONGEST_WAIT_S: Final = 300.0
FORGOTTEN_AFTER_S: Final = 900.0
"""After so long without a failure all is forgotten."""
REMEMBERED: Final = 10_000
"""Addresses kept in mind; who has failed longest ago goes first."""


@dataclass
class _Failures:
    count: int
    last_ns: int


class LoginAttempts:
    """Counts failures by address; used within one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Return for how many seconds nothing of this address is looked at; 0 when it may try."""
        failures = self._failures.get(address)
        if failures is None:
            return 0.0
        passed_s = (self._clock.monotonic_ns() - failures.last_ns) / 1e9
        if passed_s > FORGOTTEN_AFTER_S:
            del self._failures[address]
            return 0.0
        if failures.count < FREE:
            return 0.0
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (failures.count - FREE))
        return max(0.0, wait_s - passed_s)

    def failed(self, address: str) -> None:
        """Count a failure."""
        failures = self._failures.pop(address, _Failures(0, 0))
        self._failures[address] = _Failures(min(failures.count + 1, 64), self._clock.monotonic_ns())
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address."""
        self._failures.pop(address, None)
