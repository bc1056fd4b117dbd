"""Why runs end, in words."""

from typing import Final

from upperbound.domain.decide import DURATION_OVER

WORDS: Final = {
    DURATION_OVER: "its planned time was over",
    "search_over": "its search was over",
    "BOUNDS_LIMIT_REACHED": "the rate was missed with every worker and thread at its bound",
}


def reason_words(reason: str) -> str:
    """Return a reason for people; one that is a sentence already stays as it is."""
    return WORDS.get(reason, reason)
