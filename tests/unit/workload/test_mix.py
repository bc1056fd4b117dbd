"""The mix follows its weights in every stretch of a run."""

from decimal import Decimal
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upperbound.workload.mix import DECK_SIZE, build_deck, deal

MIX = [Decimal("60.00"), Decimal("20.00"), Decimal("19.99"), Decimal("0.01")]


@st.composite
def weights(draw: st.DrawFn) -> list[Decimal]:
    """Weights of two decimals that add up to 100.00."""
    cuts = sorted(draw(st.lists(st.integers(1, DECK_SIZE - 1), max_size=6, unique=True)))
    edges = [0, *cuts, DECK_SIZE]
    return [Decimal(high - low) / 100 for low, high in pairwise(edges)]


@given(weights(), st.integers(0, 2**32))
def test_a_deck_holds_each_operation_exactly_as_often_as_its_weight_says(mix: list[Decimal], seed: int) -> None:
    deck = build_deck(mix, np.random.default_rng(seed))
    assert [int(count) for count in np.bincount(deck, minlength=len(mix))] == [int(weight * 100) for weight in mix]


@given(weights(), st.integers(0, 2**32), st.integers(0, DECK_SIZE), st.integers(1, DECK_SIZE))
def test_any_stretch_of_operations_is_within_a_handful_of_the_plan(
    mix: list[Decimal], seed: int, start: int, length: int
) -> None:
    deck = build_deck(mix, np.random.default_rng(seed))
    stretch = np.concatenate([deck, deck])[start : start + length]
    seen = np.bincount(stretch, minlength=len(mix))
    planned = np.array([float(weight) / 100 * length for weight in mix])
    assert np.abs(seen - planned).max() <= len(mix) + 1


def test_the_same_seed_gives_the_same_deck_and_another_seed_another() -> None:
    first, again, other = (build_deck(MIX, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("bad", [[Decimal(99)], [Decimal("50.001"), Decimal("49.999")], []])
def test_weights_that_do_not_add_up_to_100_in_two_decimals_are_refused(bad: list[Decimal]) -> None:
    with pytest.raises(ValueError, match=r"two decimals and add up to 100\.00"):
        build_deck(bad, np.random.default_rng(0))


def test_threads_start_at_evenly_spaced_places_and_go_on_for_ever() -> None:
    deck = list(range(10))
    first, second = deal(deck, 0, 2), deal(deck, 1, 2)
    assert list(islice(first, 12)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert list(islice(second, 7)) == [5, 6, 7, 8, 9, 0, 1]


def test_many_threads_with_a_few_operations_each_follow_the_mix_together() -> None:
    deck = build_deck(MIX, np.random.default_rng(5)).tolist()
    sent = [operation for thread in range(1000) for operation in islice(deal(deck, thread, 1000), 10)]
    assert np.abs(np.bincount(sent, minlength=4) / len(sent) * 100 - [float(w) for w in MIX]).max() < 0.5
