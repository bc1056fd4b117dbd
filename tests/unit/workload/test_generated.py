"""Values that are made up: UUIDs that are new, text as long as it was asked for, and the time it is."""

import os
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import cast

import numpy as np
import pytest

from upperbound.workload.generated import NowSource, RandomBytes, TextSource, UuidSource
from upperbound.workload.sources import EncodedSource, GroupSource, UniformSource, Values, ValueSource

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(list(seed))


def uuids(source: ValueSource, generator: np.random.Generator, n: int) -> list[uuid.UUID]:
    return [uuid.UUID(bytes=cast("bytes", value)) for value in source.chunk(generator, n)]


@pytest.mark.parametrize("random_bytes", [None, os.urandom])
def test_uuids_are_of_version_4_and_its_variant_with_random_bits_elsewhere(
    random_bytes: RandomBytes | None,
) -> None:
    made = uuids(UuidSource(random_bytes), rng(1), 4000)
    assert {(value.version, value.variant) for value in made} == {(4, uuid.RFC_4122)}
    bits = np.unpackbits(np.frombuffer(b"".join(value.bytes for value in made), np.uint8).reshape(-1, 16), axis=1)
    shares = bits.mean(axis=0)
    fixed = {48: 0.0, 49: 1.0, 50: 0.0, 51: 0.0, 64: 1.0, 65: 0.0}
    for place, share in enumerate(shares.tolist()):
        assert share == fixed[place] if place in fixed else 0.45 < share < 0.55


def test_uuids_differ_across_threads_and_seeds_and_repeat_with_the_same_seed() -> None:
    made = {(seed, thread): uuids(UuidSource(), rng(seed, thread), 500) for seed in range(10) for thread in range(20)}
    everyone = [value for values in made.values() for value in values]
    assert len(set(everyone)) == len(everyone) == 100_000
    assert uuids(UuidSource(), rng(3, 4), 500) == made[3, 4]


def test_uuids_from_the_systems_randomness_are_new_with_the_same_seed_too() -> None:
    source = UuidSource(os.urandom)
    assert not set(uuids(source, rng(1), 500)) & set(uuids(source, rng(1), 500))


def test_text_has_every_length_and_every_character_equally_often() -> None:
    texts = [str(value) for value in TextSource(3, 5, "aé✓🐘").chunk(rng(1), 30_000)]
    lengths, characters = Counter(map(len, texts)), Counter("".join(texts))
    assert set(lengths) == {3, 4, 5}
    assert set(characters) == set("aé✓🐘")
    assert all(0.3 < count / 30_000 < 0.37 for count in lengths.values())
    assert all(0.24 < count / characters.total() < 0.26 for count in characters.values())
    assert TextSource(2, 2, "ab").chunk(rng(1), 0) == []


@pytest.mark.parametrize(("shortest", "longest", "characters"), [(1, 2, ""), (2, 1, "a"), (-1, 1, "a")])
def test_text_refuses_what_makes_no_sense(shortest: int, longest: int, characters: str) -> None:
    with pytest.raises(ValueError, match="no text"):
        TextSource(shortest, longest, characters)


def test_now_is_the_time_of_each_draw() -> None:
    times = iter([NOON, NOON + timedelta(seconds=5)])
    source = NowSource(lambda: next(times), -60, -60)
    assert list(source.chunk(rng(1), 1)) == [NOON - timedelta(seconds=60)]
    assert list(source.chunk(rng(1), 1)) == [NOON - timedelta(seconds=55)]


def test_now_with_a_span_gives_any_microsecond_of_it() -> None:
    source, generator = NowSource(lambda: NOON, -3600, 10), rng(1)
    offsets = [
        (cast("datetime", value) - NOON).total_seconds() for _ in range(2000) for value in source.chunk(generator, 1)
    ]
    assert -3600 <= min(offsets) < -3550
    assert 0 < max(offsets) <= 10
    assert np.mean(offsets) == pytest.approx(-1795, abs=100)
    assert len({offset % 1 for offset in offsets}) > 1900


def test_lists_hold_as_many_values_as_asked_for_and_no_value_is_lost() -> None:
    class Counting:
        """Counts up."""

        def __init__(self) -> None:
            self.next = 0

        def chunk(self, rng: np.random.Generator, n: int) -> Values:
            self.next += n
            return np.arange(self.next - n, self.next)

    source, generator = GroupSource(Counting(), 2, 4), rng(1)
    lists = [cast("list[int]", value) for _ in range(3) for value in source.chunk(generator, 1000)]
    assert [value for values in lists for value in values] == list(range(sum(map(len, lists))))
    sizes = Counter(map(len, lists))
    assert set(sizes) == {2, 3, 4}
    assert all(800 < count < 1200 for count in sizes.values())


def test_what_a_source_draws_can_be_encoded_one_for_one() -> None:
    plain, encoded = UniformSource(1, 9), EncodedSource(UniformSource(1, 9), lambda values: map(str, values))
    assert list(encoded.chunk(rng(1), 50)) == [str(value) for value in plain.chunk(rng(1), 50)]
