"""Which operation comes next: a deck that holds the planned mix in every stretch of it."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import chain, islice, repeat

import numpy as np
from numpy.typing import NDArray

DECK_SIZE = 10_000
"""Cards in a deck: one per hundredth of a percent, so that a weight of two decimals is a whole number of cards."""


def build_deck(weights_pct: Sequence[Decimal], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return :data:`DECK_SIZE` operation indexes in which operation ``i`` occurs exactly ``weights_pct[i]`` percent.

    The cards of one operation are spread by stratified sampling: its ``n`` cards fall one each into ``n`` equal
    stretches of the deck, at a random place within. So any window, also one that wraps around the end, differs from the
    plan by a handful of cards at most (as many as there are operations, and one), while neighbours stay unpredictable.

    Raises:
        ValueError: the weights do not add up to 100.00, or one has more than two decimals.
    """
    cards = [int(weight * 100) for weight in weights_pct]
    if sum(cards) != DECK_SIZE or any(Decimal(n) / 100 != weight for n, weight in zip(cards, weights_pct, strict=True)):
        raise ValueError(f"weights must have two decimals and add up to 100.00, not {sum(weights_pct)}")
    places = [(np.arange(n) + rng.random(n)) / n for n in cards if n]
    operations = np.repeat(np.arange(len(cards)), cards)
    return operations[np.argsort(np.concatenate(places), kind="stable")]


def deal(deck: Sequence[int], thread: int, threads: int) -> Iterator[int]:
    """Return the operations of thread ``thread`` of ``threads``, without end.

    The threads read one shared deck and start at evenly spaced places in it, so that short runs of many threads follow
    the mix as well as long runs of few do. Each costs one C iterator step.
    """
    start = len(deck) * (thread % threads) // threads
    endless = chain.from_iterable(repeat(deck))
    return chain(islice(deck, start, None), endless)
