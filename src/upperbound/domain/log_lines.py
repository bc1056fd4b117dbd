"""What a line of a run's log is marked with."""

from enum import StrEnum


class LogSource(StrEnum):
    """Which side wrote a line."""

    ORCHESTRATOR = "orchestrator"
    WORKER = "worker"


class LogLevel(StrEnum):
    """How much a line matters, the least first."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"

    @property
    def and_above(self) -> tuple["LogLevel", ...]:
        """This level and those that matter more."""
        levels = tuple(LogLevel)
        return levels[levels.index(self) :]
